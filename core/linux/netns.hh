// Network namespaces that are already there: makes the guest's end of the link in one of them, from a
// child that goes in, and brings the TAP's descriptor back. We ourselves never leave our namespaces.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/linux/guest_network.hh"

namespace dashi {

// `path` names a network namespace: /run/netns/NAME, /proc/PID/ns/net.
Result<Fd, SystemError> make_guest_network_in(const std::string& path, const GuestNetwork& network);

// The name `ip netns` knows the namespace of `path` by; empty if it is none of its.
std::optional<std::string> netns_name(const std::string& path);

// Writes /etc/netns/NAME/resolv.conf, which `ip netns exec NAME` shows as /etc/resolv.conf, if there is
// none or one that a dashi left. Gives what is to be taken away again, in that order; nothing, and says so
// if it would mislead, where somebody else's is.
std::vector<std::string> write_netns_resolv_conf(const std::string& name, const std::string& text);

}  // namespace dashi
