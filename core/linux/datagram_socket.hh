// One UDP socket, in batches: sendmmsg and recvmmsg, UDP_SEGMENT for super-datagrams and for neighbours in
// a batch that go to one place in one size. ICMP errors come off the error queue as kNetError events and
// never end the socket. Belongs to the core; the scratch arrays are LinuxSockets'.
#pragma once

#include <optional>

#include "core/env/sockets.hh"
#include "core/linux/datagram_scratch.hh"
#include "core/linux/fd.hh"
#include "core/linux/socket_table.hh"

namespace dashi {

class LinuxDatagram final : public DatagramSocket {
 public:
  LinuxDatagram(SocketTable& table, DatagramScratch& scratch, Fd fd, Family family, FlowId id);
  ~LinuxDatagram() override;
  LinuxDatagram(const LinuxDatagram&) = delete;
  LinuxDatagram& operator=(const LinuxDatagram&) = delete;

  bool watched() const { return slot_ != SocketTable::kNone; }
  void handle_ready(uint32_t epoll_events, EventBatch& out);

  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override;
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override;
  Endpoint local() const override;

 private:
  size_t joinable(std::span<const OutDatagram> datagrams) const;
  size_t fill_messages(std::span<const OutDatagram> datagrams, bool join);
  Result<size_t, SocketError> send_batch(std::span<const OutDatagram> datagrams);
  Result<size_t, SocketError> send_segments(const OutDatagram& datagram);
  void set_dont_fragment(bool on);
  void await_room();
  bool take_errors(EventBatch& out);
  void report_too_long(const OutDatagram& datagram);

  SocketTable& table_;
  DatagramScratch& scratch_;
  Fd fd_;
  FlowId id_;
  uint32_t slot_;
  Family family_;
  bool write_blocked_ = false;         // EPOLLOUT is watched
  size_t join_max_ = 0;                // bytes; of a datagram that may be joined to its neighbours
  uint32_t local_mtu_ = 0;             // bytes; of the last "too long" the kernel said of its own
  std::optional<bool> dont_fragment_;  // as the socket is set; empty: the kernel's default
};

}  // namespace dashi
