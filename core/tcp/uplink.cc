#include "core/tcp/uplink.hh"

#include <algorithm>

#include "core/tcp/planted.hh"
#include "core/tcp/segment_writer.hh"

namespace dashi {
namespace {

// What of a segment lies in the window and was not received before (RFC 9293 3.10.7.4).
struct Trimmed {
  SeqNum sequence;
  Bytes payload;
  bool fin = false;
};

Trimmed trim(const Connection& c, const Packet& packet) {
  Trimmed t{SeqNum(packet.tcp.sequence), packet.payload, packet.tcp.fin()};
  const SeqNum next = c.receive_next();
  if (t.sequence.before(next)) {
    const size_t cut = std::min<size_t>(bytes_between(t.sequence, next), t.payload.size());
    t.payload = t.payload.subspan(cut);
    t.sequence += static_cast<uint32_t>(cut);
    if (t.sequence.before(next)) t.fin = false;  // where we already have a byte
  }
  const SeqNum right = c.up.fin.has_value() ? *c.up.fin : c.up.offered;
  const SeqNum end = t.sequence + static_cast<uint32_t>(t.payload.size());
  if (end.after(right)) {
    const size_t cut = std::min<size_t>(bytes_between(right, end), t.payload.size());
    t.payload = t.payload.first(t.payload.size() - cut);
    t.fin = false;
  }
  return t;
}

// Whether a round trip has passed since c.round_began, and a tick of the clock: with timestamps the guest
// echoes what it heard of us since then, else a round trip is as long as the last one measured.
bool round_is_over(Instant now, const Connection& c, const TcpSegment& segment) {
  if (now - c.round_began < 1ms) return false;
  if (!c.stamps.on) return now - c.round_began >= c.rtt.smoothed();
  const uint32_t began = timestamp_clock(c.round_began, c.stamps.offset);
  return static_cast<int32_t>(segment.options.timestamps->echo_reply - began) >= 0;
}

// Right-sizing: the window is to hold what the host takes in a round trip, however fast that is by the
// next; a guest in slow start doubles it, and is not to be held back while we learn of that. What a host
// that takes little leaves here is bounded by the same.
void grow_window(const TcpRoom& room, Instant now, Connection& c, const TcpSegment& segment) {
  if (c.up.window >= room.config.window || !round_is_over(now, c, segment)) return;
  const uint64_t wanted = uint64_t{bytes_between(c.up.round_base, c.up.base)} * 4;
  const auto most = static_cast<uint32_t>(std::min<uint64_t>(wanted, room.config.window));
  c.up.window = std::max(c.up.window, most);
  c.up.round_base = c.up.base;
  c.round_began = now;
}

void owe_ack(TcpRoom& room, Instant now, Connection& c, Family family, size_t bytes) {
  c.up.since_ack += static_cast<uint32_t>(bytes);
  // RFC 9293 3.8.6.3: at least every second full-sized segment, and within the delay.
  // (With timestamps a full-sized one carries 12 bytes less than the MSS says.)
  // Of a guest whose MTU is below ours they are as small as those it takes.
  const uint32_t two_segments =
      2u * std::min(announced_mss(room, family) - 12u, uint32_t{c.down.mss});
  if (c.up.since_ack >= two_segments) c.up.ack_now = true;
  room.delay_ack(now, c);
}

// The guest's FIN takes effect once every byte before it is here.
void accept_fin(Connection& c) {
  if (c.up.state != UplinkState::kOpen || !c.up.fin.has_value() || c.up.gathered != 0) return;
  if (c.up.base + static_cast<uint32_t>(c.held.contiguous()) != *c.up.fin) return;
  c.up.state = UplinkState::kFinReceived;
  c.up.ack_now = true;
  c.guest_closed_first = c.down.state == DownlinkState::kOpen;
}

void gather(TcpRoom& room, Connection& c, Bytes payload) {
  const uint32_t at = room.gathered_count++;
  room.gathered[at] = {payload, Uplink::kNoGather};
  if (c.up.gather_first == Uplink::kNoGather) {
    c.up.gather_first = at;
    room.gatherers[room.gatherer_count++] = c.id.slot;
  } else {
    room.gathered[c.up.gather_last].next = at;
  }
  c.up.gather_last = at;
  c.up.gathered += static_cast<uint32_t>(payload.size());
}

Fate hold(TcpRoom& room, Instant now, Connection& c, const Packet& packet) {
  const Fate fate = settle_gathered(room, c);  // so that offsets and the ACK below are true
  if (fate != Fate::kLives) return fate;
  const Trimmed t = trim(c, packet);  // less may be new now, or more missing before it
  const bool in_order = t.sequence == c.receive_next();
  if (t.payload.empty()) {
    c.up.ack_now = true;
    return Fate::kLives;
  }
  const bool filled_gap = in_order && c.held.has_gaps();
  const size_t offset = bytes_between(c.up.base, t.sequence);
  const size_t kept = c.held.insert(offset, t.payload);
  if (kept < t.payload.size()) room.context.counters.increment(Counter::kTcpReassemblyFull);
  if (kept == 0) {
    room.context.drop(DropReason::kTcpNoMemory, packet.frame);
    c.up.ack_now = true;
    return Fate::kLives;
  }
  if (!in_order) c.report.held(t.sequence, c.held, c.up.base);
  owe_ack(room, now, c, packet.ip_header.source.family(), kept);
  if (filled_gap) c.up.ack_now = true;                            // RFC 5681 4.2
  if (!in_order && !send_ack(room, now, c)) c.up.ack_now = true;  // a duplicate ACK, at once
  return drain_held(room, c);  // settling may have filled the gap before it
}

}  // namespace

void note_duplicate(Connection& c, const Packet& packet) {
  if (!c.sack || packet.payload.empty()) return;
  const SeqNum first(packet.tcp.sequence);
  const SeqNum last = first + static_cast<uint32_t>(packet.payload.size());
  const SeqNum next = c.receive_next();
  if (first.before(next)) {
    c.report.duplicate(first, last.before(next) ? last : next);
    return;
  }
  if (!c.held.has_gaps()) return;
  const auto twice = c.held.overlap(bytes_between(c.up.base, first), packet.payload.size());
  if (twice.last != 0) c.report.duplicate(c.up.base + twice.first, c.up.base + twice.last);
}

Fate receive_payload(TcpRoom& room, Instant now, Connection& c, const Packet& packet) {
  if (packet.payload.empty() && !packet.tcp.fin()) return Fate::kLives;
  room.mark_ready(c);
  note_duplicate(c, packet);
  if (c.up.state != UplinkState::kOpen) {
    c.up.ack_now = true;  // a FIN again: our ACK was lost
    return Fate::kLives;
  }
  grow_window(room, now, c, packet.tcp);
  const Trimmed t = trim(c, packet);
  if (t.fin && !c.up.fin.has_value()) {
    c.up.fin = t.sequence + static_cast<uint32_t>(t.payload.size());
    if constexpr (kPlanted == Plant::kEarlyFinOffByOne) {
      // SEG.LEN counts the FIN.
      if (t.sequence != c.receive_next()) c.up.fin = *c.up.fin + 1;
    }
  }
  if (t.payload.empty()) {
    if (!t.fin) {  // nothing new, or nothing that fits: tell the guest where we are
      c.up.ack_now = true;
      if (t.sequence.at_or_after(c.up.offered)) {
        room.context.drop(DropReason::kTcpWindow, packet.frame);
      }
    }
  } else if (t.sequence == c.receive_next() && c.held.contiguous() == 0 && c.up.host_writable) {
    gather(room, c, t.payload);
    owe_ack(room, now, c, packet.ip_header.source.family(), t.payload.size());
    if (c.held.has_gaps()) c.up.ack_now = true;
  } else {
    const Fate fate = hold(room, now, c, packet);
    if (fate != Fate::kLives) return fate;
  }
  if (c.up.fin.has_value() && c.up.gathered == 0) {
    accept_fin(c);
    // A bare FIN behind a gap: a duplicate ACK, at once (RFC 5681 4.2).
    const bool early = t.fin && t.payload.empty() && c.up.state == UplinkState::kOpen;
    if (early && !send_ack(room, now, c)) c.up.ack_now = true;
    return drain_held(room, c);
  }
  return Fate::kLives;
}

Fate settle_gathered(TcpRoom& room, Connection& c) {
  if (c.up.gather_first == Uplink::kNoGather) return Fate::kLives;
  std::array<Bytes, TcpRoom::kBatch> views;
  size_t count = 0;
  for (uint32_t i = c.up.gather_first; i != Uplink::kNoGather; i = room.gathered[i].next) {
    views[count++] = room.gathered[i].payload;
  }
  const uint32_t total = c.up.gathered;
  c.up.gather_first = c.up.gather_last = Uplink::kNoGather;
  c.up.gathered = 0;

  const auto written = c.socket->write(std::span<const Bytes>(views).first(count));
  if (!written && written.error() != SocketError::kWouldBlock) return Fate::kReset;
  const size_t taken = written ? *written : 0;
  room.context.counters.add(Counter::kTcpBytesUp, taken);
  c.up.base += static_cast<uint32_t>(taken);
  c.held.advance(taken);
  if (taken < total) {
    c.up.host_writable = false;
    size_t skip = taken;
    size_t offset = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t cut = std::min(skip, views[i].size());
      skip -= cut;
      const Bytes rest = views[i].subspan(cut);
      const size_t kept = c.held.insert(offset, rest);
      offset += kept;
      if (kept < rest.size()) {  // not acknowledged: the guest sends it again
        room.context.counters.increment(Counter::kTcpReassemblyFull);
        break;
      }
    }
  }
  accept_fin(c);
  return drain_held(room, c);
}

