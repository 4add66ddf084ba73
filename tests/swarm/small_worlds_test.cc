// Small worlds: for each of a few sessions, every order of up to ten events (a frame arrives, a frame is
// lost, the next timer fires, a socket says something) is tried. After every event the Nat's audit and the
// oracle must be content, and from every state that is reached, left alone, everything must come to an
// end: every end told, no flow, socket or frame left, every byte there for who was told of an end.
//
// Orders that lead to the same state after as many events go on as one (SmallWorld::state); what follows is
// tried once and counted each time. Left alone, a world goes on with events it could have chosen, so only
// the last of ten is followed to the end. A world goes on from a copy of its memory (kept_memory).
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <iostream>
#include <set>
#include <thread>
#include <unordered_map>

#include "tests/support/kept_memory.hh"
#include "tests/swarm/small_world.hh"

namespace dashi {

namespace {

constexpr size_t kEvents = 10;
constexpr size_t kEventsApart = 6;   // where no two orders go on as one
constexpr size_t kMostFailures = 5;  // a session: then the rest is not worth printing

// The longest first.
std::vector<SmallSession> small_sessions() {
  using enum SmallMove;
  using K = AppKind;
  using Moves = std::vector<SmallMove>;
  const Moves guest_ends{kGuestWrites, kGuestFinishes};
  const Moves host_ends{kHostWrites, kHostFinishes};
  const Moves both_end{kGuestFinishes, kHostFinishes};
  const Moves guest_aborts{kGuestWrites, kHostWrites, kGuestAborts};
  const Moves host_aborts{kGuestWrites, kHostWrites, kHostAborts};
  return {
      {"aborted by the guest", false, K::kManual, K::kManual, true, guest_aborts},
      {"closed by the guest", false, K::kManual, K::kSink, true, guest_ends},
      {"closed by the host", false, K::kSink, K::kManual, true, host_ends},
      {"aborted while calling", true, K::kSource, K::kManual, false, {kResult, kHostAborts}},
      {"aborted by the host", false, K::kManual, K::kManual, true, host_aborts},
      {"closed by both", false, K::kManual, K::kManual, true, both_end},
      {"forwarded, closed by both", true, K::kManual, K::kManual, true, both_end},
      {"opened by a forward", true, K::kSource, K::kSource, false, {}},
      {"opened by the guest", false, K::kSource, K::kSource, false, {}},
      {"refused", false, K::kSource, K::kRefuse, false, {}},
      {"unreachable", false, K::kSource, K::kUnreachable, false, {}},
      {"unanswered", false, K::kSource, K::kBlackhole, false, {}},
      {"aborted while opening", false, K::kManual, K::kSource, false, {kGuestAborts}},
  };
}

// How many events after `--`, for all of them.
std::optional<size_t> events_asked_for() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  if (suite.argc < 2) return std::nullopt;
  return std::stoul(suite.argv[1]);
}

// All orders of one session.
class Enumeration {
 public:
  // Merging: orders that lead to the same state go on as one.
  Enumeration(const SmallSession& session, size_t events, bool merging)
      : session_(session), events_(events), merging_(merging), kept_(events) {}

