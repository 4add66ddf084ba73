// The timestamps option of one connection (RFC 7323 3): our clock as the guest sees it, what of the
// guest's is to be echoed, and PAWS. Numbers only; who sends and who drops is decided elsewhere.
#pragma once

#include <optional>

#include "core/base/time.hh"
#include "core/tcp/seq.hh"
#include "core/wire/tcp.hh"

namespace dashi {

// Milliseconds (RFC 7323 5.4: between 1 ms and 1 s a tick) from an offset of the connection's own, so
// that it tells nobody how long we run (RFC 7323 7.1).
inline uint32_t timestamp_clock(Instant now, uint32_t offset) {
  return offset + static_cast<uint32_t>(nanoseconds(now) / 1'000'000);
}

struct Timestamps {
  bool on = false;      // both SYNs had the option
  uint32_t offset = 0;  // of our clock
  uint32_t recent = 0;  // TS.Recent
  Instant recent_at;
  SeqNum last_ack_sent;  // Last.ACK.sent

  TcpTimestamps option(Instant now) const { return {timestamp_clock(now, offset), recent}; }

  // RFC 7323 5.3 R1. A value that stood still for 24 days says nothing (5.5).
  bool is_old(Instant now, uint32_t value) const {
    return static_cast<int32_t>(value - recent) < 0 && now - recent_at < 24 * 24h;
  }

  // RFC 7323 4.3: of a segment that is acceptable, and begins at or before what was last acknowledged.
  void take(Instant now, SeqNum sequence, uint32_t value) {
    if (sequence.after(last_ack_sent)) return;
    recent = value;
    recent_at = now;
  }

  template <typename Archive>
  friend void archive(Archive& ar, Timestamps& t) {
    ar(t.on, t.offset, t.recent, t.recent_at, t.last_ack_sent);
  }
};

}  // namespace dashi
