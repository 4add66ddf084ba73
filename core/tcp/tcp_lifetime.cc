// How connections end: failed connects, aborts, graceful closes, TIME-WAIT. Part of TcpProxy.
#include <array>

#include "core/flow/net_error.hh"
#include "core/tcp/segment_writer.hh"
#include "core/tcp/tcp_proxy.hh"

namespace dashi {

void TcpProxy::settle(Instant now, uint32_t slot, Fate fate) {
  Connection& c = room_.connections[slot];
  switch (fate) {
    case Fate::kLives:
      finish_if_done(now, slot);
      return;
    case Fate::kReset:
      if (!c.detached && !send_reset(room_, now, c)) {
        owe_reset(now, c);
        return;
      }
      break;
    case Fate::kAbandoned:
      break;
  }
  if (c.socket != nullptr) c.socket->abort();
  remove(slot);
}

// The link has no room for the RST: the guest hears it when there is, or nobody does. An abort that is
// lost in a full queue would leave the guest waiting for ever.
void TcpProxy::owe_reset(Instant now, Connection& c) {
  c.socket->abort();
  c.socket.reset();
  c.up.gather_first = c.up.gather_last = Uplink::kNoGather;
  c.up.gathered = 0;
  c.up.ack_now = false;
  room_.cancel_delayed_ack(c);
  c.held.clear();
  c.reset_owed = true;
  c.linger_deadline = now + room_.config.linger;
  room_.mark_ready(c);
  room_.arm(c);
}

// Both FINs acknowledged on the guest's side: the tuple is free, or waits in TIME-WAIT; the connection
// goes on without it while the host has bytes to take.
void TcpProxy::finish_if_done(Instant now, uint32_t slot) {
  Connection& c = room_.connections[slot];
  if (c.reset_owed) {
    room_.arm(c);
    return;
  }
  const bool guest_done = c.opening == Opening::kDone && !c.detached &&
                          c.down.state == DownlinkState::kFinAcked &&
                          c.up.state >= UplinkState::kFinReceived;
  room_.trace_state(c);
  if (guest_done) {
    if (c.up.ack_now)
      send_ack(room_, now, c);  // of the FIN; if lost, TIME-WAIT answers the next one
    index_.erase(c.key());
    if (!c.guest_closed_first) enter_time_wait(now, c);
    c.detached = true;
    c.up.ack_now = false;
    room_.cancel_delayed_ack(c);
    c.linger_deadline = now + room_.config.linger;
  }
  if (c.detached && c.up.state == UplinkState::kClosed) {
    remove(slot);  // destroys the socket: all was consumed, and both directions ended
    return;
  }
  room_.arm(c);
}

void TcpProxy::enter_time_wait(Instant now, const Connection& c) {
  if (time_wait_.capacity() == 0) return;
  if (time_wait_.full()) {
    end_time_wait(time_wait_.oldest());
    room_.context.counters.increment(Counter::kTcpTimeWaitEvicted);
  }
  const FlowKey key = c.key();
  const uint32_t slot =
      time_wait_.insert({key, c.stamps.on, c.down.nxt, c.receive_next(),
                         now + room_.config.time_wait, c.stamps.recent, c.stamps.offset});
  index_.insert(key, slot | kTimeWaitBit);
  room_.trace_opened(time_wait_id(slot), TcpOrigin::kTimeWait);
}

FlowId TcpProxy::time_wait_id(uint32_t slot) const {
  return {FlowKind::kTcp, slot | kTimeWaitBit, time_wait_.generation(slot)};
}

void TcpProxy::end_time_wait(uint32_t slot) {
  room_.trace_closed(time_wait_id(slot), TcpState::kClosed);
  index_.erase(time_wait_[slot].key);
  time_wait_.erase(slot);
}

void TcpProxy::remove(uint32_t slot) {
  Connection& c = room_.connections[slot];
  if (c.opening == Opening::kConnecting && connects_pending_ > 0) --connects_pending_;
  if (c.opening == Opening::kSynSent) --accepts_pending_;
  if (!c.detached) index_.erase(c.key());
  room_.trace_closed(c.id, state_of(c));
  room_.context.counters.increment(Counter::kTcpClosed);
  room_.ready.clear(slot);
  room_.timers.clear(slot);
  room_.cancel_delayed_ack(c);
  room_.connections.erase(slot);
}

void TcpProxy::connect_failed(Instant now, Connection& c, const NetError& error) {
  if (c.opening != Opening::kConnecting) return;
  note_failure(now, c.key(), c.irs, error);
  remove(c.id.slot);
}

// Answers the SYN, and remembers the answer for those that repeat it.
void TcpProxy::note_failure(Instant now, const FlowKey& key, SeqNum syn, NetError error) {
  room_.context.counters.increment(Counter::kTcpConnectFailed);
  answer_failure(now, key, syn, error);
  if (failures_.capacity() == 0 || failure_index_.find(key) != FlowIndex<FlowKey>::kNone) return;
  if (failures_.full()) {
    const uint32_t oldest = failures_.oldest();
    failure_index_.erase(failures_[oldest].key);
    failures_.erase(oldest);
  }
  error.quoted = {};  // borrowed
  failure_index_.insert(key, failures_.insert({key, error, now + room_.config.failure_memory}));
}

namespace {

// What the network or its rules forbid is an ICMP error; everything else is a closed port.
bool is_told_by_icmp(SocketError error) {
  switch (error) {
    case SocketError::kNetworkUnreachable:
    case SocketError::kHostUnreachable:
    case SocketError::kAddressNotAvailable:
    case SocketError::kNotSupported:
    case SocketError::kTimedOut:
    case SocketError::kTtlExceeded:
    case SocketError::kAccessDenied:
      return true;
    default:
      return false;
  }
}

}  // namespace

// The table of how a connect fails: refused and our own limits are a RST; what the network reported is
// relayed as it was reported; the rest is the ICMP error that says the same.
void TcpProxy::answer_failure(Instant now, const FlowKey& key, SeqNum syn, const NetError& error) {
  const Endpoint guest = guest_of(key);
  const Endpoint remote = remote_of(key);
  if (is_told_by_icmp(error.error)) {
    TcpHeader header;  // the SYN, as far as the guest needs it to find its socket
    header.source_port = guest.port.number;
    header.destination_port = remote.port.number;
    header.sequence = syn.raw();
    header.data_offset = sizeof(TcpHeader) / 4 << 4;
    header.flags = kTcpSyn;
    std::array<uint8_t, sizeof(TcpHeader)> raw{};
    store(raw, header);
    NetError told = error;
    told.original_remote = policy_.resolve(remote).remote;
    relay_net_error(now, told, {guest.address, remote.address, IpProtocol::kTcp, raw, {}}, policy_,
                    icmp_errors_);
    return;
  }
  if (room_.resets.allow(now)) {
    refuse_syn(room_, guest, remote, syn);
  } else {
    room_.context.counters.increment(Counter::kTcpResetsLimited);
  }
}

void TcpProxy::abort_unfinished() {
  const SlotMap<Connection>& connections = room_.connections;
  for (uint32_t slot = connections.next(0); slot != SlotBitmap::kNone;
       slot = connections.next(slot + 1)) {
    if (connections[slot].up.state == UplinkState::kClosed) continue;
    if (connections[slot].socket != nullptr) connections[slot].socket->abort();
    remove(slot);
  }
}

void TcpProxy::restart_link(Instant now) {
  (void)now;
  SlotMap<Connection>& connections = room_.connections;
  for (uint32_t slot = connections.next(0); slot != SlotBitmap::kNone;
       slot = connections.next(slot + 1)) {
    if (connections[slot].socket != nullptr) connections[slot].socket->abort();
    remove(slot);
  }
  while (time_wait_.size() != 0) end_time_wait(time_wait_.oldest());
  while (failures_.size() != 0) {
    const uint32_t slot = failures_.oldest();
    failure_index_.erase(failures_[slot].key);
    failures_.erase(slot);
  }
  room_.link_blocked = false;
}

}  // namespace dashi
