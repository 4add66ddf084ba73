#include "sim/swarm/shrink.hh"

#include <algorithm>
#include <cctype>

#include "sim/swarm/minimise.hh"
#include "sim/swarm/simpler.hh"

namespace dashi {

namespace {

using Kind = FaultDecision::Kind;

// Worlds drawn anew for one candidate, while faults are drawn.
constexpr unsigned kSeedsForFewer = 40;
constexpr unsigned kSeedsForPlainer = 8;
// Worlds of which the list of decisions is cut down, and drawn anew to find them.
constexpr unsigned kLists = 4;
constexpr unsigned kSeedsForLists = 60;
constexpr size_t kFewExchanges = 3;
constexpr uint64_t kFirstFrames = 24;  // of a direction: where one fault alone is tried
// With so few decisions left, they are moved along with a change that shifts the frames' numbers.
constexpr size_t kFewDecisions = 12;
constexpr uint64_t kMillisecond = 1'000'000;  // nanoseconds

bool is_of_link(const FaultDecision& decision) {
  return decision.stream == SimLink::kUpStream || decision.stream == SimLink::kDownStream;
}

// The plan with its link's decisions a few frames further on or back; nothing, if one would come before the
// first frame.
std::optional<Plan> moved(const Plan& plan, int64_t up, int64_t down) {
  Plan candidate = plan;
  for (FaultDecision& decision : *candidate.config.given_faults) {
    if (!is_of_link(decision)) continue;
    const int64_t by = decision.stream == SimLink::kUpStream ? up : down;
    const int64_t to = static_cast<int64_t>(decision.ordinal) + by;
    if (to < 0) return std::nullopt;
    decision.ordinal = static_cast<uint64_t>(to);
  }
  return candidate;
}

// What would do as well as this decision and says more to a reader, the plainest first.
std::vector<FaultDecision> plainer(const FaultDecision& decision) {
  std::vector<FaultDecision> others;
  const auto offer = [&](Kind kind, uint64_t argument) {
    const FaultDecision other{decision.stream, kind, decision.ordinal, argument};
    if (other != decision) others.push_back(other);
  };
  switch (decision.kind) {
    case Kind::kBlackout:
    case Kind::kFlipBit:
    case Kind::kSmashHeader:
    case Kind::kSmashChecksum:
    case Kind::kTruncate:
      offer(Kind::kLose, 0);
      break;
    case Kind::kHold:
      for (const uint64_t ms : {1u, 10u, 100u}) offer(Kind::kDelay, ms * kMillisecond);
      break;
    case Kind::kDelay:
    case Kind::kJitter:
    case Kind::kWouldBlock:
    case Kind::kConnectLate:
      for (const uint64_t ms : {1u, 10u, 100u, 1000u}) {
        if (ms * kMillisecond >= decision.argument) break;
        offer(decision.kind, ms * kMillisecond);
      }
      offer(decision.kind, (decision.argument + kMillisecond - 1) / kMillisecond * kMillisecond);
      break;
    default:
      break;
  }
  return others;
}

// What a reader has to take in, and then how long it is.
std::pair<size_t, uint64_t> size_of(const Plan& plan) {
  uint64_t bytes = 0;
  for (const Exchange& exchange : plan.exchanges)
    bytes += exchange.guest.bytes + exchange.far.bytes;
  return {plan.exchanges.size() + plan.errands.size() + plan.config.given_faults->size(), bytes};
}

bool varies(const std::string& word) {
  constexpr size_t kShortestState = 6;  // CLOSED
  const auto is = [](auto test) {
    return [test](char c) { return test(static_cast<unsigned char>(c)) != 0; };
  };
  return std::any_of(word.begin(), word.end(), is([](int c) { return std::isdigit(c); })) ||
         (word.size() >= kShortestState &&
          std::none_of(word.begin(), word.end(), is([](int c) { return std::islower(c); })));
}

Duration rounded(Duration value, Duration unit) { return value / unit * unit; }

}  // namespace

// Every word with a digit in it is a number, an address or a name of a flow; one in capitals is a state.
std::string rule_of(const std::string& broken) {
  std::string rule;
  std::string word;
  const auto end_word = [&] {
    rule += !varies(word) ? word : word.back() == ':' ? "#:" : "#";
    word.clear();
  };
  for (const char c : broken.substr(0, broken.find('\n'))) {
    if (c == ' ') {
      end_word();
      rule += c;
      continue;
    }
    word += c;
  }
  end_word();
  return rule;
}

bool Shrinker::run(const Plan& plan) {
  if (used_up()) return false;
  ++runs_;
  return breaks_(plan);
}

bool Shrinker::take(const Plan& candidate, unsigned seeds) {
  if (candidate.config.given_faults.has_value()) return take_moved(candidate);
  Plan plan = candidate;
  for (unsigned i = 0; i < seeds; ++i) {
    if (i != 0) plan.config.seed = candidate.config.seed + i;
    if (!run(plan)) continue;
    best_ = plan;
    progress_(best_, runs_);
    return true;
  }
  return false;
}

bool Shrinker::take_moved(const Plan& candidate) {
  const bool few = candidate.config.given_faults->size() <= kFewDecisions;
  const bool any = !candidate.config.given_faults->empty();
  for (const int64_t up : {0, -1, -2, 1}) {
    for (const int64_t down : {0, -1, -2, 1}) {
      if ((up != 0 || down != 0) && (!few || !any)) return false;
      const std::optional<Plan> plan = moved(candidate, up, down);
      if (!plan || !run(*plan)) continue;
      best_ = *plan;
      progress_(best_, runs_);
      return true;
    }
  }
  return false;
}

bool Shrinker::drop_exchanges() {
  std::vector<size_t> kept(best_.exchanges.size());
  for (size_t i = 0; i < kept.size(); ++i) kept[i] = i;
  const size_t before = kept.size();
  const Plan all = best_;
  minimise_list(kept, [&](const std::vector<size_t>& rest) {
    if (rest.empty()) return false;
    Plan candidate = all;
    candidate.config.seed = best_.config.seed;
    for (size_t i = all.exchanges.size(); i-- != 0;) {
      const bool stays = std::find(rest.begin(), rest.end(), i) != rest.end();
      if (!stays) candidate = without_exchange(candidate, i);
    }
    return take(candidate, kSeedsForFewer);
  });
  return kept.size() != before;
}

bool Shrinker::drop_errands() {
  std::vector<Errand> errands = best_.errands;
  minimise_list(errands, [&](const std::vector<Errand>& rest) {
    Plan candidate = best_;
    candidate.errands = rest;
    return take(candidate, kSeedsForPlainer);
  });
  return false;  // what it made possible shows in the other passes
}

bool Shrinker::drop_decisions() {
  if (!best_.config.given_faults.has_value()) return false;
  std::vector<FaultDecision> decisions = *best_.config.given_faults;
  const size_t before = decisions.size();
  // Those of a kind at once: some are many and mean nothing.
  for (size_t kind = 0; kind < FaultPlan::kKinds; ++kind) {
    Plan candidate = best_;
    std::vector<FaultDecision>& given = *candidate.config.given_faults;
    const auto is_of_kind = [kind](const FaultDecision& decision) {
      return decision.kind == static_cast<Kind>(kind);
    };
    given.erase(std::remove_if(given.begin(), given.end(), is_of_kind), given.end());
    if (given.size() != best_.config.given_faults->size()) take(candidate, 1);
  }
  decisions = *best_.config.given_faults;
  minimise_list(decisions, [&](const std::vector<FaultDecision>& rest) {
    Plan candidate = best_;
    candidate.config.given_faults = rest;
    if (!run(candidate)) return false;
    best_ = candidate;
    progress_(best_, runs_);
    return true;
  });
  return best_.config.given_faults->size() != before;
}

bool Shrinker::simplify() {
  bool any = false;
  for (const SimplerStep step : simpler_steps()) {
    Plan candidate = best_;
    if (step(candidate)) any = take(candidate, kSeedsForPlainer) || any;
  }
  return any;
}

bool Shrinker::simplify_decisions() {
  if (!best_.config.given_faults.has_value()) return false;
  bool any = false;
  for (size_t i = 0; i < best_.config.given_faults->size(); ++i) {
    for (const FaultDecision& other : plainer((*best_.config.given_faults)[i])) {
      Plan candidate = best_;
      (*candidate.config.given_faults)[i] = other;
      if (!run(candidate)) continue;
      best_ = candidate;
      any = true;
      break;
    }
  }
  return any;
}

bool Shrinker::fewer_bytes() {
  bool any = false;
  for (size_t i = 0; i < best_.exchanges.size(); ++i) {
    for (AppSpec Exchange::*end : {&Exchange::guest, &Exchange::far}) {
      const uint64_t before = (best_.exchanges[i].*end).bytes;
      const bool reader = (best_.exchanges[i].*end).kind == AppKind::kSlowReader;
      const uint64_t after = minimise_number(before, reader ? 1 : 0, [&](uint64_t bytes) {
        Plan candidate = best_;
        (candidate.exchanges[i].*end).bytes = bytes;
        return take(candidate, kSeedsForPlainer);
      });
      any = any || after != before;
      std::string text = (best_.exchanges[i].*end).text;
      if (text.size() < 2) continue;
      Plan candidate = best_;
      (candidate.exchanges[i].*end).text = text.substr(0, 1);
      any = take(candidate, kSeedsForPlainer) || any;
    }
  }
  return any;
}

bool Shrinker::rounder_times() {
  bool any = false;
  const auto round = [&](Duration value, const auto& put) {
    for (const Duration unit :
         {Duration(1000s), Duration(1s), Duration(100ms), Duration(10ms), Duration(1ms)}) {
      if (rounded(value, unit) == value) return;
      Plan candidate = best_;
      put(candidate, rounded(value, unit));
      if (!take(candidate, 1)) continue;
      any = true;
      return;
    }
  };
  for (size_t i = 0; i < best_.exchanges.size(); ++i) {
    round(best_.exchanges[i].after, [i](Plan& plan, Duration to) { plan.exchanges[i].after = to; });
    for (AppSpec Exchange::*end : {&Exchange::guest, &Exchange::far}) {
      if ((best_.exchanges[i].*end).interval <= 1ms) continue;
      round((best_.exchanges[i].*end).interval, [i, end](Plan& plan, Duration to) {
        (plan.exchanges[i].*end).interval = std::max<Duration>(to, 1ms);
      });
    }
  }
  for (size_t i = 0; i < best_.errands.size(); ++i) {
    round(best_.errands[i].after, [i](Plan& plan, Duration to) { plan.errands[i].after = to; });
  }
  return any;
}

// A guest that is not answered gives up after more tries than faults are left that could be to blame.
bool Shrinker::give_up_sooner() {
  constexpr size_t kTriesMore = 1;
  if (!best_.config.given_faults) return false;
  const size_t tries = best_.config.given_faults->size() + kTriesMore;
  if (tries >= best_.config.guest.tcp.data_retries) return false;
  Plan candidate = best_;
  candidate.config.guest.tcp.data_retries = static_cast<uint8_t>(tries);
  return take(candidate, 1);
}

bool Shrinker::one_pass() {
  bool any = drop_exchanges();
  drop_errands();
  any = drop_decisions() || any;
  any = simplify() || any;
  any = fewer_bytes() || any;
  any = rounder_times() || any;
  any = give_up_sooner() || any;
  return simplify_decisions() || any;
}

// The run's own decisions in place of what they were drawn from, if they break it as well.
bool Shrinker::give_faults() {
  Plan candidate = best_;
  candidate.config.given_faults = decided_(best_);
  candidate.config.link.up.faults = candidate.config.link.down.faults = LinkFaults{};
  candidate.config.link.back_pressure = Chance::never();
  candidate.config.socket_faults = SocketFaults{};
  for (HostSpec& host : candidate.config.net.hosts) host.path.faults = LinkFaults{};
  if (!run(candidate)) return false;
  best_ = candidate;
  return true;
}

void Shrinker::to_the_end() {
  while (one_pass() && !used_up()) continue;
}

// One thing done to one of the first frames, in place of all that is done to any.
bool Shrinker::one_fault_alone(Plan candidate) {
  std::vector<FaultDecision>& given = *candidate.config.given_faults;
  given.erase(std::remove_if(given.begin(), given.end(), is_of_link), given.end());
  given.emplace_back();
  const std::pair<Kind, uint64_t> kinds[] = {
      {Kind::kLose, 0}, {Kind::kDelay, 10 * kMillisecond}, {Kind::kDuplicate, 0}};
  for (uint64_t ordinal = 0; ordinal < kFirstFrames; ++ordinal) {
    for (const uint32_t stream : {SimLink::kUpStream, SimLink::kDownStream}) {
      for (const auto& [kind, argument] : kinds) {
        given.back() = {stream, kind, ordinal, argument};
        if (!run(candidate)) continue;
        best_ = candidate;
        return true;
      }
    }
  }
  return false;
}

// Where a list that was cut down ends, many may be left that only make up for each other: one fault might do,
// and a flow might not be needed but to put it in its place.
void Shrinker::look_beside() {
  const Plan found = best_;
  const std::vector<FaultDecision>& given = *found.config.given_faults;
  const auto of_link = std::count_if(given.begin(), given.end(), is_of_link);
  const bool few = found.exchanges.size() <= kFewExchanges;
  for (size_t i = 0; few && found.exchanges.size() > 1 && i < found.exchanges.size(); ++i) {
    if (one_fault_alone(without_exchange(found, i))) return to_the_end();
  }
  if (of_link > 1 && one_fault_alone(found)) to_the_end();
}

Shrunk Shrinker::shrink(const Plan& plan) {
  best_ = plan;
  to_the_end();
  // Lists that are cut down end where nothing more can go, which is not always the least there is: some
  // of the worlds that would have done are tried as well.
  const Plan drawn = best_;
  std::optional<Plan> smallest;
  unsigned ends = 0;
  for (unsigned i = 0; i < kSeedsForLists && ends < kLists && !used_up(); ++i) {
    best_ = drawn;
    best_.config.seed += i;
    if (!give_faults()) continue;
    ++ends;
    to_the_end();
    look_beside();
    if (!smallest || size_of(best_) < size_of(*smallest)) smallest = best_;
  }
  return {smallest.value_or(drawn), runs_, !used_up()};
}

}  // namespace dashi
