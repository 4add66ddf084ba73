#include "sim/script/runner.hh"

#include <algorithm>
#include <set>

#include "core/tcp/connection.hh"

#include "sim/guest_wire.hh"
#include "sim/script/code.hh"
#include "sim/script/conversation.hh"
#include "sim/script/far_end.hh"
#include "sim/script/host_faults.hh"
#include "sim/script/icmp_names.hh"
#include "sim/script/message_wire.hh"
#include "sim/script/mishaps.hh"
#include "sim/script/nat_commands.hh"
#include "sim/script/places.hh"
#include "sim/script/setting.hh"
#include "sim/script/tcp_info.hh"
#include "sim/script/variables.hh"
#include "sim/second_guest.hh"

namespace dashi::script {
namespace {

constexpr MacAddress kGuestMac{{0x02, 0, 0, 0, 0, 0x02}};
constexpr Duration kAnyTime = 10min;  // how long '*' waits
constexpr uint8_t kPsh = 8;
constexpr uint8_t kFinAndPsh = 9;

std::string shown(Instant at) {
  const int64_t us = nanoseconds(at) / 1000;
  std::string fraction = std::to_string(us % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  return std::to_string(us / 1'000'000) + "." + fraction;
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

class Run {
 public:
  Run(const Script& script, const Setting& setting)
      : script_(script),
        setting_(setting),
        world_(setting.world),
        far_end_(world_, Setting::kServerHost, setting.server, forwarded(setting)),
        conversation_(setting.guest, setting.server, !setting.compares_timestamps),
        macs_{kGuestMac, setting.world.nat.topology.gateway_mac},
        other_{conversation_, 0, {}} {
    for (const Event& event : script.events) {
      const auto* line = std::get_if<PacketSpec>(&event.what);
      if (line != nullptr) hears_.insert(link_protocol(line->transport));
      if (event.of_second_guest && second_ == nullptr) {
        second_ = std::make_unique<SecondGuest>(world_, setting.world.nat, setting.world.link);
      }
    }
    if (setting.packetdrill) far_end_.wait_for([this] { return handshake_over(); });
  }

  World& world() { return world_; }
  Outcome go();

 private:
  static Endpoint forwarded(const Setting& setting) {
    const IpAddress here = place_of(*named_place("host"), setting);
    return setting.world.forwards.empty() ? Endpoint{here, Port{8080}}
                                          : setting.world.forwards[0].host;
  }

  void announce();
  Instant due(const When& when) const;
  void advance(Instant to);
  void handle(const Event& event);
  void guest_sends(const Event& event, const PacketSpec& line);
  void expect(const Event& event, const PacketSpec& line);
  std::optional<SeenPacket> next_seen(Instant deadline);
  bool look();
  void call(const Event& event, const CallSpec& spec);
  bool retry();
  void judge(const Event& event, const CallSpec& spec, const CallResult& result);
  void expect_nothing(const Event& event);
  Ends gateway_ends() const;
  PacketSpec settled(const Event& event, const PacketSpec& line);
  bool is_listened_to(const SeenPacket& seen) const;
  Commanded commanded();
  void direct(const Event& event, const DirectiveSpec& directive);
  void assert_code(const Event& event, const CodeSpec& code);
  bool handshake_over();
  Duration slack(Duration since_last) const;
  void turn_to(bool second);
  ScriptedGuest& speaker() { return at_second_ ? second_->script() : world_.script(); }
  void note(Instant at, char side, const std::string& text);
  void skip(Where where, std::string reason);
  void differ(Where where, std::string reason);
  void differ(Where where, const PacketSpec& line, std::string how);
  bool over() const { return outcome_.kind != Outcome::Kind::kPass; }

  const Script& script_;
  const Setting& setting_;
  World world_;
  FarEnd far_end_;
  Code code_;
  Conversation conversation_;
  Macs macs_;
  Variables variables_;
  std::set<std::string> hears_;  // the link's own protocols that the script has lines of
  Instant last_{};               // when the event before this one was due, or came
  size_t looked_at_ = 0;         // of what the guest heard
  std::deque<SeenPacket> seen_;  // and no line has taken yet
  struct Party {                 // what the run knows of a guest's side
    Conversation conversation;
    size_t looked_at;
    std::deque<SeenPacket> seen;
  };
  Party other_;  // of the guest whose line this is not
  bool at_second_ = false;
  std::unique_ptr<SecondGuest> second_;  // null: no line is of one
  const Event* blocked_ = nullptr;
  Instant returns_at_ = kNever;
  Outcome outcome_;
};

void Run::turn_to(bool second) {
  if (second == at_second_) return;
  std::swap(conversation_, other_.conversation);
  std::swap(looked_at_, other_.looked_at);
  std::swap(seen_, other_.seen);
  at_second_ = second;
}

void Run::note(Instant at, char side, const std::string& text) {
  outcome_.transcript += shown(at) + (at_second_ ? " guest2 " : " ") + side + " " + text + "\n";
}

void Run::skip(Where where, std::string reason) {
  if (over()) return;
  outcome_.kind = Outcome::Kind::kSkip;
  outcome_.where = where;
  outcome_.reason = std::move(reason);
}

void Run::differ(Where where, std::string reason) {
  if (over()) return;
  outcome_.kind = Outcome::Kind::kDiffers;
  outcome_.where = where;
  outcome_.reason = std::move(reason);
}

void Run::differ(Where where, const PacketSpec& line, std::string how) {
  differ(where, "expected " + written(line.transport) + ", but " + std::move(how));
}

// Before the script: the far end reads by hand, and the guest says its first word, so that the NAT
// knows where it is.
void Run::announce() {
  world_.apps().open_paused(true);  // what a script does not read stays unread
  const Ipv4Address own = setting_.world.nat.topology.guest_v4;
  const std::vector<uint8_t> word =
      guest::arp(MacAddress::broadcast(), 1, kGuestMac, own, MacAddress{}, own);
  world_.script().send(word, Offload{});
  if (second_ != nullptr) second_->script().send(word, Offload{});
  world_.run_until(world_.now());
}

Instant Run::due(const When& when) const {
  if (when.kind == When::Kind::kAny) return last_;
  return (when.kind == When::Kind::kAbsolute ? Instant{} : last_) + when.from;
}

// How far from its time an event may be that is due so long after the one before.
Duration Run::slack(Duration since_last) const {
  const int64_t part = std::max<int64_t>(0, since_last.count()) / 1000 *
                       static_cast<int64_t>(setting_.tolerance_per_mille);
  return std::max(setting_.tolerance, Duration(part));
}

// --- Packets ---

void Run::guest_sends(const Event& event, const PacketSpec& line) {
  const auto* icmp = std::get_if<IcmpSpec>(&line.transport);
  if (icmp != nullptr && !is_known(setting_.family, *icmp)) {
    return skip(event.where,
                "no such ICMP message in this family: " + icmp->type + " " + icmp->code);
  }
  PacketSpec filled = settled(event, line);
  if (over()) return;
  const bool message = std::holds_alternative<MessageSpec>(line.transport);
  PacketSpec packet = message ? std::move(filled) : conversation_.live(filled);
  address_message(packet, macs_, {setting_.guest, setting_.server}, gateway_ends());
  const Ends about = packet.ends.value_or(Ends{});
  const Macs macs{packet.macs->first, packet.macs->second};
  note(world_.now(), '<', written(line.transport));
  const auto* tcp = std::get_if<TcpSpec>(&line.transport);
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
void Run::expect_nothing(const Event& event) {
  const Instant until =
      (event.when.kind == When::Kind::kAbsolute ? Instant{} : last_) + event.when.to;
  advance(until);
  world_.run_until(world_.now());
  last_ = until;
  if (!look() || over()) return;
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

// One line may stand for several segments: the NAT may cut where it likes, as long as the bytes and
// what the last of them says are the line's.
void Run::expect(const Event& event, const PacketSpec& line) {
  const When& when = event.when;
  const Instant base = when.kind == When::Kind::kAbsolute ? Instant{} : last_;
  const bool any = when.kind == When::Kind::kAny;
  const Duration slack = this->slack(base + when.to - last_);
  const Instant earliest = any ? Instant{} : base + when.from - slack;
  const Instant latest = any ? world_.now() + kAnyTime : base + when.to + slack;
  PacketSpec rest = settled(event, line);
  for (;;) {
    const std::optional<SeenPacket> seen = next_seen(std::max(latest, world_.now()));
    if (over()) return;
    if (!seen) return differ(event.where, rest, "nothing came by " + shown(latest));
    variables_.learn(rest, conversation_.scripted(*seen));
    auto* due = std::get_if<TcpSpec>(&rest.transport);
    std::string difference = conversation_.compare(rest, *seen);
    const SeenPacket scripted = conversation_.scripted(*seen);
    note(seen->at, '>', text_of(scripted));
    const auto* came = std::get_if<TcpSpec>(&scripted.transport);
    const bool part =
        due != nullptr && came != nullptr && came->length > 0 && came->length < due->length;
    if (part) {
      PacketSpec piece = rest;
      auto& tcp = std::get<TcpSpec>(piece.transport);
      tcp.length = came->length;
      tcp.flags = static_cast<uint16_t>((tcp.flags & ~kFinAndPsh) | (came->flags & kPsh));
      difference = conversation_.compare(piece, *seen);
    }
    if (!difference.empty()) {
      return differ(event.where, rest,
                    "at " + shown(seen->at) + " came " + text_of(scripted) + ": " + difference);
    }
    if (seen->at < earliest || seen->at > latest) {
      return differ(
          event.where, rest,
          "it came at " + shown(seen->at) + ", not " + shown(earliest) + " to " + shown(latest));
    }
    const bool actual_time = any || when.from != when.to;
    last_ = actual_time ? std::max(last_, seen->at) : base + when.from;
    if (!part) return;
    due->begin += came->length;
    due->length -= came->length;
  }
}

// --- Calls ---

void Run::judge(const Event& event, const CallSpec& spec, const CallResult& result) {
  if (result.kind == CallResult::Kind::kNotServed) return skip(event.where, result.mismatch);
  if (result.kind == CallResult::Kind::kMisused) return differ(event.where, result.mismatch);
  std::string got = std::to_string(result.value);
  if (!result.error.empty()) got += " " + result.error;
  const Value& expected = spec.result;
  const bool value = expected.kind != Value::Kind::kNumber || expected.number == result.value;
  const bool error = spec.error.empty() || spec.error == result.error ||
                     (spec.error == "EWOULDBLOCK" && result.error == "EAGAIN");
  if (!value || !error) return differ(event.where, spec.name + " returned " + got);
  if (!result.mismatch.empty()) return differ(event.where, spec.name + ": " + result.mismatch);
}

void Run::call(const Event& event, const CallSpec& spec) {
  if (spec.name == "listen" || spec.name == "connect") {
    conversation_.next_syn_begins_flow(spec.name == "connect");
  }
  const CallResult result = far_end_.call(spec);
  if (result.kind != CallResult::Kind::kBlocked) return judge(event, spec, result);
  blocked_ = &event;
  const Instant base =
      event.when.kind == When::Kind::kAbsolute ? Instant{} : last_ - event.when.from;
  returns_at_ = event.when.until ? base + *event.when.until : world_.now();
  if (event.when.until) return;
  world_.run_until(world_.now());  // a connect may be answered at once
  if (!retry()) differ(event.where, spec.name + " would block");
}

// The blocked call once more; true when no call is blocked (any more).
bool Run::retry() {
  if (blocked_ == nullptr || over()) return true;
  const auto& spec = std::get<CallSpec>(blocked_->what);
  CallResult result = far_end_.call(spec);
  const Instant now = world_.now();
  if (result.kind == CallResult::Kind::kBlocked) {
    if (spec.name != "poll" || now < returns_at_) return false;
    result = {};  // poll's time is up
  }
  const Event& event = *blocked_;
  blocked_ = nullptr;
  judge(event, spec, result);
  const Duration slack = event.when.until ? this->slack(*event.when.until) : Duration{};
  if (event.when.until && (now < returns_at_ - slack || now > returns_at_ + slack)) {
    differ(event.where,
           spec.name + " returned at " + shown(now) + ", not at " + shown(returns_at_));
  }
  return true;
}

void Run::advance(Instant to) {
  if (blocked_ != nullptr && to > world_.now()) {
    world_.run_until_done([this] { return retry(); }, to - world_.now());
  }
  if (to > world_.now()) world_.run_until(to);
  retry();
}

Commanded Run::commanded() {
  if (at_second_) return {world_, second_->nat(), second_->link(), second_->driver()};
  return {world_, world_.nat(), world_.link(), world_.driver()};
}

void Run::direct(const Event& event, const DirectiveSpec& directive) {
  world_.run_until(world_.now());  // what is on its way at this instant has come
  const std::string wrong = directive.name == "fail"
                                ? force_fault(world_.sockets().faults(), directive.words)
                                : command(commanded(), setting_, directive);
  if (!wrong.empty()) differ(event.where, wrong);
}

void Run::handle(const Event& event) {
  turn_to(event.of_second_guest);
  const auto* packet = std::get_if<PacketSpec>(&event.what);
  if (packet != nullptr && packet->side == Side::kNat) {
    return is_nothing(*packet) ? expect_nothing(event) : expect(event, *packet);
  }
  const Instant at = due(event.when);
  advance(at);
  last_ = at;
  if (over()) return;
  if (packet != nullptr) return guest_sends(event, *packet);
  if (const auto* spec = std::get_if<CallSpec>(&event.what)) {
    world_.run_until(world_.now());  // what is on its way at this instant has come
    if (blocked_ != nullptr && !retry()) {
      world_.run_until_done([this] { return retry(); }, kAnyTime);
    }
    return call(event, *spec);
  }
  if (const auto* directive = std::get_if<DirectiveSpec>(&event.what)) {
    return direct(event, *directive);
  }
  if (const auto* code = std::get_if<CodeSpec>(&event.what)) return assert_code(event, *code);
  if (const auto* command = std::get_if<CommandSpec>(&event.what)) {
    note(world_.now(), '`', command->text + "  (passed over)");
  }
}

// --- Assertions ---

void Run::assert_code(const Event& event, const CodeSpec& code) {
  world_.run_until(world_.now());
  std::optional<GuestTcpInfo> info;
  if (const auto ends = conversation_.current()) {
    info = world_.nat().tcp_info(ends->from, ends->to);
  }
  const auto verdict = code_.run(code.text, [&](const std::string& name) {
    const std::optional<int64_t> constant = tcp_constant(name);
    if (constant || !info) return constant;
    return tcp_info_value(name, *info);
  });
  if (verdict.kind == CodeVerdict::Kind::kNotServed) return skip(event.where, verdict.why);
  if (verdict.kind == CodeVerdict::Kind::kFails) differ(event.where, verdict.why);
}

// Packetdrill's scripts mean the kernel that answers the guest: its accept and its connect return when
// the guest's handshake is over, however early the NAT's own connection to the far end is.
bool Run::handshake_over() {
  const auto ends = conversation_.current();
  if (!ends) return false;
  const auto info = world_.nat().tcp_info(ends->from, ends->to);
  return info && info->state != TcpState::kSynSent && info->state != TcpState::kSynReceived;
}

Outcome Run::go() {
  if (script_.unserved) skip(script_.unserved->where, "not served: " + script_.unserved->message);
  announce();
  for (const Event& event : script_.events) {
    handle(event);
    if (over()) break;
  }
  if (!over() && blocked_ != nullptr) {
    world_.run_until(world_.now());
    advance(std::max(returns_at_ + setting_.tolerance, world_.now()));
    if (blocked_ != nullptr) differ(blocked_->where, "this call never returned");
  }
  for (const bool second : {at_second_, !at_second_}) {
    if (second && second_ == nullptr) continue;
    turn_to(second);
    while (look() && !seen_.empty()) {
      note(seen_.front().at, '>', text_of(conversation_.scripted(seen_.front())));
      seen_.pop_front();
    }
  }
  outcome_.dump = world_.nat().dump(world_.now());
  if (second_ != nullptr) outcome_.dump += "guest2\n" + second_->nat().dump(world_.now());
  return std::move(outcome_);
}

}  // namespace

Outcome run(const Script& script, const RunOptions& options) {
  const Result<Setting, ScriptError> setting = setting_of(script, options);
  if (!setting) {
    Outcome outcome;
    outcome.kind = Outcome::Kind::kDiffers;
    outcome.where = setting.error().where;
    outcome.reason = setting.error().message;
    return outcome;
  }
  Run run(script, *setting);
  if (options.prepare) options.prepare(run.world());
  return run.go();
}

}  // namespace dashi::script