Fate drain_held(TcpRoom& room, Connection& c) {
  std::array<Bytes, TcpRoom::kBatch> views;
  while (c.up.host_writable && c.held.contiguous() != 0) {
    const size_t count = c.held.view(views);
    size_t total = 0;
    for (size_t i = 0; i < count; ++i) total += views[i].size();
    const auto written = c.socket->write(std::span<const Bytes>(views).first(count));
    if (!written && written.error() != SocketError::kWouldBlock) return Fate::kReset;
    const size_t taken = written ? *written : 0;
    room.context.counters.add(Counter::kTcpBytesUp, taken);
    c.up.base += static_cast<uint32_t>(taken);
    c.held.advance(taken);
    if (taken < total) c.up.host_writable = false;
  }
  accept_fin(c);
  if (c.up.state == UplinkState::kFinReceived && c.held.contiguous() == 0) {
    c.socket->shutdown_write();
    c.up.state = UplinkState::kClosed;
  }
  if (c.up.state != UplinkState::kOpen) return Fate::kLives;
  // A window worth telling about has opened.
  const uint32_t window = receive_window_max(room.context.limits, c);
  const uint32_t step = std::min(window / 2, std::max(2u * c.down.mss, window / 8));
  const SeqNum next = c.receive_next();
  const uint32_t told = c.up.edge.after(next) ? bytes_between(next, c.up.edge) : 0;
  if constexpr (kPlanted == Plant::kLostWindowUpdate) {
    if (told != 0) return Fate::kLives;  // it is not closed: the next ACK will say so
  }
  // When the host has all, no later write finds more room: memory that others free tells nobody.
  const uint32_t segment =
      std::min<uint32_t>(announced_mss(room, c.guest.address.family()), c.down.mss);
  const bool last_word = c.held.empty() && told < segment;
  if (window_gain(room, c) >= (last_word ? std::min(step, segment) : step) &&
      told < window - window / 4) {
    c.up.ack_now = true;
    room.mark_ready(c);
  }
  return Fate::kLives;
}

}  // namespace dashi
