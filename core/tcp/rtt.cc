#include "core/tcp/rtt.hh"

#include <algorithm>

namespace dashi {

void RttEstimator::compute(const TcpConfig& config) {
  const Duration margin = std::max(Duration(1ms), rttvar_ * 4);  // G = 1 ms
  rto_ = std::clamp(srtt_ + margin, config.rto_min, config.rto_max);
}

void RttEstimator::sample(const TcpConfig& config, Instant now, Duration rtt) {
  // RFC 8985 6.1: the minimum of the last minutes, so that a path that grew is believed in the end.
  if (min_ == Duration(0) || rtt <= min_ || now - min_at_ > 5min) {
    min_ = std::max(rtt, Duration(1));
    min_at_ = now;
  }
  if (srtt_ == Duration(0)) {  // RFC 6298 2.2
    srtt_ = std::max(rtt, Duration(1));
    rttvar_ = rtt / 2;
  } else {  // RFC 6298 2.3
    const Duration error = rtt > srtt_ ? rtt - srtt_ : srtt_ - rtt;
    rttvar_ = (rttvar_ * 3 + error) / 4;
    srtt_ = std::max((srtt_ * 7 + rtt) / 8, Duration(1));
  }
  backed_off_ = false;
  compute(config);
}

void RttEstimator::back_off(const TcpConfig& config) {
  rto_ = std::min(rto_ * 2, config.rto_max);
  backed_off_ = true;
}

void RttEstimator::restart_after_syn_loss(const TcpConfig& config) {
  rto_ = std::clamp(Duration(3s), config.rto_min, config.rto_max);
  backed_off_ = false;
}

void RttEstimator::settle(const TcpConfig& config) {
  if (!backed_off_) return;
  backed_off_ = false;
  if (srtt_ == Duration(0)) {
    rto_ = config.rto_initial;
  } else {
    compute(config);
  }
}

}  // namespace dashi
