// The kernel's random numbers (getrandom(2)), fetched a block at a time.
#pragma once

#include <sys/random.h>

#include <array>

#include "core/base/check.hh"
#include "core/env/entropy.hh"

namespace dashi {

class OsEntropy final : public Entropy {
 public:
  uint64_t next_u64() override {
    if (next_ == block_.size()) {
      // Whole for so few bytes, once the pool is ready (getrandom(2)).
      DASHI_CHECK(::getrandom(block_.data(), sizeof block_, 0) == sizeof block_);
      next_ = 0;
    }
    return block_[next_++];
  }

 private:
  std::array<uint64_t, 32> block_{};
  size_t next_ = block_.size();  // the first that was not given out
};

}  // namespace dashi
