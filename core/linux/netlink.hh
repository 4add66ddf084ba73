// libnl's objects with owners. libnl is included here and in the two .cc files that use it.
#pragma once

#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>

#include <memory>

namespace dashi::netlink {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using Socket = std::unique_ptr<nl_sock, Free<nl_socket_free>>;
using Cache = std::unique_ptr<nl_cache, Free<nl_cache_free>>;
using Address = std::unique_ptr<nl_addr, Free<nl_addr_put>>;
using Link = std::unique_ptr<rtnl_link, Free<rtnl_link_put>>;
using InterfaceAddress = std::unique_ptr<rtnl_addr, Free<rtnl_addr_put>>;
using Route = std::unique_ptr<rtnl_route, Free<rtnl_route_put>>;

// Connected to NETLINK_ROUTE; null if the kernel will not.
inline Socket connect_route() {
  Socket socket(nl_socket_alloc());
  if (socket && nl_connect(socket.get(), NETLINK_ROUTE) != 0) socket.reset();
  return socket;
}

}  // namespace dashi::netlink
