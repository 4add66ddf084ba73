// One proxied connection: plain data, two half-machines and a host socket. The uplink carries the
// guest's bytes to the host, the downlink the host's bytes to the guest. What RFC 9293 calls the
// state of the connection is derived from the pair.
//
// Nothing here acts; handshake, uplink, downlink and recovery do.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "core/env/sockets.hh"
#include "core/flow/flow_key.hh"
#include "core/tcp/congestion.hh"
#include "core/tcp/rack.hh"
#include "core/tcp/reassembly.hh"
#include "core/tcp/rtt.hh"
#include "core/tcp/sack_report.hh"
#include "core/tcp/scoreboard.hh"
#include "core/tcp/seq.hh"
#include "core/tcp/timestamps.hh"

namespace dashi {

// The states of RFC 9293 3.3.2 that a proxied connection can be in.
enum class TcpState : uint8_t {
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
const char* name_of(TcpState state);

// How a flow came to be, as the trace is told (TraceEvent::code of kFlowOpened).
enum class TcpOrigin : uint8_t {
  kGuest,     // the guest called
  kForward,   // a forwarded port: the Nat calls the guest
  kTimeWait,  // not a connection: the record of one in TIME-WAIT, until it is CLOSED
};

// The timers of RFC 9293 and its kin, as the trace is told when one fires (of kTimerFired).
enum class TcpTimer : uint8_t {
  kRetransmission,
  kPersist,
  kSyn,
  kTailProbe,
  kReordering,
  kDelayedAck,
  kOpening,
  kLinger,
  kKeepAlive,
  kTimeWait,
  kAcceptRetry,  // of a forward
};
inline constexpr size_t kTcpTimers = static_cast<size_t>(TcpTimer::kAcceptRetry) + 1;
const char* name_of(TcpTimer timer);

enum class Opening : uint8_t {
  kConnecting,   // the guest's SYN came, the host is connecting; the guest has heard nothing yet
  kSynReceived,  // the host is connected and the guest was sent a SYN-ACK
  kSynSent,      // a forwarded port: the host accepted and the guest was sent a SYN
  kDone,
};

enum class UplinkState : uint8_t {
  kOpening,
  kOpen,
  kFinReceived,  // all of the guest's bytes are here; the host has yet to take some
  kClosed,       // the host took all and was told so: shutdown_write
};

struct Uplink {
  UplinkState state = UplinkState::kOpening;
  bool host_writable = true;  // false from a short write until the kWritable edge
  bool ack_now = false;
  uint8_t shift = 0;              // of the windows we announce (RFC 7323 2.3)
  SeqNum base;                    // of the first byte the host has not taken
  Instant ack_deadline = kNever;  // armed iff an ACK is owed and may wait: in delayed_acks
  uint32_t gathered = 0;          // bytes after the held ones, still in this batch's frames
  uint32_t since_ack = 0;         // bytes received since an ACK was sent
  SeqNum edge;                    // right edge of the window we mean; only moves right
  SeqNum offered;  // rightmost edge the guest was told: rounded up, less than a unit beyond edge
  uint32_t gather_first = kNoGather;  // chain of this batch's frames in the proxy
  uint32_t gather_last = kNoGather;
  std::optional<SeqNum> fin;  // sequence number of the guest's FIN, once seen
  uint32_t window;            // most the guest may have in flight by now; only grows
  SeqNum round_base;          // base when the round trip began that is being measured

  explicit Uplink(const TcpConfig& config)
      : window(std::min(config.window_initial, config.window)) {}

  static constexpr uint32_t kNoGather = 0xffffffff;
};

enum class DownlinkState : uint8_t { kOpening, kOpen, kFinSent, kFinAcked };

// What we believe of the path to the guest.
enum class LossPhase : uint8_t {
  kOpen,
  kRecovery,  // something was lost, and ACKs say what (RFC 6675, RFC 6582)
  kLoss,      // a timeout (RFC 5681 3.1), until all that was sent before it is acknowledged
};

// What loss_deadline is for (RFC 8985 8): one at a time.
enum class LossTimer : uint8_t { kRetransmission, kTailProbe, kReordering };

// Sequence numbers as in RFC 9293 3.3.1. The byte at sequence number s lies s - una bytes into the
// host socket.
struct Downlink {
  DownlinkState state = DownlinkState::kOpening;
  bool readable = false;            // the host may have bytes beyond nxt; until kWouldBlock
  bool retransmit_pending = false;  // the SYN is owed
  bool cwnd_limited = false;        // cwnd alone kept us from sending more
  uint8_t retries = 0;              // timeouts in a row (RFC 9293 3.8.3)
  LossPhase phase = LossPhase::kOpen;
  LossTimer timer = LossTimer::kRetransmission;
  SeqNum una;                      // SND.UNA
  SeqNum nxt;                      // SND.NXT: one past the highest ever sent
  Instant loss_deadline = kNever;  // armed iff something is in flight, or a SYN is unanswered
  Instant retransmit_at = kNever;  // when the RTO ends, whatever loss_deadline is for
  // Armed iff the guest's window is closed and nothing is in flight.
  Instant persist_deadline = kNever;
  uint32_t window = 0;        // SND.WND, bytes
  uint32_t window_max = 0;    // largest window the guest ever offered
  SeqNum wl1;                 // SND.WL1
  SeqNum wl2;                 // SND.WL2
  std::optional<SeqNum> fin;  // where our FIN goes, once the host's EOF was seen
  uint16_t mss = 536;         // payload bytes a segment without SACK blocks
  uint8_t shift = 0;          // of the guest's windows
  Scoreboard board;           // covers exactly [una, nxt) once open
  Congestion congestion;
  SeqNum iss;

