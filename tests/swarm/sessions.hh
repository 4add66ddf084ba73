// The reference sessions of "every frame once": one plan a kind of traffic and family, small enough for
// each of their frames to be lost in a run of its own.
#pragma once

#include "sim/swarm/performance.hh"

namespace dashi {

struct Session {
  std::string name;  // bulk-down-v4
  Plan plan;
};

std::vector<Session> reference_sessions();

}  // namespace dashi
