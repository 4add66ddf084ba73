// The verb `swarm`: draws worlds from seeds, runs each to its end and holds it to every oracle. What
// fails is named by one line that runs it again.
#pragma once

namespace dashi::lab {

// The arguments after the verb. The program's exit code: 0 none broke, 1 some did, 2 wrong use.
int run_swarm(int count, char** arguments);

extern const char* const kSwarmUsage;

}  // namespace dashi::lab
