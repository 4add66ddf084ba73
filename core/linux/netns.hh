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

// /etc/netns/NAME/resolv.conf, which `ip netns exec NAME` shows as /etc/resolv.conf. Written only if
// absent, and taken away again with the object if it was.
class NetnsResolvConf {
 public:
  NetnsResolvConf(const std::string& name, const std::string& text);
  ~NetnsResolvConf();
  NetnsResolvConf(const NetnsResolvConf&) = delete;
  NetnsResolvConf& operator=(const NetnsResolvConf&) = delete;

 private:
  std::string path_;                  // of the file we made; empty: none
  std::vector<std::string> folders_;  // that we made for it, outermost first
};

}  // namespace dashi
