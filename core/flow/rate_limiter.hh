// A token bucket in integers: at most `burst` at once and `per_second` on average.
#pragma once

#include "core/base/archive.hh"
#include "core/base/time.hh"

namespace dashi {

class RateLimiter {
 public:
  RateLimiter(uint32_t per_second, uint32_t burst)
      : interval_(Duration(1'000'000'000 / per_second)), burst_(burst) {}

  bool allow(Instant now) {
    // `full_at_` is when the bucket would be full again.
    if (full_at_ < now) full_at_ = now;
    if (full_at_ + interval_ - now > interval_ * burst_) return false;
    full_at_ += interval_;
    return true;
  }

  template <typename Archive>
  friend void archive(Archive& ar, RateLimiter& r) {
    ar(r.full_at_);
  }

 private:
  Duration interval_;
  int64_t burst_;
  Instant full_at_{};
};

}  // namespace dashi
