#include "sim/stream_pipe.hh"

namespace dashi {

void StreamPipe::grow(size_t needed) {
  size_t size = std::max<size_t>(ring_.size(), 4096);
  while (size < needed) size *= 2;
  if (size == ring_.size()) return;
  std::vector<uint8_t> bigger(size);
  for (uint64_t i = consumed_; i < written_; ++i) {
    bigger[i & (size - 1)] = ring_[i & (ring_.size() - 1)];
  }
  ring_ = std::move(bigger);
}

void StreamPipe::write(Bytes bytes) {
  DASHI_CHECK(bytes.size() <= room());
  grow(static_cast<size_t>(written_ - consumed_) + bytes.size());
  while (!bytes.empty()) {
    const size_t at = written_ & (ring_.size() - 1);
    const size_t n = std::min(bytes.size(), ring_.size() - at);
    std::memcpy(ring_.data() + at, bytes.data(), n);
    written_ += n;
    bytes = bytes.subspan(n);
  }
}

size_t StreamPipe::peek(size_t offset, MutableBytes into) const {
  if (offset >= readable()) return 0;
  const size_t total = std::min(into.size(), readable() - offset);
  size_t done = 0;
  while (done < total) {
    const size_t at = (consumed_ + offset + done) & (ring_.size() - 1);
    const size_t n = std::min(total - done, ring_.size() - at);
    std::memcpy(into.data() + done, ring_.data() + at, n);
    done += n;
  }
  return total;
}

void StreamPipe::consume(size_t n) {
  DASHI_CHECK(n <= readable());
  consumed_ += n;
}

}  // namespace dashi
