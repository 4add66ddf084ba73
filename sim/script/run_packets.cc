// The packets of a run: the guest's are sent, the NAT's are compared with their lines.
#include <algorithm>

#include "sim/guest_wire.hh"
#include "sim/script/icmp_names.hh"
#include "sim/script/mishaps.hh"
#include "sim/script/run.hh"

namespace dashi::script {
namespace {

constexpr uint8_t kPsh = 8;
constexpr uint8_t kFinAndPsh = 9;

std::string expected(const PacketSpec& line, const SeenPacket& came) {
  return "expected " + written(line.transport) + ", but at " + shown(came.at) + " came " +
         text_of(came);
}

}  // namespace

std::string shown(Instant at) {
  const int64_t us = nanoseconds(at) / 1000;
  std::string fraction = std::to_string(us % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  return std::to_string(us / 1'000'000) + "." + fraction;
}

bool is_anything(const PacketSpec& line) {
  const auto* message = std::get_if<MessageSpec>(&line.transport);
  return message != nullptr && message->protocol == "anything";
}

// Of what a link says for itself, which kind: "arp", "router", "neighbor"; empty: it is not that.
std::string link_protocol(const TransportSpec& transport) {
  const auto* message = std::get_if<MessageSpec>(&transport);
  if (message == nullptr) return {};
  return message->protocol == "icmp6" ? message->verb.substr(0, message->verb.find('-'))
         : message->protocol == "arp" ? "arp"
                                      : "";
}

bool is_nothing(const PacketSpec& line) {
  const auto* message = std::get_if<MessageSpec>(&line.transport);
  return message != nullptr && message->protocol == "nothing";
}

void Run::guest_sends(const Event& event, const PacketSpec& line) {
  const auto* icmp = std::get_if<IcmpSpec>(&line.transport);
  if (icmp != nullptr && !is_known(setting_.family, *icmp)) {
    return skip(event.where,
                "no such ICMP message in this family: " + icmp->type + " " + icmp->code);
  }
  PacketSpec filled = settled(event, line);
  if (over()) return;
  const bool message = std::holds_alternative<MessageSpec>(line.transport);
  const std::string text = written(filled.transport);
  PacketSpec packet = message ? std::move(filled) : conversation_.live(filled);
  address_message(packet, macs_, {setting_.guest, setting_.server}, gateway_ends());
  const Ends about = packet.ends.value_or(Ends{});
  const Macs macs{packet.macs->first, packet.macs->second};
  note(world_.now(), '<', text);
  const auto* tcp = std::get_if<TcpSpec>(&line.transport);
  if (tcp != nullptr) heard_ = *tcp;
  const bool is_super_frame =
      tcp != nullptr && setting_.guest_segment != 0 && tcp->length > setting_.guest_segment;
  for (SentFrame& sent : suffer(frame_of(packet, macs, about), line.mishaps)) {
    if (is_super_frame) sent.offload = guest::leave_checksum(sent.bytes, setting_.guest_segment);
    if (sent.after == Duration{})
      speaker().send(sent.bytes, sent.offload);
    else
      speaker().send_at(world_.now() + sent.after, sent.bytes, sent.offload);
  }
}

Ends Run::gateway_ends() const {
  const IpAddress gateway = place_of(*named_place("gateway"), setting_);
  return {{setting_.guest.address, Port{40053}}, {gateway, Port{53}}};
}

// The line with addresses and known numbers in place of names and variables.
PacketSpec Run::settled(const Event& event, const PacketSpec& line) {
  PacketSpec packet = line;
  if (packet.ends) {
    packet.ends->from.address = place_of(packet.ends->from.address, setting_);
    packet.ends->to.address = place_of(packet.ends->to.address, setting_);
  }
  if (auto* message = std::get_if<MessageSpec>(&packet.transport)) name_places(*message, setting_);
  for (MessageSpec& message : packet.messages) name_places(message, setting_);
  const std::string unknown = variables_.fill(packet);
  if (line.side == Side::kNat) return packet;
  if (!unknown.empty()) differ(event.where, "no line before has seen $" + unknown);
  if (!packet.messages.empty()) {
    const std::vector<uint8_t> stream = stream_of(packet.messages);
    packet.payload.emplace(stream.begin(), stream.end());
    const auto& tcp = std::get<TcpSpec>(packet.transport);
    if (tcp.length != stream.size()) {
      differ(event.where, "these messages take " + std::to_string(stream.size()) + " bytes");
    }
  }
  return packet;
}

bool Run::is_listened_to(const SeenPacket& seen) const {
  const std::string protocol = link_protocol(seen.transport);
  return protocol.empty() || hears_.count(protocol) != 0;
}

// +1 > nothing: until then nothing came.
void Run::expect_nothing(const Event& event, bool anything) {
  const Instant until =
      (event.when.kind == When::Kind::kAbsolute ? Instant{} : last_) + event.when.to;
  advance(until);
  world_.run_until(world_.now());
  last_ = until;
  if (!look() || over()) return;
  if (anything) {
    for (; !seen_.empty(); seen_.pop_front()) {
      note(seen_.front().at, '>', text_of(conversation_.scripted(seen_.front())));
      conversation_.take(seen_.front());
    }
    return;
  }
  const SeenPacket seen = conversation_.scripted(seen_.front());
  differ(event.where, "expected nothing, but at " + shown(seen.at) + " came " + text_of(seen));
}

// Takes what the guest heard since; true if a packet waits for its line.
bool Run::look() {
  const std::vector<HeardFrame>& heard = speaker().heard();
  for (; looked_at_ < heard.size(); ++looked_at_) {
    auto seen = see(heard[looked_at_]);
    if (const auto* unreadable = std::get_if<Unreadable>(&seen)) {
      note(heard[looked_at_].at, '>', unreadable->why);
      differ({}, "the NAT sent " + unreadable->why);
    } else if (auto* packet = std::get_if<SeenPacket>(&seen);
               packet != nullptr && is_listened_to(*packet)) {
      seen_.push_back(std::move(*packet));
    }
  }
  return !seen_.empty() || over();
}

std::optional<SeenPacket> Run::next_seen(Instant deadline) {
  if (!look()) world_.run_until_done([this] { return retry(), look(); }, deadline - world_.now());
  if (seen_.empty()) return std::nullopt;
  SeenPacket seen = std::move(seen_.front());
  seen_.pop_front();
  return seen;
}

// Whether what came may be as it is; that is noted, and the script goes on, or is over with it.
bool Run::forgive(Where where, const PacketSpec& line, const SeenPacket& seen, Duration behind) {
  const SeenPacket scripted = conversation_.scripted(seen);
  const std::string reason = expected(line, scripted);
  const auto may = [&](const PacketSpec& said, Rules rules) {
    const PacketSpec changed = forgiving(said, scripted, behind, rules);
    const bool agrees = !rules.empty() && conversation_.compare(changed, seen).empty();
    if (agrees) forgiven_.add(where, reason, rules);
    return agrees;
  };
  if (may(line, {})) return true;
  Rules trims;
  const Offer offer = conversation_.offer_before(seen).value_or(Offer{});
  const auto less = trimmed(line, scripted, heard_, offer, trims);
  if (less && may(*less, trims)) return over_early_ = true;
  const std::string instead = allowed_instead(line, scripted, heard_);
  if (instead.empty()) return false;
  forgiven_.add(where, reason, {instead});
  over_early_ = true;
  return true;
}

// What came for a line: all of it, a part of its bytes, or something that may come before it.
Run::Met Run::meet(Where where, PacketSpec& line, SeenPacket& seen, Duration behind) {
  Rules cut;
  SeenPacket left;
  if (setting_.packetdrill && cut_for(line, seen, left, cut)) {
    if (!cut.empty()) forgiven_.add(where, expected(line, conversation_.scripted(seen)), cut);
    seen_.push_front(std::move(left));
  }
  variables_.learn(line, conversation_.scripted(seen));
  std::string difference = conversation_.compare(line, seen);
  const SeenPacket scripted = conversation_.scripted(seen);
  note(seen.at, '>', text_of(scripted));
  const auto* due = std::get_if<TcpSpec>(&line.transport);
  const auto* came = std::get_if<TcpSpec>(&scripted.transport);
  const bool part =
      due != nullptr && came != nullptr && came->length > 0 && came->length < due->length;
  PacketSpec piece = line;
  if (part) {
    auto& tcp = std::get<TcpSpec>(piece.transport);
    tcp.length = came->length;
    tcp.flags = static_cast<uint16_t>((tcp.flags & ~kFinAndPsh) | (came->flags & kPsh));
    difference = conversation_.compare(piece, seen);
  }
  if (difference.empty()) return part ? Met::kPart : Met::kWhole;
  if (setting_.packetdrill) {
    if (forgive(where, piece, seen, behind)) return part ? Met::kPart : Met::kWhole;
    const std::string between = allowed_between(line, scripted);
    if (!between.empty()) {
      forgiven_.add(where, expected(line, scripted), {between});
      return Met::kNothing;
    }
  }
  differ(where, expected(line, scripted) + ": " + difference);
  return Met::kNothing;
}

// One line may stand for several segments: the NAT may cut where it likes, as long as the bytes and
// what the last of them says are the line's.
void Run::expect(const Event& event, const PacketSpec& line) {
  const When& when = event.when;
  const Instant base = when.kind == When::Kind::kAbsolute ? Instant{} : last_;
  const bool any = when.kind == When::Kind::kAny;
  const Duration slack = setting_.slack(base + when.to - last_);
  const Instant earliest = any ? Instant{} : std::max(Instant{}, base + when.from - slack);
  const Instant latest = any ? world_.now() + kAnyTime : base + when.to + slack;
  PacketSpec rest = settled(event, line);
  const bool may_wait = setting_.packetdrill && is_pure_ack(rest.transport);
  std::string only = "nothing";
  const Instant deadline = may_wait ? latest + kAckWaitMax : latest;
  for (;;) {
    std::optional<SeenPacket> seen = next_seen(std::max(deadline, world_.now()));
    if (over()) return;
    if (!seen) return differ(event.where, rest, only + " came by " + shown(latest));
    const Instant at = std::clamp(seen->at, base + when.from, base + when.to);
    const Duration waited = may_wait && !any ? seen->at - at : Duration{};
    const Met met = meet(event.where, rest, *seen, behind_ + waited);
    conversation_.take(*seen);
    if (over()) return;
    if (met == Met::kNothing) {
      only = "only " + text_of(conversation_.scripted(*seen));
      continue;
    }
    const bool at_its_time = seen->at >= earliest && seen->at <= latest;
    const std::string late =
        "it came at " + shown(seen->at) + ", not " + shown(earliest) + " to " + shown(latest);
    if (!at_its_time && !may_wait) return differ(event.where, rest, late);
    if (!at_its_time) forgiven_.add(event.where, late, {allowed_between(rest, *seen)});
    const bool actual_time = any || when.from != when.to || !at_its_time;
    last_ = actual_time ? std::max(last_, seen->at) : base + when.from;
    if (!at_its_time) behind_ += last_ - std::clamp(last_, base + when.from, base + when.to);
    if (met == Met::kWhole) return;
    const uint32_t n = std::get<TcpSpec>(seen->transport).length;
    auto& due = std::get<TcpSpec>(rest.transport);
    due.begin += n;
    due.length -= n;
  }
}

}  // namespace dashi::script
