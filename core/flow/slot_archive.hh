// Saving and restoring a SlotMap: the generations of all slots ever used, then each used slot with its
// tenant. A reader trusts nothing: a slot out of range or named twice fails the archive.
#pragma once

#include "core/base/archive.hh"
#include "core/base/slot_map.hh"

namespace dashi {

// `each(slot, tenant)` archives one tenant, default-constructed when reading.
template <typename Archive, typename T, typename Each>
void archive_slots(Archive& ar, SlotMap<T>& map, Each each) {
  uint32_t high_water = map.high_water();
  uint32_t used = map.size();
  ar(high_water, used);
  if constexpr (Archive::kReading) {
    // Slots are given out in chunks, so the last one may lie beyond the capacity.
    if (high_water > map.capacity() + 64 || used > map.capacity()) ar.fail();
    for (uint32_t slot = 0; ar.ok() && slot < high_water; ++slot) {
      uint32_t generation = 0;
      ar(generation);
      map.set_generation(slot, generation);
    }
    for (uint32_t i = 0; ar.ok() && i < used; ++i) {
      uint32_t slot = 0;
      ar(slot);
      if (!ar.ok() || slot >= map.capacity() || map.contains(slot)) {
        ar.fail();
        return;
      }
      map.emplace_at(slot, map.generation(slot));
      each(slot, map[slot]);
    }
  } else {
    for (uint32_t slot = 0; slot < high_water; ++slot) {
      uint32_t generation = map.generation(slot);
      ar(generation);
    }
    for (uint32_t slot = map.next(0); slot != SlotMap<T>::kNone; slot = map.next(slot + 1)) {
      ar(slot);
      each(slot, map[slot]);
    }
  }
}

}  // namespace dashi
