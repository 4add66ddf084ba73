// The IPv6 header and the extension headers that are stepped over (RFC 8200 3, 4). Reading them
// safely is packet's work.
#pragma once

#include "core/base/bytes.hh"
#include "core/wire/address.hh"

namespace dashi {

struct Ipv6Header {
  Be32 version_class_flow = uint32_t{6} << 28;  // version, traffic class, flow label
  Be16 payload_length;                          // bytes after this header
  uint8_t next_header = 0;
  uint8_t hop_limit = 0;
  Ipv6Address source;
  Ipv6Address destination;

  uint8_t version() const { return static_cast<uint8_t>(uint32_t{version_class_flow} >> 28); }
  uint8_t traffic_class() const {
    return static_cast<uint8_t>(uint32_t{version_class_flow} >> 20 & 0xff);
  }
  void set_traffic_class(uint8_t traffic_class) {
    version_class_flow = (uint32_t{version_class_flow} & 0xf00fffff) | uint32_t{traffic_class}
                                                                           << 20;
  }
};
static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);

// The first bytes of the hop-by-hop, destination and routing headers.
struct Ipv6ExtensionHeader {
  uint8_t next_header = 0;
  uint8_t length = 0;         // in units of 8 bytes, the first 8 not counted
  uint8_t routing_type = 0;   // routing header only
  uint8_t segments_left = 0;  // routing header only

  size_t header_bytes() const { return (size_t{length} + 1) * 8; }
};
static_assert(sizeof(Ipv6ExtensionHeader) == 4);

struct Ipv6FragmentHeader {
  uint8_t next_header = 0;
  uint8_t reserved = 0;
  Be16 offset_more;  // offset in units of 8 bytes << 3, two reserved bits, the M flag
  Be32 identification;

  // A whole packet in one fragment (RFC 6946).
  bool atomic() const { return (uint16_t{offset_more} & 0xfff9) == 0; }
};
static_assert(sizeof(Ipv6FragmentHeader) == 8 && alignof(Ipv6FragmentHeader) == 1);

inline constexpr uint8_t kIpv6HopByHop = 0;
inline constexpr uint8_t kIpv6Routing = 43;
inline constexpr uint8_t kIpv6Fragment = 44;
inline constexpr uint8_t kIpv6NoNextHeader = 59;
inline constexpr uint8_t kIpv6DestinationOptions = 60;

inline constexpr size_t kIpv6MinimumMtu = 1280;

}  // namespace dashi
