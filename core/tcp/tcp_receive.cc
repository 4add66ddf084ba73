// What a segment of the guest does to the connection or TIME-WAIT record it is for (RFC 9293 3.10.7.4,
// RFC 5961). Part of TcpProxy.
#include <algorithm>

#include "core/tcp/guest_icmp.hh"
#include "core/tcp/handshake.hh"
#include "core/tcp/recovery.hh"
#include "core/tcp/segment_writer.hh"
#include "core/tcp/tcp_proxy.hh"
#include "core/tcp/uplink.hh"

namespace dashi {

namespace {

// RFC 6191 2: whether a SYN is of a new connection, and no old segment. Where both have timestamps these
// decide, and an older one is believed against a greater number; one where none was before is enough.
bool begins_anew(const TimeWait& record, const TcpSegment& segment, const TcpConfig& config) {
  const bool greater = SeqNum(segment.sequence).after(record.rcv_nxt);
  if (!config.timestamps || !segment.options.timestamps.has_value()) return greater;
  if (!record.timestamps) return true;
  const auto newer = static_cast<int32_t>(segment.options.timestamps->value - record.ts_recent);
  return newer > 0 || (newer == 0 && greater);
}

// RFC 7323 4.3: a SYN that comes again begins where the first did, and its clock is the one to echo.
void take_stamp_of_syn(Instant now, Connection& c, const TcpSegment& segment) {
  const auto& stamps = segment.options.timestamps;
  const bool again = segment.syn() && !segment.ack() && SeqNum(segment.sequence) == c.irs;
  if (!again || !c.stamps.on || !stamps.has_value() || c.stamps.is_old(now, stamps->value)) return;
  c.stamps.recent = stamps->value;
  c.stamps.recent_at = now;
}

}  // namespace

void TcpProxy::handle_time_wait(Instant now, uint32_t slot, const Packet& packet) {
  TimeWait& record = time_wait_[slot];
  const TcpSegment& segment = packet.tcp;
  const SeqNum sequence(segment.sequence);
  // RFC 1337: a RST may not assassinate us. A bare ACK in its place asks for nothing.
  const bool bare = packet.payload.empty() && !segment.fin() && !segment.syn();
  if (segment.rst() || (bare && sequence == record.rcv_nxt)) {
    room_.context.drop(DropReason::kTcpUnacceptable, packet.frame);
    return;
  }
  const bool first = segment.syn() && !segment.ack() && !segment.fin();
  if (first && begins_anew(record, segment, room_.config)) {
    open(now, packet, slot);
    return;
  }
  const auto length = static_cast<uint32_t>(packet.payload.size()) + 1;
  if (segment.fin() && sequence + length == record.rcv_nxt) {  // its FIN again: RFC 9293 3.10.7.4
    record.expires = now + room_.config.time_wait;
  }
  if (!room_.challenge_acks.allow(now)) {
    room_.context.drop(DropReason::kRateLimited, packet.frame);
    return;
  }
  BareAck ack{record.snd_nxt, record.rcv_nxt, std::nullopt};
  if (record.timestamps) {
    ack.timestamps = TcpTimestamps{timestamp_clock(now, record.ts_offset), record.ts_recent};
  }
  send_bare_ack(room_, packet.source(), packet.destination(), ack);
}

Fate TcpProxy::receive(Instant now, Connection& c, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  c.last_heard = now;
  c.keep_alive_probes = 0;
  if (c.reset_owed) {
    if (segment.rst()) return Fate::kAbandoned;
    room_.context.drop(DropReason::kTcpNoConnection, packet.frame);
    return Fate::kLives;
  }
  if (c.opening == Opening::kSynSent) {
    const Fate fate = receive_in_syn_sent(room_, now, c, packet);
    if (c.opening != Opening::kSynSent) --accepts_pending_;
    return c.opening == Opening::kDone ? receive_beside_syn(now, c, packet) : fate;
  }
  if (c.opening == Opening::kConnecting) {
    const bool aborted = segment.rst() && (SeqNum(segment.sequence) == c.irs + 1 ||
                                           SeqNum(segment.sequence) == c.irs);
    if (aborted) {
      room_.context.counters.increment(Counter::kTcpResetsReceived);
      return Fate::kAbandoned;
    }
    take_stamp_of_syn(now, c, segment);
    room_.context.drop(DropReason::kTcpConnecting, packet.frame);
    return Fate::kLives;
  }
  return receive_synchronized(now, c, packet);
}

void TcpProxy::handle_icmp_error(Instant now, const Packet& packet, const IcmpQuote& quote) {
  const FlowKey key =
      flow_key({quote.destination, quote.destination_port}, {quote.source, quote.source_port});
  const uint32_t found = index_.find(key);
  const bool open = found != FlowIndex<FlowKey>::kNone && (found & kTimeWaitBit) == 0;
  const bool sent = open && packet.ip_header.destination == quote.source &&
                    is_outstanding(room_.connections[found], quote);
  if (!sent) {
    room_.context.drop(DropReason::kIcmpStray, packet.frame);
    return;
  }
  settle(now, found, receive_icmp_error(room_, now, room_.connections[found], packet, quote));
}

namespace {

SeqNum window_edge(const Connection& c) { return later(c.up.offered, c.receive_next()); }

// RFC 9293 3.10.7.4, first check, as Linux reads it: a segment that begins at the very edge of the
// window, or ends where the next should begin, still has an ACK worth hearing. So has one behind the byte
// with which the guest probes a window that is closed: what it says of its own would else go unheard.
bool acceptable(const Connection& c, const Packet& packet) {
  const SeqNum first(packet.tcp.sequence);
  const auto length = static_cast<uint32_t>(packet.payload.size()) + (packet.tcp.fin() ? 1u : 0u);
  const SeqNum edge = window_edge(c);
  const bool after_probe = length == 0 && edge == c.receive_next() && first == edge + 1;
  return (first + length).at_or_after(c.receive_next()) &&
         (first.at_or_before(edge) || after_probe);
}

// Answers a segment that may be forged, within the rate (RFC 5961); nothing else comes of it.
Fate challenge(TcpRoom& room, Instant now, Connection& c, const Packet& packet, DropReason why) {
  const Fate fate = settle_gathered(room, c);  // so that the ACK says all that is true
  if (fate != Fate::kLives) return fate;
  send_challenge_ack(room, now, c);
  room.context.drop(why, packet.frame);
  return Fate::kLives;
}

// RFC 5961 3.2.
Fate receive_reset(TcpRoom& room, Instant now, Connection& c, const Packet& packet) {
  const SeqNum sequence(packet.tcp.sequence);
  const SeqNum next = c.receive_next();
  if (sequence == next) {
    room.context.counters.increment(Counter::kTcpResetsReceived);
    return Fate::kAbandoned;
  }
  if (sequence.after(next) && sequence.before(window_edge(c))) {
    return challenge(room, now, c, packet, DropReason::kTcpUnacceptable);
  }
  room.context.drop(DropReason::kTcpUnacceptable, packet.frame);
  return Fate::kLives;
}

// Not in the window: an old one is a retransmission or a probe, and is told where we are.
Fate receive_unacceptable(TcpRoom& room, Instant now, Connection& c, const Packet& packet) {
  const SeqNum sequence(packet.tcp.sequence);
  const SeqNum next = c.receive_next();
  if (sequence.after(next)) return challenge(room, now, c, packet, DropReason::kTcpWindow);
  const bool bare = packet.payload.empty() && !packet.tcp.fin();
  if (bare && sequence != next - 1) {  // not a keep-alive: two who disagree must not ACK for ever
    return challenge(room, now, c, packet, DropReason::kTcpUnacceptable);
  }
  note_duplicate(c, packet);
  c.up.ack_now = true;
  room.mark_ready(c);
  return Fate::kLives;
}

// RFC 9293 3.5, figure 8: both ends sent SYN, and this is the guest's SYN-ACK for ours.
bool completes_simultaneous_open(const Connection& c, const TcpSegment& segment) {
  return c.opening == Opening::kSynReceived && segment.ack() && SeqNum(segment.sequence) == c.irs &&
         SeqNum(segment.acknowledgment) == c.down.iss + 1;
}

enum class StampVerdict : uint8_t { kTimely, kMissing, kOld };

StampVerdict check_stamp(Instant now, const Connection& c, const Packet& packet) {
  if (!c.stamps.on) return StampVerdict::kTimely;
  const auto& stamps = packet.tcp.options.timestamps;
  if (!stamps.has_value()) {
    // A SYN of a guest that began anew may come without: it is challenged like any other.
    const bool anew = packet.tcp.syn() && !completes_simultaneous_open(c, packet.tcp);
    return anew ? StampVerdict::kTimely : StampVerdict::kMissing;
  }
  return c.stamps.is_old(now, stamps->value) ? StampVerdict::kOld : StampVerdict::kTimely;
}

// RFC 7323 3.2: a segment without the option that both ends agreed on is dropped in silence; 5.3 R1: an
// old duplicate is told where we are. A segment with data is answered like any that came twice.
Fate refuse_stamp(TcpRoom& room, Instant now, Connection& c, const Packet& packet,
                  StampVerdict verdict) {
  const bool bare = packet.payload.empty() && !packet.tcp.fin();
  if (verdict == StampVerdict::kOld && bare) {
    return challenge(room, now, c, packet, DropReason::kTcpTimestamp);
  }
  room.context.drop(DropReason::kTcpTimestamp, packet.frame);
  if (verdict == StampVerdict::kOld) {
    note_duplicate(c, packet);
    c.up.ack_now = true;
    room.mark_ready(c);
  }
  return Fate::kLives;
}

}  // namespace

// What the SYN-ACK that opened the connection brings beside (RFC 9293 3.10.7.3).
Fate TcpProxy::receive_beside_syn(Instant now, Connection& c, const Packet& packet) {
  if (packet.payload.empty() && !packet.tcp.fin()) return Fate::kLives;
  room_.trace_state(c);  // ESTABLISHED, before a FIN makes it CLOSE-WAIT
  Packet rest = packet;
  rest.tcp.sequence += 1;
  rest.tcp.flags &= static_cast<uint8_t>(~kTcpSyn);
  return receive_payload(room_, now, c, rest);
}

Fate TcpProxy::receive_synchronized(Instant now, Connection& c, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  const SeqNum sequence(segment.sequence);
  if (segment.rst()) return receive_reset(room_, now, c, packet);
  if (const StampVerdict v = check_stamp(now, c, packet); v != StampVerdict::kTimely) {
    return refuse_stamp(room_, now, c, packet, v);
  }
  if (segment.syn()) {
    if (c.opening == Opening::kSynReceived && !segment.ack() && sequence == c.irs) {
      take_stamp_of_syn(now, c, segment);
      c.down.timing = false;  // our SYN-ACK was lost; Karn's rule
      transmit_syn(room_, now, c);
      return Fate::kLives;
    }
    if (!completes_simultaneous_open(c, segment)) {
      return challenge(room_, now, c, packet, DropReason::kTcpUnacceptable);  // RFC 5961 4.2
    }
    established(room_, now, c);
    receive_ack(room_, now, c, packet);
    if (c.stamps.on) c.stamps.take(now, sequence, segment.options.timestamps->value);
    announce_window(room_, c, true);
    c.up.ack_now = true;
    return receive_beside_syn(now, c, packet);
  }
  if (!acceptable(c, packet)) return receive_unacceptable(room_, now, c, packet);
  if (!segment.ack()) {
    room_.context.drop(DropReason::kTcpUnacceptable, packet.frame);
    return Fate::kLives;
  }
  if (c.opening == Opening::kSynReceived) {
    if (SeqNum(segment.acknowledgment) != c.down.iss + 1) {
      send_reset_for(room_, now, packet);
      room_.context.drop(DropReason::kTcpUnacceptable, packet.frame);
      return Fate::kLives;
    }
    established(room_, now, c);
  }
  if (!receive_ack(room_, now, c, packet)) {
    return challenge(room_, now, c, packet, DropReason::kTcpUnacceptable);
  }
  // Not before the ACK was believed: what nobody sent must not set the clock (RFC 7323 4.3).
  if (c.stamps.on) c.stamps.take(now, sequence, segment.options.timestamps->value);
  return receive_payload(room_, now, c, packet);
}

}  // namespace dashi
