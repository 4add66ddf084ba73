// ICMPv6 types and codes (RFC 4443, RFC 4861, RFC 3810). The header is IcmpHeader: the two share
// their first eight bytes.
#pragma once

#include "core/wire/icmp.hh"

namespace dashi {

inline constexpr uint8_t kIcmpv6Unreachable = 1;
inline constexpr uint8_t kIcmpv6PacketTooBig = 2;
inline constexpr uint8_t kIcmpv6TimeExceeded = 3;
inline constexpr uint8_t kIcmpv6ParameterProblem = 4;
inline constexpr uint8_t kIcmpv6EchoRequest = 128;
inline constexpr uint8_t kIcmpv6EchoReply = 129;
inline constexpr uint8_t kIcmpv6MldQuery = 130;
inline constexpr uint8_t kIcmpv6MldReport = 131;
inline constexpr uint8_t kIcmpv6MldDone = 132;
inline constexpr uint8_t kIcmpv6RouterSolicitation = 133;
inline constexpr uint8_t kIcmpv6RouterAdvertisement = 134;
inline constexpr uint8_t kIcmpv6NeighborSolicitation = 135;
inline constexpr uint8_t kIcmpv6NeighborAdvertisement = 136;
inline constexpr uint8_t kIcmpv6Redirect = 137;
inline constexpr uint8_t kIcmpv6Mld2Report = 143;

// Codes of kIcmpv6Unreachable.
inline constexpr uint8_t kIcmpv6NoRoute = 0;
inline constexpr uint8_t kIcmpv6AdminProhibited = 1;
inline constexpr uint8_t kIcmpv6AddressUnreachable = 3;
inline constexpr uint8_t kIcmpv6PortUnreachable = 4;

// Codes of kIcmpv6ParameterProblem.
inline constexpr uint8_t kIcmpv6UnknownNextHeader = 1;

// Errors have the high bit of the type clear (RFC 4443 2.1).
constexpr bool icmpv6_is_error(uint8_t type) { return type < 128; }

}  // namespace dashi
