// Sockets whose other end is the input's: what arrives, what fails, how much is taken. They keep the
// contract of core/env/sockets.hh to the letter and watch that the Nat keeps its part. A stream holds no
// bytes: the one at offset n is 7 * n, so a piece that is shifted, lost or repeated is noticed; but what
// DNS over TCP receives is the input's.
//
// States outlive their sockets; a saved Nat's successor adopts them.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "core/env/sockets.hh"
#include "sim/digest.hh"

namespace dashi::fuzz {

inline uint8_t stream_byte(uint64_t offset) { return static_cast<uint8_t>(offset * 7); }

// Many calls, one digest: what a run did, in order.
class Log {
 public:
  explicit Log(const DigestOptions& options) : digest(options) {}
  Instant now{};
  Digest digest;
  void call(uint64_t what, uint64_t argument, Bytes bytes) {
    digest.record(now, DigestKind::kSocketCall, what, argument, bytes);
  }
};

struct StreamState {
  FlowId id;
  bool connecting = false;
  bool closed = false;  // its socket is gone
  bool aborted = false;
  bool fin_written = false;
  bool eof = false;        // the peer's FIN follows what was received
  uint64_t received = 0;   // bytes, in all
  uint64_t peeked = 0;     // of those, the most that was seen
  uint64_t consumed = 0;   // of those, gone
  uint64_t written = 0;    // bytes taken, in all
  uint8_t first_byte = 0;  // of what was written
  size_t room = ~size_t{0};
  bool blocked = false;              // a write fell short
  std::optional<SocketError> error;  // latched
  std::vector<uint8_t> last_write;   // of DNS alone
  std::vector<uint8_t> scripted;     // all that was received, of DNS alone
  bool is_dns() const { return id.kind == FlowKind::kDnsTcp; }
};

struct Datagram {
  Endpoint remote;
  Endpoint local;
  std::vector<uint8_t> payload;
  uint16_t segment_size = 0;
  uint8_t ttl = 0;
  uint16_t sequence = 0;  // of an echo
};

// Of a datagram or echo socket.
struct PacketState {
  FlowId id;
  Endpoint local;
  bool closed = false;
  std::optional<SocketError> send_error;  // while set
  size_t send_room = ~size_t{0};          // datagrams
  std::deque<Datagram> incoming;
  Endpoint last_remote;  // of what was sent last
  uint16_t last_sequence = 0;
  std::vector<uint8_t> last_payload;  // its first bytes
};

struct ListenerState {
  FlowId id;
  Endpoint local;
  bool closed = false;
  std::deque<Endpoint> pending;
  std::optional<SocketError> accept_error;  // while set
};

class FuzzSockets final : public Sockets {
 public:
  explicit FuzzSockets(Log& log) : log_(log) {}

  std::deque<StreamState> streams;
  std::deque<PacketState> packets;
  std::deque<ListenerState> listeners;
  std::deque<SocketEvent> events;         // that the calls themselves caused
  std::optional<SocketError> open_error;  // while set
  bool handing_over = false;     // what is let go now is neither closed nor aborted: another has it
  bool ending = false;           // the Nat goes as a whole
  bool adopts_anything = false;  // a socket is found for every flow: for archives out of nowhere
  bool check_uplink = true;      // all that the guest says is stream_byte()s

  Log& log() { return log_; }

  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                             const ConnectOptions& options,
                                                             FlowId id) override;
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local, FlowId id) override;
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint& local,
                                                                     FlowId id) override;
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) override;
  std::unique_ptr<StreamSocket> adopt_stream(FlowId id) override;
  std::unique_ptr<Listener> adopt_listener(FlowId id) override;
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId id) override;
  std::unique_ptr<EchoSocket> adopt_echo(FlowId id) override;

 private:
  Log& log_;
  uint16_t next_port_ = 30000;
};

}  // namespace dashi::fuzz
