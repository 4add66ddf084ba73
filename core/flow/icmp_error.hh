// ICMP and ICMPv6 errors towards the guest, rate-limited (RFC 1812 4.3.2.8, RFC 4443 2.4 f). Never
// about an ICMP error, a multicast or a broadcast (RFC 1122 3.2.2, RFC 4443 2.4 e).
#pragma once

#include "core/flow/context.hh"
#include "core/flow/rate_limiter.hh"
#include "core/wire/packet.hh"

namespace dashi {

// What is reported, in a form that both families have a code for.
enum class IcmpReport : uint8_t {
  kNetworkUnreachable,   // 3/0, v6 1/0
  kHostUnreachable,      // 3/1, v6 1/3
  kPortUnreachable,      // 3/3, v6 1/4
  kProtocolUnreachable,  // 3/2, v6 4/1 with a pointer to the Next Header byte
  kAdminProhibited,      // 3/13, v6 1/1
  kTimeExceeded,         // 11/0, v6 3/0
  kPacketTooBig,         // 3/4 with the MTU, v6 2/0
};

class IcmpErrors {
 public:
  explicit IcmpErrors(FlowContext& context) : context_(context), limiter_(100, 20) {}

  // About a guest's packet, from the gateway.
  void report(Instant now, IcmpReport what, const Packet& about, uint32_t mtu);
  // About a packet sent earlier, from whoever reported it (unspecified: the gateway). `quoted` is
  // the guest's IP packet from its IP header on: as much as is quoted.
  void relay(Instant now, IcmpReport what, const IpAddress& reporter, const IpAddress& guest,
             Bytes quoted, uint32_t mtu);
  // The same with the ICMP type and code of the guest's family as the network gave them.
  void relay_raw(Instant now, uint8_t type, uint8_t code, uint32_t rest_of_header,
                 const IpAddress& reporter, const IpAddress& guest, Bytes quoted);

  template <typename Archive>
  friend void archive(Archive& ar, IcmpErrors& e) {
    ar(e.limiter_);
  }

 private:
  FlowContext& context_;
  RateLimiter limiter_;
};

}  // namespace dashi
