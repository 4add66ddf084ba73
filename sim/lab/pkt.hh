// The verb `pkt`: runs .pkt scripts, says of each whether it passes, and shows of one that does not
// what came instead: the transcript, the flows, and a capture of the same run.
#pragma once

namespace dashi::lab {

// The arguments after the verb. The program's exit code: 0 none differs, 1 some do or cannot be read,
// 2 wrong use.
int run_pkt(int count, char** arguments);

extern const char* const kPktUsage;

}  // namespace dashi::lab
