// ICMP for IPv4: the header common to all messages, types and codes (RFC 792, RFC 1122 3.2.2,
// RFC 1812 5.2.7.1).
#pragma once

#include "core/base/bytes.hh"

namespace dashi {

struct IcmpHeader {
  uint8_t type = 0;
  uint8_t code = 0;
  Be16 checksum;  // over the ICMP message; for ICMPv6 over a pseudo-header as well
  Be32 rest;      // echo: identifier << 16 | sequence; packet too big: the MTU; else mostly 0
};
static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);

inline constexpr size_t kIcmpChecksumOffset = 2;

inline constexpr uint8_t kIcmpEchoReply = 0;
inline constexpr uint8_t kIcmpUnreachable = 3;
inline constexpr uint8_t kIcmpSourceQuench = 4;
inline constexpr uint8_t kIcmpRedirect = 5;
inline constexpr uint8_t kIcmpEchoRequest = 8;
inline constexpr uint8_t kIcmpTimeExceeded = 11;
inline constexpr uint8_t kIcmpParameterProblem = 12;

// Codes of kIcmpUnreachable.
inline constexpr uint8_t kIcmpNetUnreachable = 0;
inline constexpr uint8_t kIcmpHostUnreachable = 1;
inline constexpr uint8_t kIcmpProtocolUnreachable = 2;
inline constexpr uint8_t kIcmpPortUnreachable = 3;
inline constexpr uint8_t kIcmpFragmentationNeeded = 4;
inline constexpr uint8_t kIcmpNetProhibited = 9;
inline constexpr uint8_t kIcmpHostProhibited = 10;
inline constexpr uint8_t kIcmpAdminProhibited = 13;

}  // namespace dashi
