#include "core/linux/guest_network.hh"

#include <fcntl.h>
#include <net/if.h>
#include <sys/socket.h>

#include <linux/if_addr.h>

#include "core/linux/log.hh"
#include "core/linux/netlink.hh"
#include "core/linux/tap.hh"

namespace dashi {
namespace {

using Outcome = Result<Done, SystemError>;

SystemError netlink_error(std::string what, int error) {
  return {std::move(what) + ": " + nl_geterror(error), 0};
}

netlink::Address to_netlink(const IpAddress& address, uint8_t length) {
  const Bytes bytes = address.bytes();
  netlink::Address out(
      nl_addr_build(address.is_v4() ? AF_INET : AF_INET6, bytes.data(), bytes.size()));
  nl_addr_set_prefixlen(out.get(), length);
  return out;
}

Outcome set_up(nl_sock* socket, const std::string& name, uint32_t mtu) {
  const netlink::Link which(rtnl_link_alloc());
  const netlink::Link change(rtnl_link_alloc());
  rtnl_link_set_ifindex(which.get(), static_cast<int>(::if_nametoindex(name.c_str())));
  rtnl_link_set_flags(change.get(), IFF_UP);
  if (mtu != 0) rtnl_link_set_mtu(change.get(), mtu);
  const int error = rtnl_link_change(socket, which.get(), change.get(), 0);
  if (error != 0) return netlink_error("cannot set up the interface " + name, error);
  return Done{};
}

Outcome add_address(nl_sock* socket, int index, const IpAddress& address, uint8_t length) {
  const netlink::InterfaceAddress made(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(made.get(), index);
  rtnl_addr_set_local(made.get(), to_netlink(address, length).get());
  // Nobody else is on this link: no need to wait for duplicate address detection.
  if (address.is_v6()) rtnl_addr_set_flags(made.get(), IFA_F_NODAD);
  const int error = rtnl_addr_add(socket, made.get(), 0);
  if (error != 0 && error != -NLE_EXIST) {
    return netlink_error("cannot add the address " + to_string(address), error);
  }
  return Done{};
}

Outcome add_default_route(nl_sock* socket, int index, const IpAddress& gateway) {
  const netlink::Route route(rtnl_route_alloc());
  const IpAddress any = gateway.is_v4() ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{});
  rtnl_route_set_family(route.get(), gateway.is_v4() ? AF_INET : AF_INET6);
  rtnl_route_set_dst(route.get(), to_netlink(any, 0).get());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();  // the route's from here on
  rtnl_route_nh_set_ifindex(hop, index);
  rtnl_route_nh_set_gateway(hop, to_netlink(gateway, gateway.is_v4() ? 32 : 128).get());
  rtnl_route_add_nexthop(route.get(), hop);
  const int error = rtnl_route_add(socket, route.get(), 0);
  if (error != 0 && error != -NLE_EXIST) {
    return netlink_error("cannot add a default route by " + to_string(gateway), error);
  }
  return Done{};
}

// Written where it can be: /proc may be read-only, and then router advertisements only add to what is
// configured.
void set_ipv6_option(const std::string& interface, const char* option, const char* value) {
  const std::string path = "/proc/sys/net/ipv6/conf/" + interface + "/" + option;
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd) [[maybe_unused]]
    const ssize_t n = ::write(fd.get(), value, 1);
}

// By the administrator of the namespace, as containers often have it, or in the kernel as a whole.
bool ipv6_is_off(const std::string& interface) {
  const Fd probe(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe && errno == EAFNOSUPPORT) return true;
  const std::string path = "/proc/sys/net/ipv6/conf/" + interface + "/disable_ipv6";
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char value = '0';
  return fd && ::read(fd.get(), &value, 1) == 1 && value == '1';
}

Outcome configure(nl_sock* socket, int index, const GuestNetwork& network) {
  const Topology& t = network.topology;
  Outcome done = add_address(socket, index, t.guest_v4, t.subnet.length);
  if (done.ok()) done = add_default_route(socket, index, t.gateway_v4);
  if (!done.ok() || !t.ipv6) return done;
  if (ipv6_is_off(network.interface)) {
    log_info("IPv6 is switched off in the namespace: only IPv4 is configured");
    return done;
  }
  done = add_address(socket, index, configured_guest_v6(t), t.prefix_v6.length);
  if (done.ok() && network.ipv6_default_route) {
    done = add_default_route(socket, index, t.gateway_link_local());
  }
  return done;
}

}  // namespace

Ipv6Address configured_guest_v6(const Topology& topology) {
  Ipv6Address out = topology.prefix_v6.address;
  out.bytes[15] = 2;
  return out;
}

Result<Fd, SystemError> make_guest_network(const GuestNetwork& network) {
  auto tap = open_tap(network.interface);
  if (!tap.ok()) return tap;
  const netlink::Socket socket = netlink::connect_route();
  if (!socket) return last_error("cannot speak to the kernel's routing");
  const Topology& t = network.topology;
  // Only what we configure, or only what we advertise: never both.
  if (network.configure) set_ipv6_option(network.interface, "accept_ra", "0");
  if (network.configure && !t.ipv6) set_ipv6_option(network.interface, "disable_ipv6", "1");
  Outcome done = set_up(socket.get(), network.interface, t.mtu);
  if (done.ok() && network.configure) {
    done = set_up(socket.get(), "lo", 0);
    const int index = static_cast<int>(::if_nametoindex(network.interface.c_str()));
    if (done.ok()) done = configure(socket.get(), index, network);
  }
  if (!done.ok()) return done.error();
  return tap;
}

}  // namespace dashi
