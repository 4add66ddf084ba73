// Addresses and errors between our types and ns-3's. Values only.
#pragma once

#include <ns3/address.h>
#include <ns3/inet-socket-address.h>
#include <ns3/inet6-socket-address.h>
#include <ns3/ipv4-address.h>
#include <ns3/ipv6-address.h>
#include <ns3/nstime.h>

#include "core/base/time.hh"
#include "core/env/sockets.hh"
#include "core/wire/address.hh"

namespace dashi {

inline ns3::Ipv4Address to_ns3(const Ipv4Address& address) {
  return ns3::Ipv4Address(address.to_u32());
}
inline ns3::Ipv6Address to_ns3(const Ipv6Address& address) {
  Ipv6Address copy = address;  // ns-3 takes a pointer to bytes it may write
  return ns3::Ipv6Address(copy.bytes.data());
}
inline ns3::Address to_ns3(const Endpoint& endpoint) {
  if (endpoint.address.is_v4()) {
    return ns3::InetSocketAddress(to_ns3(endpoint.address.v4()), endpoint.port.number);
  }
  return ns3::Inet6SocketAddress(to_ns3(endpoint.address.v6()), endpoint.port.number);
}
inline ns3::Time to_ns3(Duration duration) {
  return ns3::NanoSeconds(static_cast<uint64_t>(duration.count()));
}

inline IpAddress from_ns3(const ns3::Ipv4Address& address) {
  return Ipv4Address::from_u32(address.Get());
}
inline IpAddress from_ns3(const ns3::Ipv6Address& address) {
  Ipv6Address ours;
  address.GetBytes(ours.bytes.data());
  return ours;
}
// An endpoint of either family; the default one for anything else.
inline Endpoint from_ns3(const ns3::Address& address) {
  if (ns3::InetSocketAddress::IsMatchingType(address)) {
    const auto v4 = ns3::InetSocketAddress::ConvertFrom(address);
    return {from_ns3(v4.GetIpv4()), Port{v4.GetPort()}};
  }
  if (ns3::Inet6SocketAddress::IsMatchingType(address)) {
    const auto v6 = ns3::Inet6SocketAddress::ConvertFrom(address);
    return {from_ns3(v6.GetIpv6()), Port{v6.GetPort()}};
  }
  return {};
}

// What a host's socket makes of an ICMP error (Linux: icmp_err_convert, icmpv6_err_convert).
inline SocketError error_of_icmp(Family family, uint8_t type, uint8_t code) {
  if (family == Family::kIpv4) {
    if (type == 11) return SocketError::kTtlExceeded;
    if (type != 3) return SocketError::kOther;
    switch (code) {
      case 0:
      case 5:
      case 6:
      case 11:
        return SocketError::kNetworkUnreachable;
      case 1:
      case 7:
      case 8:
      case 12:
        return SocketError::kHostUnreachable;
      case 2:
      case 3:
        return SocketError::kRefused;
      case 4:
        return SocketError::kMessageTooLong;
      case 9:
      case 10:
      case 13:
        return SocketError::kAccessDenied;
      default:
        return SocketError::kHostUnreachable;
    }
  }
  if (type == 3) return SocketError::kTtlExceeded;
  if (type == 2) return SocketError::kMessageTooLong;
  if (type != 1) return SocketError::kOther;
  switch (code) {
    case 0:
      return SocketError::kNetworkUnreachable;
    case 1:
    case 5:
    case 6:
      return SocketError::kAccessDenied;
    case 4:
      return SocketError::kRefused;
    default:
      return SocketError::kHostUnreachable;
  }
}

}  // namespace dashi
