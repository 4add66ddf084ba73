// From Settings and the host as it is to the core's Config: which subnet is free, what resolv.conf
// says, how many descriptors there are.
#pragma once

#include <string>
#include <vector>

#include "core/linux/resolv_conf.hh"
#include "core/linux/settings.hh"
#include "core/linux/system_error.hh"
#include "core/nat/config.hh"

namespace dashi {

struct HostConfig {
  Config config;
  std::vector<std::string> notes;  // for people: what was chosen, and why
};

Result<HostConfig, SystemError> config_for(const Settings& settings, const ResolvConf& host,
                                           uint32_t descriptors);

// Limits whose sockets fit in 80 % of `descriptors` beside those of forwards, in the proportions of `limits`.
Limits scaled(const Limits& limits, uint32_t descriptors, size_t listeners);

// As far as this process may raise its descriptor limit, and doing so.
uint32_t descriptor_limit();
void raise_descriptor_limit();

// What the guest asks for names: its resolv.conf, with the gateway as the only server.
std::string guest_resolv_conf(const Config& config);

// The forwards of all -p, one for each address and port. A forward that `optional` marks may fail:
// the IPv6 half of a -p without an address, on a host without IPv6.
struct PlannedForward {
  Forward forward;
  bool optional = false;
  bool same_port_as_last = false;  // port 0: the second half takes what the first was given
};
std::vector<PlannedForward> plan_forwards(const Settings& settings, const Config& config);

}  // namespace dashi
