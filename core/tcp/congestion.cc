#include "core/tcp/congestion.hh"

#include <algorithm>

namespace dashi {
namespace {

// beta_cubic = 0.7, C = 0.4 segments per second cubed, alpha_cubic = 3 (1 - beta) / (1 + beta) = 9/17
// (RFC 9438 4.1.1, 4.3).
constexpr uint32_t kBetaTenths = 7;
constexpr uint64_t kAlphaNumerator = 9;
constexpr uint64_t kAlphaDenominator = 17;
constexpr uint32_t kUsualMss = 1460;
constexpr int64_t kCubeClampMs = 100'000;  // a cubic that far away is beyond every window

uint64_t cube_root(uint64_t value) {
  uint64_t low = 0;
  uint64_t high = 2'000'000;  // its cube fits
  while (low < high) {
    const uint64_t middle = (low + high + 1) / 2;
    if (middle * middle * middle <= value) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

int64_t milliseconds(Duration d) { return d.count() / 1'000'000; }

// RFC 6928 2: as many segments of Ethernet's size, but two of any.
uint32_t initial_window(const TcpConfig& config, uint32_t mss) {
  const uint32_t segments = config.initial_window_segments;
  return std::min(segments * mss, std::max(2 * mss, segments * kUsualMss));
}

}  // namespace

void Congestion::start(const TcpConfig& config, uint32_t mss) {
  cwnd = initial_window(config, mss);
}

void Congestion::restart_after_idle(const TcpConfig& config, uint32_t mss) {
  cwnd = std::min(cwnd, initial_window(config, mss));
  epoch_ = kNever;
}

// RFC 9438 4.2: K = cbrt((W_max - cwnd_epoch) / C), in milliseconds: the cube of it is
// segments * 1e9 / 0.4.
void Congestion::begin_epoch(Instant now, uint32_t mss) {
  epoch_ = now;
  w_est_ = cwnd;
  if (w_max_ < cwnd) w_max_ = cwnd;
  k_ms_ = cube_root(uint64_t{w_max_ - cwnd} * 2'500'000'000u / mss);
}

// W_cubic(t + RTT), at most half as much again as cwnd (RFC 9438 4.2, 4.4).
uint32_t Congestion::cubic_target(Instant now, Duration srtt, uint32_t mss) const {
  const int64_t t = milliseconds(now - epoch_ + srtt) - static_cast<int64_t>(k_ms_);
  const int64_t clamped = std::clamp(t, -kCubeClampMs, kCubeClampMs);
  const int64_t cube = clamped * clamped * clamped / 1000;
  const int64_t bytes = int64_t{w_max_} + cube * 4 * mss / 10'000'000;
  return static_cast<uint32_t>(
      std::clamp<int64_t>(bytes, cwnd, std::min<int64_t>(int64_t{cwnd} * 3 / 2, kCwndMax)));
}

void Congestion::grow(const TcpConfig& config, Instant now, Duration srtt, uint32_t mss,
                      uint32_t acked) {
  if (cwnd < ssthresh) {  // by bytes (RFC 3465 with L = what was acknowledged)
    const uint32_t room = ssthresh - cwnd;
    cwnd += std::min(acked, room);
    acked -= std::min(acked, room);
    if (acked == 0) {
      cwnd = std::min(cwnd, kCwndMax);
      return;
    }
  }
  const uint64_t part = std::min(acked, cwnd);
  if (config.congestion == TcpConfig::Congestion::kNewReno) {
    cwnd += static_cast<uint32_t>(std::max<uint64_t>(1, mss * part / cwnd));
  } else {
    if (epoch_ == kNever) {
      begin_epoch(now, mss);
    } else {
      // RFC 9438 4.2: t counts no time in which the window was not used. One that is grows every round trip.
      epoch_ += std::max(now - grown_at_ - srtt, Duration(0));
    }
    grown_at_ = now;
    // RFC 9438 4.3: where NewReno would be ahead, be where it is.
    const bool caught_up = w_est_ >= prior_cwnd_;
    w_est_ += static_cast<uint32_t>(
        caught_up ? mss * part / cwnd : mss * part * kAlphaNumerator / cwnd / kAlphaDenominator);
    const uint32_t target = cubic_target(now, srtt, mss);
    const uint64_t step = uint64_t{target - cwnd} * part / cwnd;
    cwnd = std::max(static_cast<uint32_t>(cwnd + step), w_est_);
  }
  cwnd = std::min(cwnd, kCwndMax);
}

void Congestion::lose(const TcpConfig& config, uint32_t mss, uint32_t flight) {
  prior_cwnd_ = cwnd;
  prior_ssthresh_ = ssthresh;
  prior_w_max_ = w_max_;
  const bool cubic = config.congestion == TcpConfig::Congestion::kCubic;
  // Fast convergence (RFC 9438 4.7): who lost below its last maximum makes room.
  w_max_ = cwnd < w_max_ ? static_cast<uint32_t>(uint64_t{cwnd} * (10 + kBetaTenths) / 20) : cwnd;
  epoch_ = kNever;
  // RFC 9438 4.6. What is outstanding counts what arrived behind a hole too: where one recovery follows another
  // it may be many windows, and the window would never fall.
  const uint64_t used = std::min(flight, cwnd);
  const uint64_t kept = cubic ? used * kBetaTenths / 10 : used / 2;
  ssthresh = static_cast<uint32_t>(std::max<uint64_t>(kept, 2u * mss));  // RFC 5681 equation 4
}

void Congestion::lose_again(const TcpConfig& config, uint32_t mss, uint32_t window) {
  cwnd = window;
  lose(config, mss, window);
  cwnd = std::min(window, ssthresh);
}

void Congestion::undo() {
  cwnd = std::max(cwnd, prior_cwnd_);
  ssthresh = std::max(ssthresh, prior_ssthresh_);
  w_max_ = prior_w_max_;
  epoch_ = kNever;
}

void Congestion::begin_reduction(uint32_t flight) {
  prr_delivered_ = 0;
  prr_out_ = 0;
  prr_flight_ = std::max<uint32_t>(flight, 1);
}

void Congestion::reduce(uint32_t mss, uint32_t delivered, uint32_t pipe, bool progress) {
  prr_delivered_ += delivered;
  uint64_t send = 0;
  if (pipe > ssthresh) {  // proportionally
    const uint64_t flight = std::max<uint64_t>(prr_flight_, 1);
    const uint64_t due = (prr_delivered_ * ssthresh + flight - 1) / flight;
    send = due > prr_out_ ? due - prr_out_ : 0;
  } else {  // what left the network is replaced, and a segment more where it is safe
    send = prr_delivered_ > prr_out_ ? prr_delivered_ - prr_out_ : 0;
    send = std::max<uint64_t>(send, delivered) + (progress ? mss : 0);
    send = std::min<uint64_t>(send, ssthresh - pipe);
  }
  if (prr_out_ == 0) send = std::max<uint64_t>(send, mss);  // the first retransmission always goes
  // Where nothing is in flight no ACK comes to allow more: a segment always may leave.
  cwnd = static_cast<uint32_t>(std::clamp<uint64_t>(pipe + send, mss, kCwndMax));
}

}  // namespace dashi
