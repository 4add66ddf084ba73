// Slots that all wait equally long, first in, first due: one constant delay, in O(1) where Timers takes
// O(log n). An intrusive list over an array of its own, so that joining and leaving touch a few bytes.
// Slots of one deadline come out as they came in, not in the order of slots.
#pragma once

#include <algorithm>
#include <vector>

#include "core/base/archive.hh"
#include "core/base/check.hh"
#include "core/base/time.hh"

namespace dashi {

class DelayQueue {
 public:
  static constexpr uint32_t kNone = 0xffffffff;
  explicit DelayQueue(uint32_t capacity) : nodes_(capacity) {}

  bool contains(uint32_t slot) const {
    return slot < nodes_.size() && (slot == first_ || nodes_[slot].before != kNone);
  }
  // The slot is not in the queue. A deadline before the last one's is taken as the last one's.
  void push(uint32_t slot, Instant deadline) {
    DASHI_CHECK(slot < nodes_.size() && !contains(slot));
    if (last_ != kNone) deadline = std::max(deadline, nodes_[last_].deadline);
    nodes_[slot] = {deadline, last_, kNone};
    (last_ == kNone ? first_ : nodes_[last_].after) = slot;
    last_ = slot;
  }
  // Nothing happens if the slot is not in the queue.
  void remove(uint32_t slot) {
    if (!contains(slot)) return;
    const Node node = nodes_[slot];
    (node.before == kNone ? first_ : nodes_[node.before].after) = node.after;
    (node.after == kNone ? last_ : nodes_[node.after].before) = node.before;
    nodes_[slot] = Node{};
  }
  // The earliest deadline, or kNever.
  Instant next() const { return first_ == kNone ? kNever : nodes_[first_].deadline; }
  // Takes out the first slot if it is due at `now`, and gives it, or kNone.
  uint32_t pop_due(Instant now) {
    const uint32_t slot = first_;
    if (slot == kNone || nodes_[slot].deadline > now) return kNone;
    remove(slot);
    return slot;
  }

  void save(ArchiveWriter& ar) const {
    for (uint32_t slot = first_; slot != kNone; slot = nodes_[slot].after) {
      Instant deadline = nodes_[slot].deadline;
      ar(slot, deadline);
    }
    uint32_t end = kNone;
    ar(end);
  }
  bool restore(ArchiveReader& ar) {
    uint32_t slot = kNone;
    for (ar(slot); ar.ok() && slot != kNone; ar(slot)) {
      Instant deadline;
      ar(deadline);
      const bool sound = ar.ok() && slot < nodes_.size() && !contains(slot) &&
                         (last_ == kNone || nodes_[last_].deadline <= deadline);
      if (!sound) return false;
      push(slot, deadline);
    }
    return ar.ok();
  }

 private:
  struct Node {
    Instant deadline = kNever;
    uint32_t before = kNone;
    uint32_t after = kNone;
  };

  std::vector<Node> nodes_;  // by slot
  uint32_t first_ = kNone;
  uint32_t last_ = kNone;
};

}  // namespace dashi
