#include "core/tcp/recovery.hh"

#include <algorithm>

#include "core/tcp/downlink.hh"
#include "core/tcp/segment_writer.hh"

namespace dashi {
namespace {

constexpr uint32_t kCwndMax = 1u << 26;  // beyond any window a guest can offer (RFC 7323: 2^30)
constexpr uint32_t kDuplicateAckThreshold = 3;

uint32_t half_flight(const Connection& c) {
  return std::max(c.outstanding() / 2, 2u * c.down.mss);  // RFC 5681 equation 4
}

void update_window(Connection& c, const TcpSegment& segment) {
  const SeqNum sequence(segment.sequence);
  const SeqNum ack(segment.acknowledgment);
  Downlink& d = c.down;
  const bool newer = d.wl1.before(sequence) || (d.wl1 == sequence && d.wl2.at_or_before(ack));
  if (!newer) return;
  d.window = static_cast<uint32_t>(segment.window) << (segment.syn() ? 0 : d.shift);
  d.window_max = std::max(d.window_max, d.window);
  d.wl1 = sequence;
  d.wl2 = ack;
}

void grow_cwnd(Connection& c, uint32_t acked) {
  Downlink& d = c.down;
  if (d.cwnd < d.ssthresh) {
    d.cwnd += acked;  // slow start, by bytes (RFC 3465 with L = what was acknowledged)
  } else {
    d.cwnd += std::max<uint32_t>(
        1, static_cast<uint32_t>(uint64_t{d.mss} * std::min<uint32_t>(acked, d.cwnd) / d.cwnd));
  }
  d.cwnd = std::min(d.cwnd, kCwndMax);
}

// RFC 6582 3.2 step 3: the ACK is for new data while we recover.
Fate recover(TcpRoom& room, Instant now, Connection& c, uint32_t acked) {
  Downlink& d = c.down;
  if (d.una.at_or_after(d.recover)) {  // full
    d.in_recovery = false;
    d.duplicate_acks = 0;
    d.cwnd = std::min(d.ssthresh, std::max<uint32_t>(c.outstanding(), d.mss) + d.mss);
    return Fate::kLives;
  }
  d.cwnd -= std::min(d.cwnd - std::min<uint32_t>(d.cwnd, d.mss), acked);  // partial: deflate
  if (acked >= d.mss) d.cwnd += d.mss;
  d.rto_deadline = now + c.rtt.rto();
  return retransmit_first(room, now, c);
}

Fate advance(TcpRoom& room, Instant now, Connection& c, SeqNum ack) {
  Downlink& d = c.down;
  const uint32_t acked = bytes_between(d.una, ack);
  const bool fin_acked = d.fin.has_value() && ack.after(*d.fin);
  const uint32_t data = acked - (fin_acked ? 1 : 0);
  if (data != 0) {
    c.socket->consume(data);
    room.context.counters.add(Counter::kTcpBytesDown, data);
  }
  d.una = ack;
  d.nxt = later(d.nxt, ack);
  d.retries = 0;
  if (fin_acked) d.state = DownlinkState::kFinAcked;
  if (d.timing && ack.at_or_after(d.timed)) {
    d.timing = false;
    c.rtt.sample(room.config, now - d.timed_at);
  }
  c.rtt.settle(room.config);
  d.rto_deadline = c.outstanding() == 0 ? kNever : now + c.rtt.rto();
  d.persist_deadline = kNever;
  room.mark_ready(c);
  if (d.in_recovery) return recover(room, now, c, acked);
  d.duplicate_acks = 0;
  // What lies behind follows, or after 2 GiB without a loss it would seem to lie ahead.
  if (ack.after(d.recover)) d.recover = ack - 1;
  grow_cwnd(c, acked);
  return Fate::kLives;
}

// RFC 5681 2: same ACK, no data, no new window, and something is outstanding.
Fate duplicate(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  ++d.duplicate_acks;
  if (d.in_recovery) {
    d.cwnd = std::min(d.cwnd + d.mss, kCwndMax);
    room.mark_ready(c);
    return Fate::kLives;
  }
  if (d.duplicate_acks != kDuplicateAckThreshold) return Fate::kLives;
  if (!d.una.after(d.recover)) return Fate::kLives;  // RFC 6582 3.2 step 1
  room.context.counters.increment(Counter::kTcpFastRetransmits);
  d.ssthresh = half_flight(c);
  d.cwnd = d.ssthresh + kDuplicateAckThreshold * d.mss;
  d.recover = d.max;
  d.in_recovery = true;
  d.rto_deadline = now + c.rtt.rto();
  room.mark_ready(c);
  return retransmit_first(room, now, c);
}

}  // namespace

void start_congestion_control(const TcpConfig& config, Connection& c) {
  c.down.cwnd = config.initial_window_segments * c.down.mss;
  c.down.recover = c.down.iss;
}

bool receive_ack(TcpRoom& room, Instant now, Connection& c, const Packet& packet, Fate& fate) {
  const TcpSegment& segment = packet.tcp;
  const SeqNum ack(segment.acknowledgment);
  Downlink& d = c.down;
  // RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
  if (ack.after(d.max) || ack.before(d.una - d.window_max)) return false;
  const uint32_t window_before = d.window;
  if (ack.after(d.una)) {
    fate = advance(room, now, c, ack);
    if (fate == Fate::kLives) update_window(c, segment);
    return true;
  }
  if (ack == d.una) {
    update_window(c, segment);
    // RFC 9293 3.8.6.1: a guest that answers probes is not given up however long it stays closed.
    if (d.window == 0) d.retries = 0;
  }
  if (d.window != window_before) {
    room.mark_ready(c);
    d.retries = 0;
    if (window_before == 0) {  // probing is over, and so is its back-off
      d.persist_deadline = kNever;
      c.rtt.settle(room.config);
    }
    return true;
  }
  const bool is_duplicate = ack == d.una && packet.payload.empty() && !segment.fin() &&
                            c.outstanding() != 0 && d.window != 0;
  if (is_duplicate) fate = duplicate(room, now, c);
  return true;
}

Fate retransmission_timeout(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  d.rto_deadline = kNever;
  if (c.outstanding() == 0) return Fate::kLives;
  if (room.link_blocked) {  // nothing was lost: the guest is not reading
    d.rto_deadline = now + c.rtt.rto();
    return Fate::kLives;
  }
  room.context.counters.increment(Counter::kTcpTimeouts);
  // RFC 9293 3.8.3: R2.
  if (++d.retries > room.config.data_retries) {
    send_reset(room, c);
    return Fate::kAbandoned;
  }
  if (d.retries == 1) d.ssthresh = half_flight(c);
  d.cwnd = d.mss;
  d.nxt = d.una;
  d.recover = d.max;
  d.in_recovery = false;
  d.duplicate_acks = 0;
  d.timing = false;
  d.retransmit_pending = false;
  c.rtt.back_off(room.config);
  d.rto_deadline = now + c.rtt.rto();
  room.mark_ready(c);
  return Fate::kLives;
}

}  // namespace dashi
