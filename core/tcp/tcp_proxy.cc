#include "core/tcp/tcp_proxy.hh"

#include <algorithm>

#include "core/tcp/downlink.hh"
#include "core/tcp/handshake.hh"
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
      forwards_(context.limits.tcp_forwards) {}

void TcpProxy::handle_packet(Instant now, const Packet& packet) {
  const FlowKey key = flow_key(packet.source(), packet.destination());
  const uint32_t found = index_.find(key);
  if (found == FlowIndex<FlowKey>::kNone) {
    handle_unknown(now, packet, std::nullopt);
  } else if ((found & kTimeWaitBit) != 0) {
    handle_time_wait(now, found & ~kTimeWaitBit, packet);
  } else {
    Connection& c = room_.connections[found];
    const bool new_attempt = c.opening == Opening::kConnecting && packet.tcp.syn() &&
                             !packet.tcp.ack() && SeqNum(packet.tcp.sequence) != c.irs;
    if (new_attempt) {  // the guest began anew before the host answered
      settle(now, found, Fate::kAbandoned);
      handle_unknown(now, packet, std::nullopt);
    } else {
      settle(now, found, receive(now, c, packet));
    }
  }
  if (room_.gathered_count == TcpRoom::kBatch) finish_batch(now);
}

void TcpProxy::handle_unknown(Instant now, const Packet& packet, std::optional<SeqNum> above) {
  const TcpSegment& segment = packet.tcp;
  if (segment.syn() && !segment.ack() && !segment.rst() && !segment.fin()) {
    open(now, packet, above);
    return;
  }
  send_reset_for(room_, now, packet);
  room_.context.drop(DropReason::kTcpNoConnection, packet.frame);
}

void TcpProxy::handle_time_wait(Instant now, uint32_t slot, const Packet& packet) {
  TimeWait& record = time_wait_[slot];
  const TcpSegment& segment = packet.tcp;
  const SeqNum sequence(segment.sequence);
  if (segment.rst()) {  // RFC 1337: it may not assassinate us
    room_.context.drop(DropReason::kTcpUnacceptable, packet.frame);
    return;
  }
  if (segment.syn() && !segment.ack() && sequence.after(record.rcv_nxt)) {  // RFC 6191
    const SeqNum above = record.snd_nxt;
    index_.erase(record.key);
    time_wait_.erase(slot);
    handle_unknown(now, packet, above);
    return;
  }
  if (segment.fin()) record.expires = now + room_.config.time_wait;  // RFC 9293 3.10.7.4
  if (!room_.challenge_acks.allow(now)) {
    room_.context.drop(DropReason::kRateLimited, packet.frame);
    return;
  }
  send_bare_ack(room_, packet.source(), packet.destination(), record.snd_nxt, record.rcv_nxt);
}

// A SYN that will not be proxied: RST, as for a closed port.
void TcpProxy::refuse(Instant now, const Packet& packet, SocketError why) {
  if (why == SocketError::kTooManySockets) room_.context.counters.increment(Counter::kTcpLimit);
  send_reset_for(room_, now, packet);
  room_.context.drop(
      why == SocketError::kTooManySockets ? DropReason::kFlowLimit : DropReason::kTcpRefused,
      packet.frame);
}

void TcpProxy::open(Instant now, const Packet& packet, std::optional<SeqNum> above) {
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
  options.ttl = static_cast<uint8_t>(packet.ip_header.ttl - 1);     // the gateway is one hop
  options.tos = static_cast<uint8_t>(packet.ip_header.tos & 0xfc);  // ECN is ours to negotiate
  auto socket = local ? local_streams_.open(packet.destination(), c.id)
                      : room_.context.env.sockets.connect(to.remote, options, c.id);
  if (!socket) {
    const SocketError error = socket.error();
    room_.connections.erase(slot);
    NetError why;
    why.error = error;
    room_.context.counters.increment(Counter::kTcpConnectFailed);
    answer_failure(now, key, SeqNum(packet.tcp.sequence), why);
    room_.context.drop(DropReason::kTcpRefused, packet.frame);
    return;
  }
  c.socket = std::move(*socket);
  c.last_heard = now;
  take_guest_syn(room_, c, packet.tcp);
  c.down.iss = initial_sequence(isn_secret_, now, key);
  if (above.has_value()) c.down.iss = later(c.down.iss, *above + 1);
  c.opening_deadline = now + room_.config.connect_timeout;
  index_.insert(key, slot);
  ++connects_pending_;
  room_.context.counters.increment(Counter::kTcpOpened);
  room_.trace(TraceEvent::Kind::kFlowOpened, c, 0, 0, 0);
  room_.trace_state(c);
  room_.arm(c);
}

