// Bytes in order, contiguous: appended behind, consumed in front. For small, short-lived queues of
// DNS messages; the owner bounds it. Memory beyond kKeptBytes is given back when it runs empty.
#pragma once

#include <vector>

#include "core/base/archive.hh"
#include "core/base/bytes.hh"
#include "core/base/check.hh"

namespace dashi {

class ByteQueue {
 public:
  size_t size() const { return bytes_.size() - head_; }
  bool empty() const { return size() == 0; }
  Bytes view() const { return Bytes(bytes_).subspan(head_); }

  void append(Bytes bytes) {
    if (head_ != 0 && bytes_.size() + bytes.size() > bytes_.capacity()) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  void consume(size_t n) {
    DASHI_CHECK(n <= size());
    head_ += n;
    if (empty()) clear();
  }

  void clear() {
    bytes_.clear();
    head_ = 0;
    if (bytes_.capacity() > kKeptBytes) std::vector<uint8_t>().swap(bytes_);
  }

  template <typename Archive>
  void archive_bounded(Archive& ar, size_t bound) {
    if (head_ != 0) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    ar.bounded(bytes_, bound);
  }

 private:
  static constexpr size_t kKeptBytes = 8192;
  std::vector<uint8_t> bytes_;
  size_t head_ = 0;  // of bytes_, already consumed; 0 when empty
};

}  // namespace dashi
