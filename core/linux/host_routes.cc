#include "core/linux/host_routes.hh"

#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <net/if.h>

#include "core/linux/netlink.hh"

namespace dashi {
namespace {

netlink::Cache all_routes(int family) {
  const netlink::Socket socket = netlink::connect_route();
  nl_cache* cache = nullptr;
  if (!socket || rtnl_route_alloc_cache(socket.get(), family, 0, &cache) != 0) return nullptr;
  return netlink::Cache(cache);
}

// Calls `visit` with each unicast route of the main table until it says false.
template <typename Visit>
void for_each_route(int family, Visit visit) {
  const netlink::Cache cache = all_routes(family);
  if (!cache) return;
  for (nl_object* o = nl_cache_get_first(cache.get()); o != nullptr; o = nl_cache_get_next(o)) {
    auto* route = reinterpret_cast<rtnl_route*>(o);
    if (rtnl_route_get_table(route) != RT_TABLE_MAIN) continue;
    if (rtnl_route_get_type(route) != RTN_UNICAST) continue;
    if (!visit(route)) return;
  }
}

std::string interface_name(rtnl_route* route) {
  rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
  char name[IF_NAMESIZE] = "?";
  if (hop != nullptr) {
    ::if_indextoname(static_cast<unsigned>(rtnl_route_nh_get_ifindex(hop)), name);
  }
  return name;
}

bool is_direct(rtnl_route* route) {
  rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
  return hop != nullptr && rtnl_route_nh_get_gateway(hop) == nullptr;
}

// The first directly connected route that shares addresses with `bits` bits of `network`.
std::optional<std::string> overlapping(int family, Bytes network, unsigned bits) {
  std::optional<std::string> found;
  for_each_route(family, [&](rtnl_route* route) {
    nl_addr* destination = rtnl_route_get_dst(route);
    const unsigned route_bits = nl_addr_get_prefixlen(destination);
    // A default route covers everything and is nobody's network.
    if (route_bits == 0 || nl_addr_get_len(destination) != network.size() || !is_direct(route)) {
      return true;
    }
    const auto* raw = static_cast<const uint8_t*>(nl_addr_get_binary_addr(destination));
    const unsigned common = bits < route_bits ? bits : route_bits;
    for (unsigned i = 0; i < common; ++i) {
      if (((raw[i / 8] ^ network[i / 8]) >> (7 - i % 8) & 1) != 0) return true;
    }
    char text[128];
    found =
        std::string(nl_addr2str(destination, text, sizeof text)) + " dev " + interface_name(route);
    return false;
  });
  return found;
}

}  // namespace

std::optional<std::string> connected_route_overlapping(const Ipv4Prefix& subnet) {
  return overlapping(AF_INET, subnet.address.bytes, subnet.length);
}

std::optional<std::string> connected_route_overlapping(const Ipv6Prefix& prefix) {
  return overlapping(AF_INET6, prefix.address.bytes, prefix.length);
}

bool host_has_ipv6_default_route() {
  bool found = false;
  for_each_route(AF_INET6, [&](rtnl_route* route) {
    found = nl_addr_get_prefixlen(rtnl_route_get_dst(route)) == 0 &&
            rtnl_route_get_nnexthops(route) > 0;
    return !found;
  });
  return found;
}

RouteWatch::RouteWatch() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_IPV6_ROUTE;
  if (fd && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    fd_ = std::move(fd);
  }
}

void RouteWatch::drain() {
  char scratch[8192];
  // ENOBUFS means that messages were lost, and so also that something changed.
  while (::recv(fd_.get(), scratch, sizeof scratch, MSG_DONTWAIT) > 0) {
  }
}

}  // namespace dashi
