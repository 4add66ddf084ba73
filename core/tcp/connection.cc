#include "core/tcp/connection.hh"

#include <algorithm>

namespace dashi {

const char* name_of(TcpState state) {
  switch (state) {
    case TcpState::kSynSent:
      return "SYN-SENT";
    case TcpState::kSynReceived:
      return "SYN-RECEIVED";
    case TcpState::kEstablished:
      return "ESTABLISHED";
    case TcpState::kFinWait1:
      return "FIN-WAIT-1";
    case TcpState::kFinWait2:
      return "FIN-WAIT-2";
    case TcpState::kCloseWait:
      return "CLOSE-WAIT";
    case TcpState::kClosing:
      return "CLOSING";
    case TcpState::kLastAck:
      return "LAST-ACK";
    case TcpState::kTimeWait:
      return "TIME-WAIT";
    case TcpState::kClosed:
      return "CLOSED";
  }
  return "?";
}

const char* name_of(TcpTimer timer) {
  switch (timer) {
    case TcpTimer::kRetransmission:
      return "retransmission";
    case TcpTimer::kPersist:
      return "persist";
    case TcpTimer::kSyn:
      return "syn";
    case TcpTimer::kTailProbe:
      return "tail-probe";
    case TcpTimer::kReordering:
      return "reordering";
    case TcpTimer::kDelayedAck:
      return "delayed-ack";
    case TcpTimer::kOpening:
      return "opening";
    case TcpTimer::kLinger:
      return "linger";
    case TcpTimer::kKeepAlive:
      return "keep-alive";
    case TcpTimer::kTimeWait:
      return "time-wait";
    case TcpTimer::kAcceptRetry:
      return "accept-retry";
  }
  return "?";
}

TcpState state_of(const Connection& c) {
  if (c.opening == Opening::kSynSent) return TcpState::kSynSent;
  if (c.opening != Opening::kDone) return TcpState::kSynReceived;
  const bool guest_done = c.up.state >= UplinkState::kFinReceived;
  switch (c.down.state) {
    case DownlinkState::kOpening:
    case DownlinkState::kOpen:
      return guest_done ? TcpState::kCloseWait : TcpState::kEstablished;
    case DownlinkState::kFinSent:
      if (!guest_done) return TcpState::kFinWait1;
      return c.guest_closed_first ? TcpState::kLastAck : TcpState::kClosing;
    case DownlinkState::kFinAcked:
      if (!guest_done) return TcpState::kFinWait2;
      return c.guest_closed_first ? TcpState::kClosed : TcpState::kTimeWait;
  }
  return TcpState::kClosed;
}

bool plausible(const Connection& c) {
  const Downlink& d = c.down;
  if (!c.report.plausible() || d.mss == 0 || d.shift > kWindowScaleMax) return false;
  if (c.up.shift > kWindowScaleMax || d.phase > LossPhase::kLoss) return false;
  if (c.up.state >= UplinkState::kFinReceived && !c.up.fin.has_value()) return false;
  if (c.opening != Opening::kDone) return d.board.empty();
  if (d.congestion.cwnd == 0) return false;
  const bool empty = d.board.empty();
  return empty ? d.una == d.nxt
               : d.board[0].first == d.una && d.board[d.board.size() - 1].last == d.nxt;
}

namespace {

// RFC 9293 3.8.4. After our FIN was acknowledged the guest may stay silent for as long as it likes,
// but a vanished one must not: so half-closed connections are probed much sooner.
Instant keep_alive_deadline(const Connection& c, const TcpConfig& config) {
  if (c.opening != Opening::kDone || c.detached || c.outstanding() != 0) return kNever;
  // From the last probe, not from when it was due: a driver that was stopped for hours comes late, and
  // the guest must have its time to answer.
  const bool probing = c.keep_alive_probes != 0 || c.probed_at > c.last_heard;
  if (probing) return c.probed_at + config.keep_alive_interval;
  const bool half_closed = state_of(c) == TcpState::kFinWait2;
  return c.last_heard + (half_closed ? config.fin_wait_2 : config.keep_alive_idle);
}

}  // namespace

Instant deadline_of(const Connection& c, const TcpConfig& config) {
  if (c.reset_owed) return c.linger_deadline;
  return std::min({c.down.loss_deadline, c.down.persist_deadline, c.opening_deadline,
                   c.linger_deadline, keep_alive_deadline(c, config)});
}

}  // namespace dashi
