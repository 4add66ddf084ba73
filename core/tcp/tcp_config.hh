// What may be chosen about TCP. Times are of virtual or real time alike; sizes are bytes.
#pragma once

#include <cstdint>

#include "core/base/time.hh"

namespace dashi {

inline constexpr uint8_t kWindowScaleMax = 14;  // RFC 7323 2.3
// Of what we send: a smaller segment would cost more in headers than it carries.
inline constexpr uint16_t kMssFloor = 48;

struct TcpConfig {
  enum class Congestion : uint8_t { kCubic, kNewReno };

  uint8_t ttl = 64;                       // of what the guest is sent (RFC 9293 MUST-49)
  uint16_t mss = 0;                       // announced to the guest; 0 = MTU - headers
  uint8_t window_scale = 7;               // our receive shift, 0..14 (RFC 7323 2.2)
  uint32_t window_initial = 1u << 16;     // what the guest may have in flight at first
  uint32_t window = 1u << 20;             // and at most; <= limits' each
  bool sack = true;                       // RFC 2018
  bool timestamps = true;                 // RFC 7323 3
  uint32_t initial_window_segments = 10;  // RFC 6928
  // Always set in the initial sequence numbers we choose. Not for production: a simulated world sets high
  // ones, so that numbers wrap soon.
  uint32_t initial_sequence_bits = 0;
  Congestion congestion = Congestion::kCubic;  // RFC 9438, RFC 5681
  Duration rto_initial = 1s;                   // RFC 6298 2.1
  Duration rto_min = 200ms;                    // RFC 6298 2.4 says 1 s; Linux and we say 200 ms
  Duration rto_max = 60s;                      // RFC 6298 2.5
  Duration delayed_ack = 40ms;                 // RFC 9293 MUST-40: below 500 ms
  Duration time_wait = 60s;                    // 2 MSL
  Duration fin_wait_2 = 60s;                   // silence after which a half-closed guest is probed
  Duration linger = 2min;                      // the host takes nothing of what a closed guest left
  Duration half_open = 3min;                   // SYN-ACK or SYN unanswered: MUST-23
  Duration connect_timeout = 130s;             // the host's connect took too long
  Duration failure_memory = 1s;                // a retransmitted SYN gets the same answer
  Duration keep_alive_idle = 2h;               // RFC 9293 MUST-28
  Duration keep_alive_interval = 75s;
  uint8_t keep_alive_probes = 9;
  uint8_t syn_retries = 7;  // SYN and SYN-ACK: for as long as half_open
  uint8_t reordering =
      3;  // DupThresh: duplicate ACKs, or segments SACKed above, that mean a loss (RFC 6675 2)
  uint8_t data_retries = 15;  // RFC 9293 3.8.3 R2
};

}  // namespace dashi
