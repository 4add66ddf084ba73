// What happened, counted. Drops by reason, and traffic by protocol. Plain numbers: a driver may
// read them at any time, nothing in the core depends on them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/wire/drop_reason.hh"

namespace dashi {

#define DASHI_COUNTERS(X)                                    \
  X(kGuestFramesIn, "guest-frames-in")                       \
  X(kGuestBytesIn, "guest-bytes-in")                         \
  X(kGuestFramesOut, "guest-frames-out")                     \
  X(kGuestBytesOut, "guest-bytes-out")                       \
  X(kGuestFragmentsOut, "guest-fragments-out")               \
  X(kGuestLinkFull, "guest-link-full")                       \
  X(kArpReplies, "arp-replies")                              \
  X(kNdpReplies, "ndp-replies")                              \
  X(kRouterAdvertisements, "router-advertisements")          \
  X(kDhcpv4Replies, "dhcpv4-replies")                        \
  X(kDhcpv4Releases, "dhcpv4-releases")                      \
  X(kDhcpv4Declines, "dhcpv4-declines")                      \
  X(kDhcpv6Replies, "dhcpv6-replies")                        \
  X(kIcmpErrorsSent, "icmp-errors-sent")                     \
  X(kIcmpErrorsLimited, "icmp-errors-limited")               \
  X(kEchoRequests, "echo-requests")                          \
  X(kEchoReplies, "echo-replies")                            \
  X(kEchoOpened, "echo-ids-opened")                          \
  X(kEchoLimit, "echo-limit")                                \
  X(kUdpOut, "udp-datagrams-out")                            \
  X(kUdpIn, "udp-datagrams-in")                              \
  X(kUdpOpened, "udp-endpoints-opened")                      \
  X(kUdpExpired, "udp-endpoints-expired")                    \
  X(kUdpFiltered, "udp-filtered")                            \
  X(kUdpLimit, "udp-limit")                                  \
  X(kTcpOpened, "tcp-opened")                                \
  X(kTcpAccepted, "tcp-accepted")                            \
  X(kTcpClosed, "tcp-closed")                                \
  X(kTcpConnectFailed, "tcp-connect-failed")                 \
  X(kTcpLimit, "tcp-limit")                                  \
  X(kTcpTimeWaitEvicted, "tcp-time-wait-evicted")            \
  X(kTcpBytesUp, "tcp-bytes-up")                             \
  X(kTcpBytesDown, "tcp-bytes-down")                         \
  X(kTcpSegmentsRetransmitted, "tcp-segments-retransmitted") \
  X(kTcpTimeouts, "tcp-timeouts")                            \
  X(kTcpFastRetransmits, "tcp-fast-retransmits")             \
  X(kTcpTailProbes, "tcp-tail-probes")                       \
  X(kTcpSpuriousRecoveries, "tcp-spurious-recoveries")       \
  X(kTcpZeroWindowProbes, "tcp-zero-window-probes")          \
  X(kTcpChallengeAcks, "tcp-challenge-acks")                 \
  X(kTcpChallengeAcksLimited, "tcp-challenge-acks-limited")  \
  X(kTcpResetsSent, "tcp-resets-sent")                       \
  X(kTcpResetsLimited, "tcp-resets-limited")                 \
  X(kTcpResetsReceived, "tcp-resets-received")               \
  X(kTcpReassemblyFull, "tcp-reassembly-full")               \
  X(kTcpPathMtuLowered, "tcp-path-mtu-lowered")              \
  X(kTcpIcmpAborts, "tcp-icmp-aborts")                       \
  X(kTcpIcmpSoft, "tcp-icmp-soft")                           \
  X(kDnsQueriesUdp, "dns-queries-udp")                       \
  X(kDnsQueriesTcp, "dns-queries-tcp")                       \
  X(kDnsJoined, "dns-queries-joined")                        \
  X(kDnsAnswers, "dns-answers")                              \
  X(kDnsStaticAnswers, "dns-static-answers")                 \
  X(kDnsFailovers, "dns-failovers")                          \
  X(kDnsServfails, "dns-servfails")                          \
  X(kDnsTruncated, "dns-truncated")                          \
  X(kDnsMismatched, "dns-answers-mismatched")                \
  X(kDnsLimit, "dns-limit")                                  \
  X(kSocketEventsStale, "socket-events-stale")

enum class Counter : uint8_t {
#define X(enumerator, name) enumerator,
  DASHI_COUNTERS(X)
#undef X
      kCount
};

inline constexpr size_t kCounterCount = static_cast<size_t>(Counter::kCount);

constexpr std::string_view name_of(Counter counter) {
  constexpr std::string_view kNames[] = {
#define X(enumerator, name) name,
      DASHI_COUNTERS(X)
#undef X
  };
  return counter < Counter::kCount ? kNames[static_cast<size_t>(counter)] : "unknown";
}

struct Counters {
  std::array<uint64_t, kCounterCount> values{};
  std::array<uint64_t, kDropReasonCount> drops{};

  void add(Counter counter, uint64_t n) { values[static_cast<size_t>(counter)] += n; }
  void increment(Counter counter) { add(counter, 1); }
  uint64_t operator[](Counter counter) const { return values[static_cast<size_t>(counter)]; }
  uint64_t operator[](DropReason reason) const { return drops[static_cast<size_t>(reason)]; }
};

template <typename Archive>
void archive(Archive& ar, Counters& c) {
  ar(c.values, c.drops);
}

}  // namespace dashi
