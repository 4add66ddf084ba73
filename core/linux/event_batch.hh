// Socket events between the calls that cause them and the driver that delivers them. Two buffers: the
// batch that was handed out stays whole, with the bytes its errors quote, until the next is taken, so
// that handlers may cause new events while they read old ones.
#pragma once

#include <span>
#include <vector>

#include "core/env/sockets.hh"

namespace dashi {

class EventBatch {
 public:
  EventBatch();

  void push(FlowId id, SocketEvent::Kind kind);
  // Copies what `error` quotes; once the batch's room for quotes is used up, events go without.
  void push(FlowId id, SocketEvent::Kind kind, const NetError& error);
  bool empty() const { return buffers_[filling_].events.empty(); }
  // The events so far, in order; good until the next call of take.
  std::span<const SocketEvent> take();

 private:
  struct Buffer {
    std::vector<SocketEvent> events;
    std::vector<uint8_t> quotes;  // of fixed size: spans into it stay good
    size_t quoted = 0;            // bytes of `quotes` in use
  };

  Buffer buffers_[2];
  size_t filling_ = 0;
};

}  // namespace dashi
