// The UDP header (RFC 768).
#pragma once

#include "core/base/bytes.hh"

namespace dashi {

struct UdpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be16 length;    // bytes, header included
  Be16 checksum;  // 0: none, IPv4 only (RFC 8200 8.1); a sum of 0 is sent as 0xffff
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

inline constexpr size_t kUdpChecksumOffset = 6;

}  // namespace dashi
