// What goes wrong with the NAT's socket calls: drawn from a SocketFaults spec and written down, or
// taken from a list. The counterpart of FrameFaults for calls; sim_sockets carries it out.
#pragma once

#include <functional>

#include "sim/net_spec.hh"

namespace dashi {

// The kinds of call, as far as faults and digests tell them apart.
enum class SocketCall : uint8_t {
  kConnect,
  kListen,
  kOpenDatagram,
  kOpenEcho,
  kAccept,
  kPeek,
  kConsume,
  kWrite,
  kShutdownWrite,
  kAbort,
  kClose,
  kSend,
  kReceive,
};
const char* name_of(SocketCall call);

// What is to happen to one call; by default nothing.
struct CallFate {
  std::optional<size_t> short_write;    // bytes taken
  std::optional<Duration> would_block;  // until the edge
  bool reset = false;
  Duration connect_late{};
  std::optional<SocketError> connect_fails;
  bool too_many_sockets = false;
  bool no_buffers = false;
};

class SocketCallFaults {
 public:
  static constexpr uint32_t kStream = 500;  // in fault decisions

  SocketCallFaults(const SocketFaults& spec, const Prng& prng, FaultPlan* plan)
      : spec_(spec), prng_(prng), plan_(plan) {}

  // `bytes`: offered to a write.
  CallFate next(SocketCall call, size_t bytes);
  void set_spec(const SocketFaults& spec) { spec_ = spec; }
  // Told of every given decision as its call is made.
  using Watcher = std::function<void(SocketCall, const FaultDecision&)>;
  void set_watcher(Watcher watcher) { watcher_ = std::move(watcher); }
  // Does this to the next call of the kind, beside what is drawn for it: for scripts.
  void force(SocketCall call, const FaultDecision& decision) {
    forced_.emplace_back(call, decision);
  }

 private:
  using Kind = FaultDecision::Kind;
  void draw(SocketCall call, size_t bytes);
  void decide(Kind kind, uint64_t argument);
  bool happens(Chance chance) { return !chance.is_never() && prng_.chance(chance); }
  static void apply(const FaultDecision& decision, CallFate& fate);

  SocketFaults spec_;
  Prng prng_;
  FaultPlan* plan_;
  uint64_t ordinal_ = 0;
  Watcher watcher_;
  CallFate fate_;                                             // of the call being drawn
  std::vector<std::pair<SocketCall, FaultDecision>> forced_;  // in the order of the calls
};

}  // namespace dashi
