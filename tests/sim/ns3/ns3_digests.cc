// Prints the digests of the compared ns-3 worlds, for a fresh process and for another build to be
// compared with. Not a verb of dashi-lab, which links no ns-3.
#include <cstdio>

#include "tests/sim/ns3/ns3_worlds.hh"

int main() {
  const std::string lines = dashi::ns3_digest_lines();
  return std::fputs(lines.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 1 : 0;
}
