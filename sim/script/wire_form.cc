#include "sim/script/wire_form.hh"

#include <array>

#include "sim/guest_bytes.hh"
#include "sim/guest_wire.hh"
#include "sim/script/icmp_names.hh"
#include "sim/script/message_forms.hh"
#include "sim/script/message_wire.hh"

namespace dashi::script {
namespace {

using Kind = TcpOption::Kind;
using guest::get16;
using guest::get32;
using guest::put16;
using guest::put32;

constexpr size_t kTcpHeader = 20;
constexpr size_t kUdpHeader = 8;
constexpr size_t kIcmpHeader = 8;

// --- Reading ---

std::vector<TcpOption> read_options(Bytes bytes) {
  constexpr std::array<Kind, 9> kKinds{Kind::kEol,         Kind::kNop,           Kind::kMss,
                                       Kind::kWindowScale, Kind::kSackPermitted, Kind::kSack,
                                       Kind::kRaw,         Kind::kRaw,           Kind::kTimestamps};
  std::vector<TcpOption> options;
  while (!bytes.empty()) {
    TcpOption option;
    const uint8_t kind = bytes[0];
    option.kind = kind < kKinds.size() ? kKinds[kind] : Kind::kRaw;
    if (option.kind == Kind::kRaw) option.value = kind;
    size_t length = 1;
    if (kind > 1) {
      if (bytes.size() < 2 || bytes[1] < 2 || bytes[1] > bytes.size())
        break;  // parse_frame lets it by
      length = bytes[1];
    }
    if (option.kind == Kind::kMss && length == 4) option.value = get16(bytes, 2);
    if (option.kind == Kind::kWindowScale && length == 3) option.value = bytes[2];
    if (option.kind == Kind::kTimestamps && length == 10) {
      option.value = get32(bytes, 2);
      option.echo = get32(bytes, 6);
    }
    for (size_t at = 2; option.kind == Kind::kSack && at + 8 <= length; at += 8) {
      option.blocks.emplace_back(get32(bytes, at), get32(bytes, at + 4));
    }
    if (option.kind == Kind::kRaw)
      option.bytes.assign(bytes.begin() + 2, bytes.begin() + static_cast<std::ptrdiff_t>(length));
    options.push_back(std::move(option));
    bytes = bytes.subspan(length);
  }
  return options;
}

TcpSpec read_tcp(const guest::Parsed& parsed) {
  TcpSpec tcp;
  tcp.flags = static_cast<uint16_t>(parsed.transport[13] | (parsed.transport[12] & 1) << 8);
  tcp.begin = parsed.sequence;
  tcp.length = static_cast<uint32_t>(parsed.payload.size());
  if (parsed.has(guest::kAck)) tcp.ack = parsed.acknowledgment;
  tcp.window = parsed.window;
  tcp.urgent = get16(parsed.transport, 18);
  const size_t header = parsed.transport.size() - parsed.payload.size();
  tcp.options = read_options(parsed.transport.subspan(kTcpHeader, header - kTcpHeader));
  return tcp;
}

// The ports an ICMP error quotes are what tells its flow.
IcmpSpec read_icmp(const guest::Parsed& parsed, Ends& ends) {
  IcmpSpec icmp;
  const Bytes message = parsed.transport;
  if (message.size() < kIcmpHeader) return icmp;
  name_icmp(parsed.source.family(), message[0], message[1], icmp);
  if (is_echo(icmp)) {
    icmp.id = get16(message, 4);
    icmp.sequence = get16(message, 6);
    icmp.length = static_cast<uint32_t>(message.size() - kIcmpHeader);
    return icmp;
  }
  const bool v4 = parsed.source.is_v4();
  const bool pointer = message[0] == (v4 ? 12 : 4);  // a parameter problem's, not an MTU
  if (!pointer) icmp.mtu = v4 ? get16(message, 6) : get32(message, 4);
  const Bytes quoted = message.subspan(kIcmpHeader);
  const size_t ip = v4 ? (quoted.empty() ? 20 : (quoted[0] & 15u) * 4u) : 40;
  if (quoted.size() < ip + 8) return icmp;
  ends.to.port = Port{get16(quoted, ip)};
  ends.from.port = Port{get16(quoted, ip + 2)};
  icmp.about.emplace();
  icmp.about->begin = get32(quoted, ip + 4);
  return icmp;
}

// --- Building ---

std::vector<uint8_t> options_of(const TcpSpec& tcp) {
  std::vector<uint8_t> bytes;
  for (const TcpOption& option : tcp.options) {
    switch (option.kind) {
      case Kind::kEol:
        bytes.push_back(0);
        break;
      case Kind::kNop:
        bytes.push_back(1);
        break;
      case Kind::kMss:
        bytes.insert(bytes.end(), {2, 4});
        put16(bytes, static_cast<uint16_t>(option.value));
        break;
      case Kind::kWindowScale:
        bytes.insert(bytes.end(), {3, 3, static_cast<uint8_t>(option.value)});
        break;
      case Kind::kSackPermitted:
        bytes.insert(bytes.end(), {4, 2});
        break;
      case Kind::kSack:
        bytes.insert(bytes.end(), {5, static_cast<uint8_t>(2 + 8 * option.blocks.size())});
        for (const auto& [left, right] : option.blocks) {
          put32(bytes, left);
          put32(bytes, right);
        }
        break;
      case Kind::kTimestamps:
        bytes.insert(bytes.end(), {8, 10});
        put32(bytes, option.value);
        put32(bytes, option.echo);
        break;
      case Kind::kRaw:
        bytes.insert(bytes.end(), {static_cast<uint8_t>(option.value),
                                   static_cast<uint8_t>(2 + option.bytes.size())});
        bytes.insert(bytes.end(), option.bytes.begin(), option.bytes.end());
        break;
    }
  }
  while (bytes.size() % 4 != 0) bytes.push_back(0);
  return bytes;
}

std::vector<uint8_t> tcp_header(const TcpSpec& tcp, const Ends& ends) {
  std::vector<uint8_t> segment;
  const std::vector<uint8_t> options = options_of(tcp);
  put16(segment, ends.from.port.number);
  put16(segment, ends.to.port.number);
  put32(segment, tcp.begin);
  put32(segment, tcp.ack.value_or(0));
  const size_t words = (kTcpHeader + options.size()) / 4;
  segment.push_back(static_cast<uint8_t>(words << 4 | tcp.flags >> 8));
  segment.push_back(static_cast<uint8_t>(tcp.flags));
  put16(segment, tcp.window.value_or(0));
  put16(segment, 0);
  put16(segment, tcp.urgent);
  segment.insert(segment.end(), options.begin(), options.end());
  return segment;
}

void put_payload(std::vector<uint8_t>& to, const PacketSpec& packet, size_t length) {
  const std::string bytes = packet.payload.value_or(std::string());
  for (size_t i = 0; i < length; ++i) {
    to.push_back(i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : uint8_t{0});
  }
}

// What an error quotes: the IP header and the first eight bytes of the NAT's packet to the guest.
std::vector<uint8_t> quote(const TcpSpec& about, const Ends& flow, const Macs& macs) {
  const Ends back{flow.to, flow.from};
  std::vector<uint8_t> segment = tcp_header(about, back);
  segment.resize(segment.size() + about.length);
  const guest::IpOut header{back.from.address, back.to.address, guest::kProtoTcp, 64, 0};
  const std::vector<uint8_t> frame = guest::ip(macs.guest, macs.gateway, header, segment, 16);
  const size_t most = 14 + (back.from.address.is_v4() ? 20u : 40u) + 8u;
  return {frame.begin() + 14,
          frame.begin() + static_cast<std::ptrdiff_t>(std::min(most, frame.size()))};
}

std::vector<uint8_t> icmp_message(const IcmpSpec& icmp, const PacketSpec& packet, const Macs& macs,
                                  const Ends& about) {
  const Family family = packet.ends->from.address.family();
  const auto [type, code] = number_icmp(family, icmp);
  std::vector<uint8_t> message{type, code, 0, 0};
  if (is_echo(icmp)) {
    put16(message, icmp.id);
    put16(message, icmp.sequence);
    put_payload(message, packet, icmp.length);
    return message;
  }
  put32(message, icmp.mtu);
  const std::vector<uint8_t> quoted = quote(icmp.about.value_or(TcpSpec{}), about, macs);
  message.insert(message.end(), quoted.begin(), quoted.end());
  return message;
}

}  // namespace

std::variant<std::monostate, SeenPacket, Unreadable> see(const HeardFrame& frame) {
  guest::Parsed parsed;
  if (const auto error = guest::parse_frame({frame.bytes, frame.offload}, parsed)) {
    return Unreadable{*error == guest::ParseError::kMalformed ? "a malformed frame"
                                                              : "a frame with a wrong checksum"};
  }
  SeenPacket seen;
  seen.at = frame.at;
  seen.frame = frame.bytes;
  seen.offload = frame.offload;
  seen.ttl = parsed.ttl;
  seen.tos = parsed.tos;
  seen.ends = {{parsed.source, parsed.source_port}, {parsed.destination, parsed.destination_port}};
  seen.payload.assign(parsed.payload.begin(), parsed.payload.end());
  const bool v6 = parsed.source.is_v6();
  if (parsed.ether_type == guest::kEtherArp) {
    if (auto arp = read_arp(parsed.network)) seen.transport = std::move(*arp);
    return seen;
  }
  if (parsed.protocol == guest::kProtoTcp) {
    seen.transport = read_tcp(parsed);
  } else if (parsed.protocol == guest::kProtoUdp) {
    seen.transport = UdpSpec{static_cast<uint32_t>(parsed.payload.size())};
  } else if (parsed.protocol == (v6 ? guest::kProtoIcmpv6 : guest::kProtoIcmp)) {
    const bool discovery = v6 && parsed.transport.size() > 4 && parsed.transport[0] >= 130;
    auto message = discovery ? read_discovery(parsed.transport) : std::nullopt;
    if (message)
      seen.transport = std::move(*message);
    else
      seen.transport = read_icmp(parsed, seen.ends);
    const auto* icmp = std::get_if<IcmpSpec>(&seen.transport);
    if (icmp != nullptr && is_echo(*icmp)) {
      const auto bytes = parsed.transport.subspan(kIcmpHeader);
      seen.payload.assign(bytes.begin(), bytes.end());
    }
  } else {
    return std::monostate{};
  }
  return seen;
}

std::vector<uint8_t> frame_of(const PacketSpec& packet, const Macs& macs, const Ends& about) {
  if (const auto* message = std::get_if<MessageSpec>(&packet.transport)) {
    return message_frame(packet, *message);
  }
  const Ends& ends = *packet.ends;
  guest::IpOut header{ends.from.address, ends.to.address, 0, packet.ttl.value_or(64), 0};
  header.tos = static_cast<uint8_t>(packet.tos.value_or(0) | packet.ecn.value_or(0));
  if (const auto* tcp = std::get_if<TcpSpec>(&packet.transport)) {
    header.protocol = guest::kProtoTcp;
    std::vector<uint8_t> segment = tcp_header(*tcp, ends);
    put_payload(segment, packet, tcp->length);
    return guest::ip(macs.gateway, macs.guest, header, segment, 16);
  }
  if (const auto* udp = std::get_if<UdpSpec>(&packet.transport)) {
    header.protocol = guest::kProtoUdp;
    std::vector<uint8_t> datagram;
    put16(datagram, ends.from.port.number);
    put16(datagram, ends.to.port.number);
    put16(datagram, static_cast<uint16_t>(kUdpHeader + udp->length));
    put16(datagram, 0);
    put_payload(datagram, packet, udp->length);
    return guest::ip(macs.gateway, macs.guest, header, datagram, 6);
  }
  const auto& icmp = std::get<IcmpSpec>(packet.transport);
  header.protocol = header.source.is_v4() ? guest::kProtoIcmp : guest::kProtoIcmpv6;
  const std::vector<uint8_t> message = icmp_message(icmp, packet, macs, about);
  return guest::ip(macs.gateway, macs.guest, header, message, 2);
}

// --- Writing ---

namespace {

std::string written(const TcpOption& option) {
  switch (option.kind) {
    case Kind::kEol:
      return "eol";
    case Kind::kNop:
      return "nop";
    case Kind::kMss:
      return "mss " + std::to_string(option.value);
    case Kind::kWindowScale:
      return "wscale " + std::to_string(option.value);
    case Kind::kSackPermitted:
      return "sackOK";
    case Kind::kTimestamps:
      return "TS val " + std::to_string(option.value) + " ecr " + std::to_string(option.echo);
    case Kind::kSack: {
      std::string text = "sack";
      for (const auto& [left, right] : option.blocks) {
        text += " " + std::to_string(left) + ":" + std::to_string(right);
      }
      return text;
    }
    case Kind::kRaw:
      break;
  }
  return "option " + std::to_string(option.value);
}

std::string flags_of(uint16_t flags) {
  constexpr const char* kLetters = "FSRP.UEWA";
  std::string text;
  for (const int bit : {1, 0, 2, 3, 5, 6, 7, 8, 4}) {
    if ((flags >> bit & 1) != 0) text += kLetters[bit];
  }
  return text.empty() ? "-" : text;
}

std::string range(const TcpSpec& tcp) {
  return std::to_string(tcp.begin) + ":" + std::to_string(tcp.begin + tcp.length) + "(" +
         std::to_string(tcp.length) + ")";
}

}  // namespace

std::string written(const TcpSpec& tcp) {
  std::string text = flags_of(tcp.flags) + " " + range(tcp);
  if (tcp.ack) text += " ack " + std::to_string(*tcp.ack);
  if (tcp.window) text += " win " + std::to_string(*tcp.window);
  if (tcp.urgent != 0) text += " urg " + std::to_string(tcp.urgent);
  if (tcp.any_options) text += " <...>";
  if (tcp.options.empty()) return text;
  text += " <";
  for (size_t i = 0; i < tcp.options.size(); ++i) {
    text += (i == 0 ? "" : ",") + written(tcp.options[i]);
  }
  return text + ">";
}

std::string written(const TransportSpec& transport) {
  if (const auto* tcp = std::get_if<TcpSpec>(&transport)) return written(*tcp);
  if (const auto* udp = std::get_if<UdpSpec>(&transport)) {
    return "udp (" + std::to_string(udp->length) + ")";
  }
  if (const auto* message = std::get_if<MessageSpec>(&transport)) return written(*message);
  const auto& icmp = std::get<IcmpSpec>(transport);
  std::string text = "icmp " + icmp.type;
  if (!icmp.code.empty()) text += " " + icmp.code;
  if (is_echo(icmp)) {
    return text + " id " + std::to_string(icmp.id) + " seq " + std::to_string(icmp.sequence) +
           " (" + std::to_string(icmp.length) + ")";
  }
  if (icmp.mtu != 0) text += " mtu " + std::to_string(icmp.mtu);
  return text;
}

}  // namespace dashi::script
