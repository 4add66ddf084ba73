#include "sim/script/conversation.hh"

#include <algorithm>

#include "sim/script/icmp_names.hh"
#include "sim/script/message_wire.hh"

namespace dashi::script {
namespace {

constexpr uint8_t kSyn = 2;
constexpr uint8_t kAck = 16;
constexpr uint32_t kMostShift = 14;  // RFC 7323 2.3

Ends reversed(const Ends& ends) { return {ends.to, ends.from}; }

bool operator==(const Ends& a, const Ends& b) { return a.from == b.from && a.to == b.to; }

std::string shown(const Ends& ends) { return to_string(ends.from) + " > " + to_string(ends.to); }

bool same(const TcpOption& a, const TcpOption& b) {
  return a.kind == b.kind && a.value == b.value && a.echo == b.echo && a.blocks == b.blocks &&
         a.bytes == b.bytes;
}

bool same_options(const TcpSpec& line, const TcpSpec& seen) {
  return line.any_options || std::equal(line.options.begin(), line.options.end(),
                                        seen.options.begin(), seen.options.end(), same);
}

// Empty: they agree. Else the first field that does not.
std::string difference(const TcpSpec& line, const TcpSpec& seen) {
  if (line.flags != seen.flags) return "the flags differ";
  if (line.begin != seen.begin) return "the sequence number differs";
  if (line.length != seen.length) return "the length differs";
  if (line.ack != seen.ack) return "the ack differs";
  if (line.window && line.window != seen.window) return "the window differs";
  if (line.urgent != seen.urgent) return "the urgent pointer differs";
  return same_options(line, seen) ? "" : "the options differ";
}

// By number: one script names the errors of both families.
bool same_message(Family family, const IcmpSpec& line, const IcmpSpec& seen) {
  if (line.code.empty() && line.type == seen.type) return true;
  return is_known(family, line) && is_known(family, seen) &&
         number_icmp(family, line) == number_icmp(family, seen);
}

bool agrees(Family family, const IcmpSpec& line, const IcmpSpec& seen) {
  return same_message(family, line, seen) && line.mtu == seen.mtu && line.id == seen.id &&
         line.sequence == seen.sequence && line.length == seen.length;
}

std::string transport_difference(const PacketSpec& line, const SeenPacket& seen) {
  constexpr const char* kOther = "it is something else";
  if (line.transport.index() != seen.transport.index()) return kOther;
  if (const auto* tcp = std::get_if<TcpSpec>(&line.transport)) {
    return difference(*tcp, std::get<TcpSpec>(seen.transport));
  }
  if (const auto* udp = std::get_if<UdpSpec>(&line.transport)) {
    return udp->length == std::get<UdpSpec>(seen.transport).length ? "" : "the length differs";
  }
  const auto& icmp = std::get<IcmpSpec>(line.transport);
  const Family family = seen.ends.from.address.family();
  return agrees(family, icmp, std::get<IcmpSpec>(seen.transport)) ? "" : kOther;
}

// From, to.
std::pair<MacAddress, MacAddress> macs_of(Bytes frame) {
  return {load<MacAddress>(frame.subspan(sizeof(MacAddress))), load<MacAddress>(frame)};
}

// What is not the transport's: MAC addresses, TTL, TOS, bytes.
std::string other_difference(const PacketSpec& line, const SeenPacket& seen) {
  if (line.ttl && *line.ttl != seen.ttl) return "its TTL is " + std::to_string(seen.ttl);
  if (line.tos && *line.tos != seen.tos) return "its TOS is " + std::to_string(seen.tos);
  if (line.ecn && *line.ecn != (seen.tos & 3))
    return "its ECN bits are " + std::to_string(seen.tos & 3);
  if (line.macs) {
    const auto [from, to] = macs_of(seen.frame);
    if (to != line.macs->second) return "it is sent to " + to_string(to);
    if (from != line.macs->first) return "it is sent from " + to_string(from);
  }
  if (line.any_ect && (seen.tos & 3) != 1 && (seen.tos & 3) != 2)
    return "its ECN bits are " + std::to_string(seen.tos & 3);
  if (line.payload && *line.payload != std::string(seen.payload.begin(), seen.payload.end())) {
    return "it carries \"" + std::string(seen.payload.begin(), seen.payload.end()) + "\"";
  }
  return {};
}

// Nothing: it does not scale its windows.
std::optional<uint32_t> window_shift(const TcpSpec& syn) {
  for (const TcpOption& option : syn.options) {
    if (option.kind == TcpOption::Kind::kWindowScale) return option.value;
  }
  return std::nullopt;
}

bool is_later(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

}  // namespace

void Conversation::next_syn_begins_flow(bool from_nat) {
  begin_anew_ = !from_nat;
  awaits_nat_syn_ = from_nat;
}

const Flow* Conversation::find(const Ends& ends) const {
  for (const Flow& flow : flows_) {
    if (flow.ends == ends) return &flow;
  }
  return nullptr;
}

Flow& Conversation::flow_of(const Ends& ends) {
  for (Flow& flow : flows_) {
    if (flow.ends == ends) return flow;
  }
  flows_.push_back({ends, std::nullopt, std::nullopt, {}, 0, std::nullopt});
  return flows_.back();
}

Ends Conversation::ends_of(const PacketSpec& line) const {
  const Ends usual = flows_.empty() ? Ends{guest_, server_} : flows_[current_].ends;
  if (!line.ends) return usual;
  Ends ends = line.side == Side::kGuest ? *line.ends : reversed(*line.ends);
  if (ends.from.address.is_unspecified()) ends.from.address = usual.from.address;
  if (ends.to.address.is_unspecified()) ends.to.address = usual.to.address;
  return ends;
}

PacketSpec Conversation::live(const PacketSpec& line) {
  PacketSpec packet = line;
  const auto* spec = std::get_if<TcpSpec>(&line.transport);
  const bool syn = spec != nullptr && (spec->flags & (kSyn | kAck)) == kSyn;
  if (!line.ends && (flows_.empty() || (syn && begin_anew_))) {
    Ends ends{guest_, server_};
    ends.from.port.number = static_cast<uint16_t>(guest_.port.number + ports_used_++);
    flow_of(ends);
    current_ = flows_.size() - 1;
    begin_anew_ = false;
  }
  packet.ends = ends_of(line);
  Flow& flow = flow_of(*packet.ends);
  const bool scales = spec == nullptr || (spec->flags & kSyn) == 0 || window_shift(*spec);
  if (!scales) flow.window_shift = 0;  // RFC 7323 2.2: where both do, and no else
  const uint32_t base = flow.nat_base.value_or(0);
  if (auto* icmp = std::get_if<IcmpSpec>(&packet.transport); icmp != nullptr && icmp->about) {
    icmp->about->begin += base;
    icmp->about->flags = kAck;
  }
  auto* tcp = std::get_if<TcpSpec>(&packet.transport);
  if (tcp == nullptr) return packet;
  if (tcp->ack) *tcp->ack += base;
  for (TcpOption& option : tcp->options) {
    for (auto& [left, right] : option.blocks) {
      left += base;
      right += base;
    }
    const bool echoes = option.kind == TcpOption::Kind::kTimestamps && (tcp->flags & kAck) != 0;
    const auto named = flow.times.find(option.echo);
    if (echoes && named != flow.times.end())
      option.echo = named->second;
    else if (echoes)
      option.echo += flow.time_base.value_or(0);
  }
  return packet;
}

SeenPacket Conversation::scripted(SeenPacket seen) const {
  const Flow* flow = find(reversed(seen.ends));
  auto* tcp = std::get_if<TcpSpec>(&seen.transport);
  if (flow == nullptr || tcp == nullptr) return seen;
  const uint32_t base = flow->nat_base.value_or(0);
  tcp->begin -= base;
  for (TcpOption& option : tcp->options) {
    if (option.kind == TcpOption::Kind::kTimestamps) option.value -= flow->time_base.value_or(0);
  }
  return seen;
}

void Conversation::learn(const PacketSpec& line, const SeenPacket& seen) {
  const auto* expected = std::get_if<TcpSpec>(&line.transport);
  const auto* tcp = std::get_if<TcpSpec>(&seen.transport);
  if (expected == nullptr || tcp == nullptr) return;
  const bool syn = (tcp->flags & expected->flags & kSyn) != 0;
  if (syn && awaits_nat_syn_ && !line.ends && (tcp->flags & kAck) == 0) {
    flows_.push_back({reversed(seen.ends), std::nullopt, std::nullopt, {}, 0, std::nullopt});
    current_ = flows_.size() - 1;
    awaits_nat_syn_ = false;
  }
  Flow& flow = flow_of(reversed(seen.ends));
  if (syn) {
    flow.nat_base = tcp->begin - expected->begin;
    flow.time_base.reset();
    flow.window_shift = std::min(window_shift(*tcp).value_or(0), kMostShift);
    flow.offer.reset();
  }
  for (const TcpOption& option : tcp->options) {
    if (option.kind != TcpOption::Kind::kTimestamps) continue;
    for (const TcpOption& written : expected->options) {
      if (written.kind != option.kind) continue;
      if (!flow.time_base) flow.time_base = option.value - written.value;
      if (times_are_names_) flow.times[written.value] = option.value;
    }
  }
}

void Conversation::take(const SeenPacket& seen) {
  const auto* tcp = std::get_if<TcpSpec>(&seen.transport);
  if (tcp == nullptr || !tcp->ack || !tcp->window) return;
  for (Flow& flow : flows_) {
    if (!(flow.ends == reversed(seen.ends))) continue;
    const uint32_t shift = (tcp->flags & kSyn) != 0 ? 0 : flow.window_shift;
    const Offer made{*tcp->ack, *tcp->ack + (uint32_t{*tcp->window} << shift)};
    if (!flow.offer) flow.offer = made;
    if (is_later(made.ack, flow.offer->ack)) flow.offer->ack = made.ack;
    if (is_later(made.edge, flow.offer->edge)) flow.offer->edge = made.edge;
  }
}

std::optional<Offer> Conversation::offer_before(const SeenPacket& seen) const {
  const Flow* flow = find(reversed(seen.ends));
  return flow == nullptr ? std::nullopt : flow->offer;
}

// A TS val that merely names the NAT's is the NAT's.
PacketSpec Conversation::with_times_of(const SeenPacket& seen, PacketSpec line) {
  auto* tcp = std::get_if<TcpSpec>(&line.transport);
  const auto* came = std::get_if<TcpSpec>(&seen.transport);
  if (tcp == nullptr || came == nullptr) return line;
  for (TcpOption& option : tcp->options) {
    for (const TcpOption& other : came->options) {
      const bool both = option.kind == TcpOption::Kind::kTimestamps && other.kind == option.kind;
      if (both) option.value = other.value;
    }
  }
  return line;
}

std::string Conversation::compare(const PacketSpec& line, SeenPacket seen) {
  if (std::holds_alternative<MessageSpec>(line.transport)) {
    const std::string differs = message_difference(line, seen);
    return differs.empty() ? other_difference(line, seen) : differs;
  }
  learn(line, seen);
  const bool icmp = std::holds_alternative<IcmpSpec>(seen.transport);
  const Ends expected = reversed(ends_of(line));
  const bool for_flow =
      icmp ? line.ends || seen.ends.to.address == expected.to.address : seen.ends == expected;
  seen = scripted(std::move(seen));
  if (!for_flow) return "it is for another flow: " + shown(seen.ends);
  std::string differs = times_are_names_ ? transport_difference(with_times_of(seen, line), seen)
                                         : transport_difference(line, seen);
  if (differs.empty()) differs = other_difference(line, seen);
  return differs.empty() ? stream_difference(line, seen) : differs;
}

}  // namespace dashi::script
