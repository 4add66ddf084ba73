// One scenario as a simulated guest plays it, and what both applications saw of it. scenarios.py says
// what the scenarios are and what they must come to; nothing here judges.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.hh"
#include "core/wire/address.hh"
#include "sim/link/prng.hh"

namespace dashi::guests {

inline constexpr Duration kLate = 2s;  // how long a late reader reads nothing
inline constexpr Duration kLimit = 15min;

// What one application does with its connection.
struct EndPlan {
  uint64_t sends = 0;      // bytes
  bool answers = false;    // begins when the peer's FIN came
  bool finishes = false;   // FIN behind what it sends; else for the peer's FIN
  uint64_t aborts_at = 0;  // RST once so many bytes came; 0: never
  bool late = false;       // reads nothing at first, so that its window shuts
};

struct Plan {
  bool guest_calls = true;  // else the server does, through a forwarded port
  Family family = Family::kIpv4;
  bool refused = false;  // nobody listens where the call goes
  EndPlan guest;
  EndPlan server;
};

struct EndSeen {
  uint64_t received = 0;
  bool right = true;  // every byte of it is the one that was sent there
  std::string end;  // eof, reset, refused, aborted (by itself), open; none: never had a connection
};

struct Seen {
  EndSeen guest;
  EndSeen server;
  bool held = false;  // before the late reader read, its peer still had bytes to send
  std::vector<std::string> troubles;  // what no run may do, and this one did
};

Seen run_native(const Plan& plan, Chance loss);
Seen run_ns3(const Plan& plan, Chance loss);

}  // namespace dashi::guests
