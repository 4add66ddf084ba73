// What tests of worlds share.
#pragma once

#include <boost/test/unit_test.hpp>

#include "sim/world.hh"

namespace dashi {

inline AppSpec app(AppKind kind, uint64_t bytes) {
  AppSpec spec;
  spec.kind = kind;
  spec.bytes = bytes;
  spec.checks_pattern = kind == AppKind::kSink || kind == AppKind::kSlowReader;
  return spec;
}

inline void expect_clean(World& world) {
  for (const std::string& violation : world.violations()) BOOST_ERROR(violation);
}

// The longest of TIME-WAIT, UDP timeout and echo timeout, and some.
inline void expect_no_leaks(World& world) {
  for (const std::string& leak : world.leaks(10min)) BOOST_ERROR(leak);
}

inline bool all_flows_over(World& world, Duration limit) {
  return world.run_until_done([&] { return world.guest().tcp().all_over(); }, limit);
}

}  // namespace dashi
