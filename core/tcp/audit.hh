// What may never be true of a connection between two turns, whatever a guest or a host does: an oracle
// for simulated worlds and tests. It reads and tells, and changes nothing; production does not call it.
#pragma once

#include <string>

#include "core/flow/limits.hh"
#include "core/tcp/connection.hh"

namespace dashi {

// How the proxy waits for the connection.
struct Awaited {
  bool ready = false;         // the next flush visits it
  Instant comes_up = kNever;  // its entry among the timers
  bool ack_delayed = false;   // it is in the queue of delayed ACKs
  uint32_t window_gain = 0;   // how far the edge of its window could be moved now
};

// Appends a line to `out` for each rule that `c` breaks.
void audit(const Connection& c, const TcpConfig& config, const Limits& limits,
           const Awaited& awaited, std::string& out);

}  // namespace dashi
