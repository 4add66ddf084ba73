// A listening TCP socket. Pulled: the core accepts after kAcceptable. A failed accept leaves the
// connection in the kernel's queue and the listener as it was. Belongs to the core.
#pragma once

#include "core/env/sockets.hh"
#include "core/linux/fd.hh"
#include "core/linux/socket_table.hh"
#include "core/linux/stream_socket.hh"

namespace dashi {

class LinuxListener final : public Listener {
 public:
  LinuxListener(SocketTable& table, Fd fd, Family family, FlowId id, RingBudget* rings);
  ~LinuxListener() override;
  LinuxListener(const LinuxListener&) = delete;
  LinuxListener& operator=(const LinuxListener&) = delete;

  bool watched() const { return slot_ != SocketTable::kNone; }
  void handle_ready(uint32_t epoll_events, EventBatch& out);

  Result<Accepted, SocketError> accept(FlowId id) override;
  Endpoint local() const override;

 private:
  SocketTable& table_;
  Fd fd_;
  FlowId id_;
  uint32_t slot_;
  Family family_;
  RingBudget* rings_;  // for the streams it makes
};

}  // namespace dashi
