#include "core/tcp/downlink.hh"

#include <algorithm>

#include "core/tcp/segment_writer.hh"

namespace dashi {
namespace {

constexpr size_t kTurnBudget = size_t{256} << 10;  // bytes one connection may send in one turn
constexpr size_t kFramesMax = 32;                  // frames of one reservation

struct Sent {
  uint32_t bytes = 0;
  bool fin = false;
  bool drained = false;  // the host has no more for now
  bool link_full = false;
  bool withheld = false;  // too little to be worth a segment: wait for an ACK
  Fate fate = Fate::kLives;
};

struct Plan {
  SeqNum sequence;
  size_t bytes = 0;       // most payload to send
  bool fin_fits = false;  // the window has room for the FIN behind them
  bool whole = false;     // send nothing rather than a short segment
  size_t frames_max = kFramesMax;
};

// Bytes of payload a segment may carry now: SACK blocks take their room from it (RFC 6691 2).
size_t payload_max(const Connection& c) {
  const size_t options = options_size(c);
  const size_t usual = c.stamps.on ? kTimestampsBytes : 0;
  return c.down.mss - std::min<size_t>(options - usual, c.down.mss / 2);
}

// The payload areas of the reserved slots, in stream order: after the headers of each.
size_t lay_out(TcpRoom& room, std::span<const FrameSlot> slots, size_t headers, size_t chunk,
               size_t bytes) {
  size_t count = 0;
  for (const FrameSlot& slot : slots) {
    size_t left = std::min(chunk, bytes);
    bytes -= left;
    const auto add = [&](MutableBytes area) {
      const size_t n = std::min(left, area.size());
      if (n != 0 && count < room.areas.size()) {
        room.areas[count++] = area.first(n);
        left -= n;
      }
    };
    add(slot.head.subspan(std::min(headers, slot.head.size())));
    for (const MutableBytes& segment : slot.rest) {
      if (left != 0) add(segment);
    }
  }
  return count;
}

// Writes the headers of the frames that hold `bytes` of payload from `plan.sequence` on.
size_t fill_headers(TcpRoom& room, Instant now, Connection& c, std::span<const FrameSlot> slots,
                    const Plan& plan, size_t chunk, const Sent& sent) {
  const IpOut ip = ip_out(c.remote, c.guest);
  const auto segment = static_cast<uint16_t>(payload_max(c));
  size_t done = 0;
  size_t frames = 0;
  do {
    const size_t n = std::min<size_t>(chunk, sent.bytes - done);
    const bool last = done + n == sent.bytes;
    uint8_t flags = 0;
    if (last && n != 0) flags |= kTcpPsh;  // the end of a burst: nothing follows at once
    if (last && sent.fin) flags |= kTcpFin;
    const RawHeader header =
        data_header(room, now, c, plan.sequence + static_cast<uint32_t>(done), flags);
    const uint16_t gso = n > segment ? segment : uint16_t{0};
    room.filled[frames] = room.context.writer.finish_tcp(slots[frames], ip, header.bytes(), n, gso);
    ++frames;
    done += n;
  } while (done < sent.bytes);
  return frames;
}

// Bytes of payload one frame may carry.
size_t chunk_of(const TcpRoom& room, const Connection& c, size_t headers) {
  const LinkLimits limits = room.context.writer.limits();
  const size_t gso = std::min<size_t>(limits.gso_bytes_max, 65535);
  const size_t ip_headers = headers - 14;
  const size_t segment = payload_max(c);
  if (gso < ip_headers + 2 * segment) return segment;
  return (gso - ip_headers) / segment * segment;
}

Sent send_data(TcpRoom& room, Instant now, Connection& c, const Plan& plan) {
  Sent sent;
  FrameWriter& writer = room.context.writer;
  const size_t headers =
      FrameWriter::headers_size(c.guest.address.family(), sizeof(TcpHeader) + options_size(c));
  const size_t chunk = plan.frames_max == 1 ? payload_max(c) : chunk_of(room, c, headers);
  const size_t frames = std::clamp<size_t>((plan.bytes + chunk - 1) / chunk, 1, plan.frames_max);
  const size_t most = std::min(plan.bytes, frames * chunk);
  const auto slots = writer.reserve(frames, headers + std::min(chunk, most));
  if (slots.empty()) {
    sent.link_full = true;
    room.link_blocked = true;
    room.context.counters.increment(Counter::kGuestLinkFull);
    return sent;
  }
  const uint32_t offset = bytes_between(c.down.una, plan.sequence);
  const size_t areas = lay_out(room, slots, headers, chunk, most);
  if (most != 0) {
    const auto peeked =
        c.socket->peek(offset, std::span<const MutableBytes>(room.areas).first(areas));
    if (!peeked && peeked.error() != SocketError::kWouldBlock) sent.fate = Fate::kReset;
    sent.bytes = peeked ? static_cast<uint32_t>(peeked->bytes) : 0;
    sent.drained = !peeked || peeked->eof;
    if (peeked && peeked->eof && !c.down.fin.has_value()) {
      c.down.fin = plan.sequence + sent.bytes;
    }
  }
  const SeqNum end = plan.sequence + sent.bytes;
  const bool reached_fin = c.down.fin.has_value() && end == *c.down.fin;
  sent.fin = reached_fin && (plan.fin_fits || sent.bytes < plan.bytes);
  sent.withheld = plan.whole && !sent.drained && !reached_fin && sent.bytes == plan.bytes;
  if (sent.fate != Fate::kLives || sent.withheld || (sent.bytes == 0 && !sent.fin)) {
    writer.commit({});
    sent.bytes = 0;
    sent.fin = false;
    return sent;
  }
  const size_t filled = fill_headers(room, now, c, slots, plan, chunk, sent);
  writer.commit(std::span<const Filled>(room.filled).first(filled));
  acknowledged(room, c);
  return sent;
}

// Books what send_data sent from `sequence` on.
void account(TcpRoom& room, Instant now, Connection& c, SeqNum sequence, const Sent& sent) {
  const SeqNum end = sequence + sent.bytes + (sent.fin ? 1u : 0u);
  if (sequence.before(c.down.max)) {
    room.context.counters.increment(Counter::kTcpSegmentsRetransmitted);
    room.trace(TraceEvent::Kind::kRetransmit, c, 0, sequence.raw(), sent.bytes);
    c.down.timing = false;  // Karn's rule
  } else if (!c.down.timing) {
    c.down.timing = true;
    c.down.timed = end;
    c.down.timed_at = now;
  }
  if (sent.fin && c.down.state == DownlinkState::kOpen) c.down.state = DownlinkState::kFinSent;
  c.down.nxt = later(c.down.nxt, end);
  c.down.max = later(c.down.max, end);
  if (c.down.rto_deadline == kNever) c.down.rto_deadline = now + c.rtt.rto();
  c.down.persist_deadline = kNever;
}

// What may be sent from nxt on; nothing when there is no room, or nothing to send.
Plan plan_next(const Connection& c, size_t budget) {
  const Downlink& d = c.down;
  Plan plan;
  plan.sequence = d.nxt;
  const uint32_t window = std::min(d.window, d.cwnd);
  if (window <= c.in_flight()) return plan;
  const uint32_t usable = window - c.in_flight();
  size_t left = usable;  // bytes there are, as far as is known
  if (d.fin.has_value()) {
    left = d.nxt.before(*d.fin) ? bytes_between(d.nxt, *d.fin) : 0;
    plan.fin_fits = left < usable && d.nxt.at_or_before(*d.fin);
  } else if (!d.readable) {
    left = d.nxt.before(d.max) ? bytes_between(d.nxt, d.max) : 0;
  }
  plan.bytes = std::min({left, size_t{usable}, budget});
  // Whole segments; what is over goes with the next round, or is the end.
  const bool to_the_end = plan.bytes == left && left < usable;
  if (plan.bytes > d.mss && !to_the_end) plan.bytes -= plan.bytes % d.mss;
  // Sender SWS avoidance (RFC 9293 3.8.6.2.1): a short segment only when it is all there is, or half
  // of the largest window, or nothing is in flight whose ACK would bring more.
  plan.whole = plan.bytes < d.mss && plan.bytes < d.window_max / 2 && c.in_flight() != 0 &&
               !d.nxt.before(d.max);
  return plan;
}

bool wants_to_send(const Connection& c) {
  const Downlink& d = c.down;
  if (d.nxt.before(d.max)) return true;
  if (d.fin.has_value()) return d.nxt.at_or_before(*d.fin);
  return d.readable;
}

}  // namespace

Fate pump(TcpRoom& room, Instant now, Connection& c) {
  if (c.opening != Opening::kDone || c.detached) return Fate::kLives;
  if (c.down.retransmit_pending) {
    const Fate fate = retransmit_first(room, now, c);
    if (fate != Fate::kLives || room.link_blocked) return fate;
  }
  size_t budget = kTurnBudget;
  bool filled = false;  // the host had all that was asked for, and so may have more
  while (wants_to_send(c)) {
    if (budget == 0) {
      room.mark_ready(c);
      break;
    }
    const Plan plan = plan_next(c, std::max<size_t>(budget, c.down.mss));
    if (plan.bytes == 0 && !plan.fin_fits) {
      if (c.in_flight() == 0 && c.down.persist_deadline == kNever) {
        c.down.persist_deadline = now + c.rtt.rto();  // the window is closed: probe it
        c.down.rto_deadline = kNever;
      }
      break;
    }
    if (plan.whole && filled) break;  // the rest of the window is too small: an ACK brings more
    const bool fin_known = c.down.fin.has_value();
    const Sent sent = send_data(room, now, c, plan);
    if (sent.fate != Fate::kLives) return sent.fate;
    if (sent.link_full) {
      room.mark_ready(c);
      break;
    }
    if (sent.drained && !c.down.fin.has_value()) c.down.readable = false;
    if (sent.bytes != 0 || sent.fin) account(room, now, c, plan.sequence, sent);
    if (sent.withheld || (sent.bytes == 0 && !sent.fin)) {
      if (!sent.withheld && !fin_known && c.down.fin.has_value()) continue;  // EOF just seen
      break;
    }
    filled = sent.bytes == plan.bytes;
    budget -= std::min<size_t>(budget, sent.bytes);
  }
  return Fate::kLives;
}

Fate retransmit_first(TcpRoom& room, Instant now, Connection& c) {
  c.down.retransmit_pending = false;
  if (c.outstanding() == 0) return Fate::kLives;
  Plan plan;
  plan.sequence = c.down.una;
  plan.bytes = std::min<size_t>(c.down.mss, c.outstanding());
  plan.frames_max = 1;
  if (c.down.fin.has_value()) {
    const uint32_t left = bytes_between(c.down.una, *c.down.fin);
    plan.fin_fits = left < c.outstanding() && left <= c.down.mss;
    plan.bytes = std::min<size_t>(plan.bytes, left);
  }
  const Sent sent = send_data(room, now, c, plan);
  if (sent.link_full) {
    c.down.retransmit_pending = true;
    room.mark_ready(c);
  } else if (sent.bytes != 0 || sent.fin) {
    account(room, now, c, plan.sequence, sent);
  }
  return sent.fate;
}

Fate probe_window(TcpRoom& room, Instant now, Connection& c) {
  Plan plan;
  plan.sequence = c.down.una;
  plan.bytes = c.down.fin.has_value() && c.down.una == *c.down.fin ? 0 : 1;
  plan.fin_fits = plan.bytes == 0;
  plan.frames_max = 1;
  if (c.down.retries >= room.config.data_retries) {  // RFC 9293 3.8.3: nobody answers
    send_reset(room, c);
    return Fate::kAbandoned;
  }
  const Sent sent = send_data(room, now, c, plan);
  if (sent.fate != Fate::kLives) return sent.fate;
  if (sent.link_full) {
    c.down.persist_deadline = now + c.rtt.rto();
    return Fate::kLives;
  }
  if (sent.bytes == 0 && !sent.fin) {  // there was nothing to send after all
    c.down.readable = false;
    c.down.persist_deadline = kNever;
    return Fate::kLives;
  }
  room.context.counters.increment(Counter::kTcpZeroWindowProbes);
  ++c.down.retries;
  // Not in flight, nxt stays: the persist timer repeats it.
  c.down.max = later(c.down.max, plan.sequence + 1);
  if (sent.fin && c.down.state == DownlinkState::kOpen) c.down.state = DownlinkState::kFinSent;
  c.down.timing = false;
  c.rtt.back_off(room.config);
  c.down.persist_deadline = now + c.rtt.rto();
  return Fate::kLives;
}

Fate check_host(Connection& c) {
  if (c.opening == Opening::kConnecting) return Fate::kLives;
  const bool pump_looks = c.opening == Opening::kDone && !c.detached && !c.down.fin.has_value() &&
                          std::min(c.down.window, c.down.cwnd) > c.in_flight();
  if (pump_looks) return Fate::kLives;
  std::array<uint8_t, 1> byte{};
  const MutableBytes area(byte);
  const size_t offset = c.opening == Opening::kDone ? c.in_flight() : 0;
  const auto peeked = c.socket->peek(offset, {&area, 1});
  const bool aborted = !peeked && peeked.error() != SocketError::kWouldBlock;
  return aborted ? Fate::kReset : Fate::kLives;
}

}  // namespace dashi
