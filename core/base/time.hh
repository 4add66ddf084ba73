// Instants and durations, in nanoseconds. The clock has no now(): the driver says what time it is,
// with every call, and the core never asks.
#pragma once

#include <chrono>
#include <cstdint>

namespace dashi {

using Duration = std::chrono::nanoseconds;

// The time of one driver, counted from the start of its run. Never goes back.
struct DriverClock {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<DriverClock, Duration>;
  static constexpr bool is_steady = true;
};

using Instant = DriverClock::time_point;

inline constexpr Instant kNever = Instant::max();

constexpr Instant instant_from_nanoseconds(int64_t ns) { return Instant(Duration(ns)); }
constexpr int64_t nanoseconds(Instant at) { return at.time_since_epoch().count(); }

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers): 20ms, 1s

}  // namespace dashi
