// The TCP of a simulated guest: small and honest. Handshake both ways, Reno congestion control, RTO by
// RFC 6298, fast retransmit, reassembly, windows, zero-window probes, FIN and RST, and applications on
// top that send and check byte patterns. It trusts nothing of the Nat's: what the Nat does wrong on the
// wire (a window pulled back, data beyond our window, a changed byte) is counted in the flow's record.
// It reports by SACK what it holds, and keeps time, if told to; what it sends itself it recovers by
// NewReno. Not a model of any real stack; ns-3 and Linux guests bring those.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "sim/event_queue.hh"
#include "sim/guest_wire.hh"
#include "sim/net_spec.hh"

namespace dashi {

struct GuestTcpSpec {
  uint16_t mss_v4 = 0;  // announced; 0: from the MTU
  uint16_t mss_v6 = 0;
  bool announce_mss = true;
  std::optional<uint8_t> window_scale = 7;  // absent: not offered
  bool sack = false;                        // offered, and reported (RFC 2018)
  bool timestamps = false;                  // offered (RFC 7323)
  uint32_t initial_sequence_bits = 0;       // always set in initial sequence numbers
  uint32_t receive_buffer = 1u << 18;
  bool delayed_ack = true;
  Duration rto_initial = 1s;
  Duration rto_min = 200ms;
  Duration time_wait = 1s;
  Duration keep_alive = 75s;      // idle before each probe (RFC 9293 3.8.4)
  uint8_t keep_alive_probes = 9;  // unanswered, then the connection is given up
  uint8_t syn_retries = 6;
  uint8_t data_retries = 15;
  uint32_t gso_bytes = 0;  // TSO: bytes of payload a super-frame; 0: none
};

enum class GuestTcpState : uint8_t {
  kSynSent,
  kSynReceived,
  kEstablished,
  kFinWait1,
  kFinWait2,
  kCloseWait,
  kClosing,
  kLastAck,
  kTimeWait,
  kClosed,
};
const char* name_of(GuestTcpState state);

// What became of one connection, and what was wrong with it.
struct GuestFlowRecord {
  AppSpec app;
  Endpoint local;
  Endpoint remote;
  bool active = false;
  GuestTcpState state = GuestTcpState::kClosed;
  bool connected = false;
  bool finished = false;  // its application sends no more: a FIN follows what was handed over
  bool eof = false;       // the peer's FIN, and all before it
  bool reset = false;     // RST came
  bool refused = false;   // RST came in answer to SYN
  bool timed_out = false;
  bool icmp = false;  // an ICMP error for it came
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  IpAddress icmp_from;
  uint64_t received = 0;  // in order
  uint64_t sent = 0;      // handed to TCP by the application
  uint64_t acknowledged = 0;
  uint64_t retransmissions = 0;
  std::optional<uint64_t> wrong_at;  // the first byte that was not the pattern's
  uint64_t windows_shrunk = 0;       // a newer segment pulled the peer's window back
  uint64_t beyond_window = 0;        // segments with data past what we allowed
  uint64_t unstamped = 0;            // segments without the timestamps that were agreed on
  uint16_t peer_mss = 0;             // as announced; 0: none
  std::optional<uint8_t> peer_scale;
  Instant opened;
  Instant connected_at;
  Instant first_byte_at;
  Instant ended;  // closed, reset or failed
  bool over() const { return state == GuestTcpState::kClosed || state == GuestTcpState::kTimeWait; }
};

class GuestTcp {
 public:
  // Builds and sends one segment; `gso_size` not 0: a super-frame.
  using SendSegment =
      std::function<void(const IpAddress& from, const IpAddress& to, const guest::TcpOut& out,
                         Bytes payload, uint16_t gso_size)>;

  GuestTcp(EventQueue& queue, const GuestTcpSpec& spec, uint32_t mtu, const Prng& prng,
           SendSegment send);
  GuestTcp(const GuestTcp&) = delete;
  GuestTcp& operator=(const GuestTcp&) = delete;

  uint32_t connect(const IpAddress& from, const Endpoint& to, const AppSpec& app);
  void listen(Port port, const AppSpec& app) { listeners_[port] = app; }
  void handle(const guest::Parsed& segment);
  // About a packet of ours from `local` to `remote`.
  void handle_icmp(const Endpoint& local, const Endpoint& remote, uint8_t type, uint8_t code,
                   const IpAddress& from);

  // kManual flows.
  void write(uint32_t flow, Bytes bytes);
  void finish(uint32_t flow);
  void abort(uint32_t flow);
  const std::vector<uint8_t>& received_by(uint32_t flow) const { return flows_[flow].kept; }

  size_t count() const { return flows_.size(); }
  const GuestFlowRecord& record(uint32_t flow) const { return flows_[flow].record; }
  bool all_over() const;
  // Told of a peer that leaves retransmission after retransmission unanswered (RFC 1122 2.3.2.1: advice
  // to the link layer).
  void set_stalled(std::function<void(const IpAddress& remote)> stalled) {
    stalled_ = std::move(stalled);
  }
  // Told of each event of a flow: (flow, what, argument).
  void set_observer(std::function<void(uint32_t, uint64_t, uint64_t)> observer) {
    observer_ = std::move(observer);
  }

