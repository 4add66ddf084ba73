// The host's sockets on Linux: non-blocking, edge-triggered, their events queued for the driver. One
// conformance suite (tests/sim/sockets_conformance.hh) holds this and the simulated ones to the same
// contract. The sockets it makes belong to the core and must not outlive it.
#pragma once

#include <memory>
#include <span>

#include "core/env/sockets.hh"
#include "core/linux/datagram_scratch.hh"
#include "core/linux/socket_table.hh"
#include "core/linux/stream_socket.hh"

namespace dashi {

class LinuxSockets final : public Sockets {
 public:
  struct Options {
    bool force_ring = false;    // for tests: as on a kernel without SO_PEEK_OFF for TCP
    uint16_t echo_id_base = 0;  // random: spreads the identifiers of raw echo sockets
    // For all connections together where the kernel cannot peek; each has PeekRing::kMinBytes beside it.
    size_t ring_bytes_total = size_t{32} << 20;
    KeepAlive keep_alive = {};
  };

  // Null if the kernel gives no epoll descriptor.
  static std::unique_ptr<LinuxSockets> create(const Options& options);

  // --- For the driver ---
  int epoll_fd() const { return table_.epoll_fd(); }  // readable when poll() has something to do
  void poll() { table_.poll(); }                      // takes what is ready, without waiting
  bool has_events() const { return !table_.events().empty(); }
  // The events since the last call, to hand to Nat::handle_sockets; good until the next call.
  std::span<const SocketEvent> take_events() { return table_.events().take(); }
  uint32_t open_sockets() const { return table_.size(); }
  bool peeks_at_offset(Family family) const;
  // Set once: an echo socket was refused by the host for want of a permission.
  bool echo_denied() const { return echo_denied_; }

  // --- Sockets ---
  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                             const ConnectOptions& options,
                                                             FlowId id) override;
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local, FlowId id) override;
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint& local,
                                                                     FlowId id) override;
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) override;

  // The kernel keeps no socket for us: always null.
  std::unique_ptr<StreamSocket> adopt_stream(FlowId id) override;
  std::unique_ptr<Listener> adopt_listener(FlowId id) override;
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId id) override;
  std::unique_ptr<EchoSocket> adopt_echo(FlowId id) override;

 private:
  LinuxSockets(Fd epoll, const Options& options);
  RingBudget* rings_for(Family family);

  SocketTable table_;
  DatagramScratch scratch_;
  RingBudget rings_;
  uint16_t echo_id_base_;
  KeepAlive keep_alive_;
  bool peek_off_v4_;  // SO_PEEK_OFF works for TCP over IPv4
  bool peek_off_v6_;
  bool echo_denied_ = false;
};

}  // namespace dashi
