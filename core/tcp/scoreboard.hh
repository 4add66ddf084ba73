// What was sent and is not yet acknowledged, in runs of bytes of one fate (RFC 6675 3): when a run was
// last sent, and whether the guest reported it (SACKed), it is believed lost, or it was sent again. The
// bytes themselves stay in the host socket. It decides nothing; rack and recovery do.
//
// Bounded: bytes sent at one moment are one run, and so are SACKed neighbours. When the table is full, pairs of
// neighbours become one run, as if all of it had been sent when its newer part was: losses are found later,
// and a round trip timed by such a run comes out shorter.
#pragma once

#include <vector>

#include "core/base/archive.hh"
#include "core/base/time.hh"
#include "core/tcp/planted.hh"
#include "core/tcp/seq.hh"

namespace dashi {

class Scoreboard {
 public:
  static constexpr size_t kRunsMax = 128;

  struct Run {
    SeqNum first;
    SeqNum last;  // one past
    Instant sent_at;
    bool sacked = false;
    bool lost = false;    // and not sent again since; never with sacked
    bool resent = false;  // sent more than once

    uint32_t bytes() const { return bytes_between(first, last); }
    bool in_flight() const { return !sacked && !lost; }
    template <typename Archive>
    friend void archive(Archive& ar, Run& r) {
      ar(r.first, r.last, r.sent_at, r.sacked, r.lost, r.resent);
    }
  };

  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }
  const Run& operator[](size_t i) const { return runs_[(head_ + i) & (runs_.size() - 1)]; }
  uint32_t sacked_bytes() const { return sacked_; }
  uint32_t lost_bytes() const { return lost_; }
  uint32_t resent_runs() const { return resent_runs_; }
  bool any_resent() const { return resent_runs_ != 0; }

  // New bytes after all others.
  void sent(Instant now, SeqNum first, SeqNum last);
  // Bytes that were lost are sent again.
  void resent(Instant now, SeqNum first, SeqNum last);

  // Everything before `una` is acknowledged. Calls delivered(run) for what was not SACKed before, each a
  // part of a run, in order.
  template <typename F>
  void acknowledge(SeqNum una, F delivered) {
    while (count_ != 0 && lies_before(at(0).first, una)) {
      const Run whole = at(0);
      const SeqNum end = whole.last.after(una) ? una : whole.last;
      Run part = whole;
      part.last = end;
      if (!part.sacked) delivered(part);
      drop_front(end);
    }
  }
  // The guest reports [first, last). Calls delivered(run) for what is new in that.
  template <typename F>
  void sack(SeqNum first, SeqNum last, F delivered) {
    for (size_t i = 0; i < count_ && at(i).first.before(last); ++i) {
      if (at(i).sacked || !at(i).last.after(first)) continue;
      if (!isolate(i, first, last)) return;  // no room to remember it: it may be sent in vain
      if (at(i).first.before(first)) continue;
      delivered(at(i));
      i = set_sacked(i);
    }
  }
  // Marks what of [first, last) is in flight as lost.
  void mark_lost(SeqNum first, SeqNum last);
  void mark_run_lost(size_t i);
  // Forgets all SACKs: the guest reneged (RFC 2018 8).
  void forget_sacks();
  // Nothing is lost after all.
  void forget_losses();
  // The first run that is to be sent again; size() if none.
  size_t first_lost() const;
  void clear();

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  static bool lies_before(SeqNum number, SeqNum una) {
    if constexpr (kPlanted == Plant::kSackKeptAcrossWrap) return number.raw() < una.raw();
    return number.before(una);
  }
  Run& at(size_t i) { return runs_[(head_ + i) & (runs_.size() - 1)]; }
  bool grow();
  void insert(size_t i, const Run& run);
  void erase(size_t i);
  void compact();
  // Splits run i so that one run begins at `first` and one ends at `last`, where they lie inside of it. Run
  // i is then what comes before `first`, or the part within. False: there is no room to split.
  bool isolate(size_t i, SeqNum first, SeqNum last);
  bool split(size_t i, SeqNum where);
  void drop_front(SeqNum end);
  size_t set_sacked(size_t i);  // and joins it with its neighbours; gives the run's new place
  void count(const Run& run, uint32_t sign);

  std::vector<Run> runs_;  // a ring; its size is 0 or a power of two
  size_t head_ = 0;
  size_t count_ = 0;
  uint32_t sacked_ = 0;
  uint32_t lost_ = 0;
  uint32_t resent_runs_ = 0;
};

}  // namespace dashi
