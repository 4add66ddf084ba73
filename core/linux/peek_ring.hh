// Received bytes held in user space, for kernels that cannot peek at an offset (SO_PEEK_OFF for TCP
// came with Linux 6.9, for IPv6 later): the socket is read into this ring and the core peeks from it.
// Grows by doubling up to its bound; a byte leaves when it is consumed.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>

#include "core/base/bytes.hh"

namespace dashi {

class PeekRing {
 public:
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  size_t size() const { return size_; }
  bool full() const { return size_ == kMaxBytes; }
  // The free space as up to two pieces, at least 1 byte unless full. Gives the number of pieces.
  size_t free_space(iovec (&out)[2]);
  void fill(size_t n);  // n bytes of the free space were written
  size_t peek(size_t offset, std::span<const MutableBytes> into) const;
  void drop(size_t n);  // n <= size()

 private:
  void grow();

  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;  // a power of two, or 0
  size_t head_ = 0;      // where the oldest byte is
  size_t size_ = 0;
};

}  // namespace dashi
