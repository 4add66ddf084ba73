// Small records that live for a while and are then forgotten: TIME-WAIT and failed connects. Bounded;
// at the bound the one that would expire first gives way.
#pragma once

#include "core/base/slot_map.hh"
#include "core/flow/timers.hh"

namespace dashi {

// Record has a member `Instant expires`.
template <typename Record>
class ExpiringTable {
 public:
  static constexpr uint32_t kNone = SlotMap<Record>::kNone;
  explicit ExpiringTable(uint32_t capacity) : records_(capacity), timers_(capacity) {}

  uint32_t size() const { return records_.size(); }
  uint32_t capacity() const { return records_.capacity(); }
  bool full() const { return records_.full(); }
  Instant next_deadline() const { return timers_.next(); }
  Record& operator[](uint32_t slot) { return records_[slot]; }
  const Record& operator[](uint32_t slot) const { return records_[slot]; }
  uint32_t generation(uint32_t slot) const { return records_.generation(slot); }
  uint32_t next(uint32_t from) const { return records_.next(from); }

  // There must be room.
  uint32_t insert(const Record& record) {
    const uint32_t slot = records_.emplace(record);
    DASHI_CHECK(slot != kNone);
    timers_.arm(slot, record.expires);
    return slot;
  }
  void erase(uint32_t slot) {
    timers_.clear(slot);
    records_.erase(slot);
  }
  // The slot of a record that is due at `now`, or kNone; the caller erases it.
  uint32_t due(Instant now) {
    for (uint32_t slot = timers_.pop_due(now); slot != kNone; slot = timers_.pop_due(now)) {
      if (records_[slot].expires <= now) return slot;
      timers_.arm(slot, records_[slot].expires);  // it was prolonged since
    }
    return kNone;
  }
  // The slot of the record that is due first.
  uint32_t oldest() {
    uint32_t slot = timers_.pop_first();
    DASHI_CHECK(slot != kNone);
    while (records_[slot].expires > timers_.next()) {
      timers_.arm(slot, records_[slot].expires);
      slot = timers_.pop_first();
    }
    return slot;
  }

  template <typename Archive>
  void archive(Archive& ar) {
    uint32_t count = records_.high_water();
    ar(count);
    for (uint32_t slot = 0; slot < count && ar.ok() && slot < records_.capacity(); ++slot) {
      uint32_t generation = records_.generation(slot);
      bool used = records_.contains(slot);
      ar(generation, used);
      if constexpr (Archive::kReading) {
        records_.set_generation(slot, generation);
        if (used) records_.emplace_at(slot, generation, Record{});
      }
      if (used) ar(records_[slot]);
    }
    if constexpr (Archive::kReading) {
      if (!timers_.restore(ar)) ar.fail();
    } else {
      timers_.save(ar);
    }
  }

 private:
  SlotMap<Record> records_;
  Timers timers_;
};

}  // namespace dashi
