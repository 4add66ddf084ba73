// Packet lines: '<' or '>', what IP carries of interest, the transport, and what the wire does to it.
#include <array>

#include "sim/script/icmp_names.hh"
#include "sim/script/message_forms.hh"
#include "sim/script/parser_state.hh"
#include "sim/script/places.hh"

namespace dashi::script {
namespace {

struct Flag {
  char letter;
  uint16_t bit;
};
constexpr std::array<Flag, 9> kFlags{{{'F', 1},
                                      {'S', 2},
                                      {'R', 4},
                                      {'P', 8},
                                      {'.', 16},
                                      {'U', 32},
                                      {'E', 64},
                                      {'W', 128},
                                      {'A', 256}}};
constexpr int kAceShift = 6;  // AE, CWR and ECE as a number: AccECN's counter

uint16_t flag_bit(char letter) {
  for (const Flag& flag : kFlags) {
    if (flag.letter == letter) return flag.bit;
  }
  return 0;
}

// SEW, P., . or -; and .5 or P.5: an ACK with AccECN's counter.
uint16_t parse_flags(ParserState& in) {
  const Token token = in.take();
  uint16_t flags = 0;
  if (token.is('-')) return flags;
  const auto counter = [&](const Token& decimal) {
    const bool right = decimal.text.size() == 2 && decimal.text[0] == '.' && decimal.text[1] < '8';
    if (!right) in.fail(decimal.where, "not an ACK with a counter of 0 to 7: " + decimal.text);
    return static_cast<uint16_t>(flag_bit('.') | (decimal.text.back() - '0') << kAceShift);
  };
  if (token.kind == Token::Kind::kDecimal) return counter(token);
  for (const char letter : token.text) {
    if (flag_bit(letter) == 0) {
      in.fail(token.where, "not TCP flags (F S R P . U E W A, or -): " + token.text);
      return flags;
    }
    flags = static_cast<uint16_t>(flags | flag_bit(letter));
  }
  if (token.kind == Token::Kind::kWord && in.accept('.')) flags |= flag_bit('.');
  if (in.peek().kind == Token::Kind::kDecimal && !in.peek().after_space) {
    flags = static_cast<uint16_t>(flags | counter(in.take()));
  }
  return flags;
}

void parse_range(ParserState& in, TcpSpec& tcp) {
  using Slot = VariableUse::Slot;
  const Where where = in.peek().where;
  const bool variable = in.peek().is('$');
  tcp.begin =
      static_cast<uint32_t>(in.integer_or_variable("a sequence number", UINT32_MAX, Slot::kBegin));
  if (variable && in.accept('(')) {  // $seq(5): the end follows from it
    tcp.length = static_cast<uint32_t>(in.integer("a length", UINT16_MAX));
    return in.expect(')');
  }
  in.expect(':');
  const auto end = static_cast<uint32_t>(in.integer("a sequence number", UINT32_MAX));
  in.expect('(');
  tcp.length = static_cast<uint32_t>(in.integer("a length", UINT16_MAX));
  in.expect(')');
  if (!in.failed() && end != tcp.begin + tcp.length) {
    in.fail(where, "the sequence numbers and the length do not agree");
  }
}

TcpSpec parse_tcp(ParserState& in, Side side) {
  TcpSpec tcp;
  tcp.flags = parse_flags(in);
  if (in.failed()) return tcp;
  parse_range(in, tcp);
  if (in.accept_word("ack")) {
    tcp.ack = static_cast<uint32_t>(
        in.integer_or_variable("an ack", UINT32_MAX, VariableUse::Slot::kAck));
  }
  if (in.accept_word("win")) tcp.window = static_cast<uint16_t>(in.integer("a window", UINT16_MAX));
  if (in.accept_word("urg"))
    tcp.urgent = static_cast<uint16_t>(in.integer("an urgent pointer", UINT16_MAX));
  const Where where = in.peek().where;
  if (in.accept('<')) tcp.options = parse_tcp_options(in, tcp.any_options);
  if (tcp.any_options && side == Side::kGuest) {
    in.fail(where, "<...> is for packets of the NAT's ('>') only");
  }
  return tcp;
}

IcmpSpec parse_icmp(ParserState& in) {
  IcmpSpec icmp;
  const Where where = in.peek().where;
  const uint32_t line = where.line;
  icmp.type = in.word("an ICMP type");
  const bool coded = in.on_line(line) && in.peek().kind == Token::Kind::kWord;
  if (coded && !in.peek().is_word("mtu") && !in.peek().is_word("id")) icmp.code = in.take().text;
  if (!is_known(Family::kIpv4, icmp) && !is_known(Family::kIpv6, icmp)) {
    in.fail(where,
            "no such ICMP message: " + icmp.type + (icmp.code.empty() ? "" : " ") + icmp.code);
  }
  if (in.accept_word("mtu")) icmp.mtu = static_cast<uint32_t>(in.integer("an MTU", UINT32_MAX));
  if (in.accept_word("id")) {
    icmp.id =
        static_cast<uint16_t>(in.integer_or_variable("an id", UINT16_MAX, VariableUse::Slot::kId));
  }
  if (in.accept_word("seq")) {
    icmp.sequence = static_cast<uint16_t>(
        in.integer_or_variable("a sequence number", UINT16_MAX, VariableUse::Slot::kSequence));
  }
  if (in.accept('(')) {
    icmp.length = static_cast<uint32_t>(in.integer("a length", UINT16_MAX));
    in.expect(')');
  }
  if (in.on_line(line) && in.accept('[')) {
    for (const char* other : {"udp", "raw"}) {
      if (in.peek().is_word(other)) in.not_served(in.peek().where, "an error about UDP or raw IP");
    }
    icmp.about.emplace();
    parse_range(in, *icmp.about);
    in.expect(']');
  }
  return icmp;
}

void parse_ip_word(ParserState& in, PacketSpec& packet) {
  const Token token = in.peek();
  const std::string name = in.word("an IP field: ect0, ect1, ce, noecn, tos, ttl");
  if (name == "noecn")
    packet.ecn = 0;
  else if (name == "ect1")
    packet.ecn = 1;
  else if (name == "ect0")
    packet.ecn = 2;
  else if (name == "ce")
    packet.ecn = 3;
  else if (name == "ect01" && packet.side == Side::kNat)
    packet.any_ect = true;
  else if (name == "flowlabel")
    in.not_served(token.where, "an IPv6 flow label");
  else if (name == "tos")
    packet.tos = static_cast<uint8_t>(in.integer("a TOS", UINT8_MAX));
  else if (name == "ttl")
    packet.ttl = static_cast<uint8_t>(in.integer("a TTL", UINT8_MAX));
  else if (!in.failed())
    in.fail(token.where, "not served: " + name + " in an IP header");
}

std::optional<IpAddress> parse_address(ParserState& in) {
  if (in.peek().kind == Token::Kind::kWord) {
    const Token token = in.take();
    const std::optional<IpAddress> place = named_place(token.text);
    if (!place) in.fail(token.where, "no such place: " + token.text);
    return place;
  }
  const bool bracketed = in.accept('[');
  const Token token = in.peek();
  std::optional<IpAddress> address;
  if (!in.failed() && token.kind == Token::Kind::kAddress) {
    address = parse_ip(in.take().text);
  }
  if (!address) in.fail(token.where, "expected an IP address before " + shown(token));
  if (bracketed) in.expect(']');
  return address;
}

Port parse_port(ParserState& in, VariableUse::Slot slot) {
  return Port{static_cast<uint16_t>(in.integer_or_variable("a port", UINT16_MAX, slot))};
}

Endpoint parse_endpoint(ParserState& in, VariableUse::Slot slot) {
  Endpoint endpoint;
  const std::optional<IpAddress> address = parse_address(in);
  if (in.accept(':')) endpoint.port = parse_port(in, slot);
  if (address) endpoint.address = *address;
  return endpoint;
}

// 10.0.0.2:4000 > 192.0.2.1:80, guest:4000 > server:80, or 4000 > 80 with the script's own addresses.
void parse_ends(ParserState& in, PacketSpec& packet) {
  using Slot = VariableUse::Slot;
  const Token& next = in.peek();
  const bool place = next.kind == Token::Kind::kWord && named_place(next.text).has_value();
  Ends ends;
  if (next.kind == Token::Kind::kInteger || next.is('$')) {
    ends.from.port = parse_port(in, Slot::kFromPort);
    in.expect('>');
    ends.to.port = parse_port(in, Slot::kToPort);
    packet.ends = ends;
  } else if (place || next.kind == Token::Kind::kAddress || next.is('[')) {
    ends.from = parse_endpoint(in, Slot::kFromPort);
    in.expect('>');
    ends.to = parse_endpoint(in, Slot::kToPort);
    packet.ends = ends;
  }
}

uint32_t parse_bytes(ParserState& in) {
  return static_cast<uint32_t>(in.integer("a number of bytes", UINT16_MAX));
}

// dup, dup 99: how many more come. corrupt, corrupt 24: how far into the frame.
uint32_t parse_count(ParserState& in, uint32_t line) {
  if (in.peek().kind != Token::Kind::kInteger || !in.on_line(line)) return 1;
  return static_cast<uint32_t>(in.integer("a number", 10'000));
}

void parse_mishaps(ParserState& in, PacketSpec& packet, uint32_t line) {
  const bool guests = packet.side == Side::kGuest;
  const bool cuttable = std::holds_alternative<TcpSpec>(packet.transport) ||
                        std::holds_alternative<UdpSpec>(packet.transport);
  if (!cuttable && in.on_line(line) && in.peek().is_word("segment")) {
    in.fail(in.peek().where, "segment is for TCP and UDP");
  }
  for (const char* word : {"frag", "cut", "pad", "segment"}) {
    if (guests || !in.on_line(line) || !in.peek().is_word(word)) continue;
    in.fail(in.peek().where, std::string(word) + " is for packets of the guest's ('<') only");
  }
  while (in.on_line(line) && !in.failed()) {
    if (in.accept_word("drop"))
      packet.mishaps.push_back({Mishap::Kind::kDrop, {}, 0});
    else if (in.accept_word("dup"))
      packet.mishaps.push_back({Mishap::Kind::kDuplicate, {}, parse_count(in, line)});
    else if (in.accept_word("corrupt"))
      packet.mishaps.push_back({Mishap::Kind::kCorrupt, {}, parse_count(in, line)});
    else if (in.accept_word("delay"))
      packet.mishaps.push_back({Mishap::Kind::kDelay, in.duration(), 0});
    else if (in.accept_word("frag"))
      packet.mishaps.push_back({Mishap::Kind::kFragment, {}, parse_bytes(in)});
    else if (in.accept_word("cut"))
      packet.mishaps.push_back({Mishap::Kind::kCut, {}, parse_bytes(in)});
    else if (in.accept_word("pad"))
      packet.mishaps.push_back({Mishap::Kind::kPad, {}, parse_bytes(in)});
    else if (in.accept_word("segment"))
      packet.mishaps.push_back({Mishap::Kind::kSegment, {}, parse_bytes(in)});
    else
      return;
  }
}

void parse_transport(ParserState& in, PacketSpec& packet) {
  if (in.peek().kind == Token::Kind::kWord && is_message(in.peek().text)) {
    packet.transport = parse_message(in);
  } else if (in.peek().is_word("nothing") || in.peek().is_word("anything")) {
    packet.transport = MessageSpec{in.take().text, {}, {}};
  } else if (in.accept_word("icmp") || in.accept_word("icmpv6")) {
    packet.transport = parse_icmp(in);
  } else if (in.accept_word("udp")) {
    UdpSpec udp;
    if (!packet.ends) parse_ends(in, packet);
    in.expect('(');
    udp.length = static_cast<uint32_t>(in.integer("a length", UINT16_MAX));
    in.expect(')');
    packet.transport = udp;
  } else if (in.peek().kind == Token::Kind::kWord || in.peek().kind == Token::Kind::kDecimal ||
             in.peek().is('.') || in.peek().is('-')) {
    packet.transport = parse_tcp(in, packet.side);
  } else {
    in.expected("TCP flags, udp or icmp");
  }
}

// What one packet of the guest's can carry behind the largest headers; the NAT's may be several.
constexpr uint32_t kPayloadMax = 65535 - 60 - 60;

uint32_t length_of(const PacketSpec& packet) {
  if (const auto* tcp = std::get_if<TcpSpec>(&packet.transport)) return tcp->length;
  if (const auto* udp = std::get_if<UdpSpec>(&packet.transport)) return udp->length;
  if (const auto* icmp = std::get_if<IcmpSpec>(&packet.transport)) return icmp->length;
  return static_cast<uint32_t>(number_of(std::get<MessageSpec>(packet.transport), "length", 0) &
                               UINT32_MAX);
}

// mac 02:00:00:00:00:02 > ff:ff:ff:ff:ff:ff
void parse_macs(ParserState& in, PacketSpec& packet) {
  const Where where = in.peek().where;
  if (!in.accept_word("mac")) return;
  const std::optional<MacAddress> from = parse_mac(in.take().text);
  in.expect('>');
  const std::optional<MacAddress> to = parse_mac(in.take().text);
  if (!from || !to) return in.fail(where, "expected mac ADDRESS > ADDRESS");
  packet.macs.emplace(*from, *to);
}

// What the (LENGTH) of a line says; nothing: it has none.
std::optional<uint32_t> length_of(const TransportSpec& transport) {
  if (const auto* tcp = std::get_if<TcpSpec>(&transport)) return tcp->length;
  if (const auto* udp = std::get_if<UdpSpec>(&transport)) return udp->length;
  const auto* icmp = std::get_if<IcmpSpec>(&transport);
  return icmp != nullptr && !icmp->about ? std::optional(icmp->length) : std::nullopt;
}

}  // namespace

PacketSpec parse_packet(ParserState& in) {
  PacketSpec packet;
  const Token side = in.take();
  packet.side = side.is('<') ? Side::kGuest : Side::kNat;
  for (const char* wrapped : {"ipv4", "ipv6", "gre", "GREv0", "mpls", "encap"}) {
    if (in.peek().is_word(wrapped)) in.not_served(in.peek().where, "encapsulation");
  }
  parse_macs(in, packet);
  if (in.peek().is('[') || in.peek().is('(')) {
    const char closer = in.take().is('[') ? ']' : ')';
    if (in.peek().kind == Token::Kind::kAddress) {  // [2001:db8::1]:80 > ...
      in.fail(in.peek().where, "an IPv6 address stands after the word 'from'");
    }
    do parse_ip_word(in, packet);
    while (in.accept(',') && !in.failed());
    in.expect(closer);
  }
  in.accept_word("from");
  parse_ends(in, packet);
  if (packet.ends) in.accept(':');
  if (!in.failed()) parse_transport(in, packet);
  if (packet.side == Side::kGuest && length_of(packet) > kPayloadMax) {
    in.fail(side.where, "a packet of the guest's carries at most 65415 bytes");
  }
  if (in.peek().kind == Token::Kind::kString) {
    const Where text = in.peek().where;
    packet.payload = in.take().text;
    while (in.peek().kind == Token::Kind::kString) *packet.payload += in.take().text;
    const size_t has = packet.payload->size();
    const size_t says = length_of(packet.transport).value_or(has);
    const std::string bytes = std::to_string(has) + " bytes, not " + std::to_string(says);
    if (has != says) in.fail(text, "this text has " + bytes);
  }
  const bool tcp = std::holds_alternative<TcpSpec>(packet.transport);
  if (tcp && in.on_line(side.where.line) && in.peek().is_word("dns")) {
    do packet.messages.push_back(parse_message(in));
    while (in.accept_word("then") && in.peek().is_word("dns") && !in.failed());
  }
  if (in.on_line(side.where.line) && in.peek().is('{')) {
    in.not_served(in.peek().where, "a packet damaged by its {...}");
  }
  parse_mishaps(in, packet, side.where.line);
  packet.variables = in.take_variables();
  return packet;
}

}  // namespace dashi::script
