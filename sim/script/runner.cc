#include "sim/script/runner.hh"

#include <algorithm>

#include "core/tcp/connection.hh"

#include "sim/guest_wire.hh"
#include "sim/script/host_faults.hh"
#include "sim/script/run.hh"
#include "sim/script/tcp_info.hh"

namespace dashi::script {

void Run::turn_to(bool second) {
  if (second == at_second_) return;
  std::swap(conversation_, other_.conversation);
  std::swap(looked_at_, other_.looked_at);
  std::swap(seen_, other_.seen);
  at_second_ = second;
}

void Run::note(Instant at, char side, const std::string& text) {
  notes_.push_back(
      {at, (at_second_ ? " guest2 " : " ") + std::string(1, side) + " " + text + "\n"});
}

void Run::write_transcript() {
  std::stable_sort(notes_.begin(), notes_.end(),
                   [](const Note& a, const Note& b) { return a.at < b.at; });
  for (const Note& note : notes_) outcome_.transcript += shown(note.at) + note.text;
}

void Run::skip(Where where, std::string reason) {
  if (over()) return;
  outcome_.kind = Outcome::Kind::kSkip;
  outcome_.where = where;
  outcome_.reason = std::move(reason);
}

void Run::differ(Where where, std::string reason) {
  if (outcome_.kind != Outcome::Kind::kPass) return;
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

// --- Calls ---

void Run::judge(const Event& event, const CallSpec& spec, const CallResult& result) {
  if (result.kind == CallResult::Kind::kNotServed) return skip(event.where, result.mismatch);
  if (result.kind == CallResult::Kind::kMisused) return differ(event.where, result.mismatch);
  note(world_.now(), '.',
       spec.name + " = " + std::to_string(result.value) + (result.error.empty() ? "" : " ") +
           result.error);
  const std::string difference = difference_of(spec, result);
  if (difference.empty()) return;
  if (setting_.packetdrill && takes_more(spec, result)) {
    return skip(event.where, "how much a write takes is the sending kernel's affair");
  }
  differ(event.where, difference);
}

void Run::call(const Event& event, const CallSpec& spec) {
  if (spec.name == "listen" || spec.name == "connect") {
    conversation_.next_syn_begins_flow(spec.name == "connect");
  }
  const CallResult result = far_end_.call(spec);
  if (result.kind != CallResult::Kind::kBlocked) return judge(event, spec, result);
  blocked_ = &event;
  gives_up_at_ = result.at_most ? world_.now() + *result.at_most : kNever;
  if (result.at_most) world_.queue().schedule(gives_up_at_, [] {});  // so that retry() is asked
  const Instant base =
      event.when.kind == When::Kind::kAbsolute ? Instant{} : last_ - event.when.from;
  returns_at_ = event.when.until ? base + *event.when.until : world_.now();
  if (event.when.until) return;
  world_.run_until(world_.now());  // a connect may be answered at once
  if (!retry()) differ(event.where, spec.name + " would block");
}

// One call blocks at a time: before another it has returned, at the latest when the script says.
bool Run::awaited(const Event& event, const CallSpec& next) {
  if (retry()) return !over();
  const Event& first = *blocked_;
  const std::string name = std::get<CallSpec>(first.what).name;
  const std::string why = next.name + " while the " + name + " of line " +
                          std::to_string(first.where.line) + " still blocks";
  if (returns_at_ > world_.now()) {
    setting_.packetdrill ? skip(event.where, why) : differ(event.where, why);
    return false;
  }
  advance(returns_at_ + setting_.slack(*first.when.until));
  if (blocked_ != nullptr) differ(event.where, why);
  return !over();
}

// The blocked call once more; true when no call is blocked (any more).
bool Run::retry() {
  if (blocked_ == nullptr || over()) return true;
  const auto& spec = std::get<CallSpec>(blocked_->what);
  CallResult result = far_end_.call(spec);
  const Instant now = world_.now();
  if (result.kind == CallResult::Kind::kBlocked) {
    if (now < gives_up_at_) return false;
    result.kind = CallResult::Kind::kReturned;
  }
  const Event& event = *blocked_;
  blocked_ = nullptr;
  judge(event, spec, result);
  const Duration slack = event.when.until ? setting_.slack(*event.when.until) : Duration{};
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
  if (directive.name == "fail") {
    const auto fault = fault_of(directive.words);  // the parser knew it to be one
    return world_.sockets().faults().force(fault->call, fault->decision);
  }
  const std::string wrong = command(commanded(), setting_, directive);
  if (!wrong.empty()) differ(event.where, wrong);
}

void Run::handle(const Event& event) {
  turn_to(event.of_second_guest);
  if (event.when.kind == When::Kind::kAbsolute) behind_ = {};
  const auto* packet = std::get_if<PacketSpec>(&event.what);
  if (packet != nullptr && packet->side == Side::kNat) {
    const bool anything = is_anything(*packet);
    if (anything || is_nothing(*packet)) return expect_nothing(event, anything);
    return expect(event, *packet);
  }
  const Instant at = due(event.when);
  advance(at);
  last_ = at;
  if (over()) return;
  if (packet != nullptr) return guest_sends(event, *packet);
  if (const auto* spec = std::get_if<CallSpec>(&event.what)) {
    // What is on its way at this instant has come; the NAT has had its turn, unless it is to hear of both.
    if (event.when.kind == When::Kind::kTogether)
      world_.queue().run_ordinary_until(world_.now());
    else
      world_.run_until(world_.now());
    return awaited(event, *spec) ? call(event, *spec) : void();
  }
  if (const auto* directive = std::get_if<DirectiveSpec>(&event.what)) {
    return direct(event, *directive);
  }
  if (const auto* code = std::get_if<CodeSpec>(&event.what)) return assert_code(*code);
  if (const auto* command = std::get_if<CommandSpec>(&event.what)) {
    note(world_.now(), '`', command->text + "  (not run)");
    if (began_ && changes_setting(command->text)) {
      skip(event.where, "a setting of the NAT's cannot change while it runs");
    }
  }
}

// --- Assertions ---

void Run::assert_code(const CodeSpec& code) {
  world_.run_until(world_.now());
  std::optional<GuestTcpInfo> info;
  if (const auto ends = conversation_.current()) {
    info = world_.nat().tcp_info(ends->from, ends->to);
  }
  const auto verdict =
      code_.run(code.text, [&](const std::string& name) { return tcp_info_value(name, info); });
  if (verdict.kind == CodeVerdict::Kind::kHolds) return;
  Where where{code.where.line, code.where.column + 2};
  for (const char c : std::string_view(code.text).substr(0, verdict.at)) {
    where = c == '\n' ? Where{where.line + 1, 1} : Where{where.line, where.column + 1};
  }
  if (verdict.kind == CodeVerdict::Kind::kLess) {
    return forgiven_.add(where, verdict.why, {kLessAggressive});
  }
  // Packetdrill's code is Python, of which much has no meaning here; in ours it is a mistake.
  const bool foreign = verdict.kind == CodeVerdict::Kind::kNotServed && setting_.packetdrill;
  if (foreign) return skip(where, verdict.why);
  const bool mistake = verdict.kind == CodeVerdict::Kind::kNotServed;
  differ(where, (mistake ? "column " + std::to_string(where.column) + ": " : "") + verdict.why);
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
  if (setting_.unserved) skip(setting_.unserved->where, setting_.unserved->message);
  for (const std::string& name : setting_.passed_over) note({}, '`', name + "  (passed over)");
  announce();
  for (const Event& event : script_.events) {
    if (over()) break;
    handle(event);
    began_ = began_ || !std::holds_alternative<CommandSpec>(event.what);
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
  if (outcome_.kind == Outcome::Kind::kPass && forgiven_.where) {
    differ(*forgiven_.where, forgiven_.reason);
    outcome_.allowed_by = forgiven_.by();
  }
  // What no run may do, a script's neither, whatever its lines say: the last of them is carried out.
  world_.run_until(world_.now());
  for (const std::string& violation : world_.violations()) {
    differ(script_.events.empty() ? Where{} : script_.events.back().where, violation);
  }
  write_transcript();
  outcome_.dump = world_.nat().dump(world_.now());
  if (second_ != nullptr) outcome_.dump += "guest2\n" + second_->nat().dump(world_.now());
  return std::move(outcome_);
}

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
