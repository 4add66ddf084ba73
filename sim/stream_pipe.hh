// One direction of an in-memory connection: the bytes between what the writer wrote and what the
// reader consumed, with the counts that say how far they came. Bounded by the writer's send buffer and
// the reader's receive buffer together, like a real connection. It knows nothing of time or of paths;
// sim_net moves the counts.
//
//   consumed <= arrived <= sent <= written,  acked <= arrived
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/base/bytes.hh"
#include "core/base/check.hh"

namespace dashi {

class StreamPipe {
 public:
  StreamPipe(size_t send_capacity, size_t receive_capacity)
      : send_capacity_(send_capacity), receive_capacity_(receive_capacity) {}

  // --- The writer's end ---
  size_t room() const { return send_capacity_ - std::min(send_capacity_, buffered()); }
  size_t buffered() const { return static_cast<size_t>(written_ - acked_); }
  void write(Bytes bytes);             // at most room() bytes
  void finish() { finished_ = true; }  // FIN after what was written
  bool finished() const { return finished_; }

  // --- On the way ---
  // What may be sent now: written, and within the reader's buffer.
  size_t sendable() const {
    const uint64_t window =
        receive_capacity_ - std::min<uint64_t>(receive_capacity_, sent_ - consumed_);
    return static_cast<size_t>(std::min(written_ - sent_, window));
  }
  bool blocked_by_reader() const { return sent_ < written_ && sendable() == 0; }
  bool fin_due() const { return finished_ && !fin_sent_ && sent_ == written_; }
  void send(size_t n) { sent_ += n; }
  void send_fin() { fin_sent_ = true; }
  void arrive(size_t n) { arrived_ += n; }
  void arrive_fin() { fin_arrived_ = true; }
  void acknowledge(uint64_t up_to) { acked_ = std::max(acked_, up_to); }

  // --- The reader's end ---
  size_t readable() const { return static_cast<size_t>(arrived_ - consumed_); }
  bool fin_sent() const { return fin_sent_; }
  bool fin_arrived() const { return fin_arrived_; }
  // Copies up to into.size() arrived bytes from `offset` past the first unconsumed one.
  size_t peek(size_t offset, MutableBytes into) const;
  void consume(size_t n);

  uint64_t written() const { return written_; }
  uint64_t sent() const { return sent_; }
  uint64_t arrived() const { return arrived_; }
  uint64_t consumed() const { return consumed_; }
  uint64_t acked() const { return acked_; }

 private:
  void grow(size_t needed);

  size_t send_capacity_;
  size_t receive_capacity_;
  std::vector<uint8_t> ring_;  // size a power of two or 0; byte i of the stream at i & (size - 1)
  uint64_t written_ = 0;
  uint64_t sent_ = 0;
  uint64_t arrived_ = 0;
  uint64_t consumed_ = 0;
  uint64_t acked_ = 0;
  bool finished_ = false;
  bool fin_sent_ = false;
  bool fin_arrived_ = false;
};

}  // namespace dashi
