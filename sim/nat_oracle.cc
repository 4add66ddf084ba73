#include "sim/nat_oracle.hh"

namespace dashi {

namespace {

constexpr size_t kMostReported = 20;
constexpr size_t kStates = kTcpStates;

constexpr uint32_t bit(TcpState state) { return 1u << static_cast<unsigned>(state); }

// One transition each (RFC 9293 figure 5). There is no listening here: the Nat takes a SYN as SYN-RECEIVED.
constexpr std::array<uint32_t, kStates> kNext = [] {
  using S = TcpState;
  std::array<uint32_t, kStates> next{};
  const auto set = [&next](S from, uint32_t to) { next[static_cast<size_t>(from)] = to; };
  set(S::kSynSent, bit(S::kSynReceived) | bit(S::kEstablished));
  set(S::kSynReceived, bit(S::kEstablished) | bit(S::kFinWait1) | bit(S::kCloseWait));
  set(S::kEstablished, bit(S::kFinWait1) | bit(S::kCloseWait));
  set(S::kFinWait1, bit(S::kFinWait2) | bit(S::kClosing) | bit(S::kTimeWait));
  set(S::kFinWait2, bit(S::kTimeWait));
  set(S::kCloseWait, bit(S::kLastAck));
  set(S::kClosing, bit(S::kTimeWait));
  set(S::kLastAck, bit(S::kClosed));
  set(S::kTimeWait, bit(S::kClosed));
  return next;
}();

std::string name(const FlowId& flow) {
  return "tcp " + std::to_string(flow.slot) + "." + std::to_string(flow.generation);
}

}  // namespace

bool is_transition(TcpState from, TcpState to) {
  return (kNext[static_cast<size_t>(from)] & bit(to)) != 0;
}

void NatOracle::report(std::string what) {
  if (violations_.size() < kMostReported) violations_.push_back(std::move(what));
}

void NatOracle::observe_state(const FlowId& flow, TcpState state) {
  const auto found = states_.find(flow);
  if (found == states_.end()) {
    report(name(flow) + ": a state of a connection that is not open: " + name_of(state));
    return;
  }
  Seen& seen = found->second;
  const TcpState first = seen.forwarded ? TcpState::kSynSent : TcpState::kSynReceived;
  const bool legal = seen.state.has_value() ? is_transition(*seen.state, state) : state == first;
  if (!legal) {
    const char* from = seen.state.has_value() ? name_of(*seen.state) : "nothing";
    report(name(flow) + ": no legal transition: " + from + " to " + name_of(state));
  }
  const size_t from = seen.state.has_value() ? static_cast<size_t>(*seen.state) : kStates;
  ++transitions_[from][static_cast<size_t>(state)];
  seen.state = state;
}

void NatOracle::observe_opened(const FlowId& flow, TcpOrigin origin) {
  const bool fresh = origin == TcpOrigin::kTimeWait
                         ? waiting_.insert(flow).second
                         : states_.emplace(flow, Seen{origin == TcpOrigin::kForward, {}}).second;
  if (!fresh) report(name(flow) + ": opened twice");
}

void NatOracle::observe_closed(const FlowId& flow) {
  if (waiting_.erase(flow) != 0) {
    ++transitions_[static_cast<size_t>(TcpState::kTimeWait)]
                  [static_cast<size_t>(TcpState::kClosed)];
  } else if (states_.erase(flow) == 0) {
    report(name(flow) + ": closed and was not open");
  }
}

void NatOracle::observe(const TraceEvent& event) {
  const bool forward = event.flow.kind == FlowKind::kTcpForward;
  if (event.flow.kind != FlowKind::kTcp && !forward) return;
  switch (event.kind) {
    case TraceEvent::Kind::kFlowOpened:
      observe_opened(event.flow, static_cast<TcpOrigin>(event.code));
      break;
    case TraceEvent::Kind::kFlowState:
      observe_state(event.flow, static_cast<TcpState>(event.code));
      break;
    case TraceEvent::Kind::kTimerFired:
      ++timers_fired_[event.code];
      break;
    case TraceEvent::Kind::kFlowClosed:
      observe_closed(event.flow);
      break;
    default:
      break;
  }
}

void NatOracle::expect_within_limits(const FlowCounts& counts) {
  const auto expect = [this](const char* table, uint64_t size, uint64_t limit) {
    if (size <= limit) return;
    report(std::string(table) + ": " + std::to_string(size) + " entries, limit " +
           std::to_string(limit));
  };
  expect("TCP connections", counts.tcp, limits_.tcp_connections);
  expect("TIME-WAIT", counts.tcp_time_wait, limits_.tcp_time_wait);
  expect("UDP endpoints", counts.udp, limits_.udp_endpoints);
  expect("echo ids", counts.echo, limits_.echo_ids);
  expect("DNS queries", counts.dns, limits_.dns_queries);
}

void NatOracle::before_events(const Nat& nat, std::span<const SocketEvent> events) {
  stale_due_ = nat.counters()[Counter::kSocketEventsStale];
  for (const SocketEvent& event : events) {
    const bool over = event.id.kind == FlowKind::kTcp && !states_.contains(event.id);
    stale_due_ += over ? 1 : 0;
  }
}

void NatOracle::after_turn(const Nat& nat) {
  if (nat.counters()[Counter::kSocketEventsStale] < stale_due_) {
    report("an event of a flow that is over was taken for another's");
  }
  stale_due_ = 0;
  const FlowCounts counts = nat.flow_counts();
  expect_within_limits(counts);
  if (counts.tcp != states_.size()) {
    report("TCP connections: " + std::to_string(counts.tcp) + ", told of " +
           std::to_string(states_.size()));
  }
  if (counts.tcp_time_wait != waiting_.size()) {
    report("TIME-WAIT: " + std::to_string(counts.tcp_time_wait) + " entries, told of " +
           std::to_string(waiting_.size()));
  }
  const std::string broken = nat.audit();
  if (!broken.empty()) report(broken.substr(0, broken.find('\n')));
}

}  // namespace dashi
