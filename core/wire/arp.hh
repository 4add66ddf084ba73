// ARP for IPv4 over Ethernet (RFC 826): the packet as a struct. Stateless; who is asked for and who
// answers is the gateway's to know.
#pragma once

#include <optional>

#include "core/base/bytes.hh"
#include "core/wire/address.hh"

namespace dashi {

inline constexpr Be16 kArpHardwareEthernet = 1;
inline constexpr Be16 kArpProtocolIpv4 = 0x0800;
inline constexpr Be16 kArpRequest = 1;
inline constexpr Be16 kArpReply = 2;

struct ArpPacket {
  Be16 hardware_type = kArpHardwareEthernet;
  Be16 protocol_type = kArpProtocolIpv4;
  uint8_t hardware_length = 6;
  uint8_t protocol_length = 4;
  Be16 operation;
  MacAddress sender_mac;
  Ipv4Address sender_ip;
  MacAddress target_mac;
  Ipv4Address target_ip;

  // RFC 5227 1.1: asks whether an address is in use, and claims none.
  bool is_probe() const { return operation == kArpRequest && sender_ip.is_unspecified(); }
  // RFC 5227 1.1, RFC 5944 4.6: tells the sender's own address, as a request or a reply.
  bool is_announcement() const { return sender_ip == target_ip && !sender_ip.is_unspecified(); }
};
static_assert(sizeof(ArpPacket) == 28 && alignof(ArpPacket) == 1);

// The packet at the front of `bytes`, which may be padded; nothing if it is too short, not IPv4
// over Ethernet, neither request nor reply, or from a hardware address that no station has.
std::optional<ArpPacket> parse_arp(Bytes bytes);

}  // namespace dashi
