// A fixed table of slots, lowest free slot first, scanned in slot order. A slot is named together
// with its generation, so that an event for a slot's former tenant is told from one for the present
// tenant. Memory is taken in chunks as slots are first used and kept: no allocation in steady
// state.
#pragma once

#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/base/check.hh"
#include "core/base/slot_bitmap.hh"

namespace dashi {

template <typename T>
class SlotMap {
 public:
  explicit SlotMap(uint32_t capacity) : capacity_(capacity), used_(capacity) {}
  ~SlotMap() { clear(); }
  SlotMap(const SlotMap&) = delete;
  SlotMap& operator=(const SlotMap&) = delete;
  SlotMap(SlotMap&& other) noexcept = default;
  SlotMap& operator=(SlotMap&&) = delete;

  static constexpr uint32_t kNone = SlotBitmap::kNone;

  uint32_t size() const { return used_.count(); }
  uint32_t capacity() const { return capacity_; }
  bool full() const { return size() == capacity_; }

  // Constructs a T in the lowest free slot and gives the slot, or kNone when the table is full.
  template <typename... Args>
  uint32_t emplace(Args&&... args) {
    const uint32_t slot = used_.lowest_clear();
    if (slot == kNone) return kNone;
    place(slot, std::forward<Args>(args)...);
    return slot;
  }

  // Constructs a T in a given free slot; for restoring saved state.
  template <typename... Args>
  void emplace_at(uint32_t slot, uint32_t generation, Args&&... args) {
    DASHI_CHECK(slot < capacity_ && !used_.test(slot));
    place(slot, std::forward<Args>(args)...);
    generations_[slot] = generation;
  }

  void erase(uint32_t slot) {
    DASHI_CHECK(contains(slot));
    cell(slot)->~T();
    used_.clear(slot);
    ++generations_[slot];
  }

  bool contains(uint32_t slot) const { return slot < capacity_ && used_.test(slot); }
  bool contains(uint32_t slot, uint32_t generation) const {
    return contains(slot) && generations_[slot] == generation;
  }
  // The generation of the slot's present tenant, or of its next one if the slot is free.
  uint32_t generation(uint32_t slot) const {
    return slot < generations_.size() ? generations_[slot] : 0;
  }
  void set_generation(uint32_t slot, uint32_t generation) {
    grow_to(slot);
    generations_[slot] = generation;
  }
  // One past the highest slot that was ever used: generations beyond it are 0.
  uint32_t high_water() const { return static_cast<uint32_t>(generations_.size()); }

  T& operator[](uint32_t slot) {
    DASHI_CHECK(contains(slot));
    return *cell(slot);
  }
  const T& operator[](uint32_t slot) const {
    DASHI_CHECK(contains(slot));
    return *const_cast<SlotMap*>(this)->cell(slot);
  }

  // The first used slot at or after `from`, or kNone.
  uint32_t next(uint32_t from) const { return used_.next_set(from); }

  void clear() {
    for (uint32_t slot = next(0); slot != kNone; slot = next(slot + 1)) erase(slot);
  }

 private:
  static constexpr uint32_t kChunk = 64;
  struct Chunk {
    alignas(T) std::byte storage[kChunk * sizeof(T)];
  };

  T* cell(uint32_t slot) {
    return std::launder(
        reinterpret_cast<T*>(chunks_[slot / kChunk]->storage + (slot % kChunk) * sizeof(T)));
  }
  void grow_to(uint32_t slot) {
    while (chunks_.size() * kChunk <= slot) {
      chunks_.push_back(std::unique_ptr<Chunk>(new Chunk));
      generations_.resize(chunks_.size() * kChunk, 0);
    }
  }
  template <typename... Args>
  void place(uint32_t slot, Args&&... args) {
    grow_to(slot);
    new (chunks_[slot / kChunk]->storage + (slot % kChunk) * sizeof(T))
        T(std::forward<Args>(args)...);
    used_.set(slot);
  }

  uint32_t capacity_;
  SlotBitmap used_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<uint32_t> generations_;
};

}  // namespace dashi