  // The SYN is timed by itself; data by the scoreboard, one sample a round trip (RFC 6298 3).
  bool timing = false;
  Instant timed_at;
  SeqNum sampled_to;  // an ACK beyond this brings the next sample
  Instant last_sent;  // data, for restarting after idle

  // --- Recovery ---
  uint32_t duplicate_acks = 0;  // without SACK, in a row
  uint32_t reno_sacked = 0;     // bytes they stand for (RFC 6582)
  SeqNum recover;               // SND.NXT when the window fell last, or before what is settled
  Instant reduced_at;           // when it fell last
  SeqNum timed_out;             // in kLoss: what timed out last
  Rack rack;
  bool frto = false;            // whether the timeout was spurious is being found out (RFC 5682)
  bool new_data_first = false;  // ... by sending new data
  bool can_undo = false;        // nothing has shown yet that the last loss was one
  uint32_t undo_bytes = 0;      // sent again since, and not reported as come twice
  SeqNum undo_from;             // SND.UNA at that loss
  SeqNum undo_to;               // one past the highest sent again since
  SeqNum undo_until;            // SND.NXT when the recovery ended
  std::optional<uint32_t> resent_stamp;  // our clock when the first was sent again (RFC 3522)
  bool tail_probe_out = false;           // RFC 8985 7
  bool tail_probe_resent = false;        // it carried no new data
  SeqNum tail_probe_end;
  uint32_t tail_probe_flight = 0;  // bytes outstanding then
};

// Laid out so that most packets touch three cache lines of it: who and when; the uplink and whether
// something is held; the downlink. With many flows that is what a packet costs.
struct alignas(64) Connection {
  Connection(FlowId flow_id, const Endpoint& guest_end, const Endpoint& remote_end,
             const TcpConfig& config, BlockPool& pool, size_t uplink_bytes, uint32_t gaps)
      : id(flow_id),
        up(config),
        held(pool, uplink_bytes, gaps),
        guest(guest_end),
        remote(remote_end),
        rtt(config) {}

  FlowId id;
  Opening opening = Opening::kConnecting;
  bool local = false;               // the socket is a service inside the core
  bool detached = false;            // out of the index: only the host's part is left
  bool reset_owed = false;          // the socket is gone; the link had no room for the guest's RST
  bool guest_closed_first = false;  // the guest's FIN came before ours went
  bool window_scaling = false;      // both ends offered it
  bool sack = false;                // both ends permit it
  uint8_t keep_alive_probes = 0;    // sent since last_heard
  TcpState traced = TcpState::kClosed;  // the state last told to the trace
  SeqNum irs;                           // the guest's initial sequence number
  Instant opening_deadline = kNever;    // armed until opening is kDone
  Instant linger_deadline = kNever;     // armed iff detached or reset_owed
  Instant last_heard;                   // of the guest, for keep-alive
  Instant comes_up = kNever;  // its entry in the room's timers; set by whoever changes that
  std::unique_ptr<StreamSocket> socket;
  Uplink up;
  Reassembly held;  // bytes from up.base on
  Endpoint guest;
  Endpoint remote;  // as the guest sees it
  alignas(64) Downlink down;
  RttEstimator rtt;
  Timestamps stamps;
  SackReport report;
  Instant
      probed_at;  // the last keep-alive probe, if any since last_heard; it may have found no room
  Instant round_began;  // see up.round_base

  FlowKey key() const { return flow_key(guest, remote); }

  // RCV.NXT: the next byte expected from the guest, this batch's gathered ones included.
  SeqNum receive_next() const {
    if (up.state >= UplinkState::kFinReceived) return *up.fin + 1;
    return up.base + static_cast<uint32_t>(held.contiguous()) + up.gathered;
  }
  // What may be acknowledged: the host took it or we hold it. The gathered bytes are neither yet.
  SeqNum secured() const {
    if (up.state >= UplinkState::kFinReceived) return *up.fin + 1;
    return up.base + static_cast<uint32_t>(held.contiguous());
  }
  uint32_t outstanding() const { return bytes_between(down.una, down.nxt); }
  // Of these, what is believed to be on its way: the pipe of RFC 6675.
  uint32_t in_flight() const {
    const uint32_t gone = down.board.sacked_bytes() + down.board.lost_bytes() + down.reno_sacked;
    return outstanding() - std::min(outstanding(), gone);
  }
};

TcpState state_of(const Connection& c);

// What the code takes for granted of numbers that an archive could say otherwise.
bool plausible(const Connection& c);

// The earliest moment at which something of this connection is due; keep-alive included, but not the
// delayed ACK, which has a queue of its own.
Instant deadline_of(const Connection& c, const TcpConfig& config);

}  // namespace dashi
