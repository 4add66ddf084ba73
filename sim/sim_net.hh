// The in-memory internet of a native world: hosts with addresses, paths with delay, rate and faults,
// connections as pairs of bounded byte pipes, datagrams and echo requests. Everything happens through
// the event queue. It has one special host, "here", where the NAT's sockets live (sim_sockets); what
// the other ends do is sim_apps'. It is an abstraction of transport, not TCP: no segments, no
// congestion control. A chunk that is lost is sent again, each try as likely to be lost as the first,
// until its sender gives the connection up. For the real thing there is ns-3.
//
// Ownership: the world owns queue, net, sockets and apps, in this order.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "core/base/slot_map.hh"
#include "sim/event_queue.hh"
#include "sim/net_spec.hh"
#include "sim/stream_pipe.hh"

namespace dashi {

class SimApps;
class SimSockets;

// The two ends of a connection; also the two directions of a path, named by where they start.
enum class Side : uint8_t { kHere, kThere };
constexpr Side other(Side side) { return side == Side::kHere ? Side::kThere : Side::kHere; }

struct ConnectionId {
  uint32_t slot = 0xffffffff;
  uint32_t generation = 0;
  friend bool operator==(const ConnectionId&, const ConnectionId&) = default;
};

enum class StreamNotice : uint8_t { kConnected, kConnectFailed, kReadable, kWritable, kReset };

struct SimStreamEnd {
  Endpoint address;
  uint32_t owner = 0xffffffff;  // slot of the socket or of the app
  bool connected = false;
  bool released = false;             // nobody holds this end: what comes is answered by RST
  bool wants_writable = false;       // a write fell short
  std::optional<SocketError> error;  // the first terminal error, for ever
};

struct SimConnection {
  SimConnection(size_t send_buffer, size_t here_receives, size_t there_receives)
      : pipes{StreamPipe(send_buffer, there_receives), StreamPipe(send_buffer, here_receives)} {}

  std::array<StreamPipe, 2> pipes;    // [side]: written by that side
  std::array<SimStreamEnd, 2> ends;   // [side]
  std::array<Instant, 2> in_order{};  // [side]: nothing of it comes before this; kNever: given up
  uint32_t host = 0;                  // the remote host, whose path is used
  uint8_t ttl = 0;
  uint32_t listener = 0xffffffff;  // waiting in this listener's queue
  bool pending = true;             // not answered yet
  uint8_t syn_tries = 0;
  Instant connect_by = kNever;  // not answered until then: the connect fails
  NetError failure;             // how the connect will fail, while that is on its way

  StreamPipe& written_by(Side side) { return pipes[static_cast<size_t>(side)]; }
  StreamPipe& read_by(Side side) { return pipes[static_cast<size_t>(other(side))]; }
  SimStreamEnd& end(Side side) { return ends[static_cast<size_t>(side)]; }
};

// One datagram or echo message on its way.
struct SimDatagram {
  enum class Kind : uint8_t { kUdp, kEchoRequest, kEchoReply, kError };
  Kind kind = Kind::kUdp;
  Endpoint from;
  Endpoint to;
  uint32_t socket = 0xffffffff;  // of here, that errors are for; with socket_generation
  uint32_t socket_generation = 0;
  uint16_t sequence = 0;
  uint8_t ttl = 64;
  uint8_t tos = 0;
  bool dont_fragment = false;
  NetError error;  // kError: about the datagram whose payload this holds
  std::vector<uint8_t> payload;
};

// What the far end of a connection does.
struct FarEndMove {
  enum class Kind : uint8_t { kCalls, kAccepts, kWrites, kReads, kFinishes, kLetsGo, kAborts };
  Kind kind{};
  ConnectionId id;
  size_t bytes = 0;  // kWrites, kReads
};

class SimNet {
 public:
  SimNet(EventQueue& queue, const NetSpec& spec, uint64_t seed, FaultPlan* plan);
  SimNet(const SimNet&) = delete;
  SimNet& operator=(const SimNet&) = delete;
  void attach(SimSockets& sockets, SimApps& apps) {
    sockets_ = &sockets;
    apps_ = &apps;
  }

  EventQueue& queue() { return queue_; }
  // Told of every move of a far end as it is made.
  using Watcher = std::function<void(const FarEndMove&)>;
  void set_watcher(Watcher watcher) { watcher_ = std::move(watcher); }
  const NetSpec& spec() const { return spec_; }
  static constexpr uint32_t kHereHost = 0;
  static constexpr uint32_t kNoHost = 0xffffffff;
  uint32_t host_of(const IpAddress& address) const;  // kNoHost: nobody's
  const HostSpec& host(uint32_t index) const;
  const ServiceSpec* service(uint32_t host, Transport transport, Port port) const;
  // A service more, from now on; its port must be free.
  void add_service(uint32_t host, const ServiceSpec& service);
  // The address of here that a remote address is reached from; null if there is none of the family.
  const IpAddress* source_for(const IpAddress& remote) const;
  const IpAddress* address_of(uint32_t host, Family family) const;
  bool listens_here(const Endpoint& at) const;  // one of the NAT's sockets does
  Duration path_delay(uint32_t host) const { return paths_[host].spec.delay; }
  void set_path(uint32_t host, const PathSpec& path);  // what is on its way keeps its times
  Port fresh_port();