Fate TcpProxy::receive(Instant now, Connection& c, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  c.last_heard = now;
  c.keep_alive_probes = 0;
  if (c.opening == Opening::kSynSent) return receive_in_syn_sent(room_, now, c, packet);
  if (c.opening == Opening::kConnecting) {
    const bool aborted = segment.rst() && (SeqNum(segment.sequence) == c.irs + 1 ||
                                           SeqNum(segment.sequence) == c.irs);
    if (aborted) return Fate::kAbandoned;
    room_.context.drop(DropReason::kTcpConnecting, packet.frame);
    return Fate::kLives;
  }
  return receive_synchronized(now, c, packet);
}

namespace {

// RFC 9293 3.10.7.4, first check: is any of the segment in the window?
bool acceptable(const Connection& c, const Packet& packet) {
  const SeqNum first(packet.tcp.sequence);
  const SeqNum next = c.receive_next();
  const uint32_t window =
      c.up.offered.after(next) ? bytes_between(next, c.up.offered) : uint32_t{0};
  const auto length = static_cast<uint32_t>(packet.payload.size()) + (packet.tcp.syn() ? 1u : 0u) +
                      (packet.tcp.fin() ? 1u : 0u);
  const auto in_window = [&](SeqNum s) { return s.at_or_after(next) && s.before(next + window); };
  // With a closed window ACKs and RSTs still count, and so does the ACK of a probe that carries data.
  if (window == 0) return first == next;
  if (length == 0) return in_window(first);
  return in_window(first) || in_window(first + (length - 1));
}

}  // namespace

Fate TcpProxy::receive_synchronized(Instant now, Connection& c, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  const SeqNum sequence(segment.sequence);
  if (c.opening == Opening::kSynReceived && segment.syn() && !segment.ack() && sequence == c.irs) {
    send_syn(room_, c);  // our SYN-ACK was lost
    return Fate::kLives;
  }
  if (!acceptable(c, packet)) {
    if (segment.rst()) {
      room_.context.drop(DropReason::kTcpUnacceptable, packet.frame);
    } else if (sequence.before(c.receive_next())) {
      c.up.ack_now = true;  // a retransmission, a keep-alive or a probe: say where we are
      room_.mark_ready(c);
    } else {
      send_challenge_ack(room_, now, c);
      room_.context.drop(DropReason::kTcpWindow, packet.frame);
    }
    return Fate::kLives;
  }
  if (segment.rst()) {  // RFC 5961 3.2
    if (sequence != c.receive_next()) {
      send_challenge_ack(room_, now, c);
      return Fate::kLives;
    }
    room_.context.counters.increment(Counter::kTcpResetsReceived);
    return Fate::kAbandoned;
  }
  if (segment.syn()) {  // RFC 5961 4.2
    send_challenge_ack(room_, now, c);
    return Fate::kLives;
  }
  if (!segment.ack()) {
    room_.context.drop(DropReason::kTcpUnacceptable, packet.frame);
    return Fate::kLives;
  }
  if (c.opening == Opening::kSynReceived) {
    if (SeqNum(segment.acknowledgment) != c.down.iss + 1) {
      send_reset_for(room_, now, packet);
      return Fate::kLives;
    }
    established(room_, now, c);
    c.down.window = static_cast<uint32_t>(segment.window) << c.down.shift;
    c.down.window_max = std::max(c.down.window_max, c.down.window);
    c.down.wl1 = sequence;
    c.down.wl2 = SeqNum(segment.acknowledgment);
  }
  Fate fate = Fate::kLives;
  if (!receive_ack(room_, now, c, packet, fate) || fate != Fate::kLives) return fate;
  return receive_payload(room_, now, c, packet);
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
    if (forwards_.contains(event.id.slot, event.id.generation)) accept_all(now, event.id.slot);
    return;
  }
  const uint32_t slot = event.id.slot;
  if (!room_.connections.contains(slot, event.id.generation)) {
    room_.context.counters.increment(Counter::kSocketEventsStale);
    return;
  }
  Connection& c = room_.connections[slot];
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
      // Nothing can be sent, so pump would not look: but an abort must not wait for a window.
      if (c.opening == Opening::kDone) fate = check_host(c);
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

