// Small worlds: for each of a few sessions, every order of up to ten events (a frame arrives, a frame is
// lost, the next timer fires, a socket says something) is tried. After every event the Nat's audit and the
// oracle must be content, and from every state that is reached, left alone, everything must come to an
// end: every end told, no flow, socket or frame left, every byte there for who was told of an end.
//
// Orders that lead to the same state after as many events go on as one (SmallWorld::state); what follows is
// tried once and counted each time. Left alone, a world goes on with events it could have chosen, so only
// the last of ten is followed to the end. Worlds share nothing: one is made again for each order.
#include <boost/test/unit_test.hpp>
#include <iostream>

#include "tests/swarm/small_world.hh"

namespace dashi {

namespace {

constexpr size_t kEvents = 10;
constexpr size_t kFewer = 8;         // where both ends' frames are under way from the first
constexpr size_t kMostFailures = 5;  // a session: then the rest is not worth printing

struct Enumerated {
  SmallSession session;
  size_t events;
};

std::vector<Enumerated> small_sessions() {
  using enum SmallMove;
  using K = AppKind;
  using Moves = std::vector<SmallMove>;
  const Moves guest_ends{kGuestWrites, kGuestFinishes};
  const Moves host_ends{kHostWrites, kHostFinishes};
  const Moves both_end{kGuestFinishes, kHostFinishes};
  const Moves guest_aborts{kGuestWrites, kHostWrites, kGuestAborts};
  const Moves host_aborts{kGuestWrites, kHostWrites, kHostAborts};
  return {
      {{"opened by the guest", false, K::kSource, K::kSource, false, {}}, kEvents},
      {{"opened by a forward", true, K::kSource, K::kSource, false, {}}, kEvents},
      {{"refused", false, K::kSource, K::kRefuse, false, {}}, kEvents},
      {{"unreachable", false, K::kSource, K::kUnreachable, false, {}}, kEvents},
      {{"unanswered", false, K::kSource, K::kBlackhole, false, {}}, kEvents},
      {{"aborted while opening", false, K::kManual, K::kSource, false, {kGuestAborts}}, kEvents},
      {{"aborted while calling", true, K::kSource, K::kManual, false, {kResult, kHostAborts}},
       kFewer},
      {{"closed by the guest", false, K::kManual, K::kSink, true, guest_ends}, kFewer},
      {{"closed by the host", false, K::kSink, K::kManual, true, host_ends}, kFewer},
      {{"closed by both", false, K::kManual, K::kManual, true, both_end}, kFewer},
      {{"forwarded, closed by both", true, K::kManual, K::kManual, true, both_end}, kFewer},
      {{"aborted by the guest", false, K::kManual, K::kManual, true, guest_aborts}, kFewer},
      {{"aborted by the host", false, K::kManual, K::kManual, true, host_aborts}, kFewer},
  };
}

// How many events after `--`, for all of them.
std::optional<size_t> events_asked_for() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  if (suite.argc < 2) return std::nullopt;
  return std::stoul(suite.argv[1]);
}

class Enumeration {
 public:
  Enumeration(const SmallSession& session, size_t events) : session_(session), events_(events) {}

  // The number of orders.
  uint64_t run() { return from(std::make_unique<SmallWorld>(session_)); }
  uint64_t states() const { return known_.size(); }

 private:
  struct Key {
    uint64_t high, low;
    size_t events;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // All that may follow on path_, which led `world` to where it is.
  uint64_t from(std::unique_ptr<SmallWorld> world) {
    const Hash128 state = world->state();
    const Key key{state.high, state.low, path_.size()};
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    std::vector<std::string> broken = world->broken();
    const std::vector<SmallEvent> events = world->next();
    const bool last = path_.size() == events_ || events.empty();
    if (broken.empty() && last) {
      if (!world->end_quietly()) broken.push_back("it does not end");
      for (const std::string& what : world->broken()) broken.push_back(what);
    }
    uint64_t orders = last || !broken.empty() ? 1 : 0;
    if (!broken.empty()) {
      report(broken);
    } else if (!last) {
      for (size_t i = 0; i < events.size(); ++i) {
        auto next = i + 1 == events.size() ? std::move(world) : redone();
        next->take(events[i]);
        path_.push_back(events[i]);
        orders += from(std::move(next));
        path_.pop_back();
      }
    }
    known_.emplace(key, orders);
    return orders;
  }

  std::unique_ptr<SmallWorld> redone() const {
    auto world = std::make_unique<SmallWorld>(session_);
    for (const SmallEvent& event : path_) world->take(event);
    return world;
  }

  void report(const std::vector<std::string>& broken) {
    if (++failures_ > kMostFailures) return;
    std::string text = std::string(session_.name) + ":";
    SmallWorld again(session_);
    for (const SmallEvent& event : path_) {
      text += "\n  " + again.describe(event);
      again.take(event);
    }
    text += "\n  and then nothing is lost or late any more:";
    for (const std::string& what : broken) text += "\n    " + what;
    BOOST_ERROR(text);
  }

  const SmallSession& session_;
  const size_t events_;
  std::vector<SmallEvent> path_;
  std::map<Key, uint64_t> known_;  // orders of what may follow
  size_t failures_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(small_worlds)

BOOST_AUTO_TEST_CASE(whatever_the_order_of_events_all_comes_to_an_end_that_is_told) {
  uint64_t orders = 0;
  uint64_t states = 0;
  for (const auto& [session, events] : small_sessions()) {
    const size_t most = events_asked_for().value_or(events);
    Enumeration enumeration(session, most);
    const uint64_t found = enumeration.run();
    std::cout << session.name << ": " << found << " interleavings of up to " << most << " events, "
              << enumeration.states() << " states" << std::endl;
    orders += found;
    states += enumeration.states();
  }
  std::cout << orders << " interleavings, " << states << " states looked at\n";
  if (!events_asked_for().has_value()) BOOST_TEST(orders > 5'000'000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
