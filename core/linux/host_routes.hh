// What the host's routing tables say: which networks are directly connected, and whether there is a
// default IPv6 route, which may come and go. Looks only; changes nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/linux/fd.hh"
#include "core/wire/address.hh"

namespace dashi {

// A directly connected route that shares addresses with `subnet`, as people write it ("10.0.0.0/16
// dev eth0"); empty if there is none.
std::optional<std::string> connected_route_overlapping(const Ipv4Prefix& subnet);
std::optional<std::string> connected_route_overlapping(const Ipv6Prefix& prefix);

bool host_has_ipv6_default_route();

// Tells when IPv6 routes changed.
class RouteWatch {
 public:
  RouteWatch();
  int fd() const { return fd_.get(); }  // -1: the kernel does not tell
  void drain();                         // after fd() was readable

 private:
  Fd fd_;
};

}  // namespace dashi
