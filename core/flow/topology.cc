#include "core/flow/topology.hh"

namespace dashi {

Ipv6Address Topology::gateway_link_local() const {
  const Ipv6Address link_local{{0xfe, 0x80}};
  return eui64_address(link_local, gateway_mac);
}

Ipv6Address Topology::gateway_v6() const {
  Ipv6Address address = prefix_v6.address;
  address.bytes[15] = 1;
  return address;
}

bool Topology::is_gateway(const IpAddress& address) const {
  if (address.is_v4()) return address.v4() == gateway_v4;
  return ipv6 && (address.v6() == gateway_link_local() || address.v6() == gateway_v6());
}

bool Topology::is_on_link(const IpAddress& address) const {
  if (address.is_v4()) return subnet.contains(address.v4());
  return address.v6().is_link_local() || prefix_v6.contains(address.v6());
}

const char* message_of(TopologyError error) {
  switch (error) {
    case TopologyError::kSubnetTooSmall:
      return "the subnet is too small: a gateway and a guest need at least a /30";
    case TopologyError::kSubnetNotUsable:
      return "the subnet is not usable: it must be unicast and not loopback or link-local";
    case TopologyError::kGatewayNotInSubnet:
      return "gateway and guest must be two different hosts of the subnet";
    case TopologyError::kPrefixNotUsable:
      return "the IPv6 prefix is not usable: it must be a unicast /64, not link-local";
    case TopologyError::kMtuOutOfRange:
      return "the MTU is out of range: 576 (with IPv6: 1280) to 65521";
  }
  return "unknown";
}

Result<Topology, TopologyError> topology_for(const Ipv4Prefix& subnet, const Topology& base) {
  if (subnet.length > 30) return TopologyError::kSubnetTooSmall;
  Topology topology = base;
  topology.subnet = {subnet.network(), subnet.length};
  const uint32_t network = subnet.network().to_u32();
  const bool names_gateway = subnet.address != subnet.network();
  topology.gateway_v4 = names_gateway ? subnet.address : Ipv4Address::from_u32(network + 1);
  const uint32_t guest =
      topology.gateway_v4 == Ipv4Address::from_u32(network + 2) ? network + 1 : network + 2;
  topology.guest_v4 = Ipv4Address::from_u32(guest);
  const auto valid = validate(topology);
  if (!valid) return valid.error();
  return topology;
}

namespace {

bool is_host_of(const Ipv4Prefix& subnet, Ipv4Address address) {
  return subnet.contains(address) && address != subnet.network() && address != subnet.broadcast();
}

bool usable(const Ipv4Prefix& subnet) {
  const Ipv4Address first = subnet.network();
  const Ipv4Address last = subnet.broadcast();
  return subnet.length >= 8 && first.bytes[0] != 0 && !first.is_loopback() && !last.is_loopback() &&
         !first.is_link_local() && !last.is_link_local() && first.bytes[0] < 224;
}

bool usable(const Ipv6Prefix& prefix) {
  if (prefix.length != 64) return false;
  const Ipv6Address& a = prefix.address;
  for (size_t i = 8; i < 16; ++i) {
    if (a.bytes[i] != 0) return false;
  }
  return !a.is_unspecified() && !a.is_multicast() && !a.is_link_local();
}

}  // namespace

Result<Done, TopologyError> validate(const Topology& topology) {
  if (topology.subnet.length > 30) return TopologyError::kSubnetTooSmall;
  if (!usable(topology.subnet)) return TopologyError::kSubnetNotUsable;
  if (!is_host_of(topology.subnet, topology.gateway_v4) ||
      !is_host_of(topology.subnet, topology.guest_v4) || topology.gateway_v4 == topology.guest_v4) {
    return TopologyError::kGatewayNotInSubnet;
  }
  if (topology.ipv6 && !usable(topology.prefix_v6)) return TopologyError::kPrefixNotUsable;
  const uint32_t least = topology.ipv6 ? 1280 : 576;
  if (topology.mtu < least || topology.mtu > 65521) return TopologyError::kMtuOutOfRange;
  return Done{};
}

}  // namespace dashi
