// What may be known of one guest-facing connection, by the RFCs' terms: for tools that look at a
// connection between two turns, and for assertions in scripts. A plain copy; nothing steers by it.
#pragma once

#include <cstdint>

#include "core/base/time.hh"

namespace dashi {

enum class TcpState : uint8_t;  // connection.hh

struct GuestTcpInfo {
  TcpState state{};
  bool window_scaling = false;  // both ends offered it (RFC 7323 2.2)
  bool timestamps = false;      // both ends offered them (RFC 7323 3.2)
  bool sack = false;            // both ends permit it (RFC 2018 2)
  uint8_t send_scale = 0;       // of the windows the guest announces
  uint8_t receive_scale = 0;    // of the windows we announce
  uint16_t mss = 0;             // payload bytes a segment to the guest
  uint32_t unacknowledged = 0;  // SND.NXT - SND.UNA
  uint32_t sacked = 0;          // of these bytes: reported as received (RFC 2018)
  uint32_t lost = 0;            // of these bytes: believed lost, and not sent again yet
  uint32_t send_window = 0;     // SND.WND
  uint32_t receive_window = 0;  // RCV.WND
  uint32_t acknowledged = 0;    // bytes of payload the guest acknowledged, modulo 2^32
  uint32_t received = 0;        // bytes of payload received in order, modulo 2^32
  uint32_t cwnd = 0;            // bytes (RFC 5681)
  uint32_t ssthresh = 0;        // bytes; kNoThreshold: none yet
  bool in_recovery = false;     // losses that ACKs told of
  bool in_loss = false;         // after a timeout
  uint32_t duplicate_acks = 0;
  uint8_t timeouts = 0;      // retransmission or persist timeouts in a row
  bool probing = false;      // the guest's window is closed: the persist timer runs
  Duration rto{};            // RFC 6298
  Duration smoothed_rtt{};   // SRTT; 0 before the first sample
  Duration rtt_variation{};  // RTTVAR

  static constexpr uint32_t kNoThreshold = 0x7fffffff;
};

}  // namespace dashi
