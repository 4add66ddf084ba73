// A set of slot numbers as a two-level bitmap: set, clear and the lowest member at or after a slot
// in a few instructions for up to 64 * 64 * 64 slots.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "core/base/check.hh"

namespace dashi {

class SlotBitmap {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  explicit SlotBitmap(uint32_t capacity)
      : capacity_(capacity),
        words_((capacity + 63) / 64, 0),
        any_((words_.size() + 63) / 64, 0),
        full_(any_.size(), 0) {}

  uint32_t capacity() const { return capacity_; }
  uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }

  bool test(uint32_t slot) const {
    return slot < capacity_ && (words_[slot / 64] >> (slot % 64) & 1) != 0;
  }

  void set(uint32_t slot) {
    DASHI_CHECK(slot < capacity_);
    if (test(slot)) return;
    const uint32_t w = slot / 64;
    words_[w] |= bit(slot);
    any_[w / 64] |= bit(w);
    if (words_[w] == ~uint64_t{0}) full_[w / 64] |= bit(w);
    ++count_;
  }

  void clear(uint32_t slot) {
    if (!test(slot)) return;
    const uint32_t w = slot / 64;
    words_[w] &= ~bit(slot);
    full_[w / 64] &= ~bit(w);
    if (words_[w] == 0) any_[w / 64] &= ~bit(w);
    --count_;
  }

  // The lowest member at or after `from`, or kNone.
  uint32_t next_set(uint32_t from) const {
    if (from >= capacity_) return kNone;
    const uint32_t w = from / 64;
    const uint64_t here = words_[w] & (~uint64_t{0} << (from % 64));
    if (here != 0) return w * 64 + trailing(here);
    const uint32_t next_w = next_word(any_, w + 1, false);
    return next_w == kNone ? kNone : next_w * 64 + trailing(words_[next_w]);
  }

  // The lowest slot that is not a member, or kNone.
  uint32_t lowest_clear() const {
    const uint32_t w = next_word(full_, 0, true);
    if (w == kNone) return kNone;
    const uint32_t slot = w * 64 + trailing(~words_[w]);
    return slot < capacity_ ? slot : kNone;
  }

 private:
  static uint64_t bit(uint32_t i) { return uint64_t{1} << (i % 64); }
  static uint32_t trailing(uint64_t v) { return static_cast<uint32_t>(std::countr_zero(v)); }

  // The lowest word index >= from whose summary bit is set (or clear, when `inverted`).
  uint32_t next_word(const std::vector<uint64_t>& summary, uint32_t from, bool inverted) const {
    for (size_t s = from / 64; s < summary.size(); ++s) {
      uint64_t bits = inverted ? ~summary[s] : summary[s];
      if (s == from / 64) bits &= ~uint64_t{0} << (from % 64);
      if (bits == 0) continue;
      const uint32_t w = static_cast<uint32_t>(s) * 64 + trailing(bits);
      return w < words_.size() ? w : kNone;
    }
    return kNone;
  }

  uint32_t capacity_;
  uint32_t count_ = 0;
  std::vector<uint64_t> words_;
  std::vector<uint64_t> any_;   // bit w set iff words_[w] != 0
  std::vector<uint64_t> full_;  // bit w set iff words_[w] is all ones
};

}  // namespace dashi
