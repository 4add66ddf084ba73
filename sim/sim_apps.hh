// What the other ends of a world's connections do: servers that hosts offer (echo, source, sink, DNS
// and the misbehaving ones), and clients that connect to the NAT's forwarded ports. Each is a small
// state machine over SimNet, described by an AppSpec. Manual ones do nothing by themselves: a test
// moves them. Everything an application saw is kept in its record, for oracles.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "sim/sim_net.hh"

namespace dashi {

struct AppRecord {
  AppSpec spec;
  uint32_t host = 0;
  ConnectionId connection;
  bool active = false;  // it connected; else it accepted
  bool connected = false;
  uint64_t received = 0;
  uint64_t sent = 0;
  bool finished = false;  // it sends no more: a FIN follows
  bool eof = false;
  bool reset = false;
  bool failed = false;  // the connect failed; error says how
  bool closed = false;  // it let go of the connection
  std::optional<SocketError> error;
  std::optional<uint64_t> wrong_at;  // the offset of the first byte that was not as it should be
  Instant opened;
  Instant ended;
};

// A datagram as a manual UDP port received it.
struct ReceivedDatagram {
  Endpoint from;
  Endpoint to;
  std::vector<uint8_t> bytes;
  uint8_t ttl = 0;
  uint8_t tos = 0;
};

class SimApps {
 public:
  explicit SimApps(SimNet& net) : net_(net), scratch_(kScratch) {}

  // --- Clients and hand-moved ends ---
  // Connects from a host to a listener of here; gives the app's number.
  uint32_t connect(uint32_t from_host, const Endpoint& to, const AppSpec& app);
  // A manual TCP listener beside the services of the spec; a manual UDP port.
  void listen_manually(const Endpoint& at) { manual_listeners_.insert(at); }
  void stop_listening(const Endpoint& at) { manual_listeners_.erase(at); }
  // Manual ends opened from now on read nothing until they are no longer paused.
  void open_paused(bool paused) { open_paused_ = paused; }
  std::optional<uint32_t> next_accepted(const Endpoint& at);  // manual ones, in order
  bool has_accepted(const Endpoint& at) { return !accepted_[at].empty(); }
  void bind_manually(const Endpoint& at) { manual_ports_[at]; }
  void unbind(const Endpoint& at) { manual_ports_.erase(at); }
  const std::vector<ReceivedDatagram>& received_at(const Endpoint& at) { return manual_ports_[at]; }
  void send_datagram(const Endpoint& from, const Endpoint& to, Bytes payload);
  void write_manually(uint32_t app, Bytes bytes);  // all of it, queued if it must be
  void pause_reading(uint32_t app, bool paused);
  const std::vector<uint8_t>& received_by(uint32_t app) const { return apps_[app].kept; }
  void finish(uint32_t app);
  void close(uint32_t app);
  void abort(uint32_t app);

  const AppRecord& record(uint32_t app) const { return apps_[app].record; }
  size_t count() const { return apps_.size(); }
  uint64_t datagrams_received() const { return datagrams_received_; }
  // Told of every event of an application, for digests: (app, what, argument).
  void set_observer(std::function<void(uint32_t, uint64_t, uint64_t)> observer) {
    observer_ = std::move(observer);
  }

  // --- For SimNet ---
  bool listens(uint32_t host, const Endpoint& at) const;
  void on_accepted(ConnectionId id, uint32_t host, const Endpoint& at);
  void on_stream(ConnectionId id, StreamNotice notice);
  bool on_datagram(uint32_t host, const SimDatagram& datagram);  // false: nobody has the port

 private:
  struct App {
    AppRecord record;
    uint64_t read_limit = 0;  // kSlowReader: bytes it may take by now
    bool interval_armed = false;
    bool paused = false;
    bool finishes = false;              // FIN once all is written
    std::vector<uint8_t> kept;          // kManual: all received; kDns: what is not parsed yet
    std::vector<uint8_t> to_write;      // kManual, kDns, kBanner: not taken by the pipe yet
    std::optional<uint32_t> relays_to;  // what comes goes to this app
  };

  uint32_t add(const AppSpec& spec, uint32_t host, ConnectionId id, bool active);
  void begin(uint32_t app);  // it is connected
  void step(uint32_t app);   // does what can be done now
  void read(uint32_t app);
  void take(uint32_t app, Bytes bytes);
  void relay(uint32_t app, const Endpoint& to);
  void write_pattern(uint32_t app);
  void write_queued(uint32_t app);
  void echo(uint32_t app);
  bool is_done(const App& app) const;
  void arm_interval(uint32_t app);
  void answer_dns_stream(uint32_t app);
  void observe(uint32_t app, uint64_t what, uint64_t argument) {
    if (observer_) observer_(app, what, argument);
  }
  void reply(const SimDatagram& to, uint32_t host, std::vector<uint8_t> payload, Duration after);

  SimNet& net_;
  std::deque<App> apps_;  // never shrinks: a record outlives its connection
  std::set<Endpoint> manual_listeners_;
  std::map<Endpoint, std::vector<uint32_t>> accepted_;  // manual, not taken by the test yet
  std::map<Endpoint, std::vector<ReceivedDatagram>> manual_ports_;
  std::function<void(uint32_t, uint64_t, uint64_t)> observer_;
  uint64_t datagrams_received_ = 0;
  bool open_paused_ = false;
  static constexpr size_t kScratch = size_t{16} << 10;
  std::vector<uint8_t> scratch_;
};

}  // namespace dashi
