// The retransmission timeout (RFC 6298), in integer nanoseconds. Karn's rule is the caller's: only
// segments sent once are sampled.
#pragma once

#include "core/base/time.hh"
#include "core/tcp/tcp_config.hh"

namespace dashi {

class RttEstimator {
 public:
  explicit RttEstimator(const TcpConfig& config) : rto_(config.rto_initial) {}

  void sample(const TcpConfig& config, Instant now, Duration rtt);
  void back_off(const TcpConfig& config);  // RFC 6298 5.5
  // The SYN was lost: there is no estimate, and the first guess was too short (RFC 6298 5.7).
  void restart_after_syn_loss(const TcpConfig& config);
  // A closed window has opened: the back-off of its probes ends, the estimate stays.
  void settle(const TcpConfig& config);

  Duration rto() const { return rto_; }
  bool backed_off() const { return backed_off_; }  // and not sampled since
  Duration smoothed() const { return srtt_; }      // 0 before the first sample
  Duration variation() const { return rttvar_; }
  Duration minimum() const { return min_; }  // of the last samples; 0 before the first

  template <typename Archive>
  friend void archive(Archive& ar, RttEstimator& r) {
    ar(r.srtt_, r.rttvar_, r.rto_, r.min_, r.min_at_, r.backed_off_);
  }

 private:
  void compute(const TcpConfig& config);

  Duration srtt_{0};
  Duration rttvar_{0};
  Duration rto_;
  Duration min_{0};
  Instant min_at_;
  bool backed_off_ = false;
};

}  // namespace dashi
