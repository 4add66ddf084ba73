#include "core/tcp/downlink.hh"

#include <algorithm>
#include <array>

#include "core/tcp/loss_timers.hh"
#include "core/tcp/planted.hh"
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
  bool more = false;  // than fits: what is too little to be worth a segment waits for an ACK
  Fate fate = Fate::kLives;
};

struct Plan {
  SeqNum sequence;
  size_t bytes = 0;       // most payload to send
  bool fin_fits = false;  // the window has room for the FIN behind them
  bool ends_short =
      false;  // the end of it is a short segment, to be sent only if it is all there is
  size_t frames_max = kFramesMax;
};

// Bytes of payload a segment may carry now: SACK blocks take their room from it (RFC 6691 2).
size_t payload_max(const Connection& c) {
  const size_t options = options_size(c);
  const size_t usual = c.stamps.on ? kTimestampsBytes : 0;
  return c.down.mss - (options - usual);
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
  const IpOut ip = ip_out(room, c.remote, c.guest);
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
  size_t areas = lay_out(room, slots, headers, chunk, most);
  std::array<uint8_t, 1> beyond{};
  const bool all_of_it = most == plan.bytes && slots.size() == frames && areas < room.areas.size();
  if (plan.ends_short && all_of_it) room.areas[areas++] = beyond;  // is there more than fits?
  if (most != 0) {
    const auto peeked =
        c.socket->peek(offset, std::span<const MutableBytes>(room.areas).first(areas));
    if (!peeked && peeked.error() != SocketError::kWouldBlock) sent.fate = Fate::kReset;
    const auto there = peeked ? static_cast<uint32_t>(peeked->bytes) : 0;
    sent.more = there > most;
    sent.bytes = std::min(there, static_cast<uint32_t>(most));
    if (sent.more) sent.bytes -= sent.bytes % static_cast<uint32_t>(payload_max(c));
    sent.drained = !peeked || peeked->eof;
    if (peeked && peeked->eof && !c.down.fin.has_value()) c.down.fin = plan.sequence + there;
  }
  const SeqNum end = plan.sequence + sent.bytes;
  const bool reached_fin = c.down.fin.has_value() && end == *c.down.fin;
  sent.fin = reached_fin && (plan.fin_fits || sent.bytes < plan.bytes);
  if (sent.fate != Fate::kLives || (sent.bytes == 0 && !sent.fin)) {
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
  Downlink& d = c.down;
  const SeqNum end = sequence + sent.bytes + (sent.fin ? 1u : 0u);
  if (sequence.before(d.nxt)) {
    room.context.counters.increment(Counter::kTcpSegmentsRetransmitted);
    room.trace(TraceEvent::Kind::kRetransmit, c, 0, sequence.raw(), sent.bytes);
    const SeqNum last = end.after(d.nxt) ? d.nxt : end;
    d.board.resent(now, sequence, last);
    d.undo_bytes += bytes_between(sequence, last);
    d.undo_to = later(d.undo_to, last);
    if (!d.resent_stamp.has_value()) {
      d.resent_stamp = timestamp_clock(now, c.stamps.offset);
      // RFC 3522 3.2: an echo tells of the first unacknowledged segment alone. One that was sent again
      // before this recovery, and is still out, would look like an original.
      if (sequence != d.una) d.can_undo = false;
    }
  }
  if (end.after(d.nxt)) {
    d.board.sent(now, later(sequence, d.nxt), end);
    d.nxt = end;
  }
  if (d.phase == LossPhase::kRecovery) d.congestion.sent_in_reduction(bytes_between(sequence, end));
  if (sent.fin && d.state == DownlinkState::kOpen) d.state = DownlinkState::kFinSent;
  d.last_sent = now;
  d.persist_deadline = kNever;
  put_off_tail_probe(now, c);
}

// What the guest's window has room for beyond `sequence`.
uint32_t window_room(const Connection& c, SeqNum sequence) {
  const SeqNum edge = c.down.una + c.down.window;
  return edge.after(sequence) ? bytes_between(sequence, edge) : 0;
}

uint32_t cwnd_room(const Connection& c) {
  const uint32_t cwnd = c.down.congestion.cwnd;
  return cwnd > c.in_flight() ? cwnd - c.in_flight() : 0;
}

// Whether it is cwnd, and not the guest, that has no room for a segment.
bool cwnd_limits(const Connection& c) {
  return cwnd_room(c) < std::min<uint32_t>(window_room(c, c.down.nxt), c.down.mss);
}

// A part of [first, last), which was sent before, without its FIN if that does not fit.
Plan plan_again(const Connection& c, SeqNum first, SeqNum last, size_t most) {
  Plan plan;
  plan.sequence = first;
  const bool with_fin = c.down.fin.has_value() && last.after(*c.down.fin);
  const size_t there = bytes_between(first, with_fin ? *c.down.fin : last);
  plan.bytes = std::min<size_t>({there, most, window_room(c, first)});
  plan.fin_fits = with_fin && plan.bytes == there && plan.bytes < window_room(c, first);
  return plan;
}

// What is to be sent again first; nothing when there is no room for it.
Plan plan_lost(const Connection& c, size_t budget) {
  const Downlink& d = c.down;
  const Scoreboard::Run& run = d.board[d.board.first_lost()];
  size_t room = std::min<size_t>(cwnd_room(c), budget);
  if (room < d.mss && room < run.bytes()) {  // a whole segment, or none
    if (c.in_flight() != 0 && d.phase != LossPhase::kOpen) return {};
    room = d.mss;
  }
  if (room > d.mss) room -= room % d.mss;
  // A short end of what was sent, such as a probe's one byte, goes with what follows it.
  if (run.last == d.nxt && run.bytes() < d.mss && room >= d.mss && d.readable &&
      !d.fin.has_value() && window_room(c, run.first) >= d.mss) {
    Plan plan = plan_again(c, run.first, run.first + d.mss, d.mss);
    plan.frames_max = 1;
    return plan;
  }
  return plan_again(c, run.first, run.last, room);
}

// So little is sent only where it is all there is (RFC 9293 3.8.6.2.1).
bool is_short(const Connection& c, size_t bytes) {
  return bytes != 0 && bytes < payload_max(c) && bytes < c.down.window_max / 2;
}

// What may be sent from nxt on; nothing when there is no room, or nothing to send.
Plan plan_next(const Connection& c, size_t budget) {
  const Downlink& d = c.down;
  Plan plan;
  plan.sequence = d.nxt;
  const uint32_t usable = std::min(window_room(c, d.nxt), cwnd_room(c));
  if (usable == 0) return plan;
  size_t left = usable;  // bytes there are, as far as is known
  if (d.fin.has_value()) {
    left = d.nxt.before(*d.fin) ? bytes_between(d.nxt, *d.fin) : 0;
    plan.fin_fits = left < usable && d.nxt.at_or_before(*d.fin);
  } else if (!d.readable) {
    left = 0;
  }
  plan.bytes = std::min({left, size_t{usable}, budget});
  if (plan.bytes == left && left < usable) return plan;  // to the end
  // Sender SWS avoidance (RFC 9293 3.8.6.2.1): a short segment only when it is all there is, or half of the
  // largest window. An ACK of what is out would bring more room; if nothing is, the override timer ends the wait.
  const size_t end = plan.bytes % payload_max(c);
  if (plan.bytes < usable) {  // what is over goes with the next turn
    plan.bytes -= end;
  } else {
    plan.ends_short = is_short(c, end);
  }
  return plan;
}

bool has_new_data(const Connection& c) {
  const Downlink& d = c.down;
  if (d.fin.has_value()) return d.nxt.at_or_before(*d.fin);
  return d.readable;
}

// Nothing may be sent though there is something: the guest's window is closed, or an ACK is awaited. What was
// SACKed is outstanding too. A guest that has its left edge, or an open window, and says no more has reneged:
// the RTO finds that out (RFC 2018 8), a byte at a time would not.
void await_window(Instant now, Connection& c) {
  Downlink& d = c.down;
  if (c.in_flight() != 0 || d.persist_deadline != kNever) return;
  if (d.window != 0 || (!d.board.empty() && d.board[0].sacked)) return;
  d.persist_deadline = now + c.rtt.rto();
  d.loss_deadline = d.retransmit_at = kNever;
}

// More is there than the little that the guest's window lets in, and nothing is out whose ACK could tell of more
// room: so long may that take (RFC 9293 3.8.6.2.1, rule 4).
void await_larger_window(Instant now, Connection& c) {
  if (c.outstanding() != 0 || c.down.persist_deadline != kNever) return;
  c.down.persist_deadline = now + std::clamp<Duration>(c.rtt.rto(), 100ms, 1s);
}

void note_tail_probe(TcpRoom& room, Connection& c, bool resent) {
  c.down.tail_probe_out = true;
  c.down.tail_probe_resent = resent;
  c.down.tail_probe_end = c.down.nxt;
  c.down.tail_probe_flight = c.outstanding();
  room.context.counters.increment(Counter::kTcpTailProbes);
}

enum class Step : uint8_t { kMore, kDone };

struct Turn {
  size_t budget = kTurnBudget;
  Fate fate = Fate::kLives;
};

// Sends the next of what was lost.
Step step_again(TcpRoom& room, Instant now, Connection& c, Turn& turn) {
  const Plan plan = plan_lost(c, std::max<size_t>(turn.budget, c.down.mss));
  if (plan.bytes == 0 && !plan.fin_fits) {
    await_window(now, c);
    return Step::kDone;
  }
  const bool fin_known = c.down.fin.has_value();
  const Sent sent = send_data(room, now, c, plan);
  turn.fate = sent.fate;
  if (sent.link_full) room.mark_ready(c);
  if (sent.drained && !fin_known && !c.down.fin.has_value()) c.down.readable = false;
  if (sent.fate != Fate::kLives || (sent.bytes == 0 && !sent.fin)) return Step::kDone;
  account(room, now, c, plan.sequence, sent);
  turn.budget -= std::min<size_t>(turn.budget, sent.bytes);
  return Step::kMore;
}

Step step_new(TcpRoom& room, Instant now, Connection& c, Turn& turn) {
  Downlink& d = c.down;
  const bool idle = c.outstanding() == 0 && now - d.last_sent > c.rtt.rto();
  if (idle) d.congestion.restart_after_idle(room.config, d.mss);  // RFC 5681 4.1
  const Plan plan = plan_next(c, std::max<size_t>(turn.budget, d.mss));
  d.cwnd_limited = cwnd_limits(c);
  if (plan.bytes == 0 && !plan.fin_fits) {
    await_window(now, c);
    return Step::kDone;
  }
  const bool fin_known = d.fin.has_value();
  const Sent sent = send_data(room, now, c, plan);
  turn.fate = sent.fate;
  if (sent.fate != Fate::kLives) return Step::kDone;
  if (sent.link_full) {
    room.mark_ready(c);
    return Step::kDone;
  }
  if (sent.drained && !d.fin.has_value()) d.readable = false;
  if (sent.bytes != 0 || sent.fin) account(room, now, c, plan.sequence, sent);
  if (sent.more) {
    d.cwnd_limited = cwnd_limits(c);
    await_larger_window(now, c);
    return Step::kDone;
  }
  if (sent.bytes == 0 && !sent.fin) {
    const bool eof_just_seen = !fin_known && d.fin.has_value();
    return eof_just_seen ? Step::kMore : Step::kDone;
  }
  turn.budget -= std::min<size_t>(turn.budget, sent.bytes);
  return Step::kMore;
}

}  // namespace

