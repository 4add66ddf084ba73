// One proxy's deadlines: at most one entry a slot, totally ordered by (deadline, slot). Entries are
// lazy: a deadline that moved later leaves its entry alone, and when the entry comes up the owner
// says what the deadline really is. So an ACK costs nothing here.
//
// An indexed 4-ary heap: set, clear and pop in O(log n), no allocation after construction grew it.
#pragma once

#include <vector>

#include "core/base/archive.hh"
#include "core/base/time.hh"

namespace dashi {

class Timers {
 public:
  static constexpr uint32_t kNone = 0xffffffff;
  explicit Timers(uint32_t capacity) : position_(capacity, kNone) {}

  // Makes sure the slot comes up no later than `deadline`.
  void arm(uint32_t slot, Instant deadline);
  // The slot is gone: its entry goes too.
  void clear(uint32_t slot);
  // The earliest entry, or kNever.
  Instant next() const { return heap_.empty() ? kNever : heap_.front().deadline; }
  // The slot's own, or kNever.
  Instant of(uint32_t slot) const {
    return position_[slot] == kNone ? kNever : heap_[position_[slot]].deadline;
  }
  // Takes out the first entry due at `now` and gives its slot, or kNone.
  uint32_t pop_due(Instant now);
  // Takes out the earliest entry, due or not, and gives its slot, or kNone.
  uint32_t pop_first() { return pop_due(kNever); }

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  struct Entry {
    Instant deadline;
    uint32_t slot;
    bool before(const Entry& other) const {
      return deadline != other.deadline ? deadline < other.deadline : slot < other.slot;
    }
  };
  void place(size_t i, const Entry& entry);
  void sift_up(size_t i, const Entry& entry);
  void sift_down(size_t i, const Entry& entry);

  std::vector<Entry> heap_;
  std::vector<uint32_t> position_;  // slot -> index in heap_, or kNone
};

}  // namespace dashi
