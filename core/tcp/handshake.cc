#include "core/tcp/handshake.hh"

#include <algorithm>

#include "core/tcp/segment_writer.hh"

namespace dashi {
namespace {

uint16_t send_mss(const TcpRoom& room, const Connection& c, const TcpOptions& options) {
  const bool v4 = c.guest.address.is_v4();
  const uint16_t by_default = v4 ? 536 : 1220;  // RFC 9293 3.7.1
  const auto link_mss = static_cast<uint16_t>(
      std::min(room.context.topology.mtu, room.context.writer.limits().mtu) - (v4 ? 40u : 60u));
  const uint16_t offered = options.mss.value_or(by_default);
  return std::min(link_mss, std::max(offered == 0 ? by_default : offered, kMssFloor));
}

void start_syn(TcpRoom& room, Instant now, Connection& c) {
  c.down.una = c.down.iss;
  c.down.nxt = c.down.iss + 1;
  c.down.loss_deadline = now + c.rtt.rto();
  c.down.timing = true;
  c.down.timed_at = now;
  c.opening_deadline = now + room.config.half_open;
  transmit_syn(room, now, c);
}

}  // namespace

void transmit_syn(TcpRoom& room, Instant now, Connection& c) {
  const bool waited = c.down.retransmit_pending;
  c.down.retransmit_pending = !send_syn(room, now, c);
  if (c.down.retransmit_pending) {
    c.down.timing = false;  // it will not leave now
    room.mark_ready(c);
  } else if (waited) {
    c.down.loss_deadline = now + c.rtt.rto();
  }
}

void choose_numbers(const SipKey& secret, uint32_t bits, Instant now, Connection& c) {
  const FlowKey key = c.key();
  const auto* raw = reinterpret_cast<const uint8_t*>(&key);
  const uint64_t hash = siphash(secret, Bytes(raw, sizeof(key)));
  const auto clock = static_cast<uint32_t>(nanoseconds(now) / 4000);
  c.down.iss = SeqNum((static_cast<uint32_t>(hash) + clock) | bits);
  c.stamps.offset = static_cast<uint32_t>(hash >> 32);
}

void take_guest_syn(TcpRoom& room, Instant now, Connection& c, const TcpSegment& segment) {
  c.irs = SeqNum(segment.sequence);
  // Our own SYN, to a forwarded port, promised a window already: it is not taken back (RFC 9293 3.8.6).
  const uint32_t meant = bytes_between(c.up.base, c.up.edge);
  const uint32_t promised = bytes_between(c.up.base, c.up.offered);
  c.up.base = c.irs + 1;
  c.up.edge = c.up.base + meant;
  c.up.offered = c.up.base + promised;
  c.window_scaling = segment.options.window_scale.has_value();
  if (c.window_scaling) {
    // RFC 7323 2.3: a shift beyond 14 is taken as 14.
    c.down.shift = std::min(*segment.options.window_scale, kWindowScaleMax);
    c.up.shift = std::min(room.config.window_scale, kWindowScaleMax);
  } else {
    c.down.shift = 0;
    c.up.shift = 0;
  }
  c.sack = room.config.sack && segment.options.sack_permitted;
  c.down.mss = send_mss(room, c, segment.options);
  if (room.config.timestamps && segment.options.timestamps.has_value()) {
    c.stamps.on = true;
    c.stamps.recent = segment.options.timestamps->value;
    c.stamps.recent_at = now;
    c.down.mss = static_cast<uint16_t>(c.down.mss - kTimestampsBytes);  // RFC 6691 2
  }
  c.down.window = segment.window;  // never scaled in a SYN
  c.down.window_max = segment.window;
}

void host_connected(TcpRoom& room, Instant now, Connection& c) {
  c.opening = Opening::kSynReceived;
  start_syn(room, now, c);
}

void host_accepted(TcpRoom& room, Instant now, Connection& c) {
  c.opening = Opening::kSynSent;
  start_syn(room, now, c);
}

void established(TcpRoom& room, Instant now, Connection& c) {
  c.opening = Opening::kDone;
  c.opening_deadline = kNever;
  c.up.state = UplinkState::kOpen;
  c.up.round_base = c.up.base;
  c.round_began = now;
  c.down.state = DownlinkState::kOpen;
  c.down.una = c.down.iss + 1;
  c.down.nxt = c.down.una;
  c.down.wl1 = c.irs;
  c.down.wl2 = c.down.iss;  // what acknowledges the SYN is newer than the guest's own
  c.down.sampled_to = c.down.una;
  c.down.loss_deadline = kNever;
  if (c.down.timing) c.rtt.sample(room.config, now, now - c.down.timed_at);
  c.down.congestion.start(room.config, c.down.mss);
  c.down.recover = c.down.iss;
  if (c.down.retries != 0) c.rtt.restart_after_syn_loss(room.config);
  // RFC 5681 3.1: one segment after lost SYNs; a single one may have been merely slow (RFC 6928 2).
  if (c.down.retries > 1) c.down.congestion.cwnd = c.down.mss;
  c.down.timing = false;
  c.down.retransmit_pending = false;
  c.down.retries = 0;
  room.mark_ready(c);  // the host may have spoken first
}

Fate receive_in_syn_sent(TcpRoom& room, Instant now, Connection& c, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  const bool acceptable = segment.ack() && SeqNum(segment.acknowledgment) == c.down.iss + 1;
  if (segment.ack() && !acceptable) {
    send_reset_for(room, now, packet);  // never to a RST
    room.context.drop(DropReason::kTcpUnacceptable, packet.frame);
    return Fate::kLives;
  }
  if (segment.rst()) {
    if (!acceptable) {
      room.context.drop(DropReason::kTcpUnacceptable, packet.frame);
      return Fate::kLives;
    }
    room.context.counters.increment(Counter::kTcpResetsReceived);
    return Fate::kAbandoned;
  }
  if (!segment.syn()) {
    room.context.drop(DropReason::kTcpUnacceptable, packet.frame);
    return Fate::kLives;
  }
  take_guest_syn(room, now, c, segment);
  if (!segment.ack()) {  // it crossed ours (RFC 9293 3.5): the host is there already
    c.opening = Opening::kSynReceived;
    c.down.timing = false;  // our SYN goes once more, with an ACK
    transmit_syn(room, now, c);
    return Fate::kLives;
  }
  established(room, now, c);
  announce_window(room, c, true);
  c.up.ack_now = true;
  return Fate::kLives;
}

Fate syn_timeout(TcpRoom& room, Instant now, Connection& c) {
  if (c.down.retransmit_pending) {  // it waits for room on the link: nothing was lost
    c.down.loss_deadline = now + c.rtt.rto();
    return Fate::kLives;
  }
  if (++c.down.retries > room.config.syn_retries) return Fate::kAbandoned;
  room.context.counters.increment(Counter::kTcpTimeouts);
  c.rtt.back_off(room.config);
  c.down.timing = false;
  c.down.loss_deadline = now + c.rtt.rto();
  transmit_syn(room, now, c);
  return Fate::kLives;
}

}  // namespace dashi
