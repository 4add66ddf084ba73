#include "core/linux/event_batch.hh"

namespace dashi {

EventBatch::EventBatch() {
  for (Buffer& buffer : buffers_) {
    buffer.events.reserve(256);
    buffer.quotes.resize(size_t{64} << 10);
  }
}

void EventBatch::push(FlowId id, SocketEvent::Kind kind) {
  buffers_[filling_].events.push_back(SocketEvent{id, kind, {}});
}

void EventBatch::push(FlowId id, SocketEvent::Kind kind, const NetError& error) {
  Buffer& buffer = buffers_[filling_];
  SocketEvent event{id, kind, error};
  const MutableBytes room = MutableBytes(buffer.quotes).subspan(buffer.quoted);
  if (error.quoted.size() <= room.size()) {
    const size_t n = copy_bytes(room, error.quoted);
    event.error.quoted = room.first(n);
    buffer.quoted += n;
  } else {
    event.error.quoted = {};
  }
  buffer.events.push_back(event);
}

std::span<const SocketEvent> EventBatch::take() {
  Buffer& full = buffers_[filling_];
  filling_ = 1 - filling_;
  buffers_[filling_].events.clear();
  buffers_[filling_].quoted = 0;
  return full.events;
}

}  // namespace dashi
