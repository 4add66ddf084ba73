#include "sim/swarm/coverage.hh"

namespace dashi {

namespace {

const char* name_of_error(size_t error) {
  static constexpr const char* kNames[] = {"would-block",
                                           "refused",
                                           "reset",
                                           "timed-out",
                                           "unreachable",
                                           "network-unreachable",
                                           "ttl-exceeded",
                                           "denied",
                                           "too-many-sockets",
                                           "no-buffers",
                                           "too-long",
                                           "address-in-use",
                                           "address-unavailable",
                                           "closed",
                                           "not-supported",
                                           "other"};
  return kNames[error];
}

const char* name_of_event(size_t event) {
  static constexpr const char* kNames[] = {"connected", "connect-failed", "readable",
                                           "writable",  "acceptable",     "net-error"};
  return kNames[event];
}

}  // namespace

const char* Coverage::name_of_kind(Kind kind) {
  static constexpr const char* kNames[] = {"transition", "timer", "drop", "counter",
                                           "event",      "call",  "fault"};
  return kNames[static_cast<size_t>(kind)];
}

size_t Coverage::items(Kind kind) { return kItems[static_cast<size_t>(kind)]; }

std::string Coverage::name_of_item(Kind kind, size_t index) {
  switch (kind) {
    case Kind::kTransition: {
      const size_t from = index / kTcpStates;
      const auto to = static_cast<TcpState>(index % kTcpStates);
      return std::string(from == kTcpStates ? "none" : name_of(static_cast<TcpState>(from))) +
             " to " + name_of(to);
    }
    case Kind::kTimer:
      return name_of(static_cast<TcpTimer>(index));
    case Kind::kDrop:
      return std::string(name_of(static_cast<DropReason>(index)));
    case Kind::kCounter:
      return std::string(name_of(static_cast<Counter>(index)));
    case Kind::kEvent:
      return std::string(name_of_event(index / kErrors)) + " " + name_of_error(index % kErrors);
    case Kind::kCall: {
      const size_t error = index % (kErrors + 1);
      return std::string(name_of(static_cast<SocketCall>(index / (kErrors + 1)))) + " " +
             (error == kErrors ? "ok" : name_of_error(error));
    }
    case Kind::kFault:
      return name_of(static_cast<FaultDecision::Kind>(index));
    case Kind::kCount:
      break;
  }
  return "";
}

bool Coverage::is_sought(Kind kind, size_t index) {
  switch (kind) {
    case Kind::kTransition: {
      const auto to = static_cast<TcpState>(index % kTcpStates);
      if (index / kTcpStates == kTcpStates) {
        return to == TcpState::kSynSent || to == TcpState::kSynReceived;
      }
      return is_transition(static_cast<TcpState>(index / kTcpStates), to);
    }
    case Kind::kEvent:
    case Kind::kCall:
      return false;  // most pairs cannot be
    default:
      return true;
  }
}

void Coverage::watch(World& world) {
  DriverHooks hooks;
  hooks.on_events = [this](std::span<const SocketEvent> events) {
    for (const SocketEvent& event : events) {
      const bool fails = event.kind == SocketEvent::Kind::kConnectFailed ||
                         event.kind == SocketEvent::Kind::kNetError;
      const size_t error = static_cast<size_t>(fails ? event.error.error : SocketError::kOther);
      reach(Kind::kEvent, static_cast<size_t>(event.kind) * kErrors + error, 1);
    }
  };
  world.driver().set_hooks(std::move(hooks));
  world.sockets().set_observer([this](const ObservedCall& call) {
    const size_t result = call.ok ? kErrors : static_cast<size_t>(call.value);
    reach(Kind::kCall, static_cast<size_t>(call.call) * (kErrors + 1) + result, 1);
  });
}

void Coverage::add(World& world) {
  const Transitions& transitions = world.oracle().transitions();
  for (size_t from = 0; from <= kTcpStates; ++from) {
    for (size_t to = 0; to < kTcpStates; ++to) {
      reach(Kind::kTransition, from * kTcpStates + to, transitions[from][to]);
    }
  }
  for (size_t i = 0; i < kTcpTimers; ++i) {
    reach(Kind::kTimer, i, world.oracle().timers_fired()[i]);
  }
  const Counters& counters = world.nat().counters();
  for (size_t i = 0; i < kDropReasonCount; ++i) reach(Kind::kDrop, i, counters.drops[i]);
  for (size_t i = 0; i < kCounterCount; ++i) reach(Kind::kCounter, i, counters.values[i]);
  for (size_t i = 0; i < FaultPlan::kKinds; ++i) reach(Kind::kFault, i, world.faults().made()[i]);
}

void Coverage::merge(const Coverage& other) {
  for (size_t i = 0; i < kAll; ++i) counts_[i] += other.counts_[i];
}

}  // namespace dashi
