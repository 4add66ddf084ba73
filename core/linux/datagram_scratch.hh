// The arrays that recvmmsg and sendmmsg want, kept once for all datagram sockets of a LinuxSockets:
// nothing in them outlives a call. Also the control messages that carry address, TTL and TOS.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>

#include "core/env/sockets.hh"
#include "core/linux/sockaddr.hh"

namespace dashi {

struct DatagramScratch {
  static constexpr size_t kBatch = 64;
  static constexpr size_t kControlBytes = 256;

  struct alignas(cmsghdr) Control {
    char bytes[kControlBytes];
  };

  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> pieces;
  std::array<size_t, kBatch> datagrams;  // that each message carries, when sending
  std::array<SockAddr, kBatch> addresses;
  std::array<Control, kBatch> controls;
  std::array<uint8_t, 2048> quote;  // what an error quotes

  // Points message `i` at its address, piece and control space.
  void point(size_t i, size_t control_bytes);
};

// Appends control messages to a msghdr whose control space is all zero and kControlBytes long.
class ControlWriter {
 public:
  explicit ControlWriter(msghdr& message) : message_(message) { message_.msg_controllen = 0; }
  void source(const IpAddress& address);
  void ttl(Family family, uint8_t value);
  void tos(Family family, uint8_t value);
  void segment_size(uint16_t value);

 private:
  void put(int level, int type, const void* data, size_t bytes);
  msghdr& message_;
};

// What a received message's control messages say.
struct ReceivedControl {
  IpAddress destination;
  uint8_t ttl = 0;
  uint8_t tos = 0;
  uint16_t segment_size = 0;
};
ReceivedControl read_control(msghdr& message);

// Asks the kernel to tell destination, TTL and TOS of what is received.
void request_control(int fd, Family family);
// UDP_GRO (Linux 5.0), where the kernel has it.
void request_coalescing(int fd);
// Whether the kernel has UDP_SEGMENT (Linux 4.18): an older one would send the row as one datagram.
bool can_segment(int fd);

}  // namespace dashi
