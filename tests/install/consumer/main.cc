// The smallest use of the installed library: parse an address, sum it.
#include <cstdio>

#include "core/wire/checksum.hh"

int main() {
  const auto address = dashi::parse_ip("10.0.0.1");
  if (!address) return 1;
  dashi::Checksum sum;
  sum.add(address->bytes());
  std::printf("%s %04x\n", dashi::to_string(*address).c_str(), unsigned{sum.value()});
  return 0;
}
