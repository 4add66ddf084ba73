#include "core/tcp/loss_timers.hh"

#include <algorithm>

#include "core/tcp/downlink.hh"
#include "core/tcp/planted.hh"
#include "core/tcp/recovery.hh"
#include "core/tcp/segment_writer.hh"

namespace dashi {
namespace {

// RFC 8985 7.2 has 2 SRTT, and of one segment alone the guest may delay the ACK. The floor is ours: on a
// virtual link the RTT is nothing, and a probe a batch would help nobody.
constexpr Duration kTailProbeFloor = 10ms;
constexpr Duration kWorstDelayedAck = 200ms;

bool may_probe_tail(const Connection& c) {
  const Downlink& d = c.down;
  return c.sack && d.phase == LossPhase::kOpen && !d.tail_probe_out &&
         d.board.sacked_bytes() == 0 && d.board.lost_bytes() == 0 && c.rtt.smoothed() > Duration(0);
}

Duration tail_probe_delay(const Connection& c) {
  Duration delay = std::max(c.rtt.smoothed() * 2, kTailProbeFloor);
  if (c.outstanding() <= c.down.mss) delay += kWorstDelayedAck;
  return delay;
}

void schedule(Instant now, Connection& c) {
  Downlink& d = c.down;
  d.timer = LossTimer::kRetransmission;
  d.loss_deadline = d.retransmit_at;
  if (!may_probe_tail(c)) return;
  d.timer = LossTimer::kTailProbe;
  d.loss_deadline = std::min(d.retransmit_at, now + tail_probe_delay(c));
}

// RFC 5681 3.1, RFC 8985 6.3: what was sent so long ago is lost.
void mark_overdue(Instant now, Connection& c) {
  Downlink& d = c.down;
  if (!d.board.empty() && d.board[0].sacked) d.board.forget_sacks();  // RFC 2018 8: it reneged
  for (size_t i = 0; i < d.board.size(); ++i) {
    const bool overdue =
        i == 0 || !c.sack || d.rack.overdue(now, d.board[i], c.rtt.minimum(), c.rtt.smoothed());
    if (overdue) d.board.mark_run_lost(i);
  }
  d.reno_sacked = 0;
  d.duplicate_acks = 0;
}

Fate retransmission_timeout(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  room.context.counters.increment(Counter::kTcpTimeouts);
  // RFC 9293 3.8.3: R2.
  if (++d.retries > room.config.data_retries) return Fate::kReset;
  if (d.phase != LossPhase::kLoss || d.una != d.timed_out) {
    // Once, however often one segment times out (RFC 5681 3.1). Within the answer to another loss it is a
    // second one (4.3); only of the first it can be told whether it was too early.
    const bool first = d.phase == LossPhase::kOpen || d.una.at_or_after(d.recover);
    if (first) {
      d.congestion.lose(room.config, d.mss, c.outstanding());
    } else {
      reduce_again(room, c);
    }
    // Without SACK the answer to a tail probe would pass for that to what the timeout sends.
    d.frto = first && (c.sack || !d.tail_probe_out);
    if (first) may_be_undone(c);
  } else {
    d.frto = false;
  }
  d.new_data_first = false;
  mark_overdue(now, c);
  d.congestion.collapse(d.mss, c.in_flight());
  d.recover = d.nxt;
  d.reduced_at = now;
  d.timed_out = d.una;
  d.phase = LossPhase::kLoss;
  d.tail_probe_out = false;
  c.rtt.back_off(room.config);
  d.retransmit_at = now + c.rtt.rto();
  schedule(now, c);
  room.mark_ready(c);
  return Fate::kLives;
}

Fate probe_timeout(TcpRoom& room, Instant now, Connection& c) {
  const Fate fate = probe_tail(room, now, c);
  c.down.retransmit_at = now + c.rtt.rto();  // RFC 8985 7.3
  schedule(now, c);
  if (c.down.timer == LossTimer::kTailProbe) {  // it did not leave: the RTO is next all the same
    c.down.timer = LossTimer::kRetransmission;
    c.down.loss_deadline = c.down.retransmit_at;
  }
  return fate;
}

void reordering_timeout(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  const Rack::Found found = detect_losses(room.config, now, c);
  if (found.bytes != 0) reduce_for(room, now, c, found, c.outstanding(), d.board.sacked_bytes());
  if (found.bytes != 0 && d.phase == LossPhase::kRecovery) {
    d.congestion.reduce(d.mss, 0, c.in_flight(), false);
  }
  schedule(now, c);
  if (found.wait > Duration(0)) await_reordering(now, c, found.wait);
  room.mark_ready(c);
}

}  // namespace

void restart_loss_timer(Instant now, Connection& c) {
  Downlink& d = c.down;
  if (d.persist_deadline != kNever && c.outstanding() != 0) return;  // one of the two
  if (c.outstanding() == 0) {
    d.loss_deadline = d.retransmit_at = kNever;
    return;
  }
  if constexpr (kPlanted == Plant::kRtoNotRearmed) {
    if (d.phase == LossPhase::kRecovery && d.retransmit_at != kNever) {
      d.loss_deadline = d.retransmit_at = kNever;  // what the ACK lets leave starts it
      return;
    }
  }
  d.retransmit_at = now + c.rtt.rto();
  schedule(now, c);
}

void put_off_tail_probe(Instant now, Connection& c) {
  Downlink& d = c.down;
  if (d.retransmit_at == kNever) {
    restart_loss_timer(now, c);
  } else if (d.timer != LossTimer::kReordering) {
    schedule(now, c);
  }
}

void await_reordering(Instant now, Connection& c, Duration wait) {
  Downlink& d = c.down;
  if (d.persist_deadline != kNever || d.retransmit_at <= now + wait) return;
  d.timer = LossTimer::kReordering;
  d.loss_deadline = now + wait;
}

Fate loss_timeout(TcpRoom& room, Instant now, Connection& c) {
  Downlink& d = c.down;
  d.loss_deadline = kNever;
  if (c.outstanding() == 0) {
    d.retransmit_at = kNever;
    return Fate::kLives;
  }
  if (room.link_blocked && d.timer != LossTimer::kReordering) {
    // Nothing was lost: the guest is not reading. No probe either, or thousands would come up for nothing.
    d.timer = LossTimer::kRetransmission;
    d.loss_deadline = d.retransmit_at = now + c.rtt.rto();
    return Fate::kLives;
  }
  switch (d.timer) {
    case LossTimer::kRetransmission:
      return retransmission_timeout(room, now, c);
    case LossTimer::kTailProbe:
      return probe_timeout(room, now, c);
    case LossTimer::kReordering:
      reordering_timeout(room, now, c);
      break;
  }
  return Fate::kLives;
}

}  // namespace dashi
