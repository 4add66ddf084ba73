#include "core/linux/config_for.hh"

#include <sys/resource.h>

#include <algorithm>
#include <array>

#include "core/linux/guest_network.hh"
#include "core/linux/host_routes.hh"

namespace dashi {
namespace {

constexpr const char* kSubnets[] = {"10.0.0.0/24", "10.0.2.0/24", "172.30.0.0/24",
                                    "192.168.127.0/24"};

std::string to_string(const Ipv4Prefix& prefix) {
  return dashi::to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

Result<Ipv4Prefix, SystemError> choose_subnet(const Settings& settings,
                                              std::vector<std::string>& notes) {
  if (settings.net) {
    const auto route = connected_route_overlapping(*settings.net);
    if (!route) return *settings.net;
    return SystemError{
        "--net " + to_string(*settings.net) + " overlaps the host's own route " + *route, 0};
  }
  std::string taken;
  for (const char* text : kSubnets) {
    const Ipv4Prefix subnet = *parse_ipv4_prefix(text);
    const auto route = connected_route_overlapping(subnet);
    if (!route) {
      if (!taken.empty()) {
        notes.push_back("the guest's subnet is " + to_string(subnet) + ": " + taken);
      }
      return subnet;
    }
    if (taken.empty()) taken = std::string(text) + " overlaps the host's route " + *route;
  }
  return SystemError{"no default subnet is free of the host's routes: give one with --net", 0};
}

Result<Topology, SystemError> choose_topology(const Settings& settings,
                                              std::vector<std::string>& notes) {
  Topology base;
  base.ipv6 = settings.ipv6;
  if (settings.net6) base.prefix_v6 = *settings.net6;
  if (settings.mtu) base.mtu = *settings.mtu;
  const auto subnet = choose_subnet(settings, notes);
  if (!subnet.ok()) return subnet.error();
  if (settings.net6 && settings.ipv6) {
    const auto route = connected_route_overlapping(*settings.net6);
    if (route) return SystemError{"--net6 overlaps the host's own route " + *route, 0};
  }
  const auto topology = topology_for(subnet.value(), base);
  if (!topology.ok()) return SystemError{message_of(topology.error()), 0};
  return topology.value();
}

}  // namespace

Limits scaled(const Limits& limits, uint32_t descriptors, size_t listeners) {
  Limits out = limits;
  const std::array<uint32_t*, 5> backed = {&out.tcp_connections, &out.udp_endpoints, &out.echo_ids,
                                           &out.dns_queries, &out.dns_tcp_connections};
  uint64_t wanted = 0;
  for (const uint32_t* limit : backed) wanted += *limit;
  const uint64_t usable = uint64_t{descriptors} * 8 / 10 -
                          std::min<uint64_t>(listeners, uint64_t{descriptors} * 8 / 10);
  if (wanted <= usable) return out;
  for (uint32_t* limit : backed) {
    *limit = std::max<uint32_t>(1, static_cast<uint32_t>(*limit * usable / wanted));
  }
  out.tcp_connects_pending = std::min(out.tcp_connects_pending, out.tcp_connections);
  return out;
}

uint32_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<uint32_t>(std::min<rlim_t>(limit.rlim_max, 1u << 30));
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<HostConfig, SystemError> config_for(const Settings& settings, const ResolvConf& host,
                                           uint32_t descriptors) {
  HostConfig out;
  const auto topology = choose_topology(settings, out.notes);
  if (!topology.ok()) return topology.error();
  Config& config = out.config;
  config.topology = topology.value();
  config.limits = scaled(config.limits, descriptors, plan_forwards(settings, config).size());
  config.policy = settings.policy;
  config.udp.filter = settings.udp_filter;
  config.dns.resolvers = settings.resolvers.empty() ? host.resolvers : settings.resolvers;
  config.gateway.hostname = settings.hostname;
  config.gateway.search = host.search;
  // Clients that know no search list (option 119) ask for the domain (15): its first name.
  if (!host.search.empty()) config.gateway.domain = host.search.front();
  config.gateway.host_has_ipv6_route = host_has_ipv6_default_route();
  const auto valid = validate(config.gateway);
  if (!valid.ok()) {
    config.gateway.search.clear();
    config.gateway.domain.clear();
    out.notes.push_back(std::string("the host's search list is left out: ") +
                        message_of(valid.error()));
  }
  const auto sound = validate(config);
  if (!sound.ok()) return SystemError{sound.error()};
  return out;
}

std::string guest_resolv_conf(const Config& config) {
  std::string out = "nameserver " + dashi::to_string(config.topology.gateway_v4) + "\n";
  if (config.gateway.search.empty()) return out;
  out += "search";
  for (const std::string& name : config.gateway.search) out += " " + name;
  return out + "\n";
}

std::vector<PlannedForward> plan_forwards(const Settings& settings, const Config& config) {
  const IpAddress loopback_v4 = Ipv4Address{{127, 0, 0, 1}};
  Ipv6Address loopback_v6;
  loopback_v6.bytes[15] = 1;
  std::vector<PlannedForward> out;
  const auto plan = [&](const ForwardSpec& spec, int offset, const IpAddress& address) {
    const auto at = [&](Port port) { return Port{static_cast<uint16_t>(port.number + offset)}; };
    PlannedForward planned;
    planned.forward.protocol = spec.protocol;
    planned.forward.host = {address, at(spec.first)};
    planned.forward.guest_port = at(spec.guest_port);
    if (!spec.address && spec.protocol == ForwardProtocol::kTcp) {
      // `localhost` is one place, whichever of its addresses a client tries first; and what a guest
      // serves, it serves over IPv4. A client that is accepted and then reset tries no other address.
      planned.forward.guest = config.topology.guest_v4;
    } else if (address.is_v6() && settings.configure) {
      // Who configured the guest knows its address before it spoke.
      planned.forward.guest = configured_guest_v6(config.topology);
    }
    planned.optional = !spec.address && address.is_v6();
    planned.same_port_as_last = planned.optional && spec.first.number == 0;
    out.push_back(planned);
  };
  for (const ForwardSpec& spec : settings.forwards) {
    for (int offset = 0; offset <= spec.last.number - spec.first.number; ++offset) {
      plan(spec, offset, spec.address.value_or(loopback_v4));
      if (!spec.address && config.topology.ipv6) plan(spec, offset, loopback_v6);
    }
  }
  return out;
}

}  // namespace dashi