Fate pump(TcpRoom& room, Instant now, Connection& c) {
  if (c.opening != Opening::kDone || c.detached) return Fate::kLives;
  Downlink& d = c.down;
  Turn turn;
  while (turn.fate == Fate::kLives) {
    const bool again = d.board.lost_bytes() != 0 && !d.new_data_first;
    if (!again && !has_new_data(c)) {
      if (!d.new_data_first || d.recover != d.nxt) break;  // there was some: its ACKs decide
      d.new_data_first = d.frto = false;  // RFC 5682 2.1: without new data it is a timeout like any
      continue;
    }
    if (turn.budget == 0) {
      room.mark_ready(c);
      break;
    }
    const SeqNum before = d.nxt;
    const Step step = again ? step_again(room, now, c, turn) : step_new(room, now, c, turn);
    if (step == Step::kMore) continue;
    // Whatever there was of new data has left, or none may: what was lost is next.
    const bool none =
        d.new_data_first && d.nxt == before && d.recover == d.nxt && !room.link_blocked;
    if (!none) break;
    d.new_data_first = d.frto = false;
  }
  if constexpr (kPlanted == Plant::kRtoNotRearmed) return turn.fate;  // all that left started it
  const bool unwatched = d.loss_deadline == kNever && d.persist_deadline == kNever;
  if (turn.fate == Fate::kLives && unwatched && c.outstanding() != 0) restart_loss_timer(now, c);
  return turn.fate;
}

