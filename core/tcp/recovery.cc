#include "core/tcp/recovery.hh"

#include <algorithm>

#include "core/tcp/loss_timers.hh"

namespace dashi {
namespace {

// What one segment told.
struct Heard {
  uint32_t acked = 0;      // bytes by which SND.UNA advanced
  uint32_t delivered = 0;  // bytes newly known to have arrived, by ACK or SACK
  uint32_t sacked = 0;     // of these by SACK
  bool original = false;   // some arrived that were sent once, before the recovery began
  bool beyond = false;     // some arrived that were sent since it began for the first time
  bool duplicate = false;  // without SACK: a duplicate ACK
  bool dsack = false;
  SeqNum dsack_last;
  bool resent = false;  // the ACK covers some that was sent again
  bool timed = false;   // sent_at is of the first run delivered that was sent once
  Instant sent_at;
  std::optional<uint32_t> echo;  // TSecr
};

// RFC 9293 3.10.7.4, and besides whatever acknowledges more, however old its sequence number: what the guest
// sends again says how its window is now, and SND.WND left as it is would move the edge by what is acknowledged.
void update_window(Connection& c, const TcpSegment& segment) {
  const SeqNum sequence(segment.sequence);
  const SeqNum ack(segment.acknowledgment);
  Downlink& d = c.down;
  const bool newer = ack.after(d.wl2) || (ack == d.wl2 && d.wl1.at_or_before(sequence));
  if (!newer) return;
  d.window = static_cast<uint32_t>(segment.window) << (segment.syn() ? 0 : d.shift);
  d.window_max = std::max(d.window_max, d.window);
  d.wl1 = sequence;
  d.wl2 = ack;
}

// RFC 3522 3.2: the guest echoes a time before anything was sent again.
bool echoes_an_original(const Connection& c, const Heard& heard) {
  return heard.echo.has_value() && c.down.resent_stamp.has_value() &&
         static_cast<int32_t>(*heard.echo - *c.down.resent_stamp) < 0;
}

void note_delivered(Instant now, Connection& c, const Scoreboard::Run& run, Heard& heard) {
  Downlink& d = c.down;
  heard.delivered += run.bytes();
  if (!run.resent) {
    // What lies above a hole that is filled now may have been held long since: it tells nothing.
    const bool older = run.last.at_or_before(d.recover);
    heard.original |= older && !heard.resent;
    heard.beyond |= !older;
    if (!heard.timed) heard.sent_at = run.sent_at;
    heard.timed = true;
  } else {
    heard.resent = true;
  }
  if (c.sack) d.rack.delivered(now, run, c.rtt.minimum(), echoes_an_original(c, heard));
}

// One sample a round trip of what was sent once (RFC 6298 3); after a retransmission the clock that the
// guest echoes tells which copy it was (RFC 7323 4). A back-off ends with the next there is (RFC 6298 5).
void sample_rtt(TcpRoom& room, Instant now, Connection& c, const Heard& heard) {
  Downlink& d = c.down;
  if (!d.una.after(d.sampled_to) && !c.rtt.backed_off()) return;
  Duration rtt = now - heard.sent_at;
  if (!heard.timed) {
    if (!heard.echo.has_value() || *heard.echo == 0) return;
    rtt = 1ms * static_cast<int32_t>(timestamp_clock(now, c.stamps.offset) - *heard.echo);
    if (rtt < Duration(0) || rtt > room.config.rto_max) return;  // the guest made it up
    rtt = std::max<Duration>(rtt, 1ms);                          // the clock's tick
  }
  c.rtt.sample(room.config, now, rtt);
  d.sampled_to = d.nxt;
}

void advance(TcpRoom& room, Instant now, Connection& c, SeqNum ack, Heard& heard) {
  Downlink& d = c.down;
  heard.acked = bytes_between(d.una, ack);
  const bool fin_acked = d.fin.has_value() && ack.after(*d.fin);
  const uint32_t data = heard.acked - (fin_acked ? 1 : 0);
  if (data != 0) {
    c.socket->consume(data);
    room.context.counters.add(Counter::kTcpBytesDown, data);
  }
  d.una = ack;
  d.board.acknowledge(ack, [&](const Scoreboard::Run& r) { note_delivered(now, c, r, heard); });
  // What was held above the hole came long before: it tells no time (RFC 6298 3).
  if (heard.resent) heard.timed = false;
  d.retries = 0;
  if (fin_acked) d.state = DownlinkState::kFinAcked;
  sample_rtt(room, now, c, heard);
  d.persist_deadline = kNever;
  // RFC 9937 6: duplicate ACKs were counted when they came; but the hole itself was not.
  const uint32_t beyond_hole = heard.delivered - std::min<uint32_t>(heard.delivered, d.mss);
  const uint32_t counted = std::min(beyond_hole, d.reno_sacked);
  heard.delivered -= counted;
  d.reno_sacked -= counted;
  const uint32_t beyond_first = c.outstanding() - std::min<uint32_t>(c.outstanding(), d.mss);
  d.reno_sacked = std::min(d.reno_sacked, beyond_first);  // there is always a hole first
  d.duplicate_acks = 0;
}

// Bytes of [left, right) that lie where this recovery sent again: the network may double anything at any time.
uint32_t sent_again_of(const Downlink& d, SeqNum left, SeqNum right) {
  const SeqNum first = later(left, d.undo_from);
  const SeqNum last = right.after(d.undo_to) ? d.undo_to : right;
  return last.after(first) ? bytes_between(first, last) : 0;
}

// RFC 2018 8, RFC 2883 4: the blocks of one segment; the first may say what came twice. The others come the newest
// first (RFC 2018 4) and are taken the lowest first, or RACK would see them overtaken (RFC 8985 6.2 step 3).
void take_sacks(Instant now, Connection& c, const TcpSegment& segment, Heard& heard) {
  Downlink& d = c.down;
  const TcpOptions& options = segment.options;
  decltype(TcpOptions::sack) blocks;
  size_t count = 0;
  for (size_t i = 0; i < options.sack_count; ++i) {
    const SeqNum left(options.sack[i].left);
    const SeqNum right(options.sack[i].right);
    if (!right.after(left) || right.after(d.nxt)) continue;
    const bool below = left.before(SeqNum(segment.acknowledgment));
    const bool inside_next = i == 0 && options.sack_count > 1 &&
                             left.at_or_after(SeqNum(options.sack[1].left)) &&
                             right.at_or_before(SeqNum(options.sack[1].right));
    if (i == 0 && (below || inside_next)) {
      if (left.before(d.una - d.window_max)) continue;
      heard.dsack = true;
      heard.dsack_last = right;
      d.rack.saw_duplicate(d.una, d.nxt);
      d.undo_bytes -= std::min(d.undo_bytes, sent_again_of(d, left, right));
      continue;
    }
    if (below || left.before(d.una)) continue;
    size_t place = count++;
    for (; place != 0 && left.before(SeqNum(blocks[place - 1].left)); --place) {
      blocks[place] = blocks[place - 1];
    }
    blocks[place] = options.sack[i];
  }
  const uint32_t before = heard.delivered;
  for (size_t i = 0; i < count; ++i) {
    d.board.sack(SeqNum(blocks[i].left), SeqNum(blocks[i].right),
                 [&](const Scoreboard::Run& r) { note_delivered(now, c, r, heard); });
  }
  heard.sacked += heard.delivered - before;
}

// RFC 8985 7.4.2: the ACK of a tail loss probe tells whether the probe repaired a loss.
void judge_tail_probe(TcpRoom& room, Connection& c, const Heard& heard) {
  Downlink& d = c.down;
  if (!d.tail_probe_out || d.una.before(d.tail_probe_end)) return;
  const bool reported_twice = heard.dsack && heard.dsack_last == d.tail_probe_end;
  if (!d.tail_probe_resent || reported_twice || echoes_an_original(c, heard)) {
    d.tail_probe_out = false;
  } else if (d.una.after(d.tail_probe_end)) {
    d.tail_probe_out = false;
    if (d.phase != LossPhase::kOpen) return;
    d.congestion.lose(room.config, d.mss, d.tail_probe_flight);
    d.congestion.end_reduction();
    d.can_undo = false;
  }
}

// Nothing was lost after all.
void undo(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  d.congestion.undo();
  d.board.forget_losses();
  d.reno_sacked = 0;
  d.persist_deadline = kNever;  // what it repeats is in flight again
  d.phase = LossPhase::kOpen;
  d.frto = d.new_data_first = d.can_undo = false;
  d.resent_stamp.reset();
  room.context.counters.increment(Counter::kTcpSpuriousRecoveries);
  restart_loss_timer(now, c);
}

// RFC 5682 2.1 and 3.1 step 3: after new data, what arrived that was not sent again shows that the timeout came too
// early; not if the guest has some of the new data too, for then it was told by that.
bool shows_early_timeout(const Connection& c, const Heard& heard) {
  const Downlink& d = c.down;
  if (!d.frto || d.phase != LossPhase::kLoss || d.recover == d.nxt) return false;
  return heard.original && !(c.sack && heard.beyond);
}

void judge_timeout(Connection& c, const Heard& heard) {
  Downlink& d = c.down;
  const bool first_ack = d.recover == d.nxt;            // no new data was sent since
  if (first_ack && c.sack && heard.acked == 0) return;  // 3.1 step 2 waits on
  d.new_data_first = false;
  if (first_ack && heard.acked != 0 && d.una.before(d.recover)) {
    d.new_data_first = true;
    return;
  }
  d.frto = false;
  if (!first_ack) d.congestion.cwnd = std::max(d.congestion.cwnd, 3u * d.mss);  // step 3a
}

// What of the scoreboard is lost by now.
Rack::Found find_losses(const TcpConfig& config, Instant now, Connection& c, const Heard& heard) {
  Downlink& d = c.down;
  if (c.sack) return detect_losses(config, now, c);
  const uint32_t before = d.board.lost_bytes();
  const bool partial =
      heard.acked != 0 && d.phase == LossPhase::kRecovery && d.una.before(d.recover);
  const bool third = heard.duplicate && d.phase == LossPhase::kOpen &&
                     d.duplicate_acks == config.reordering && d.una.after(d.recover);
  if (partial || third) d.board.mark_lost(d.una, d.una + d.mss);  // RFC 6582 3.2
  Rack::Found found;
  found.bytes = d.board.lost_bytes() - before;
  found.highest = d.una;
  return found;
}

void end_phase(Connection& c) {
  Downlink& d = c.down;
  if (d.phase == LossPhase::kRecovery) d.congestion.end_reduction();
  d.phase = LossPhase::kOpen;
  d.undo_until = d.nxt;
  d.frto = d.new_data_first = false;
  d.duplicate_acks = 0;
  d.reno_sacked = 0;
  d.rack.recovered();
}

// In slow start the window may double while half of it is used; else a flow that pauses would never get
// it (RFC 7661 4.1 has a flow validate what it uses).
bool half_used(const Connection& c, const Heard& heard) {
  const Congestion& window = c.down.congestion;
  return window.cwnd < window.ssthresh && window.cwnd / 2 < c.outstanding() + heard.acked;
}

// How the window answers.
void answer(TcpRoom& room, Instant now, Connection& c, const Heard& heard,
            const Rack::Found& lost) {
  Downlink& d = c.down;
  if (lost.bytes != 0) {
    const uint32_t known = d.board.sacked_bytes() + d.reno_sacked;
    reduce_for(room, now, c, lost, c.outstanding() + heard.acked,
               std::min(c.outstanding(), known - heard.sacked));
  }
  switch (d.phase) {
    case LossPhase::kOpen:
      // What lies behind follows, or after 2 GiB without a loss it would seem to lie ahead.
      if (d.una.after(d.recover)) d.recover = d.una - 1;
      if (heard.acked != 0 && (d.cwnd_limited || half_used(c, heard))) {
        d.congestion.grow(room.config, now, c.rtt.smoothed(), d.mss, heard.acked);
      }
      break;
    case LossPhase::kRecovery:
      d.congestion.reduce(d.mss, heard.delivered, c.in_flight(),
                          heard.acked != 0 && lost.bytes == 0);
      break;
    case LossPhase::kLoss:
      if (heard.delivered != 0) {  // slow start up to ssthresh, then as ever
        d.congestion.grow(room.config, now, c.rtt.smoothed(), d.mss, heard.delivered);
      }
      break;
  }
}

void react(TcpRoom& room, Instant now, Connection& c, const Heard& heard) {
  Downlink& d = c.down;
  judge_tail_probe(room, c, heard);
  const bool arrived_early =
      d.phase != LossPhase::kOpen && heard.acked != 0 && echoes_an_original(c, heard);
  const bool all_came_twice = heard.dsack && d.undo_bytes == 0 && d.resent_stamp.has_value();
  const bool too_early = shows_early_timeout(c, heard);
  if (d.can_undo && (arrived_early || all_came_twice || too_early)) undo(room, now, c);
  // A round trip after the recovery, what was sent twice has come or never will.
  if (d.phase == LossPhase::kOpen && d.una.after(d.undo_until)) d.can_undo = false;
  if (d.frto) judge_timeout(c, heard);
  if (d.phase != LossPhase::kOpen && d.una.at_or_after(d.recover)) end_phase(c);
  const Rack::Found lost = find_losses(room.config, now, c, heard);
  answer(room, now, c, heard, lost);
  if (heard.acked != 0 || heard.sacked != 0) restart_loss_timer(now, c);
  if (lost.wait > Duration(0)) await_reordering(now, c, lost.wait);
  room.mark_ready(c);
}

void enter_recovery(TcpRoom& room, Connection& c, uint32_t outstanding) {
  Downlink& d = c.down;
  room.context.counters.increment(Counter::kTcpFastRetransmits);
  d.congestion.lose(room.config, d.mss, outstanding);
  d.phase = LossPhase::kRecovery;
  may_be_undone(c);
}

// RFC 5681 2, but for SACK blocks: the ACK before once more, with the same window and nothing else.
bool repeats(const Connection& c, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  return SeqNum(segment.acknowledgment) == c.down.una && segment.options.sack_count == 0 &&
         packet.payload.empty() && !segment.fin() &&
         static_cast<uint32_t>(segment.window) << c.down.shift == c.down.window;
}

}  // namespace

void reduce_again(TcpRoom& room, Connection& c) {
  Downlink& d = c.down;
  // What PRR makes of cwnd says how far the fall before has come, not where it leads.
  const bool falling = d.phase == LossPhase::kRecovery;
  d.congestion.lose_again(room.config, d.mss, falling ? d.congestion.ssthresh : d.congestion.cwnd);
  d.can_undo = d.frto = d.new_data_first = false;  // the first was a loss, and this is
}

void reduce_for(TcpRoom& room, Instant now, Connection& c, const Rack::Found& lost,
                uint32_t outstanding, uint32_t arrived) {
  Downlink& d = c.down;
  if (d.phase == LossPhase::kOpen) {
    enter_recovery(room, c, outstanding);
  } else {
    // RFC 5681 4.3: once for each window, and once more for what was sent again since.
    const bool again = lost.again.has_value() && *lost.again >= d.reduced_at;
    if (!again && lost.highest.before(d.recover)) return;
    reduce_again(room, c);
  }
  d.congestion.begin_reduction(outstanding - arrived);  // RFC 9937 6
  d.recover = d.nxt;
  d.reduced_at = now;
}

void may_be_undone(Connection& c) {
  Downlink& d = c.down;
  d.can_undo = true;
  d.undo_bytes = 0;
  d.undo_from = d.undo_to = d.una;
  d.resent_stamp.reset();
}

Rack::Found detect_losses(const TcpConfig& config, Instant now, Connection& c) {
  Downlink& d = c.down;
  // Nothing that was sent later was delivered: nothing can have been overtaken.
  const bool in_order = d.board.sacked_bytes() == 0 && !d.board.any_resent();
  if (d.board.empty() || (in_order && !d.rack.overtook(d.board[0]))) return {};
  const bool many = d.board.sacked_bytes() > (config.reordering - 1u) * d.mss;  // RFC 6675 2
  return d.rack.detect(now, d.board, c.rtt.minimum(), c.rtt.smoothed(), many,
                       d.phase != LossPhase::kOpen);
}

bool receive_ack(TcpRoom& room, Instant now, Connection& c, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  const SeqNum ack(segment.acknowledgment);
  Downlink& d = c.down;
  // RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
  if (ack.after(d.nxt) || ack.before(d.una - d.window_max)) return false;
  const bool again = repeats(c, packet);
  // RFC 8985 7.4.2: the guest has no D-SACK, and both copies of the probe came.
  if (again && ack == d.tail_probe_end) d.tail_probe_out = false;
  if (c.outstanding() == 0 &&
      segment.options.sack_count == 0) {  // the usual, of a guest that sends
    const uint32_t window_before = d.window;
    if (ack == d.una) update_window(c, segment);
    if (d.window != window_before) {
      room.mark_ready(c);
      // A silly window that changes a little is waited on no longer for that.
      if (window_before == 0 || d.window == 0) d.persist_deadline = kNever;
      if (window_before == 0) c.rtt.settle(room.config);  // probing is over, and so is its back-off
      d.retries = 0;
    }
    return true;
  }
  const uint32_t window_before = d.window;
  const SeqNum una_before = d.una;
  Heard heard;
  if (c.stamps.on) heard.echo = segment.options.timestamps->echo_reply;
  if (ack.after(d.una)) advance(room, now, c, ack, heard);
  if (c.sack && segment.options.sack_count != 0) take_sacks(now, c, segment, heard);
  if (ack.at_or_after(una_before)) update_window(c, segment);
  // RFC 9293 3.8.6.1: a guest that answers probes is not given up however long it stays closed.
  if (d.window == 0) d.retries = 0;
  if (d.window != window_before) {
    room.mark_ready(c);
    d.retries = 0;
    if (window_before == 0) {  // probing is over, and so is its back-off
      d.persist_deadline = kNever;
      c.rtt.settle(room.config);
    }
  }
  heard.duplicate = again && !c.sack && d.window != 0;
  if (heard.duplicate) {
    ++d.duplicate_acks;
    if (d.phase != LossPhase::kLoss) {  // RFC 3042, RFC 6582: something left the network
      const uint32_t room_left = c.in_flight() > d.mss ? c.in_flight() - d.mss : 0;
      d.reno_sacked += std::min<uint32_t>(d.mss, room_left);
      heard.delivered += d.mss;
    }
  }
  if (heard.acked != 0 || heard.sacked != 0 || heard.dsack || heard.duplicate) {
    react(room, now, c, heard);
  }
  return true;
}

}  // namespace dashi
