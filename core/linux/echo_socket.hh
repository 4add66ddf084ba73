// ICMP echo under one identifier. A ping socket where the host allows it (net.ipv4.ping_group_range),
// else a raw socket where the process may, filtered in the kernel down to our identifier. Belongs to
// the core.
#pragma once

#include "core/env/sockets.hh"
#include "core/linux/datagram_scratch.hh"
#include "core/linux/fd.hh"
#include "core/linux/socket_table.hh"

namespace dashi {

class LinuxEcho final : public EchoSocket {
 public:
  enum class Type : uint8_t { kPing, kRaw };

  // Opens the descriptor, a ping socket first. `type` says which it became.
  static Result<Fd, SocketError> open(Family family, Type& type);

  // `id_base` spreads the identifiers of raw sockets; ping sockets get theirs from the kernel.
  LinuxEcho(SocketTable& table, DatagramScratch& scratch, Fd fd, Type type, Family family,
            FlowId id, uint16_t id_base);
  ~LinuxEcho() override;
  LinuxEcho(const LinuxEcho&) = delete;
  LinuxEcho& operator=(const LinuxEcho&) = delete;

  bool watched() const { return slot_ != SocketTable::kNone; }
  void handle_ready(uint32_t epoll_events, EventBatch& out);

  Result<size_t, SocketError> send(std::span<const OutEcho> echoes) override;
  Result<size_t, SocketError> receive(std::span<InEcho> echoes) override;

 private:
  Result<Done, SocketError> send_one(const OutEcho& echo);
  bool take_errors(EventBatch& out);
  void report_too_long(const OutEcho& echo);
  void filter_raw();
  void set_dont_fragment(bool on);

  SocketTable& table_;
  DatagramScratch& scratch_;
  Fd fd_;
  FlowId id_;
  uint32_t slot_;
  Type type_;
  Family family_;
  uint16_t identifier_;         // raw sockets only
  bool write_blocked_ = false;  // EPOLLOUT is watched
  int dont_fragment_ = -1;      // as the socket is set; -1: the kernel's default
  uint32_t local_mtu_ = 0;      // bytes; of the last "too long" the kernel said of its own
};

}  // namespace dashi
