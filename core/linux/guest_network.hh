// The guest's end of the link, made from inside its network namespace: the interface, and with
// `configure` also addresses and routes, so that no DHCP client is needed. Every function works in
// the caller's namespace; keeps nothing.
#pragma once

#include <string>

#include "core/flow/topology.hh"
#include "core/linux/fd.hh"
#include "core/linux/system_error.hh"

namespace dashi {

struct GuestNetwork {
  std::string interface = "dashi0";
  Topology topology;
  bool configure = false;
  bool ipv6_default_route = false;  // only looked at with `configure`
};

// The guest's IPv6 address under --configure: the prefix's ::2.
Ipv6Address configured_guest_v6(const Topology& topology);

// Creates the TAP, sets its MTU, brings it (and lo) up, and configures it if asked.
Result<Fd, SystemError> make_guest_network(const GuestNetwork& network);

}  // namespace dashi
