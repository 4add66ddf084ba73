// The name of a flow on the guest's side: what a frame's addresses and ports select.
#pragma once

#include "core/wire/address.hh"

namespace dashi {

// Free of padding, so that it can be hashed as bytes. `remote` is the other end as the guest sees
// it.
struct FlowKey {
  Ipv6Address guest_address;
  Ipv6Address remote_address;
  Be16 guest_port;
  Be16 remote_port;
  Family family = Family::kIpv4;

  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 37);

inline FlowKey flow_key(const Endpoint& guest, const Endpoint& remote) {
  return {guest.address.raw(), remote.address.raw(), guest.port.number, remote.port.number,
          guest.address.family()};
}

// One endpoint as a key: a guest's UDP endpoint, or an echo identifier in place of the port.
struct EndpointKey {
  Ipv6Address address;
  Be16 port;
  Family family = Family::kIpv4;

  friend bool operator==(const EndpointKey&, const EndpointKey&) = default;
};
static_assert(sizeof(EndpointKey) == 19);

inline EndpointKey endpoint_key(const Endpoint& e) {
  return {e.address.raw(), e.port.number, e.address.family()};
}

}  // namespace dashi
