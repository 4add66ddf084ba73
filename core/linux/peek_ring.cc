#include "core/linux/peek_ring.hh"

#include <algorithm>

#include "core/base/check.hh"

namespace dashi {

bool PeekRing::grow() {
  // What is added to the first step is what is there: it doubles.
  if (capacity_ == kMaxBytes || (capacity_ != 0 && !budget_.take(capacity_))) return false;
  const size_t capacity = capacity_ == 0 ? kMinBytes : capacity_ * 2;
  auto bytes = std::make_unique_for_overwrite<uint8_t[]>(capacity);
  const MutableBytes all(bytes.get(), size_);
  peek(0, std::span(&all, 1));
  bytes_ = std::move(bytes);
  capacity_ = capacity;
  head_ = 0;
  return true;
}

void PeekRing::release() {
  if (capacity_ == 0) return;
  budget_.give_back(capacity_ - kMinBytes);
  bytes_.reset();
  capacity_ = 0;
  head_ = 0;
}

size_t PeekRing::free_space(iovec (&out)[2]) {
  if (size_ == capacity_ && !grow()) return 0;
  const size_t tail = (head_ + size_) & (capacity_ - 1);
  const size_t room = capacity_ - size_;
  const size_t first = std::min(room, capacity_ - tail);
  out[0] = {bytes_.get() + tail, first};
  if (first == room) return 1;
  out[1] = {bytes_.get(), room - first};
  return 2;
}

void PeekRing::fill(size_t n) {
  DASHI_CHECK(size_ + n <= capacity_);
  size_ += n;
}

size_t PeekRing::peek(size_t offset, std::span<const MutableBytes> into) const {
  size_t total = 0;
  for (MutableBytes piece : into) {
    while (!piece.empty() && offset < size_) {
      const size_t at = (head_ + offset) & (capacity_ - 1);
      const size_t run = std::min(size_ - offset, capacity_ - at);
      const size_t n = copy_bytes(piece, Bytes(bytes_.get() + at, run));
      piece = piece.subspan(n);
      offset += n;
      total += n;
    }
  }
  return total;
}

void PeekRing::drop(size_t n) {
  DASHI_CHECK(n <= size_);
  size_ -= n;
  if (size_ == 0) return release();
  head_ = (head_ + n) & (capacity_ - 1);
}

}  // namespace dashi
