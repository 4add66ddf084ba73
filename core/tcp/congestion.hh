// How much may be in flight: CUBIC (RFC 9438) or NewReno (RFC 5681) as configured, and during a recovery
// Proportional Rate Reduction (RFC 9937). Integers only; bytes and nanoseconds.
//
// It is told what was delivered and what was lost; it knows no sequence numbers.
#pragma once

#include <cstdint>

#include "core/base/time.hh"
#include "core/tcp/tcp_config.hh"

namespace dashi {

inline constexpr uint32_t kCwndMax = 1u << 26;  // beyond any window worth offering

struct Congestion {
  uint32_t cwnd = 0;
  uint32_t ssthresh = 0x7fffffff;

  void start(const TcpConfig& config, uint32_t mss);
  // New data was acknowledged where the window was what held us back, or after a timeout.
  void grow(const TcpConfig& config, Instant now, Duration srtt, uint32_t mss, uint32_t acked);
  // Nothing was sent for longer than an RTO: the window says nothing any more (RFC 5681 4.1).
  void restart_after_idle(const TcpConfig& config, uint32_t mss);

  // A loss: ssthresh falls. Keeps what is needed to take it back.
  void lose(const TcpConfig& config, uint32_t mss, uint32_t flight);
  // A loss within the answer to another: the window, which is `window` by now, falls once more (RFC 5681 4.3).
  void lose_again(const TcpConfig& config, uint32_t mss, uint32_t window);
  // It was no loss (RFC 4015 3.2, RFC 9438 4.9).
  void undo();
  // A timeout: one segment beside what is still in flight (RFC 5681 3.1). The cubic that follows begins
  // where slow start ends, and knows of no maximum (RFC 9438 4.8).
  void collapse(uint32_t mss, uint32_t pipe) {
    cwnd = pipe + mss;
    w_max_ = 0;
  }
  // A recovery begins, with this much in flight (RFC 9937 6).
  void begin_reduction(uint32_t flight);
  // An ACK of the recovery: `delivered` bytes left the network, `pipe` are in it. `progress` says that
  // SND.UNA advanced and no further loss is known (SafeACK). Sets cwnd to what may be in flight.
  void reduce(uint32_t mss, uint32_t delivered, uint32_t pipe, bool progress);
  void sent_in_reduction(uint32_t bytes) { prr_out_ += bytes; }
  void end_reduction() { cwnd = ssthresh; }

  template <typename Archive>
  friend void archive(Archive& ar, Congestion& c) {
    ar(c.cwnd, c.ssthresh, c.prior_cwnd_, c.prior_ssthresh_, c.w_max_, c.prior_w_max_, c.w_est_,
       c.epoch_, c.grown_at_, c.k_ms_, c.prr_delivered_, c.prr_out_, c.prr_flight_);
  }

 private:
  uint32_t cubic_target(Instant now, Duration srtt, uint32_t mss) const;
  void begin_epoch(Instant now, uint32_t mss);

  uint32_t prior_cwnd_ = 0;  // before the last loss
  uint32_t prior_ssthresh_ = 0;
  uint32_t w_max_ = 0;  // RFC 9438 4.1.2, bytes
  uint32_t prior_w_max_ = 0;
  uint32_t w_est_ = 0;      // what NewReno would have (RFC 9438 4.3)
  Instant epoch_ = kNever;  // when this growth began; kNever: it has not
  Instant grown_at_;        // last, since then
  uint64_t k_ms_ = 0;       // RFC 9438 4.2
  uint64_t prr_delivered_ = 0;
  uint64_t prr_out_ = 0;
  uint64_t prr_flight_ = 0;  // RecoverFS
};

}  // namespace dashi
