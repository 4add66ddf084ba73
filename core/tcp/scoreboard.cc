#include "core/tcp/scoreboard.hh"

#include <algorithm>

namespace dashi {

namespace {

bool same_fate(const Scoreboard::Run& a, const Scoreboard::Run& b) {
  return a.sacked == b.sacked && a.lost == b.lost && a.resent == b.resent;
}

}  // namespace

// `sign` is 1 or ~0 (minus one).
void Scoreboard::count(const Run& run, uint32_t sign) {
  if (run.sacked) sacked_ += run.bytes() * sign;
  if (run.lost) lost_ += run.bytes() * sign;
  if (run.resent) resent_runs_ += sign;
}

bool Scoreboard::grow() {
  if (count_ < runs_.size()) return true;
  if (runs_.size() >= kRunsMax) compact();
  if (count_ < runs_.size()) return true;
  if (runs_.size() >= kRunsMax) return false;
  std::vector<Run> bigger(std::max<size_t>(4, runs_.size() * 2));
  for (size_t i = 0; i < count_; ++i) bigger[i] = at(i);
  runs_.swap(bigger);
  head_ = 0;
  return true;
}

// Makes two neighbours of one fate one run, here and there. The newest stays as it is.
void Scoreboard::compact() {
  size_t kept = 0;
  bool joined = false;  // pairs only, so that a run's time stays near to that of all in it
  for (size_t i = 1; i < count_; ++i) {
    if (!joined && i + 1 < count_ && same_fate(at(kept), at(i)) && at(kept).last == at(i).first) {
      if (at(i).resent) --resent_runs_;
      at(kept).last = at(i).last;
      at(kept).sent_at = std::max(at(kept).sent_at, at(i).sent_at);
      joined = true;
    } else {
      at(++kept) = at(i);
      joined = false;
    }
  }
  count_ = std::min(count_, kept + 1);
}

void Scoreboard::insert(size_t i, const Run& run) {
  for (size_t k = count_; k > i; --k) at(k) = at(k - 1);
  at(i) = run;
  ++count_;
}

void Scoreboard::erase(size_t i) {
  for (size_t k = i; k + 1 < count_; ++k) at(k) = at(k + 1);
  --count_;
}

bool Scoreboard::split(size_t i, SeqNum where) {
  if (count_ == kRunsMax) return false;  // growing would join runs, and move them
  grow();
  Run rest = at(i);
  rest.first = where;
  at(i).last = where;
  if (rest.resent) ++resent_runs_;
  insert(i + 1, rest);
  return true;
}

bool Scoreboard::isolate(size_t i, SeqNum first, SeqNum last) {
  if (at(i).last.after(last) && at(i).first.before(last) && !split(i, last)) return false;
  return !at(i).first.before(first) || !at(i).last.after(first) || split(i, first);
}

void Scoreboard::sent(Instant now, SeqNum first, SeqNum last) {
  const Run run{first, last, now};
  const bool joins = count_ != 0 && same_fate(at(count_ - 1), run) && at(count_ - 1).sent_at == now;
  if (!joins && grow()) {
    at(count_++) = run;
    return;
  }
  Run& newest = at(count_ - 1);  // when there is no room, what was known of it is forgotten
  count(newest, ~0u);
  newest = {newest.first, last, now};
}

void Scoreboard::resent(Instant now, SeqNum first, SeqNum last) {
  for (size_t i = 0; i < count_ && at(i).first.before(last); ++i) {
    if (!at(i).last.after(first) || at(i).sacked) continue;
    // What cannot be split off counts as sent again whole: only a timeout sends the rest.
    if (isolate(i, first, last) && at(i).first.before(first)) continue;
    count(at(i), ~0u);
    at(i).lost = false;
    at(i).resent = true;
    at(i).sent_at = now;
    count(at(i), 1);
    if (i != 0 && same_fate(at(i - 1), at(i)) && at(i - 1).sent_at == now) {
      --resent_runs_;
      at(i - 1).last = at(i).last;
      erase(i--);
    }
  }
}

void Scoreboard::drop_front(SeqNum end) {
  Run& front = at(0);
  count(front, ~0u);
  if (front.last.after(end)) {
    front.first = end;
    count(front, 1);
    return;
  }
  head_ = (head_ + 1) & (runs_.size() - 1);
  --count_;
}

size_t Scoreboard::set_sacked(size_t i) {
  count(at(i), ~0u);
  at(i).lost = false;
  at(i).sacked = true;
  at(i).resent = false;  // of no more interest: what a guest reneges on is sent again anyway
  count(at(i), 1);
  const auto join_next = [this](size_t k) {
    at(k).last = at(k + 1).last;
    at(k).sent_at = std::max(at(k).sent_at, at(k + 1).sent_at);
    erase(k + 1);
  };
  if (i + 1 < count_ && at(i + 1).sacked) join_next(i);
  if (i != 0 && at(i - 1).sacked) join_next(--i);
  return i;
}

void Scoreboard::mark_run_lost(size_t i) {
  if (!at(i).in_flight()) return;
  at(i).lost = true;
  lost_ += at(i).bytes();
}

void Scoreboard::mark_lost(SeqNum first, SeqNum last) {
  for (size_t i = 0; i < count_ && at(i).first.before(last); ++i) {
    if (!at(i).last.after(first) || !at(i).in_flight()) continue;
    if (isolate(i, first, last) && at(i).first.before(first)) continue;
    mark_run_lost(i);
  }
}

void Scoreboard::forget_sacks() {
  for (size_t i = 0; i < count_; ++i) at(i).sacked = false;
  sacked_ = 0;
}

void Scoreboard::forget_losses() {
  for (size_t i = 0; i < count_; ++i) at(i).lost = false;
  lost_ = 0;
}

size_t Scoreboard::first_lost() const {
  if (lost_ == 0) return count_;
  size_t i = 0;
  while (i < count_ && !(*this)[i].lost) ++i;
  return i;
}

void Scoreboard::clear() { head_ = count_ = sacked_ = lost_ = resent_runs_ = 0; }

void Scoreboard::save(ArchiveWriter& ar) const {
  auto n = static_cast<uint32_t>(count_);
  ar(n);
  for (size_t i = 0; i < count_; ++i) {
    Run run = (*this)[i];
    ar(run);
  }
}

bool Scoreboard::restore(ArchiveReader& ar) {
  uint32_t n = 0;
  ar(n);
  if (n > kRunsMax) return false;
  clear();
  for (uint32_t i = 0; i < n && ar.ok(); ++i) {
    Run run;
    ar(run);
    if (!run.last.after(run.first) || (run.sacked && run.lost) || !grow()) return false;
    if (count_ != 0 && at(count_ - 1).last != run.first) return false;
    at(count_++) = run;
    count(run, 1);
  }
  return ar.ok();
}

}  // namespace dashi
