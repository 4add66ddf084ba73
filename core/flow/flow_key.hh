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

// The two ends that a key was made of.
inline Endpoint endpoint_of(Family family, const Ipv6Address& raw, uint16_t port) {
  if (family == Family::kIpv6) return {raw, {port}};
  const auto& b = raw.bytes;
  return {Ipv4Address{{b[12], b[13], b[14], b[15]}}, {port}};
}
inline Endpoint guest_of(const FlowKey& k) {
  return endpoint_of(k.family, k.guest_address, k.guest_port);
}
inline Endpoint remote_of(const FlowKey& k) {
  return endpoint_of(k.family, k.remote_address, k.remote_port);
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