 private:
  // Stream positions are 64 bits: 0 is the SYN, data byte i is 1 + i, the FIN follows the data.
  struct Flow {
    GuestFlowRecord record;
    uint32_t iss = 0;
    uint32_t irs = 0;
    // --- sending ---
    uint64_t una = 0;
    uint64_t nxt = 0;
    uint64_t most_sent = 0;        // nxt before any going back
    uint64_t queued = 0;           // data bytes the application has given
    std::vector<uint8_t> literal;  // kEcho, kManual, kBanner: data from position literal_from
    uint64_t literal_from = 1;
    uint32_t mss = 536;        // bytes a segment
    uint64_t window = 0;       // the peer's, scaled
    uint64_t window_edge = 0;  // its highest right edge, a position
    uint64_t wl1 = 0;          // peer position and our position of the last window update
    uint64_t wl2 = 0;
    uint64_t congestion_window = 0;
    uint64_t slow_start_threshold = ~uint64_t{0};
    uint32_t duplicate_acks = 0;
    uint64_t recover = 0;  // fast recovery ends when this is acknowledged
    Duration rto{};
    Duration smoothed{};
    Duration variance{};
    bool measured = false;
    std::optional<std::pair<uint64_t, Instant>> timing;  // the segment being timed
    Instant rto_at = kNever;
    bool rto_event = false;
    uint32_t retries = 0;
    // --- receiving ---
    uint64_t rcv = 0;           // next position expected
    uint64_t allowed_edge = 0;  // the highest right edge we announced
    uint64_t unread = 0;        // kSlowReader: bytes the application has not taken
    std::map<uint64_t, std::vector<uint8_t>> out_of_order;
    uint64_t newest_held = 0;  // where the last segment out of order began
    bool sack = false;         // agreed on
    bool timestamps = false;
    uint32_t recent_stamp = 0;   // TS.Recent
    uint64_t last_ack_sent = 0;  // Last.ACK.sent, a position
    std::optional<uint64_t> fin_at;
    std::vector<uint8_t> kept;  // kManual
    uint32_t unacked_segments = 0;
    Instant ack_at = kNever;
    bool ack_event = false;
    bool reading = false;  // the slow reader's interval is armed
    Instant heard_at{};    // when the last segment came
    uint8_t probes = 0;    // keep-alives sent since
  };
  struct Key {
    Endpoint local;
    Endpoint remote;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  uint32_t add(const Endpoint& local, const Endpoint& remote, const AppSpec& app, bool active);
  void observe(uint32_t flow, uint64_t what, uint64_t argument);
  void set_state(uint32_t flow, GuestTcpState state);
  void close(uint32_t flow);
  // --- guest_tcp_options.cc ---
  void learn_options(Flow& flow, const guest::Parsed& segment);
  // False: the segment is dropped, for its timestamp (RFC 7323 5.3).
  bool take_stamp(Flow& flow, const guest::Parsed& segment, uint64_t position);
  void add_options(Flow& flow, guest::TcpOut& out);
  uint16_t own_mss(Family family) const;
  uint32_t wire(const Flow& flow, uint64_t position) const {
    return flow.iss + static_cast<uint32_t>(position);
  }
  uint32_t peer_wire(const Flow& flow, uint64_t position) const {
    return flow.irs + static_cast<uint32_t>(position);
  }

  // Segments in
  void handle_closed(const guest::Parsed& segment);
  void handle_syn(const guest::Parsed& segment, const AppSpec& app);
  void handle_syn_sent(uint32_t flow, const guest::Parsed& segment);
  void handle_open(uint32_t flow, const guest::Parsed& segment);
  bool acceptable(Flow& flow, const guest::Parsed& segment, uint64_t position) const;
  bool handle_reset(uint32_t flow, uint64_t position);
  bool handle_ack(uint32_t flow, const guest::Parsed& segment, uint64_t position);
  void acknowledged(uint32_t flow, uint64_t up_to);
  void duplicate_ack(uint32_t flow);
  void update_window(Flow& flow, const guest::Parsed& segment, uint64_t position, uint64_t ack);
  void our_fin_acknowledged(uint32_t flow);
  void take_data(uint32_t flow, uint64_t position, Bytes data);
  void deliver(uint32_t flow, Bytes data);
  void take_fin(uint32_t flow);

  // Segments out
  void output(uint32_t flow);
  void send_data(uint32_t flow, uint64_t position, size_t bytes, bool fin);
  void send_control(uint32_t flow, uint8_t flags, uint64_t position);
  void send_ack(uint32_t flow);
  void send_reset_for(const guest::Parsed& segment);
  uint16_t announce_window(Flow& flow, bool scaled);
  uint64_t end_of_data(const Flow& flow) const { return 1 + flow.queued; }
  void fill(const Flow& flow, uint64_t position, MutableBytes into) const;

  // Timers
  void arm_rto(uint32_t flow);
  void rto_due(uint32_t flow);
  void arm_ack(uint32_t flow);
  void arm_keep_alive(uint32_t flow);
  void keep_alive_due(uint32_t flow);
  void measure(Flow& flow);

  // The application
  void app_step(uint32_t flow);
  void read_slowly(uint32_t flow);

  EventQueue& queue_;
  GuestTcpSpec spec_;
  uint32_t mtu_;
  Prng prng_;
  SendSegment send_;
  std::deque<Flow> flows_;  // never shrinks
  std::map<Key, uint32_t> open_;
  std::map<Port, AppSpec> listeners_;
  std::vector<uint8_t> scratch_;
  std::function<void(uint32_t, uint64_t, uint64_t)> observer_;
  std::function<void(const IpAddress&)> stalled_;
  uint16_t next_port_ = 49152;
};

}  // namespace dashi
