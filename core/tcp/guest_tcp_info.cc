// One connection as data, for tools. Part of TcpProxy.
#include "core/tcp/guest_tcp_info.hh"

#include "core/tcp/tcp_proxy.hh"

namespace dashi {

std::optional<GuestTcpInfo> TcpProxy::info(const Endpoint& guest, const Endpoint& remote) const {
  GuestTcpInfo info;
  const uint32_t slot = index_.find(flow_key(guest, remote));
  if (slot == FlowIndex<FlowKey>::kNone) return std::nullopt;
  if ((slot & kTimeWaitBit) != 0) {
    info.state = TcpState::kTimeWait;
    return info;
  }
  const Connection& c = room_.connections[slot];
  const Downlink& d = c.down;
  if (c.reset_owed) {  // all that is left of it
    info.state = TcpState::kClosed;
    return info;
  }
  info.state = state_of(c);
  if (c.opening == Opening::kConnecting) return info;  // nothing was said to the guest yet
  info.window_scaling = c.window_scaling;
  info.timestamps = c.stamps.on;
  info.sack = c.sack;
  info.send_scale = d.shift;
  info.receive_scale = c.up.shift;
  info.mss = d.mss;
  info.unacknowledged = c.outstanding();
  info.sacked = d.board.sacked_bytes() + d.reno_sacked;
  info.lost = d.board.lost_bytes();
  info.send_window = d.window;
  const SeqNum next = c.receive_next();
  info.receive_window = c.up.offered.after(next) ? bytes_between(next, c.up.offered) : 0;
  const bool fin_acked = d.state == DownlinkState::kFinAcked;
  if (d.una != d.iss) info.acknowledged = bytes_between(d.iss + 1, d.una) - (fin_acked ? 1 : 0);
  const bool fin_taken = c.up.state >= UplinkState::kFinReceived;
  if (next != c.irs) info.received = bytes_between(c.irs + 1, next) - (fin_taken ? 1 : 0);
  info.cwnd = d.congestion.cwnd;
  info.ssthresh = d.congestion.ssthresh;
  info.in_recovery = d.phase == LossPhase::kRecovery;
  info.in_loss = d.phase == LossPhase::kLoss;
  info.duplicate_acks = d.duplicate_acks;
  info.timeouts = d.retries;
  info.probing = d.persist_deadline != kNever && d.window == 0;
  info.rto = c.rtt.rto();
  info.smoothed_rtt = c.rtt.smoothed();
  info.rtt_variation = c.rtt.variation();
  return info;
}

}  // namespace dashi