Fate probe_tail(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  if (d.readable || d.fin.has_value()) {  // new data first, one segment beyond cwnd (RFC 8985 7.3)
    Plan plan;
    plan.sequence = d.nxt;
    const uint32_t usable = window_room(c, d.nxt);
    const size_t left = d.fin.has_value() && d.nxt.at_or_before(*d.fin)
                            ? bytes_between(d.nxt, *d.fin)
                            : (d.fin.has_value() ? 0 : size_t{d.mss});
    plan.bytes = std::min<size_t>({left, d.mss, usable});
    plan.fin_fits =
        d.fin.has_value() && d.nxt.at_or_before(*d.fin) && left < usable && left == plan.bytes;
    plan.frames_max = 1;
    plan.ends_short = is_short(c, plan.bytes);
    if (plan.bytes != 0 || plan.fin_fits) {
      const Sent sent = send_data(room, now, c, plan);
      if (sent.fate != Fate::kLives || sent.link_full) return sent.fate;
      if (sent.drained && !d.fin.has_value()) d.readable = false;
      if (sent.bytes != 0 || sent.fin) {
        account(room, now, c, plan.sequence, sent);
        note_tail_probe(room, c, false);
        return Fate::kLives;
      }
    }
  }
  const auto most = static_cast<uint32_t>(payload_max(c));
  const SeqNum first = c.outstanding() > most ? d.nxt - most : d.una;
  Plan plan = plan_again(c, first, d.nxt, most);
  plan.frames_max = 1;
  if (plan.bytes == 0 && !plan.fin_fits) return Fate::kLives;
  const Sent sent = send_data(room, now, c, plan);
  if (sent.fate != Fate::kLives || (sent.bytes == 0 && !sent.fin)) return sent.fate;
  d.resent_stamp.reset();  // that of this probe decides
  account(room, now, c, plan.sequence, sent);
  note_tail_probe(room, c, true);
  return Fate::kLives;
}