  void run() {
    kept_memory::clear();
    {
      const kept_memory::Inside inside;
      world_ = new SmallWorld(session_);  // gone when the memory is cleared
    }
    kept_memory::settle();
    orders_ = from();
    kept_memory::clear();
  }
  uint64_t orders() const { return orders_; }
  uint64_t states() const { return states_; }
  // What broke, without the order that led there.
  const std::set<std::string>& broken() const { return broken_; }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  struct Key {
    uint64_t high, low;
    size_t events;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hashed {
    size_t operator()(const Key& key) const { return key.high + key.events; }
  };

  // All that may follow on path_, which led world_ to where it is. Then it is somewhere else.
  uint64_t from() {
    const Hash128 state = world_->state();
    const Key key{state.high, state.low, path_.size()};
    if (merging_) {
      const auto known = known_.find(key);
      if (known != known_.end()) return known->second;
    }
    ++states_;
    std::vector<std::string> broken = world_->broken();
    const std::vector<SmallEvent> events = world_->next();
    const bool last = path_.size() == events_ || events.empty();
    if (broken.empty() && last) {
      if (!ends_quietly()) broken.push_back("it does not end");
      for (const std::string& what : world_->broken()) broken.push_back(what);
    }
    if (!broken.empty()) report(broken);
    const uint64_t orders = last || !broken.empty() ? 1 : after_each(events);
    if (merging_) known_.emplace(key, orders);
    return orders;
  }

  uint64_t after_each(const std::vector<SmallEvent>& events) {
    std::vector<uint8_t>& here = kept_[path_.size()];
    kept_memory::keep(here);
    uint64_t orders = 0;
    for (const SmallEvent& event : events) {
      if (&event != &events.front()) kept_memory::put_back(here);
      {
        const kept_memory::Inside inside;
        world_->take(event);
      }
      path_.push_back(event);
      orders += from();
      path_.pop_back();
    }
    return orders;
  }

  bool ends_quietly() {
    const kept_memory::Inside inside;
    return world_->end_quietly();
  }

  void report(const std::vector<std::string>& broken) {
    broken_.insert(broken.begin(), broken.end());
    if (failures_.size() == kMostFailures) return;
    std::string text = std::string(session_.name) + ":";
    SmallWorld again(session_);
    for (const SmallEvent& event : path_) {
      text += "\n  " + again.describe(event);
      again.take(event);
    }
    text += "\n  and then nothing is lost or late any more:";
    for (const std::string& what : broken) text += "\n    " + what;
    failures_.push_back(text);
  }

  const SmallSession& session_;
  const size_t events_;
  const bool merging_;
  SmallWorld* world_ = nullptr;
  std::vector<SmallEvent> path_;
  std::vector<std::vector<uint8_t>> kept_;           // the world after so many events of path_
  std::unordered_map<Key, uint64_t, Hashed> known_;  // orders of what may follow
  uint64_t orders_ = 0;
  uint64_t states_ = 0;
  std::set<std::string> broken_;
  std::vector<std::string> failures_;
};

// Every session's, two at a time.
std::vector<Enumeration> enumerated(const std::vector<SmallSession>& sessions, size_t events,
                                    bool merging) {
  std::vector<Enumeration> all;
  for (const SmallSession& session : sessions) all.emplace_back(session, events, merging);
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < all.size(); i = next++) all[i].run();
  };
  std::thread other(work);
  work();
  other.join();
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(small_worlds)

BOOST_AUTO_TEST_CASE(whatever_the_order_of_events_all_comes_to_an_end_that_is_told) {
  const auto began = std::chrono::steady_clock::now();
  const std::vector<SmallSession> sessions = small_sessions();
  const size_t events = events_asked_for().value_or(kEvents);
  const std::vector<Enumeration> all = enumerated(sessions, events, true);
  uint64_t orders = 0;
  uint64_t states = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    std::cout << sessions[i].name << ": " << all[i].orders() << " interleavings of up to " << events
              << " events, " << all[i].states() << " states\n";
    for (const std::string& failure : all[i].failures()) BOOST_ERROR(failure);
    orders += all[i].orders();
    states += all[i].states();
  }
  const auto took = std::chrono::steady_clock::now() - began;
  std::cout << orders << " interleavings, " << states << " states looked at, in "
            << std::chrono::duration_cast<std::chrono::seconds>(took).count() << " s\n";
  if (!events_asked_for().has_value()) BOOST_TEST(orders > 90'000'000u);
}

// Fewer events, and every order gone through to its end.
BOOST_AUTO_TEST_CASE(orders_that_go_on_as_one_break_and_count_as_each_of_them) {
  const std::vector<SmallSession> sessions = small_sessions();
  const std::vector<Enumeration> merged = enumerated(sessions, kEventsApart, true);
  const std::vector<Enumeration> apart = enumerated(sessions, kEventsApart, false);
  uint64_t states = 0;
  for (size_t i = 0; i < sessions.size(); ++i) {
    BOOST_TEST_CONTEXT(sessions[i].name) {
      BOOST_TEST(merged[i].orders() == apart[i].orders());
      BOOST_TEST(merged[i].broken() == apart[i].broken(), boost::test_tools::per_element());
      for (const std::string& what : apart[i].broken()) std::cout << "broken: " << what << "\n";
    }
    states += apart[i].states();
  }
  std::cout << states << " states one by one\n";
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
