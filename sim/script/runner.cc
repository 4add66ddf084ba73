#include "sim/script/runner.hh"

#include <algorithm>

#include "sim/guest_wire.hh"
#include "sim/script/conversation.hh"
#include "sim/script/far_end.hh"
#include "sim/script/host_faults.hh"
#include "sim/script/icmp_names.hh"
#include "sim/script/setting.hh"

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

class Run {
 public:
  Run(const Script& script, const Setting& setting)
      : script_(script),
        setting_(setting),
        world_(setting.world),
        far_end_(world_, Setting::kServerHost, setting.server, forwarded(setting)),
        conversation_(setting.guest, setting.server),
        macs_{kGuestMac, setting.world.nat.topology.gateway_mac} {}

  World& world() { return world_; }
  Outcome go();

 private:
  static Endpoint forwarded(const Setting& setting) {
    return setting.world.forwards.empty() ? Endpoint{} : setting.world.forwards[0].host;
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
  void expect_counter(const Event& event, const DirectiveSpec& directive);
  void note(Instant at, char side, const std::string& text);
  void skip(Where where, std::string reason);
  void differ(Where where, std::string reason);
  void differ(Where where, const PacketSpec& line, std::string how);
  bool over() const { return outcome_.kind != Outcome::Kind::kPass; }

  const Script& script_;
  const Setting& setting_;
  World world_;
  FarEnd far_end_;
  Conversation conversation_;
  Macs macs_;
  Instant last_{};               // when the event before this one was due, or came
  size_t looked_at_ = 0;         // of what the guest heard
  std::deque<SeenPacket> seen_;  // and no line has taken yet
  const Event* blocked_ = nullptr;
  Instant returns_at_ = kNever;
  Outcome outcome_;
};

void Run::note(Instant at, char side, const std::string& text) {
  outcome_.transcript += shown(at) + " " + side + " " + text + "\n";
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
  const Ipv4Address guest = setting_.world.nat.topology.guest_v4;
  world_.script().send(
      guest::arp(MacAddress::broadcast(), 1, kGuestMac, guest, MacAddress{}, guest), Offload{});
  world_.run_until(world_.now());
}

Instant Run::due(const When& when) const {
  if (when.kind == When::Kind::kAny) return last_;
  return (when.kind == When::Kind::kAbsolute ? Instant{} : last_) + when.from;
}

// --- Packets ---

void Run::guest_sends(const Event& event, const PacketSpec& line) {
  const auto* icmp = std::get_if<IcmpSpec>(&line.transport);
  if (icmp != nullptr && !is_known(setting_.family, *icmp)) {
    return skip(event.where,
                "no such ICMP message in this family: " + icmp->type + " " + icmp->code);
  }
  PacketSpec packet = conversation_.live(line);
  std::vector<uint8_t> frame = frame_of(packet, macs_, *packet.ends);
  note(world_.now(), '<', written(line.transport));
  Duration delay{};
  unsigned copies = 1;
  for (const Mishap& mishap : line.mishaps) {
    if (mishap.kind == Mishap::Kind::kDrop) copies = 0;
    if (mishap.kind == Mishap::Kind::kDuplicate) ++copies;
    if (mishap.kind == Mishap::Kind::kDelay) delay = mishap.delay;
    if (mishap.kind == Mishap::Kind::kCorrupt) frame.back() ^= 1;
  }
  for (; copies > 0; --copies) {
    if (delay == Duration{})
      world_.script().send(frame, Offload{});
    else
      world_.script().send_at(world_.now() + delay, frame, Offload{});
  }
}

// Takes what the guest heard since; true if a packet waits for its line.
bool Run::look() {
  const std::vector<HeardFrame>& heard = world_.script().heard();
  for (; looked_at_ < heard.size(); ++looked_at_) {
    auto seen = see(heard[looked_at_]);
    if (const auto* unreadable = std::get_if<Unreadable>(&seen)) {
      note(heard[looked_at_].at, '>', unreadable->why);
      differ({}, "the NAT sent " + unreadable->why);
    } else if (auto* packet = std::get_if<SeenPacket>(&seen)) {
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
  const Instant earliest = any ? Instant{} : base + when.from - setting_.tolerance;
  const Instant latest = any ? world_.now() + kAnyTime : base + when.to + setting_.tolerance;
  PacketSpec rest = line;
  for (;;) {
    const std::optional<SeenPacket> seen = next_seen(std::max(latest, world_.now()));
    if (over()) return;
    if (!seen) return differ(event.where, rest, "nothing came by " + shown(latest));
    auto* due = std::get_if<TcpSpec>(&rest.transport);
    std::string difference = conversation_.compare(rest, *seen);
    const SeenPacket scripted = conversation_.scripted(*seen);
    note(seen->at, '>', written(scripted.transport));
    const auto* came = std::get_if<TcpSpec>(&scripted.transport);
    const bool part =
        due != nullptr && came != nullptr && came->length > 0 && came->length < due->length;
    if (part) {
      PacketSpec piece = rest;
      auto& tcp = std::get<TcpSpec>(piece.transport);
      tcp.length = came->length;
      tcp.flags = static_cast<uint8_t>((tcp.flags & ~kFinAndPsh) | (came->flags & kPsh));
      difference = conversation_.compare(piece, *seen);
    }
    if (!difference.empty()) {
      return differ(
          event.where, rest,
          "at " + shown(seen->at) + " came " + written(scripted.transport) + ": " + difference);
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
  if (event.when.until &&
      (now < returns_at_ - setting_.tolerance || now > returns_at_ + setting_.tolerance)) {
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

// expect COUNTER == N
void Run::expect_counter(const Event& event, const DirectiveSpec& directive) {
  const std::vector<std::string>& words = directive.words;
  if (words.size() != 4 || words[1] != "=" || words[2] != "=") {
    return skip(event.where, "only 'expect COUNTER == NUMBER' is understood");
  }
  world_.run_until(world_.now());
  std::string name = words[0];
  std::replace(name.begin(), name.end(), '_', '-');
  const Counters& counters = world_.nat().counters();
  std::optional<uint64_t> value;
  for (size_t i = 0; i < counters.values.size(); ++i) {
    if (name_of(static_cast<Counter>(i)) == name) value = counters.values[i];
  }
  for (size_t i = 0; i < counters.drops.size(); ++i) {
    if (name_of(static_cast<DropReason>(i)) == name) value = counters.drops[i];
  }
  if (!value) return differ(event.where, "no such counter: " + words[0]);
  if (std::to_string(*value) != words[3]) {
    differ(event.where, words[0] + " is " + std::to_string(*value) + ", not " + words[3]);
  }
}

void Run::handle(const Event& event) {
  const auto* packet = std::get_if<PacketSpec>(&event.what);
  if (packet != nullptr && packet->side == Side::kNat) return expect(event, *packet);
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
    if (directive->name == "expect") return expect_counter(event, *directive);
    const std::string wrong = force_fault(world_.sockets().faults(), directive->words);
    if (!wrong.empty()) differ(event.where, wrong);
    return;
  }
  if (std::holds_alternative<CodeSpec>(event.what)) skip(event.where, "code is not served");
}

Outcome Run::go() {
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
  while (look() && !seen_.empty()) {
    note(seen_.front().at, '>', written(conversation_.scripted(seen_.front()).transport));
    seen_.pop_front();
  }
  outcome_.dump = world_.nat().dump(world_.now());
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
