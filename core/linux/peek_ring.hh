// Received bytes held in user space, for kernels that cannot peek at an offset (SO_PEEK_OFF for TCP
// came with Linux 6.9, for IPv6 later): the socket is read into this ring and the core peeks from it.
// Grows by doubling up to its bound, beyond its first step only while the budget of all rings has some
// left; a byte leaves when it is consumed, the memory when none is left.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>

#include "core/base/bytes.hh"

namespace dashi {

// What all rings together may take, beyond the least that each has. Outlives them.
class RingBudget {
 public:
  explicit RingBudget(size_t bytes) : left_(bytes) {}
  RingBudget(const RingBudget&) = delete;
  RingBudget& operator=(const RingBudget&) = delete;

  size_t left() const { return left_; }
  bool take(size_t n) {
    if (n > left_) return false;
    left_ -= n;
    return true;
  }
  void give_back(size_t n) { left_ += n; }

 private:
  size_t left_;
};

class PeekRing {
 public:
  // So that every connection goes on, however many there are.
  static constexpr size_t kMinBytes = size_t{16} << 10;
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  explicit PeekRing(RingBudget& budget) : budget_(budget) {}
  ~PeekRing() { release(); }
  PeekRing(const PeekRing&) = delete;
  PeekRing& operator=(const PeekRing&) = delete;

  size_t size() const { return size_; }
  // The free space as up to two pieces; gives their number. None: it may not grow until bytes were dropped,
  // from it or, at the budget's end, from another.
  size_t free_space(iovec (&out)[2]);
  void fill(size_t n);  // n bytes of the free space were written
  size_t peek(size_t offset, std::span<const MutableBytes> into) const;
  void drop(size_t n);  // n <= size()

 private:
  bool grow();
  void release();

  RingBudget& budget_;
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;  // a power of two, or 0
  size_t head_ = 0;      // where the oldest byte is
  size_t size_ = 0;
};

}  // namespace dashi