  // --- Streams ---
  // From here to `remote`: a kConnected or kConnectFailed notice follows. `late` delays the SYN.
  ConnectionId connect(const Endpoint& local, const Endpoint& remote, uint8_t ttl, Duration late);
  // From a host to a listener of here; the app is told.
  ConnectionId connect_here(uint32_t from_host, const Endpoint& to, size_t receive_buffer);
  SimConnection* find(ConnectionId id);
  size_t write(ConnectionId id, Side side, std::span<const Bytes> from);
  void consume(ConnectionId id, Side side, size_t n);
  void finish(ConnectionId id, Side side);   // FIN after what was written
  void release(ConnectionId id, Side side);  // the holder lets go: FIN, or RST over unread bytes
  void abort(ConnectionId id, Side side);    // RST; the end is terminal
  void fail(ConnectionId id, SocketError error);          // both ends are reset at once
  void fail_connect(ConnectionId id, SocketError error);  // if it is still connecting

  // --- Datagrams ---
  SimDatagram fresh_datagram();  // with a recycled buffer
  void send_from_here(SimDatagram&& datagram);
  void send_to_here(uint32_t from_host, SimDatagram&& datagram, Duration after);
  void recycle(SimDatagram& datagram);  // gives its buffer back

  size_t connections() const { return connections_.size(); }
  size_t datagrams_in_flight() const { return datagrams_.size(); }

 private:
  struct Path {
    PathSpec spec;
    std::array<FrameFaults, 2> faults;
    std::array<FrameFaults, 2> again;  // of what streams send again: a stream of its own
    std::array<Instant, 2> busy_until{};
  };
  struct Arrival {
    Instant at;
    bool given_up;  // it never arrives: `at` is when its sender knows that
  };

  Path& path(uint32_t host) { return paths_[host]; }
  void show(Side side, const FarEndMove& move) const {
    if (watcher_ && side == Side::kThere) watcher_(move);
  }
  uint32_t make_connection(uint32_t host, size_t here_receives, size_t there_receives);
  Instant transit(uint32_t host, Side from, size_t bytes, FrameFate& fate);
  Arrival transit_in_order(SimConnection& connection, Side from, size_t bytes);
  void give_up(ConnectionId id, Side writer, Instant at);
  bool too_late(ConnectionId id, Side side, const Arrival& arrival);
  bool fails_on_the_way(ConnectionId id, uint32_t host, const Endpoint& remote);
  void fail_later(ConnectionId id, const NetError& error, Duration after);
  void syn_arrives_there(ConnectionId id);
  void syn_arrives_here(ConnectionId id);
  void established(ConnectionId id, Side side);
  void connect_failed(ConnectionId id, Side side);
  void pump(ConnectionId id, Side writer);
  void arrive(ConnectionId id, Side writer, uint32_t n, bool fin);
  void acknowledge(ConnectionId id, Side writer, uint64_t up_to);
  void reset_arrives(ConnectionId id, Side to, SocketError error);
  void send_reset(ConnectionId id, Side from);
  void notify(ConnectionId id, Side side, StreamNotice notice, const NetError& error);
  void collect(ConnectionId id);
  NetError failure_of(const NetFailure& failure, uint32_t host, const Endpoint& remote) const;
  IpAddress router(Family family, unsigned hop) const;
  NetError router_error(SocketError error, uint8_t v4_type, uint8_t v4_code, uint8_t v6_type,
                        uint8_t v6_code, unsigned hop, const Endpoint& remote) const;

  void launch(uint32_t host, Side from, SimDatagram&& datagram, Duration after);
  void schedule_arrival(uint32_t host, Side from, SimDatagram&& datagram, Instant arrives);
  void datagram_arrives(uint32_t slot, Side from, uint32_t host);
  void datagram_at_host(uint32_t host, SimDatagram& datagram);
  void datagram_error(SimDatagram&& datagram, const NetError& error, Duration after);

  EventQueue& queue_;
  NetSpec spec_;
  SimSockets* sockets_ = nullptr;
  SimApps* apps_ = nullptr;
  std::map<IpAddress, uint32_t> hosts_by_address_;
  std::vector<Path> paths_;  // by host
  SlotMap<SimConnection> connections_;
  SlotMap<SimDatagram> datagrams_;
  std::vector<std::vector<uint8_t>> spare_buffers_;
  uint16_t next_port_ = 32768;
  Watcher watcher_;
};

}  // namespace dashi