Fate probe_window(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  Plan plan;
  plan.sequence = d.una;
  plan.bytes = d.fin.has_value() && d.una == *d.fin ? 0 : 1;
  plan.fin_fits = plan.bytes == 0;
  plan.frames_max = 1;
  if (d.retries >= room.config.data_retries) return Fate::kReset;  // RFC 9293 3.8.3: nobody answers
  const Sent sent = send_data(room, now, c, plan);
  if (sent.fate != Fate::kLives) return sent.fate;
  if (sent.link_full) {
    d.persist_deadline = now + c.rtt.rto();
    return Fate::kLives;
  }
  if (sent.bytes == 0 && !sent.fin) {  // there was nothing to send after all
    d.readable = false;
    d.persist_deadline = kNever;
    return Fate::kLives;
  }
  room.context.counters.increment(Counter::kTcpZeroWindowProbes);
  ++d.retries;
  if (d.una == d.nxt) {  // lost, unless the guest says otherwise: it had no room
    d.board.sent(now, d.nxt, d.nxt + 1);
    d.nxt += 1;
    d.board.mark_lost(d.una, d.nxt);
  } else {  // again: it tells no time (Karn)
    d.board.resent(now, d.una, d.una + 1);
    d.board.mark_lost(d.una, d.una + 1);
  }
  if (sent.fin && d.state == DownlinkState::kOpen) d.state = DownlinkState::kFinSent;
  c.rtt.back_off(room.config);
  d.persist_deadline = now + c.rtt.rto();
  return Fate::kLives;
}

Fate fill_silly_window(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  d.persist_deadline = kNever;
  Plan plan = plan_next(c, d.mss);
  plan.ends_short = false;
  plan.frames_max = 1;
  if (plan.bytes == 0 && !plan.fin_fits) return Fate::kLives;
  const Sent sent = send_data(room, now, c, plan);
  if (sent.fate != Fate::kLives) return sent.fate;
  if (sent.link_full) {
    await_larger_window(now, c);
    return Fate::kLives;
  }
  if (sent.drained && !d.fin.has_value()) d.readable = false;
  if (sent.bytes == 0 && !sent.fin) return Fate::kLives;
  account(room, now, c, plan.sequence, sent);
  restart_loss_timer(now, c);
  return Fate::kLives;
}

Fate check_host(Connection& c) {
  if (c.opening == Opening::kConnecting) return Fate::kLives;
  const bool pump_looks = c.opening == Opening::kDone && !c.detached && !c.down.fin.has_value() &&
                          c.down.board.lost_bytes() == 0 && window_room(c, c.down.nxt) != 0 &&
                          cwnd_room(c) != 0;
  if (pump_looks) return Fate::kLives;
  std::array<uint8_t, 1> byte{};
  const MutableBytes area(byte);
  const size_t offset = c.opening == Opening::kDone ? c.outstanding() : 0;
  const auto peeked = c.socket->peek(offset, {&area, 1});
  const bool aborted = !peeked && peeked.error() != SocketError::kWouldBlock;
  return aborted ? Fate::kReset : Fate::kLives;
}

}  // namespace dashi
