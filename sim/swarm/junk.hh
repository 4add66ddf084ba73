// A frame no good guest sends: a packet of any kind, with any of its bytes changed. It uses none of the
// ports of a plan's connections.
#pragma once

#include "sim/swarm/plan.hh"

namespace dashi {

std::vector<uint8_t> junk_frame(const WorldConfig& config, uint64_t number);

}  // namespace dashi
