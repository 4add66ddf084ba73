// One host TCP connection over a Linux socket, as core/env/sockets.hh wants it. The kernel's receive
// queue is the downlink buffer: peek is MSG_PEEK at SO_PEEK_OFF, consume is MSG_TRUNC; where the kernel
// cannot do that the bytes are kept in a PeekRing. Belongs to the core; known to a SocketTable while
// its descriptor is open.
#pragma once

#include <memory>
#include <optional>

#include "core/base/time.hh"
#include "core/env/sockets.hh"
#include "core/linux/fd.hh"
#include "core/linux/peek_ring.hh"
#include "core/linux/socket_table.hh"

namespace dashi {

// When a silent peer is asked whether it is still there, and when it counts as gone (RFC 9293 3.8.4).
struct KeepAlive {
  Duration idle = 2h;
  Duration interval = 75s;
  uint8_t probes = 9;
};

class LinuxStream final : public StreamSocket {
 public:
  enum class Start : uint8_t { kConnecting, kConnected };

  // The options every stream has: call before connect, or for a listener, whose streams inherit them.
  static void set_options(int fd, const KeepAlive& keep_alive);

  // `rings` is null where the kernel can peek at an offset.
  LinuxStream(SocketTable& table, Fd fd, Family family, FlowId id, RingBudget* rings, Start start);
  ~LinuxStream() override;
  LinuxStream(const LinuxStream&) = delete;
  LinuxStream& operator=(const LinuxStream&) = delete;

  bool watched() const { return slot_ != SocketTable::kNone; }
  void handle_ready(uint32_t epoll_events, EventBatch& out);

  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override;
  void consume(size_t n) override;
  Result<size_t, SocketError> write(std::span<const Bytes> from) override;
  void shutdown_write() override;
  void abort() override;
  HostTcpInfo info() const override;
  Endpoint local() const override;

 private:
  void finish_connect(uint32_t epoll_events, EventBatch& out);
  void latch(SocketError error);
  void take_pending_error();
  size_t peek_kernel(size_t offset, std::span<const MutableBytes> into);
  void fill_ring(size_t want);

  SocketTable& table_;
  Fd fd_;
  FlowId id_;
  uint32_t slot_ = SocketTable::kNone;
  Family family_;
  RingBudget* rings_;  // null: the kernel peeks
  bool connecting_;
  bool write_blocked_ = false;  // a write fell short: the next EPOLLOUT is an edge the core awaits
  bool write_shut_ = false;
  bool drained_ = false;  // the kernel had nothing from known_end_ on, and no edge came since
  bool eof_ = false;      // the peer's FIN follows known_end_
  bool starved_ = false;  // ring only: peek was refused because the ring had no room
  size_t known_end_ = 0;  // offset, as peek counts; good while drained_ or eof_
  size_t peek_off_ = 0;   // kernel's SO_PEEK_OFF
  std::optional<SocketError> error_;  // the first terminal one
  std::unique_ptr<PeekRing> ring_;    // set iff rings_ is and bytes were looked for
};

}  // namespace dashi
