// Puts the IPv4 header's sum and the transport's right again, where there is one, so that damage to a
// frame is seen by those behind the checksums as well.
#pragma once

#include "tests/support/guest_frames.hh"

namespace dashi::test {

inline void mend_checksums(ByteVector& f) {
  const auto mend = [&](size_t l4, size_t end, uint8_t protocol, const IpSpec& ip) {
    const size_t field = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
    if (end > f.size() || l4 + field + 2 > end) return;
    put_u16(f, l4 + field, 0);
    const ByteVector segment(f.begin() + static_cast<ptrdiff_t>(l4),
                             f.begin() + static_cast<ptrdiff_t>(end));
    put_u16(f, l4 + field,
            protocol == 1 ? naive_checksum(segment) : transport_checksum(ip, protocol, segment));
  };
  if (f.size() < 34) return;
  IpSpec ip;
  if (f[12] == 8 && f[13] == 0) {
    const size_t header = size_t{f[14] & 0x0fu} * 4;
    if (header < 20 || f.size() < 14 + header) return;
    put_u16(f, 24, 0);
    put_u16(f, 24, naive_checksum(Bytes(f).subspan(14, header)));
    ip.source = Ipv4Address{{f[26], f[27], f[28], f[29]}};
    ip.destination = Ipv4Address{{f[30], f[31], f[32], f[33]}};
    mend(14 + header, 14 + (size_t{f[16]} << 8 | f[17]), f[23], ip);
  } else if (f[12] == 0x86 && f[13] == 0xdd && f.size() >= 54) {
    Ipv6Address source;
    Ipv6Address destination;
    copy_bytes(source.bytes, Bytes(f).subspan(22, 16));
    copy_bytes(destination.bytes, Bytes(f).subspan(38, 16));
    ip.source = source;
    ip.destination = destination;
    mend(54, 54 + (size_t{f[18]} << 8 | f[19]), f[20], ip);
  }
}

}  // namespace dashi::test
