// Defects planted on purpose, for the laboratory to find: what a swarm is worth shows in what it sees. A build
// plants one at most, by the definition DASHI_PLANT (core/planted.cmake); without it nothing of them is
// compiled. Each place is an `if constexpr`, with what a careless hand would have written there.
#pragma once

#include <cstdint>

namespace dashi {

enum class Plant : uint8_t {
  kNone,
  kLostWindowUpdate,  // a window that is nearly closed opens, and nobody tells the guest
  kRtoNotRearmed,  // a partial ACK stops the retransmission timer; what follows need not start it
  kEarlyFinOffByOne,    // a FIN that overtook its data is remembered one too high
  kStaleEvent,          // a socket's event reaches the next connection in its slot
  kSackKeptAcrossWrap,  // the scoreboard keeps what was acknowledged when the numbers wrap
};

#ifdef DASHI_PLANT
constexpr Plant kPlanted = Plant::DASHI_PLANT;
#else
constexpr Plant kPlanted = Plant::kNone;
#endif

}  // namespace dashi
