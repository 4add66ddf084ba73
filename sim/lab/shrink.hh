// The verb `shrink`: a seed of the swarm that breaks a rule, made as small as it can be and still break it,
// as a capture and a script.
#pragma once

namespace dashi::lab {

extern const char* const kShrinkUsage;

// The arguments after the verb. The status to exit with.
int run_shrink(int count, char** arguments);

}  // namespace dashi::lab
