// The IPv4 header (RFC 791 3.1) as the wire has it. Reading it safely is packet's work.
#pragma once

#include "core/base/bytes.hh"
#include "core/wire/address.hh"

namespace dashi {

struct Ipv4Header {
  uint8_t version_ihl = 0x45;  // version 4, header of 5 32-bit words
  uint8_t tos = 0;             // DSCP and ECN (RFC 2474, RFC 3168)
  Be16 total_length;           // bytes, header included
  Be16 identification;
  Be16 fragment;  // flags and fragment offset
  uint8_t ttl = 0;
  uint8_t protocol = 0;
  Be16 checksum;  // over the header alone
  Ipv4Address source;
  Ipv4Address destination;

  uint8_t version() const { return static_cast<uint8_t>(version_ihl >> 4); }
  size_t header_bytes() const { return size_t{4} * (version_ihl & 0x0f); }
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);

// Bits of Ipv4Header::fragment.
inline constexpr uint16_t kIpv4DontFragment = 0x4000;
inline constexpr uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr uint16_t kIpv4OffsetMask = 0x1fff;  // in units of 8 bytes

}  // namespace dashi
