// The guest's datagrams on their way into sockets: gathered over a batch of frames, then handed to each
// socket together, so that a batch costs one call a socket and not one a datagram. Knows no table and
// decides nothing.
//
// The frames are borrowed until the end of the batch, so finish() comes before that; between batches
// nothing is held, which is why there is nothing to save. A socket that a datagram waits for stays open:
// flows are closed by timers, commands and evictions of idle flows, none of which can meet a flow that
// was used in this very batch.
#pragma once

#include <array>
#include <memory>

#include "core/flow/icmp_error.hh"

namespace dashi {

class UdpUplink {
 public:
  UdpUplink(FlowContext& context, IcmpErrors& errors);

  // Takes the packet's payload, to be sent at finish() or when there is no more room to wait.
  void send(Instant now, DatagramSocket& socket, const Packet& packet, const Endpoint& remote,
            const IpAddress& local);
  // Sends what was taken. A failure is counted and, where there is anything to tell, told.
  void finish(Instant now);
  bool empty() const { return count_ == 0; }

 private:
  static constexpr size_t kBatch = 64;  // datagrams, or rows of them, that may wait
  struct Waiting {
    DatagramSocket* socket = nullptr;  // null once sent
    OutDatagram out;
    Packet packet;  // for the error that may have to be told
  };

  void send_together(Instant now, DatagramSocket& socket, size_t count);
  void fail(Instant now, SocketError error, const Packet& packet);

  FlowContext& context_;
  IcmpErrors& errors_;
  // kBatch, from the first datagram on; the first count_ are set, in the order they came.
  std::unique_ptr<Waiting[]> waiting_;
  size_t count_ = 0;
  // One socket's share, while it is sent.
  std::array<OutDatagram, kBatch> together_{};
  std::array<uint8_t, kBatch> from_{};  // where each of them is in waiting_
};

}  // namespace dashi
