#include "core/tcp/rack.hh"

#include <algorithm>

namespace dashi {

void Rack::delivered(Instant now, const Scoreboard::Run& run, Duration min_rtt, bool spurious) {
  if (fack_known_ && run.last.before(fack_)) {
    if (!run.resent) reordering_ = true;  // it was overtaken
  } else {
    fack_ = run.last;
    fack_known_ = true;
  }
  const Duration rtt = now - run.sent_at;
  if (run.resent && (spurious || rtt < min_rtt)) return;  // an ACK of the copy before
  if (any_ && !(run.sent_at > sent_at_ || (run.sent_at == sent_at_ && run.last.after(end_))))
    return;
  any_ = true;
  sent_at_ = run.sent_at;
  end_ = run.last;
  rtt_ = rtt;
}

void Rack::saw_duplicate(SeqNum una, SeqNum nxt) {
  // Once a round trip. After 2 GiB its end would seem to lie ahead again, but not within what was sent.
  if (round_known_ && una.before(round_) && round_.at_or_before(nxt)) return;
  round_known_ = true;
  round_ = nxt;
  if (mult_ < 255) ++mult_;
  persist_ = 16;
}

void Rack::recovered() {
  if (persist_ == 0 || --persist_ != 0) return;
  mult_ = 1;
  round_known_ = false;
}

bool Rack::sent_after(const Scoreboard::Run& run) const {
  return sent_at_ > run.sent_at || (sent_at_ == run.sent_at && end_.after(run.last));
}

Duration Rack::window(Duration min_rtt, Duration srtt, bool many_sacked, bool recovering) const {
  if (!reordering_ && (recovering || many_sacked)) return Duration(0);
  return std::min(min_rtt / 4 * mult_, srtt);
}

Rack::Found Rack::detect(Instant now, Scoreboard& board, Duration min_rtt, Duration srtt,
                         bool many_sacked, bool recovering) const {
  Found found;
  if (!any_) return found;
  const Duration patience = rtt_ + window(min_rtt, srtt, many_sacked, recovering);
  for (size_t i = 0; i < board.size(); ++i) {
    const Scoreboard::Run& run = board[i];
    if (!run.in_flight() || !sent_after(run)) continue;
    const Duration left = run.sent_at + patience - now;
    if (left <= Duration(0)) {
      found.bytes += run.bytes();
      found.highest = run.first;
      if (run.resent) found.again = std::max(found.again, std::optional(run.sent_at));
      board.mark_run_lost(i);
    } else {
      found.wait = std::max(found.wait, left);
    }
  }
  return found;
}

bool Rack::overdue(Instant now, const Scoreboard::Run& run, Duration min_rtt, Duration srtt) const {
  if (!any_) return true;
  return run.sent_at + rtt_ + window(min_rtt, srtt, false, false) <= now;
}

}  // namespace dashi
