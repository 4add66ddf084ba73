// What runs have reached of what the core can do: transitions of TCP's states, timers, drop reasons,
// counters, what the sockets said and which faults were made, each counted. Plain numbers in one row, so
// that the coverage of many runs is a sum, and of several processes too.
#pragma once

#include <array>
#include <string>

#include "sim/world.hh"

namespace dashi {

class Coverage {
 public:
  enum class Kind : uint8_t { kTransition, kTimer, kDrop, kCounter, kEvent, kCall, kFault, kCount };

  // Watches the sockets of a world that has not run yet.
  void watch(World& world);
  // Adds what a world did, once it is over.
  void add(World& world);
  void merge(const Coverage& other);

  // Item `index` of a kind: its name, how often it was reached, and whether it is one to look for at
  // all: RFC 9293 has no such transition, say.
  static size_t items(Kind kind);
  static std::string name_of_item(Kind kind, size_t index);
  static bool is_sought(Kind kind, size_t index);
  static const char* name_of_kind(Kind kind);
  uint64_t count(Kind kind, size_t index) const { return counts_[first(kind) + index]; }

 private:
  static constexpr size_t kErrors = static_cast<size_t>(SocketError::kOther) + 1;
  static constexpr size_t kEvents = static_cast<size_t>(SocketEvent::Kind::kNetError) + 1;
  static constexpr size_t kCalls = static_cast<size_t>(SocketCall::kReceive) + 1;
  static constexpr std::array<size_t, static_cast<size_t>(Kind::kCount)> kItems{
      (kTcpStates + 1) * kTcpStates,
      kTcpTimers,
      kDropReasonCount,
      kCounterCount,
      kEvents* kErrors,
      kCalls*(kErrors + 1),
      FaultPlan::kKinds};
  static constexpr size_t kAll = [] {
    size_t sum = 0;
    for (const size_t items : kItems) sum += items;
    return sum;
  }();
  static constexpr size_t first(Kind kind) {
    size_t sum = 0;
    for (size_t i = 0; i < static_cast<size_t>(kind); ++i) sum += kItems[i];
    return sum;
  }
  void reach(Kind kind, size_t index, uint64_t times) { counts_[first(kind) + index] += times; }

  std::array<uint64_t, kAll> counts_{};
};

}  // namespace dashi
