// Why a guest frame came to nothing. Every dropped frame has exactly one reason, counted and traced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dashi {

// The list: enumerator, the name people see. Order is stable within a release only.
#define DASHI_DROP_REASONS(X)                           \
  /* Ethernet */                                        \
  X(kFrameTooShort, "frame-too-short")                  \
  X(kFrameTooLong, "frame-too-long")                    \
  X(kUnknownEtherType, "unknown-ethertype")             \
  X(kNotForUs, "destination-mac-not-ours")              \
  X(kSourceMacInvalid, "source-mac-invalid")            \
  X(kSourceMacSpoofed, "source-mac-spoofed")            \
  X(kOffloadInvalid, "offload-invalid")                 \
  /* ARP */                                             \
  X(kArpMalformed, "arp-malformed")                     \
  X(kArpNotForUs, "arp-not-for-us")                     \
  /* IP */                                              \
  X(kIpv4Malformed, "ipv4-malformed")                   \
  X(kIpv4Checksum, "ipv4-checksum")                     \
  X(kIpv4Fragment, "ipv4-fragment")                     \
  X(kIpv6Malformed, "ipv6-malformed")                   \
  X(kIpv6Fragment, "ipv6-fragment")                     \
  X(kIpv6Disabled, "ipv6-disabled")                     \
  X(kSourceAddressInvalid, "source-address-invalid")    \
  X(kTooManyGuestAddresses, "too-many-guest-addresses") \
  X(kTtlExpired, "ttl-expired")                         \
  X(kDestinationDenied, "destination-denied")           \
  X(kDestinationUnreachable, "destination-unreachable") \
  X(kMulticast, "multicast")                            \
  X(kBroadcast, "broadcast")                            \
  X(kUnknownProtocol, "unknown-protocol")               \
  /* transport */                                       \
  X(kTcpMalformed, "tcp-malformed")                     \
  X(kTcpChecksum, "tcp-checksum")                       \
  X(kTcpNoConnection, "tcp-no-connection")              \
  X(kTcpUnacceptable, "tcp-unacceptable")               \
  X(kTcpConnecting, "tcp-connecting")                   \
  X(kTcpWindow, "tcp-outside-window")                   \
  X(kTcpNoMemory, "tcp-no-memory")                      \
  X(kTcpTimestamp, "tcp-timestamp")                     \
  X(kTcpRefused, "tcp-refused")                         \
  X(kUdpMalformed, "udp-malformed")                     \
  X(kUdpChecksum, "udp-checksum")                       \
  X(kUdpRefused, "udp-refused")                         \
  X(kUdpSendFailed, "udp-send-failed")                  \
  X(kUdpFiltered, "udp-filtered")                       \
  X(kUdpTooLong, "udp-too-long")                        \
  X(kIcmpMalformed, "icmp-malformed")                   \
  X(kIcmpChecksum, "icmp-checksum")                     \
  X(kIcmpUnhandled, "icmp-unhandled")                   \
  X(kIcmpStray, "icmp-about-nothing-sent")              \
  X(kIcmpMtu, "icmp-mtu-no-use")                        \
  X(kEchoSendFailed, "echo-send-failed")                \
  X(kNdpInvalid, "ndp-invalid")                         \
  X(kNdpNotForUs, "ndp-not-for-us")                     \
  /* what the gateway serves */                         \
  X(kDhcpv4Malformed, "dhcpv4-malformed")               \
  X(kDhcpv4NotForUs, "dhcpv4-not-for-us")               \
  X(kDhcpv6Malformed, "dhcpv6-malformed")               \
  X(kDhcpv6NotForUs, "dhcpv6-not-for-us")               \
  X(kDnsMalformed, "dns-malformed")                     \
  /* our own bounds */                                  \
  X(kFlowLimit, "flow-limit")                           \
  X(kGuestLinkFull, "guest-link-full")                  \
  X(kRateLimited, "rate-limited")

enum class DropReason : uint8_t {
#define X(enumerator, name) enumerator,
  DASHI_DROP_REASONS(X)
#undef X
      kCount
};

inline constexpr size_t kDropReasonCount = static_cast<size_t>(DropReason::kCount);

constexpr std::string_view name_of(DropReason reason) {
  constexpr std::string_view kNames[] = {
#define X(enumerator, name) name,
      DASHI_DROP_REASONS(X)
#undef X
  };
  return reason < DropReason::kCount ? kNames[static_cast<size_t>(reason)] : "unknown";
}

}  // namespace dashi
