#include "core/wire/arp.hh"

namespace dashi {

std::optional<ArpPacket> parse_arp(Bytes bytes) {
  if (bytes.size() < sizeof(ArpPacket)) return std::nullopt;
  const auto arp = load<ArpPacket>(bytes);
  const bool ipv4_over_ethernet =
      arp.hardware_type == kArpHardwareEthernet && arp.protocol_type == kArpProtocolIpv4 &&
      arp.hardware_length == sizeof(MacAddress) && arp.protocol_length == sizeof(Ipv4Address);
  if (!ipv4_over_ethernet) return std::nullopt;
  if (arp.operation != kArpRequest && arp.operation != kArpReply) return std::nullopt;
  if (arp.sender_mac.is_multicast() || arp.sender_mac.is_zero()) return std::nullopt;
  return arp;
}

}  // namespace dashi
