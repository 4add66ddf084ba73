// Watches one Nat of a simulated world, whatever its engine: that every connection goes through the
// states of RFC 9293 in an order the RFC allows, that no table outgrows its limit, and what the Nat's
// own audit says between two turns (timers, numbers, bytes held). It only looks: no draw, no event,
// nothing in the digest.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/nat/nat.hh"
#include "core/tcp/connection.hh"

namespace dashi {

// How often connections were found in one state after another, by [from][to]; the last `from` is none.
inline constexpr size_t kTcpStates = static_cast<size_t>(TcpState::kClosed) + 1;
using Transitions = std::array<std::array<uint64_t, kTcpStates>, kTcpStates + 1>;

// Whether RFC 9293 3.3.2 has this transition, as far as a Nat can make it.
bool is_transition(TcpState from, TcpState to);

class NatOracle {
 public:
  explicit NatOracle(const Limits& limits) : limits_(limits) {}

  // Everything the Nat traces.
  void observe(const TraceEvent& event);
  // What the sockets say is about to be told to the Nat: what is for flows that are over must come to nothing.
  void before_events(const Nat& nat, std::span<const SocketEvent> events);
  // After every turn of the driver's.
  void after_turn(const Nat& nat);
  void expect_within_limits(const FlowCounts& counts);
  // A new Nat begins: the old one's flows went with it.
  void restart() {
    states_.clear();
    waiting_.clear();
  }

  const Transitions& transitions() const { return transitions_; }
  // How often each of TCP's timers fired.
  const std::array<uint64_t, kTcpTimers>& timers_fired() const { return timers_fired_; }

  // The first that were seen, a line each.
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Seen {
    bool forwarded = false;         // the Nat called, not the guest
    std::optional<TcpState> state;  // absent until it is told
  };
  void report(std::string what);
  void observe_opened(const FlowId& flow, TcpOrigin origin);
  void observe_closed(const FlowId& flow);
  void observe_state(const FlowId& flow, TcpState state);

  Limits limits_;
  uint64_t stale_due_ = 0;         // Counter::kSocketEventsStale after this turn, at least
  std::map<FlowId, Seen> states_;  // of open TCP connections
  std::set<FlowId> waiting_;       // records in TIME-WAIT
  Transitions transitions_{};
  std::array<uint64_t, kTcpTimers> timers_fired_{};
  std::vector<std::string> violations_;
};

}  // namespace dashi
