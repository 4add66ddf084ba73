#include "core/wire/describe.hh"

#include "core/wire/arp.hh"
#include "core/wire/icmpv6.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"

namespace dashi {
namespace {

std::string number(uint64_t value) { return std::to_string(value); }

std::string hex16(uint16_t value) {
  std::string out = "0x";
  for (int shift = 12; shift >= 0; shift -= 4) {
    out += "0123456789abcdef"[static_cast<size_t>(value >> shift & 0xf)];
  }
  return out;
}

uint16_t u16_at(Bytes bytes, size_t at) { return load<Be16>(bytes.subspan(at)); }
uint32_t u32_at(Bytes bytes, size_t at) { return load<Be32>(bytes.subspan(at)); }

std::string arp_line(Bytes bytes) {
  const auto arp = parse_arp(bytes);
  if (!arp.has_value()) return "ARP malformed";
  if (arp->operation == kArpRequest) {
    const std::string who = "ARP who-has " + to_string(arp->target_ip);
    if (arp->is_probe()) return who + " probe";
    if (arp->is_announcement()) return who + " announcement";
    return who + " tell " + to_string(arp->sender_ip);
  }
  return "ARP " + to_string(arp->sender_ip) + " is-at " + to_string(arp->sender_mac);
}

std::string flags_text(uint8_t flags) {
  struct Flag {
    uint8_t bit;
    char letter;
  };
  constexpr Flag kFlags[] = {{kTcpFin, 'F'}, {kTcpSyn, 'S'}, {kTcpRst, 'R'}, {kTcpPsh, 'P'},
                             {kTcpAck, '.'}, {kTcpUrg, 'U'}, {kTcpEce, 'E'}, {kTcpCwr, 'W'}};
  std::string out;
  for (const Flag& flag : kFlags) {
    if ((flags & flag.bit) != 0) out += flag.letter;
  }
  return out.empty() ? "none" : out;
}

std::string options_text(const TcpOptions& options) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ",") + text; };
  if (options.mss) add("mss " + number(*options.mss));
  if (options.sack_permitted) add("sackOK");
  if (options.timestamps) {
    add("TS val " + number(options.timestamps->value) + " ecr " +
        number(options.timestamps->echo_reply));
  }
  if (options.window_scale) add("wscale " + number(*options.window_scale));
  for (size_t i = 0; i < options.sack_count; ++i) {
    add("sack " + number(options.sack[i].left) + ":" + number(options.sack[i].right));
  }
  return out.empty() ? "" : " <" + out + ">";
}

std::string tcp_text(const Packet& packet) {
  const TcpSegment& tcp = packet.tcp;
  std::string out = " TCP [" + flags_text(tcp.flags) + "] seq " + number(tcp.sequence);
  if (tcp.ack()) out += " ack " + number(tcp.acknowledgment);
  out += " win " + number(tcp.window);
  if ((tcp.flags & kTcpUrg) != 0) out += " urg " + number(tcp.urgent_pointer);
  return out + options_text(tcp.options) + " len " + number(packet.payload.size());
}

// The packet that an ICMP error quotes: often cut short, and nobody vouches for it.
std::string quoted_text(Bytes ip, bool v4) {
  const size_t fixed = v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  if (ip.size() < fixed) return "";
  Endpoint source;
  Endpoint destination;
  IpProtocol protocol{};
  size_t header_bytes = fixed;
  if (v4) {
    const auto header = load<Ipv4Header>(ip);
    source.address = header.source;
    destination.address = header.destination;
    protocol = static_cast<IpProtocol>(header.protocol);
    header_bytes = header.header_bytes();
  } else {
    const auto header = load<Ipv6Header>(ip);
    source.address = header.source;
    destination.address = header.destination;
    protocol = static_cast<IpProtocol>(header.next_header);
  }
  const bool ports = (protocol == IpProtocol::kTcp || protocol == IpProtocol::kUdp) &&
                     ip.size() >= header_bytes + 4;
  if (!ports) return " about " + to_string(source.address) + " > " + to_string(destination.address);
  source.port = Port{u16_at(ip, header_bytes)};
  destination.port = Port{u16_at(ip, header_bytes + 2)};
  return " about " + to_string(source) + " > " + to_string(destination) +
         (protocol == IpProtocol::kTcp ? " TCP" : " UDP");
}

std::string unreachable_text(uint8_t code, bool v4) {
  if (v4) {
    switch (code) {
      case kIcmpNetUnreachable:
        return "net-unreachable";
      case kIcmpHostUnreachable:
        return "host-unreachable";
      case kIcmpProtocolUnreachable:
        return "protocol-unreachable";
      case kIcmpPortUnreachable:
        return "port-unreachable";
      case kIcmpFragmentationNeeded:
        return "fragmentation-needed";
      case kIcmpAdminProhibited:
        return "admin-prohibited";
      default:
        break;
    }
  } else {
    switch (code) {
      case kIcmpv6NoRoute:
        return "no-route";
      case kIcmpv6AdminProhibited:
        return "admin-prohibited";
      case kIcmpv6AddressUnreachable:
        return "address-unreachable";
      case kIcmpv6PortUnreachable:
        return "port-unreachable";
      default:
        break;
    }
  }
  return "unreachable code " + number(code);
}

