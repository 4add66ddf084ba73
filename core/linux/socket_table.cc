#include "core/linux/socket_table.hh"

#include <sys/epoll.h>

#include "core/linux/datagram_socket.hh"
#include "core/linux/echo_socket.hh"
#include "core/linux/listener.hh"
#include "core/linux/stream_socket.hh"

namespace dashi {
namespace {

constexpr int kBatch = 256;  // epoll events a turn

epoll_event event_for(uint32_t slot, uint32_t generation, uint32_t epoll_events) {
  epoll_event event{};
  event.events = epoll_events | EPOLLET;
  event.data.u64 = static_cast<uint64_t>(generation) << 32 | slot;
  return event;
}

struct Deliver {
  uint32_t epoll_events;
  EventBatch& out;

  void operator()(std::monostate) const {}
  template <typename Socket>
  void operator()(Socket* socket) const {
    socket->handle_ready(epoll_events, out);
  }
};

}  // namespace

uint32_t SocketTable::add(int fd, Socket socket, uint32_t epoll_events) {
  if (free_ == kNone) {
    free_ = static_cast<uint32_t>(cells_.size());
    cells_.emplace_back();
  }
  const uint32_t slot = free_;
  epoll_event event = event_for(slot, cells_[slot].generation, epoll_events);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return kNone;
  free_ = cells_[slot].next_free;
  cells_[slot].socket = socket;
  ++live_;
  return slot;
}

void SocketTable::change(uint32_t slot, int fd, uint32_t epoll_events) {
  epoll_event event = event_for(slot, cells_[slot].generation, epoll_events);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void SocketTable::remove(uint32_t slot) {
  if (slot == kNone) return;
  // Whole, since variant's own functions may throw.
  cells_[slot] = Cell{Socket(), cells_[slot].generation + 1, free_};
  free_ = slot;
  --live_;
}

void SocketTable::poll() {
  epoll_event ready[kBatch];
  const int n = ::epoll_wait(epoll_.get(), ready, kBatch, 0);
  for (int i = 0; i < n; ++i) {
    const uint32_t slot = static_cast<uint32_t>(ready[i].data.u64);
    const uint32_t generation = static_cast<uint32_t>(ready[i].data.u64 >> 32);
    if (slot >= cells_.size() || cells_[slot].generation != generation) continue;
    std::visit(Deliver{ready[i].events, events_}, cells_[slot].socket);
  }
}

}  // namespace dashi
