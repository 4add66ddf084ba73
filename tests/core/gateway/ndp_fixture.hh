// NDP messages of a guest, and what the gateway says in NDP, for the tests of the two halves: neighbors
// and routers.
#pragma once

#include "core/gateway/ndp_responder.hh"
#include "tests/core/gateway/fixture.hh"

namespace dashi::test {

inline const Ipv6Address kGuestLinkLocal = v6("fe80::5054:ff:fe12:3456");
inline const Ipv6Address kGuestUla = v6("fd00:da51::5054:ff:fe12:3456");
inline const Ipv6Address kGatewayLinkLocal = v6("fe80::5055:aff:fe00:1");
inline const Ipv6Address kGatewayUla = v6("fd00:da51::1");
inline const Ipv6Address kAllNodes = v6("ff02::1");
inline const Ipv6Address kAllRouters = v6("ff02::2");
inline const ByteVector kSourceOption = {1, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

inline Ipv6Address solicited_node(const Ipv6Address& target) {
  Ipv6Address group = v6("ff02::1:ff00:0");
  for (size_t i = 13; i < 16; ++i) group.bytes[i] = target.bytes[i];
  return group;
}

struct NdpFixture : GatewayFixture {
  NdpResponder ndp{config, context};

  NdpFixture() { config.search = {"corp.example", "example"}; }

  static IpSpec ndp_spec(const Ipv6Address& from, const Ipv6Address& to) {
    IpSpec ip;
    ip.source = from;
    ip.destination = to;
    ip.ttl = 255;
    return ip;
  }
  static ByteVector solicitation(const IpSpec& ip, const Ipv6Address& target,
                                 const ByteVector& options) {
    ByteVector body(target.bytes.begin(), target.bytes.end());
    append(body, options);
    return icmp_frame(ip, 135, 0, 0, body);
  }
  static ByteVector advertisement(const IpSpec& ip, const Ipv6Address& target, uint32_t flags) {
    ByteVector body(target.bytes.begin(), target.bytes.end());
    append(body, ByteVector{2, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56});
    return icmp_frame(ip, 136, 0, flags << 24, body);
  }
  // A solicitation as address resolution sends it.
  Outcome resolve(const Ipv6Address& from, const Ipv6Address& target) {
    return feed(ndp, solicitation(ndp_spec(from, solicited_node(target)), target, kSourceOption));
  }
  // Duplicate address detection.
  Outcome detect(const Ipv6Address& target) {
    return feed(ndp, solicitation(ndp_spec({}, solicited_node(target)), target, {}));
  }
  Outcome solicit_router(const Ipv6Address& from, const ByteVector& options) {
    return feed(ndp, icmp_frame(ndp_spec(from, kAllRouters), 133, 0, 0, options));
  }
};

}  // namespace dashi::test
