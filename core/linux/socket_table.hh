// Which live socket an epoll event is for. Sockets belong to the core, which may destroy them at any
// time; here they are named by slot and generation, carried in epoll's data, so that an event of a
// socket that is gone finds nobody. Owns the epoll descriptor and the batch of events; no socket.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "core/linux/event_batch.hh"
#include "core/linux/fd.hh"

namespace dashi {

class LinuxStream;
class LinuxListener;
class LinuxDatagram;
class LinuxEcho;

class SocketTable {
 public:
  using Socket =
      std::variant<std::monostate, LinuxStream*, LinuxListener*, LinuxDatagram*, LinuxEcho*>;
  static constexpr uint32_t kNone = 0xffffffff;

  explicit SocketTable(Fd epoll) : epoll_(std::move(epoll)) {}

  int epoll_fd() const { return epoll_.get(); }
  EventBatch& events() { return events_; }
  const EventBatch& events() const { return events_; }

  // Watches `fd` for `socket`, edge-triggered; kNone if the kernel will not.
  uint32_t add(int fd, Socket socket, uint32_t epoll_events);
  void change(uint32_t slot, int fd, uint32_t epoll_events);
  // The socket is going. Closing its descriptor ends the watch.
  void remove(uint32_t slot);
  uint32_t size() const { return live_; }

  // Asks epoll once, without waiting, and lets the sockets queue their events. At most one batch.
  void poll();

 private:
  struct Cell {
    Socket socket;
    uint32_t generation = 0;
    uint32_t next_free = kNone;
  };

  Fd epoll_;
  EventBatch events_;
  std::vector<Cell> cells_;
  uint32_t free_ = kNone;  // the first of a list through the cells: removing allocates nothing
  uint32_t live_ = 0;
};

}  // namespace dashi
