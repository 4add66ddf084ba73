// Draws a plan from a seed: a world with a link, sockets, a guest, hosts and limits of any kind, and what
// is done in it. Each part has a substream of its own: a draw more in one moves nothing in the others.
#pragma once

#include "sim/swarm/plan.hh"

namespace dashi {

enum class SwarmSize : uint8_t {
  kDefault,  // some fifteen connections and a few errands
  kTiny,     // one to three connections of a few bytes
};

Plan draw_plan(uint64_t seed, SwarmSize size);

}  // namespace dashi
