#include "sim/script/message_wire.hh"

#include "sim/guest_bytes.hh"
#include "sim/guest_wire.hh"
#include "sim/script/message_forms.hh"

namespace dashi::script {
namespace {

using guest::put16;
using guest::put32;

constexpr uint8_t kDiscoveryHopLimit = 255;  // RFC 4861 3.1
constexpr uint8_t kFragmentHeader = 44;

Ipv6Address group(uint8_t scope, std::initializer_list<uint8_t> tail) {
  Ipv6Address address;
  address.bytes[0] = 0xff;
  address.bytes[1] = scope;
  size_t at = 16 - tail.size();
  for (const uint8_t byte : tail) address.bytes[at++] = byte;
  return address;
}

constexpr Ipv6Address kGuestLinkLocal{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

Ends usual_ends(const MessageSpec& message, const Ends& own, const Ends& gateway) {
  if (message.protocol == "dhcp") {
    return {{Ipv4Address{}, Port{68}}, {Ipv4Address{{255, 255, 255, 255}}, Port{67}}};
  }
  if (message.protocol == "dhcp6") {
    return {{kGuestLinkLocal, Port{546}}, {group(2, {0, 1, 0, 2}), Port{547}}};
  }
  if (message.protocol == "dns") return gateway;
  if (message.protocol != "icmp6") return own;
  Ends ends{{kGuestLinkLocal, {}}, {group(2, {1}), {}}};
  if (message.verb == "router-solicitation") ends.to.address = group(2, {2});
  if (message.verb == "neighbor-solicitation") {
    ends.to.address = address_of(message, "who-has", Ipv6Address{}).v6().solicited_node();
  }
  return ends;
}

// RFC 1112 6.4, RFC 2464 7.
MacAddress destination_mac(const IpAddress& to, const MacAddress& gateway) {
  const auto& raw = to.raw().bytes;
  if (to.is_v6() && to.is_multicast()) return {{0x33, 0x33, raw[12], raw[13], raw[14], raw[15]}};
  if (to.is_v6()) return gateway;
  if (to.v4().is_broadcast()) return MacAddress::broadcast();
  if (!to.is_multicast()) return gateway;
  return {{0x01, 0x00, 0x5e, static_cast<uint8_t>(raw[13] & 0x7f), raw[14], raw[15]}};
}

std::vector<uint8_t> udp_datagram(const Ends& ends, Bytes payload) {
  std::vector<uint8_t> datagram;
  put16(datagram, ends.from.port.number);
  put16(datagram, ends.to.port.number);
  put16(datagram, static_cast<uint16_t>(8 + payload.size()));
  put16(datagram, 0);
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  return datagram;
}

// ip proto N: a packet whose header says what the line says, right or wrong.
std::vector<uint8_t> raw_ip(const PacketSpec& packet, const MessageSpec& message) {
  const size_t length = packet.payload ? packet.payload->size() : number_of(message, "length", 0);
  std::vector<uint8_t> payload(length);
  if (packet.payload) payload.assign(packet.payload->begin(), packet.payload->end());
  const Ends& ends = *packet.ends;
  const bool v4 = ends.from.address.is_v4();
  const auto protocol = static_cast<uint8_t>(number_of(message, "protocol", 0));
  const auto id = static_cast<uint16_t>(number_of(message, "id", 0));
  const auto offset = static_cast<uint16_t>(number_of(message, "offset", 0));
  const uint16_t mf = has(message, "mf") ? 1 : 0;
  const bool fragment = !v4 && (offset != 0 || mf != 0);
  if (fragment) {
    std::vector<uint8_t> header{protocol, 0};
    put16(header, static_cast<uint16_t>(offset | mf));
    put32(header, id);
    payload.insert(payload.begin(), header.begin(), header.end());
  }
  const auto next = static_cast<uint8_t>(
      number_of(message, "next-header", fragment ? kFragmentHeader : protocol));
  guest::IpOut header{ends.from.address, ends.to.address, next, packet.ttl.value_or(64),
                      packet.tos.value_or(0)};
  std::vector<uint8_t> frame =
      guest::ip(packet.macs->second, packet.macs->first, header, payload, ~size_t{0});
  const auto set16 = [&frame](size_t at, uint64_t value) {
    frame[at] = static_cast<uint8_t>(value >> 8);
    frame[at + 1] = static_cast<uint8_t>(value);
  };
  if (has(message, "version")) {
    frame[14] = static_cast<uint8_t>((frame[14] & 15) | number_of(message, "version", 4) << 4);
  }
  if (has(message, "total-length")) set16(v4 ? 16 : 18, number_of(message, "total-length", 0));
  if (!v4) return frame;
  if (has(message, "ihl")) {
    frame[14] = static_cast<uint8_t>((frame[14] & 0xf0) | number_of(message, "ihl", 5));
  }
  set16(18, id);
  set16(20, static_cast<uint16_t>(offset / 8 | mf << 13));
  set16(24, 0);
  set16(24, guest::finish_sum(guest::sum_words(Bytes(frame).subspan(14, 20), 0)));
  return frame;
}

}  // namespace

void address_message(PacketSpec& packet, const Macs& macs, const Ends& own, const Ends& gateway) {
  const auto* message = std::get_if<MessageSpec>(&packet.transport);
  const bool link =
      message != nullptr && (message->protocol == "arp" || message->protocol == "ether");
  if (message != nullptr && !packet.ends && !link) packet.ends = usual_ends(*message, own, gateway);
  if (packet.macs) return;
  MacAddress to = macs.gateway;
  if (packet.ends) to = destination_mac(packet.ends->to.address, macs.gateway);
  if (link && message->verb == "who-has") to = MacAddress::broadcast();
  packet.macs.emplace(macs.guest, to);
}

std::vector<uint8_t> message_frame(const PacketSpec& packet, const MessageSpec& message) {
  const auto& [from, to] = *packet.macs;
  if (message.protocol == "arp") {
    return guest::ethernet(to, from, guest::kEtherArp, arp_packet(message, from));
  }
  if (message.protocol == "ether") {
    const std::vector<uint8_t> payload(number_of(message, "length", 46));
    return guest::ethernet(to, from, static_cast<uint16_t>(number_of(message, "ethertype", 0)),
                           payload);
  }
  if (message.protocol == "ip") return raw_ip(packet, message);
  const Ends& ends = *packet.ends;
  guest::IpOut header{ends.from.address, ends.to.address, guest::kProtoUdp, packet.ttl.value_or(64),
                      packet.tos.value_or(0)};
  if (message.protocol == "icmp6") {
    header.protocol = guest::kProtoIcmpv6;
    header.ttl = packet.ttl.value_or(kDiscoveryHopLimit);
    return guest::ip(to, from, header, discovery_message(message), 2);
  }
  const std::vector<uint8_t> payload = message.protocol == "dhcp"    ? dhcp_payload(message, from)
                                       : message.protocol == "dhcp6" ? dhcp6_payload(message)
                                                                     : dns_payload(message);
  return guest::ip(to, from, header, udp_datagram(ends, payload), 6);
}

std::optional<MessageSpec> message_in(const GuestFrame& frame, const std::string& protocol) {
  guest::Parsed parsed;
  if (guest::parse_frame(frame, parsed)) return std::nullopt;
  if (parsed.ether_type == guest::kEtherArp) {
    return protocol == "arp" ? read_arp(parsed.network) : std::nullopt;
  }
  if (protocol == "icmp6") {
    if (parsed.protocol != guest::kProtoIcmpv6) return std::nullopt;
    return read_discovery(parsed.transport);
  }
  if (parsed.protocol != guest::kProtoUdp) return std::nullopt;
  const uint16_t port = parsed.source_port.number;
  if (protocol == "dhcp" && port == 67) return read_dhcp(parsed.payload);
  if (protocol == "dhcp6" && port == 547) return read_dhcp6(parsed.payload);
  if (protocol == "dns" && port == 53) return read_dns(parsed.payload);
  return std::nullopt;
}

std::string message_difference(const PacketSpec& line, const SeenPacket& seen) {
  const auto& wanted = std::get<MessageSpec>(line.transport);
  const auto message = message_in({seen.frame, seen.offload}, wanted.protocol);
  if (!message) return "it is something else";
  const bool elsewhere =
      line.ends && (line.ends->from != seen.ends.from || line.ends->to != seen.ends.to);
  if (elsewhere) return "it is " + to_string(seen.ends.from) + " > " + to_string(seen.ends.to);
  return difference(wanted, *message);
}

std::string stream_difference(const PacketSpec& line, const SeenPacket& seen) {
  if (line.messages.empty()) return {};
  const auto messages = messages_in_stream(seen.payload);
  if (!messages || messages->size() != line.messages.size()) {
    return "it does not carry that many messages";
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    std::string differs = difference(line.messages[i], (*messages)[i]);
    if (!differs.empty()) return differs;
  }
  return {};
}

std::string text_of(const SeenPacket& scripted) {
  for (const char* protocol : {"dhcp", "dhcp6", "dns"}) {
    if (!std::holds_alternative<UdpSpec>(scripted.transport)) break;
    const auto message = message_in({scripted.frame, scripted.offload}, protocol);
    if (message) return written(*message);
  }
  return written(scripted.transport);
}

}  // namespace dashi::script
