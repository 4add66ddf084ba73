// core/env/sockets.hh in memory: the NAT's host sockets in a native world, over SimNet. It keeps the
// sockets contract (tests/sim/sockets_conformance.hh runs against it), carries out the faults of
// socket calls, and watches what the NAT does with its sockets: closing over unread bytes or consuming
// what was never peeked is a defect of the core, counted or checked here.
//
// Handles and sockets are two things: between begin_handover() and end_handover() a handle's end
// leaves its socket open, and adopt_* gives a new handle to it. So a saved Nat is restored over live
// sockets.
#pragma once

#include <functional>

#include "sim/sim_net.hh"
#include "sim/socket_call_faults.hh"

namespace dashi {

// A socket call as an observer sees it: for digests.
struct ObservedCall {
  FlowId id;
  SocketCall call{};
  bool ok = true;
  uint64_t value = 0;  // bytes or datagrams moved, or the SocketError
  Bytes bytes;         // what was written or sent, as far as it was taken
};

struct SocketCounts {
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t closed_over_unread = 0;  // a defect of the core: RST where it meant FIN
  // Of the first Nat's TCP connections: bytes that writes took, and that were consumed.
  uint64_t tcp_written = 0;
  uint64_t tcp_consumed = 0;
};

class SimSockets final : public Sockets {
 public:
  SimSockets(SimNet& net, const SocketFaults& faults, uint64_t seed, FaultPlan* plan);
  ~SimSockets() override;
  SimSockets(const SimSockets&) = delete;
  SimSockets& operator=(const SimSockets&) = delete;

  // --- Sockets ---
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

  // --- For the driver ---
  // Called when there are events after there were none.
  void set_wake(std::function<void()> wake) { first_.wake = std::move(wake); }
  bool has_events() const { return !first_.events.empty(); }
  // Moves up to `most` events to `into`. What their `quoted` points to is good until the next call.
  void take_events(std::vector<SocketEvent>& into, size_t most) { take(first_, into, most); }
  // The same for a second Nat of this host: flows whose slot has this bit are its own.
  static constexpr uint32_t kSecondGuest = uint32_t{1} << 31;
  void set_wake_of_second(std::function<void()> wake) { second_.wake = std::move(wake); }
  bool has_events_of_second() const { return !second_.events.empty(); }
  void take_events_of_second(std::vector<SocketEvent>& into, size_t most) {
    take(second_, into, most);
  }
  void set_observer(std::function<void(const ObservedCall&)> observer) {
    observer_ = std::move(observer);
  }
  void begin_handover() { handing_over_ = true; }
  size_t end_handover();  // closes sockets nobody adopted, and gives their number

  SocketCallFaults& faults() { return faults_; }
  size_t open_sockets() const { return sockets_.size(); }
  const SocketCounts& counts() const { return counts_; }

  // --- For SimNet ---
  enum class Offer : uint8_t { kQueued, kFull, kNobody };
  Offer offer_connection(ConnectionId id, const Endpoint& to);
  bool listens(const Endpoint& at) const { return listener_at(at) != kNone; }
  void on_stream(ConnectionId id, StreamNotice notice, const NetError& error);
  void on_datagram(SimDatagram& datagram);
  void on_net_error(const SimDatagram& datagram);
  bool has_datagram_socket(const Endpoint& at) const;

 private:
  enum class Kind : uint8_t { kStream, kListener, kDatagram, kEcho };
  struct HostSocket {
    Kind kind{};
    FlowId id;
    bool held = true;                 // by a handle
    std::array<bool, 6> announced{};  // [event kind]: waits in events_
    ConnectionId connection;          // kStream
    bool write_closed = false;        // kStream: shutdown_write was called
    uint64_t peeked = 0;              // kStream: bytes past the first unconsumed one, at most
    Endpoint local;
    std::deque<ConnectionId> waiting;  // kListener
    std::deque<SimDatagram> received;  // kDatagram, kEcho
    size_t received_bytes = 0;
    Family family{};  // kEcho
  };
  class StreamHandle;
  class ListenerHandle;
  class DatagramHandle;
  class EchoHandle;

  static constexpr uint32_t kNone = 0xffffffff;

  Result<uint32_t, SocketError> open(Kind kind, FlowId id, const CallFate& fate);
  uint32_t find_held_out(Kind kind, FlowId id);
  void let_go(uint32_t slot);  // a handle ended
  void close(uint32_t slot);
  void announce(uint32_t slot, SocketEvent::Kind kind, const NetError& error);
  void announce_later(uint32_t slot, SocketEvent::Kind kind, Duration after);
  void observe(uint32_t slot, SocketCall call, bool ok, uint64_t value, Bytes bytes);
  uint32_t listener_at(const Endpoint& at) const;
  uint32_t datagram_socket_at(const Endpoint& at) const;
  static uint32_t bound_at(const std::map<Endpoint, uint32_t>& bound, const Endpoint& at);
  Result<Endpoint, SocketError> bind(std::map<Endpoint, uint32_t>& bound, const Endpoint& local);

  // The calls of handles.
  SocketError block(uint32_t slot, SocketCall call, SocketEvent::Kind edge, Duration until);
  std::optional<SocketError> stream_error(uint32_t slot);
  Result<Peeked, SocketError> peek(uint32_t slot, size_t offset,
                                   std::span<const MutableBytes> into);
  void consume(uint32_t slot, size_t n);
  Result<size_t, SocketError> write(uint32_t slot, std::span<const Bytes> from);
  Result<size_t, SocketError> write_into(HostSocket& socket, std::span<const Bytes> from,
                                         size_t most);
  void shutdown_write(uint32_t slot);
  void abort(uint32_t slot);
  HostTcpInfo info(uint32_t slot) const;
  Result<Accepted, SocketError> accept(uint32_t slot, FlowId id);
  Result<size_t, SocketError> send(uint32_t slot, std::span<const OutDatagram> datagrams);
  std::optional<SocketError> send_one(uint32_t slot, const OutDatagram& out);
  Result<size_t, SocketError> receive(uint32_t slot, std::span<InDatagram> datagrams);
  Result<size_t, SocketError> send_echoes(uint32_t slot, std::span<const OutEcho> echoes);
  Result<size_t, SocketError> receive_echoes(uint32_t slot, std::span<InEcho> echoes);

  SimNet& net_;
  SocketCallFaults faults_;
  SlotMap<HostSocket> sockets_;
  std::map<Endpoint, uint32_t> listeners_;
  std::map<Endpoint, uint32_t> datagram_sockets_;
  struct Pending {
    SocketEvent event;
    uint32_t slot;
    uint32_t generation;
  };
  struct Events {
    std::deque<Pending> events;
    std::deque<std::vector<uint8_t>> quoted;  // what events point into, in their order
    std::vector<std::vector<uint8_t>> delivered_quoted;
    std::function<void()> wake;
  };
  static bool counts_as_tcp(const FlowId& id) {
    return id.kind == FlowKind::kTcp && (id.slot & kSecondGuest) == 0;
  }
  Events& events_of(FlowId id) { return (id.slot & kSecondGuest) == 0 ? first_ : second_; }
  void take(Events& from, std::vector<SocketEvent>& into, size_t most);
  Events first_;
  Events second_;
  std::function<void(const ObservedCall&)> observer_;
  SocketCounts counts_;
  bool handing_over_ = false;
};

}  // namespace dashi