Fate TcpProxy::fire(Instant now, Connection& c) {
  if (c.opening_deadline <= now || c.linger_deadline <= now) {
    if (c.opening == Opening::kConnecting) {
      NetError timed_out;
      timed_out.error = SocketError::kTimedOut;
      answer_failure(now, c.key(), c.irs, timed_out);
    }
    return Fate::kAbandoned;
  }
  if (c.down.rto_deadline <= now) {
    room_.trace(TraceEvent::Kind::kTimerFired, c, 0, 0, 0);
    const Fate fate = c.opening == Opening::kDone ? retransmission_timeout(room_, now, c)
                                                  : syn_timeout(room_, now, c);
    if (fate != Fate::kLives) return fate;
  }
  if (c.down.persist_deadline <= now) {
    room_.trace(TraceEvent::Kind::kTimerFired, c, 1, 0, 0);
    const Fate fate = probe_window(room_, now, c);
    if (fate != Fate::kLives) return fate;
  }
  if (c.up.ack_deadline <= now) {
    c.up.ack_deadline = kNever;
    c.up.ack_now = true;
    room_.mark_ready(c);
  }
  if (deadline_of(c, room_.config) <= now) {  // only keep-alive is left
    if (c.keep_alive_probes >= room_.config.keep_alive_probes) {
      send_reset(room_, c);
      return Fate::kAbandoned;
    }
    ++c.keep_alive_probes;
    send_probe(room_, c);
  }
  return Fate::kLives;
}

void TcpProxy::handle_timers(Instant now) {
  for (uint32_t slot = room_.timers.pop_due(now); slot != Timers::kNone;
       slot = room_.timers.pop_due(now)) {
    Connection& c = room_.connections[slot];
    const Fate fate = deadline_of(c, room_.config) <= now ? fire(now, c) : Fate::kLives;
    settle(now, slot, fate);
  }
  for (uint32_t slot = time_wait_.due(now); slot != ExpiringTable<TimeWait>::kNone;
       slot = time_wait_.due(now)) {
    index_.erase(time_wait_[slot].key);
    time_wait_.erase(slot);
  }
  for (uint32_t slot = failures_.due(now); slot != ExpiringTable<ConnectFailure>::kNone;
       slot = failures_.due(now)) {
    failure_index_.erase(failures_[slot].key);
    failures_.erase(slot);
  }
  pull_forwards(now);
}

void TcpProxy::flush(Instant now) {
  // One visit each: a connection whose budget ended becomes ready again, and waits for the next turn.
  for (uint32_t left = room_.ready.count(); left != 0 && !room_.link_blocked; --left) {
    uint32_t slot = room_.ready.next_set(cursor_);
    if (slot == SlotBitmap::kNone) slot = room_.ready.next_set(0);
    if (slot == SlotBitmap::kNone) break;
    cursor_ = slot + 1;
    room_.ready.clear(slot);
    Connection& c = room_.connections[slot];
    const Fate fate = pump(room_, now, c);
    if (fate == Fate::kLives && c.up.ack_now && !c.detached && !send_ack(room_, c)) {
      room_.mark_ready(c);
    }
    settle(now, slot, fate);
  }
}

Instant TcpProxy::next_deadline() const {
  if (!room_.ready.empty() && !room_.link_blocked) return Instant::min();
  Instant next =
      std::min({room_.timers.next(), time_wait_.next_deadline(), failures_.next_deadline()});
  for (uint32_t i = forwards_.next(0); i != SlotBitmap::kNone; i = forwards_.next(i + 1)) {
    next = std::min(next, forwards_[i].retry_at);
  }
  return next;
}

}  // namespace dashi
