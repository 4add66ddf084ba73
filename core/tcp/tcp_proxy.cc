#include "core/tcp/tcp_proxy.hh"

#include <algorithm>

#include "core/tcp/downlink.hh"
#include "core/tcp/handshake.hh"
#include "core/tcp/loss_timers.hh"
#include "core/tcp/planted.hh"
#include "core/tcp/recovery.hh"
#include "core/tcp/segment_writer.hh"
#include "core/tcp/uplink.hh"

namespace dashi {

TcpProxy::TcpProxy(const TcpConfig& config, FlowContext& context, const AddressPolicy& policy,
                   IcmpErrors& icmp_errors, LocalStreams& local_streams, SipKey index_key,
                   SipKey isn_secret)
    : room_(config, context),
      policy_(policy),
      icmp_errors_(icmp_errors),
      local_streams_(local_streams),
      index_key_(index_key),
      isn_secret_(isn_secret),
      index_(context.limits.tcp_connections + context.limits.tcp_time_wait, index_key),
      time_wait_(context.limits.tcp_time_wait),
      failure_index_(context.limits.tcp_failures_remembered, index_key),
      failures_(context.limits.tcp_failures_remembered),
      forwards_(context.limits.tcp_forwards),
      acceptable_(context.limits.tcp_forwards),
      accept_retries_(context.limits.tcp_forwards) {}

namespace {

// A segment that asks for a connection.
bool is_first(const TcpSegment& segment) {
  return segment.syn() && !segment.ack() && !segment.rst() && !segment.fin();
}

}  // namespace

void TcpProxy::handle_packet(Instant now, const Packet& packet) {
  const FlowKey key = flow_key(packet.source(), packet.destination());
  const uint32_t found = index_.find(key);
  if (found == FlowIndex<FlowKey>::kNone) {
    handle_unknown(now, packet);
  } else if ((found & kTimeWaitBit) != 0) {
    handle_time_wait(now, found & ~kTimeWaitBit, packet);
  } else {
    Connection& c = room_.connections[found];
    const bool new_attempt = c.opening == Opening::kConnecting && is_first(packet.tcp) &&
                             SeqNum(packet.tcp.sequence) != c.irs;
    if (new_attempt) {  // the guest began anew before the host answered
      settle(now, found, Fate::kAbandoned);
      handle_unknown(now, packet);
    } else {
      settle(now, found, receive(now, c, packet));
    }
  }
  if (room_.gathered_count == TcpRoom::kBatch) finish_batch(now);
}

void TcpProxy::handle_unknown(Instant now, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  if (is_first(segment)) {
    open(now, packet, std::nullopt);
    return;
  }
  send_reset_for(room_, now, packet);
  room_.context.drop(DropReason::kTcpNoConnection, packet.frame);
}

// A SYN that will not be proxied: RST, as for a closed port.
void TcpProxy::refuse(Instant now, const Packet& packet, SocketError why) {
  if (why == SocketError::kTooManySockets) room_.context.counters.increment(Counter::kTcpLimit);
  send_reset_for(room_, now, packet);
  room_.context.drop(
      why == SocketError::kTooManySockets ? DropReason::kFlowLimit : DropReason::kTcpRefused,
      packet.frame);
}

void TcpProxy::open(Instant now, const Packet& packet, std::optional<uint32_t> waits) {
  const FlowKey key = flow_key(packet.source(), packet.destination());
  const uint32_t failure = failure_index_.find(key);
  if (failure != FlowIndex<FlowKey>::kNone) {
    answer_failure(now, key, SeqNum(packet.tcp.sequence), failures_[failure].error);
    room_.context.drop(DropReason::kTcpRefused, packet.frame);
    return;
  }
  const bool local = local_streams_.serves(packet.destination());
  const Destination to = policy_.resolve(packet.destination());
  if (!local && to.verdict == Destination::Verdict::kDenied) {
    icmp_errors_.report(now, IcmpReport::kAdminProhibited, packet, 0);
    room_.context.drop(DropReason::kDestinationDenied, packet.frame);
    return;
  }
  if (!local && to.verdict == Destination::Verdict::kUnreachable) {
    icmp_errors_.report(now, IcmpReport::kHostUnreachable, packet, 0);
    room_.context.drop(DropReason::kDestinationUnreachable, packet.frame);
    return;
  }
  if (!local && to.verdict != Destination::Verdict::kForward) {
    refuse(now, packet, SocketError::kRefused);
    return;
  }
  const Limits& limits = room_.context.limits;
  if (connects_pending_ >= limits.tcp_connects_pending || room_.connections.full()) {
    refuse(now, packet, SocketError::kTooManySockets);
    return;
  }
  const uint32_t slot = room_.connections.emplace(
      FlowId{}, packet.source(), packet.destination(), room_.config, room_.pool,
      limits.tcp_uplink_bytes_each, limits.tcp_reassembly_gaps);
  Connection& c = room_.connections[slot];
  c.id = {FlowKind::kTcp, slot, room_.connections.generation(slot)};
  c.local = local;
  ConnectOptions options;
  // The gateway is one hop; what is for itself it takes at TTL 1 too.
  options.ttl = static_cast<uint8_t>(std::max<int>(packet.ip_header.ttl - 1, 1));
  options.tos = static_cast<uint8_t>(packet.ip_header.tos & 0xfc);  // ECN is ours to negotiate
  auto socket = local ? local_streams_.open(packet.destination(), c.id)
                      : room_.context.env.sockets.connect(to.remote, options, c.id);
  if (!socket) {
    const SocketError error = socket.error();
    room_.connections.erase(slot);
    NetError why;
    why.error = error;
    note_failure(now, key, SeqNum(packet.tcp.sequence), why);
    room_.context.drop(DropReason::kTcpRefused, packet.frame);
    return;
  }
  c.socket = std::move(*socket);
  c.last_heard = now;
  take_guest_syn(room_, now, c, packet.tcp);
  choose_numbers(isn_secret_, room_.config.initial_sequence_bits, now, c);
  if (waits.has_value()) {  // not before: a refusal leaves the old connection's record in place
    c.down.iss = later(c.down.iss, time_wait_[*waits].snd_nxt + 1);
    end_time_wait(*waits);
  }
  c.opening_deadline = now + room_.config.connect_timeout;
  index_.insert(key, slot);
  ++connects_pending_;
  room_.context.counters.increment(Counter::kTcpOpened);
  room_.trace_opened(c.id, TcpOrigin::kGuest);
  room_.trace_state(c);
  room_.arm(c);
}

void TcpProxy::finish_batch(Instant now) {
  for (uint32_t i = 0; i < room_.gatherer_count; ++i) {
    const uint32_t slot = room_.gatherers[i];
    if (!room_.connections.contains(slot)) continue;
    settle(now, slot, settle_gathered(room_, room_.connections[slot]));
  }
  room_.gatherer_count = 0;
  room_.gathered_count = 0;
}

void TcpProxy::handle_socket(Instant now, const SocketEvent& event) {
  if (event.id.kind == FlowKind::kTcpForward) {
    if (!forwards_.contains(event.id.slot, event.id.generation)) return;
    acceptable_.set(event.id.slot);
    accept_waiting(now);
    if (acceptable_.test(event.id.slot)) room_.context.counters.increment(Counter::kTcpLimit);
    return;
  }
  const uint32_t slot = event.id.slot;
  const bool ours = kPlanted == Plant::kStaleEvent
                        ? room_.connections.contains(slot)
                        : room_.connections.contains(slot, event.id.generation);
  if (!ours) {
    room_.context.counters.increment(Counter::kSocketEventsStale);
    return;
  }
  Connection& c = room_.connections[slot];
  if (c.reset_owed) return;
  Fate fate = Fate::kLives;
  switch (event.kind) {
    case SocketEvent::Kind::kConnected:
      if (c.opening != Opening::kConnecting) break;
      --connects_pending_;
      host_connected(room_, now, c);
      break;
    case SocketEvent::Kind::kConnectFailed:
      connect_failed(now, c, event.error);
      return;
    case SocketEvent::Kind::kReadable:
      c.down.readable = true;
      room_.mark_ready(c);
      fate = check_host(c);  // an abort must not wait for a window
      break;
    case SocketEvent::Kind::kWritable:
      c.up.host_writable = true;
      if (c.opening == Opening::kDone) fate = drain_held(room_, c);
      if (c.detached) c.linger_deadline = now + room_.config.linger;
      break;
    case SocketEvent::Kind::kAcceptable:
    case SocketEvent::Kind::kNetError:
      break;
  }
  settle(now, slot, fate);
}

void TcpProxy::handle_guest_writable(Instant now) {
  (void)now;
  room_.link_blocked = false;
}

namespace {

// What loss_deadline is for just now.
TcpTimer timer_of(const Connection& c) {
  if (c.opening != Opening::kDone) return TcpTimer::kSyn;
  switch (c.down.timer) {
    case LossTimer::kTailProbe:
      return TcpTimer::kTailProbe;
    case LossTimer::kReordering:
      return TcpTimer::kReordering;
    case LossTimer::kRetransmission:
      break;
  }
  return TcpTimer::kRetransmission;
}

}  // namespace

Fate TcpProxy::fire(Instant now, Connection& c) {
  if (c.opening_deadline <= now || c.linger_deadline <= now) {
    room_.trace_fired(c.id, c.opening_deadline <= now ? TcpTimer::kOpening : TcpTimer::kLinger);
    if (c.opening == Opening::kConnecting) {
      NetError timed_out;
      timed_out.error = SocketError::kTimedOut;
      note_failure(now, c.key(), c.irs, timed_out);
    }
    return Fate::kAbandoned;
  }
  if (c.down.loss_deadline <= now) {
    room_.trace_fired(c.id, timer_of(c));
    const Fate fate =
        c.opening == Opening::kDone ? loss_timeout(room_, now, c) : syn_timeout(room_, now, c);
    if (fate != Fate::kLives) return fate;
  }
  if (c.down.persist_deadline <= now) {
    room_.trace_fired(c.id, TcpTimer::kPersist);
    const Fate fate = c.down.window == 0 || c.outstanding() != 0 ? probe_window(room_, now, c)
                                                                 : fill_silly_window(room_, now, c);
    if (fate != Fate::kLives) return fate;
  }
  if (deadline_of(c, room_.config) <= now) {  // only keep-alive is left
    room_.trace_fired(c.id, TcpTimer::kKeepAlive);
    if (c.keep_alive_probes >= room_.config.keep_alive_probes) return Fate::kReset;
    // One that finds no room on the link asks nothing, and so nobody fails to answer it.
    if (send_probe(room_, now, c)) ++c.keep_alive_probes;
    c.probed_at = now;
  }
  return Fate::kLives;
}

void TcpProxy::handle_timers(Instant now) {
  for (uint32_t slot = room_.delayed_acks.pop_due(now); slot != DelayQueue::kNone;
       slot = room_.delayed_acks.pop_due(now)) {
    Connection& c = room_.connections[slot];
    room_.trace_fired(c.id, TcpTimer::kDelayedAck);
    c.up.ack_deadline = kNever;
    c.up.ack_now = true;
    room_.mark_ready(c);
  }
  for (uint32_t slot = room_.timers.pop_due(now); slot != Timers::kNone;
       slot = room_.timers.pop_due(now)) {
    Connection& c = room_.connections[slot];
    c.comes_up = kNever;
    const Fate fate = deadline_of(c, room_.config) <= now ? fire(now, c) : Fate::kLives;
    settle(now, slot, fate);
  }
  for (uint32_t slot = time_wait_.due(now); slot != ExpiringTable<TimeWait>::kNone;
       slot = time_wait_.due(now)) {
    room_.trace_fired(time_wait_id(slot), TcpTimer::kTimeWait);
    end_time_wait(slot);
  }
  for (uint32_t slot = failures_.due(now); slot != ExpiringTable<ConnectFailure>::kNone;
       slot = failures_.due(now)) {
    failure_index_.erase(failures_[slot].key);
    failures_.erase(slot);
  }
  retry_accepts(now);
}

// One turn of a connection that has work: data, then the ACK that no data carried.
Fate TcpProxy::visit(Instant now, Connection& c) {
  if (c.reset_owed) {
    if (send_reset(room_, now, c)) return Fate::kAbandoned;
    room_.mark_ready(c);
    return Fate::kLives;
  }
  if (c.opening != Opening::kDone) {
    if (c.down.retransmit_pending) transmit_syn(room_, now, c);
    return Fate::kLives;
  }
  const Fate fate = pump(room_, now, c);
  if (fate == Fate::kLives && c.up.ack_now && !c.detached && !send_ack(room_, now, c)) {
    room_.mark_ready(c);
  }
  return fate;
}

void TcpProxy::flush(Instant now) {
  // One visit each: a connection whose budget ended becomes ready again, and waits for the next turn.
  for (uint32_t left = room_.ready.count(); left != 0 && !room_.link_blocked; --left) {
    uint32_t slot = room_.ready.next_set(cursor_);
    if (slot == SlotBitmap::kNone) slot = room_.ready.next_set(0);
    if (slot == SlotBitmap::kNone) break;
    cursor_ = slot + 1;
    room_.ready.clear(slot);
    settle(now, slot, visit(now, room_.connections[slot]));
  }
  accept_waiting(now);  // those that had to wait, if there is room by now
}

Instant TcpProxy::next_deadline() const {
  if (!room_.ready.empty() && !room_.link_blocked) return Instant::min();
  if (!acceptable_.empty() && may_accept()) return Instant::min();
  return std::min({room_.timers.next(), room_.delayed_acks.next(), time_wait_.next_deadline(),
                   failures_.next_deadline(), accept_retries_.next()});
}

}  // namespace dashi
