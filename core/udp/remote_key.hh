// A remote of one of a table's tenants: of a forwarded port, of a mapping.
#pragma once

#include "core/wire/address.hh"

namespace dashi {

// Free of padding, as FlowIndex wants it.
struct RemoteKey {
  Ipv6Address address;
  Be32 owner;  // a slot
  Be16 port;
  Family family = Family::kIpv4;
  friend bool operator==(const RemoteKey&, const RemoteKey&) = default;
};
static_assert(sizeof(RemoteKey) == 23);

inline RemoteKey remote_key(uint32_t owner, const Endpoint& remote) {
  return {remote.address.raw(), owner, remote.port.number, remote.address.family()};
}

}  // namespace dashi
