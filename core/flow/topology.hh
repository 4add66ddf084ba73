// The network the guest lives in: who is who on the link. Fixed for the life of a Nat.
#pragma once

#include <optional>

#include "core/base/result.hh"
#include "core/wire/address.hh"

namespace dashi {

struct Topology {
  MacAddress gateway_mac{{0x52, 0x55, 0x0a, 0x00, 0x00, 0x01}};
  std::optional<MacAddress> guest_mac;  // set: the only source accepted; else the first seen
  Ipv4Prefix subnet{{{10, 0, 0, 0}}, 24};
  Ipv4Address gateway_v4{{10, 0, 0, 1}};
  Ipv4Address guest_v4{{10, 0, 0, 2}};  // what DHCP hands out; any host of the subnet may be used
  bool ipv6 = true;
  Ipv6Prefix prefix_v6{{{0xfd, 0x00, 0xda, 0x51}}, 64};
  uint32_t mtu = 1500;  // bytes of IP packet; what DHCP and RA announce

  Ipv6Address gateway_link_local() const;
  Ipv6Address gateway_v6() const;  // prefix::1
  // Any address of the gateway's own, either family.
  bool is_gateway(const IpAddress& address) const;
  // On the guest's link, the gateway's addresses included.
  bool is_on_link(const IpAddress& address) const;
};

enum class TopologyError : uint8_t {
  kSubnetTooSmall,   // /31, /32: no room for a gateway and a guest
  kSubnetNotUsable,  // loopback, link-local, multicast, 0/8, or /0..7
  kGatewayNotInSubnet,
  kPrefixNotUsable,  // IPv6 prefix not a /64 of unicast space
  kMtuOutOfRange,    // below 576 (1280 with IPv6), above 65521
};
const char* message_of(TopologyError error);

// Gateway = first host, guest = second host of `subnet`; host bits of its address must be zero or
// name the gateway.
Result<Topology, TopologyError> topology_for(const Ipv4Prefix& subnet, const Topology& base);
Result<Done, TopologyError> validate(const Topology& topology);

}  // namespace dashi