std::string echo_text(std::string_view name, Bytes message) {
  return std::string(name) + " id " + number(u16_at(message, 4)) + " seq " +
         number(u16_at(message, 6)) + " len " + number(message.size() - 8);
}

std::string icmp_text(Bytes message) {
  const uint8_t type = message[0];
  const uint8_t code = message[1];
  const std::string quoted = quoted_text(message.subspan(8), true);
  switch (type) {
    case kIcmpEchoRequest:
      return echo_text("echo-request", message);
    case kIcmpEchoReply:
      return echo_text("echo-reply", message);
    case kIcmpUnreachable:
      return unreachable_text(code, true) +
             (code == kIcmpFragmentationNeeded ? " mtu " + number(u16_at(message, 6)) : "") +
             quoted;
    case kIcmpTimeExceeded:
      return "time-exceeded" + quoted;
    case kIcmpParameterProblem:
      return "parameter-problem" + quoted;
    default:
      return "type " + number(type) + " code " + number(code);
  }
}

// Neighbour discovery names its target in the sixteen bytes after the header.
std::string target_text(std::string_view name, std::string_view verb, Bytes message) {
  std::string out(name);
  if (message.size() < 24) return out;
  return out + std::string(verb) + to_string(load<Ipv6Address>(message.subspan(8)));
}

std::string icmpv6_text(Bytes message) {
  const uint8_t type = message[0];
  const uint8_t code = message[1];
  const std::string quoted = icmpv6_is_error(type) ? quoted_text(message.subspan(8), false) : "";
  switch (type) {
    case kIcmpv6EchoRequest:
      return echo_text("echo-request", message);
    case kIcmpv6EchoReply:
      return echo_text("echo-reply", message);
    case kIcmpv6Unreachable:
      return unreachable_text(code, false) + quoted;
    case kIcmpv6PacketTooBig:
      return "packet-too-big mtu " + number(u32_at(message, 4)) + quoted;
    case kIcmpv6TimeExceeded:
      return "time-exceeded" + quoted;
    case kIcmpv6ParameterProblem:
      return "parameter-problem code " + number(code) + " at " + number(u32_at(message, 4)) +
             quoted;
    case kIcmpv6RouterSolicitation:
      return "router-solicitation";
    case kIcmpv6RouterAdvertisement:
      return "router-advertisement lifetime " + number(u16_at(message, 6)) + "s";
    case kIcmpv6NeighborSolicitation:
      return target_text("neighbor-solicitation", " who-has ", message);
    case kIcmpv6NeighborAdvertisement:
      return target_text("neighbor-advertisement", " ", message);
    case kIcmpv6Redirect:
      return "redirect";
    case kIcmpv6MldQuery:
      return "mld-query";
    case kIcmpv6MldReport:
    case kIcmpv6Mld2Report:
      return "mld-report";
    case kIcmpv6MldDone:
      return "mld-done";
    default:
      return "type " + number(type) + " code " + number(code);
  }
}

bool has_ports(const Packet& packet) {
  return packet.source_port.number != 0 || packet.destination_port.number != 0;
}

std::string ip_line(const Packet& packet) {
  const IpHeader& ip = packet.ip_header;
  const bool v4 = ip.source.is_v4();
  std::string out = v4 ? "IP " : "IP6 ";
  if (has_ports(packet)) {
    out += to_string(packet.source()) + " > " + to_string(packet.destination());
  } else {
    out += to_string(ip.source) + " > " + to_string(ip.destination);
  }
  out += " ttl " + number(ip.ttl);
  if (ip.tos != 0) out += " tos " + hex16(ip.tos);
  if (v4 && !ip.dont_fragment) out += " may-fragment";
  const bool icmp = ip.protocol == (v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6);
  if (ip.protocol == IpProtocol::kTcp && has_ports(packet)) return out + tcp_text(packet);
  if (ip.protocol == IpProtocol::kUdp && has_ports(packet)) {
    return out + " UDP len " + number(packet.payload.size());
  }
  if (icmp && packet.transport.size() >= sizeof(IcmpHeader)) {
    return out + (v4 ? " ICMP " + icmp_text(packet.transport)
                     : " ICMP6 " + icmpv6_text(packet.transport));
  }
  return out + " protocol " + number(static_cast<uint8_t>(ip.protocol)) + " len " +
         number(packet.transport.size());
}

std::string frame_text(const Packet& packet, Bytes frame) {
  if (frame.size() < 14) return "frame of " + number(frame.size()) + " bytes";
  if (packet.ether_type == EtherType::kArp) return arp_line(frame.subspan(14));
  if (!packet.ip.empty()) return ip_line(packet);
  return to_string(packet.source_mac) + " > " + to_string(packet.destination_mac) + " ethertype " +
         hex16(static_cast<uint16_t>(packet.ether_type)) + " len " + number(frame.size());
}

}  // namespace

std::string describe(Bytes frame, const Offload& offload) {
  Packet packet;
  const auto parsed = parse(frame, offload, 65535, packet);
  std::string out = frame_text(packet, frame);
  if (offload.gso_type != GsoType::kNone) out += " gso " + number(offload.gso_size);
  if (!parsed.ok()) out += " [" + std::string(name_of(parsed.error())) + "]";
  return out;
}

}  // namespace dashi
