#include "core/flow/timers.hh"

#include "core/base/check.hh"

namespace dashi {

void Timers::arm(uint32_t slot, Instant deadline) {
  DASHI_CHECK(slot < position_.size());
  if (deadline == kNever) return;
  const uint32_t i = position_[slot];
  if (i == kNone) {
    heap_.push_back({deadline, slot});
    sift_up(heap_.size() - 1, {deadline, slot});
  } else if (deadline < heap_[i].deadline) {
    sift_up(i, {deadline, slot});
  }
}

void Timers::clear(uint32_t slot) {
  const uint32_t i = position_[slot];
  if (i == kNone) return;
  position_[slot] = kNone;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (last.slot == slot) return;
  if (i > 0 && last.before(heap_[(i - 1) / 4])) {
    sift_up(i, last);
  } else {
    sift_down(i, last);
  }
}

uint32_t Timers::pop_due(Instant now) {
  if (heap_.empty() || heap_.front().deadline > now) return kNone;
  const uint32_t slot = heap_.front().slot;
  clear(slot);
  return slot;
}

void Timers::save(ArchiveWriter& ar) const {
  auto count = static_cast<uint32_t>(heap_.size());
  ar(count);
  for (Entry e : heap_) ar(e.deadline, e.slot);
}

bool Timers::restore(ArchiveReader& ar) {
  uint32_t count = 0;
  ar(count);
  for (uint32_t i = 0; i < count && ar.ok(); ++i) {
    Entry e{};
    ar(e.deadline, e.slot);
    if (!ar.ok() || e.slot >= position_.size()) return false;
    arm(e.slot, e.deadline);
  }
  return ar.ok();
}

void Timers::place(size_t i, const Entry& entry) {
  heap_[i] = entry;
  position_[entry.slot] = static_cast<uint32_t>(i);
}

void Timers::sift_up(size_t i, const Entry& entry) {
  while (i > 0) {
    const size_t parent = (i - 1) / 4;
    if (!entry.before(heap_[parent])) break;
    place(i, heap_[parent]);
    i = parent;
  }
  place(i, entry);
}

void Timers::sift_down(size_t i, const Entry& entry) {
  while (true) {
    const size_t first = i * 4 + 1;
    if (first >= heap_.size()) break;
    size_t best = first;
    for (size_t child = first + 1; child < first + 4 && child < heap_.size(); ++child) {
      if (heap_[child].before(heap_[best])) best = child;
    }
    if (!heap_[best].before(entry)) break;
    place(i, heap_[best]);
    i = best;
  }
  place(i, entry);
}

}  // namespace dashi
