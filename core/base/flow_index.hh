// A keyed hash table from a flow's key to its slot. It cannot be iterated: nothing may depend on
// its order. The key comes from Entropy, so that a guest cannot choose collisions (SipHash-2-4).
//
// Open addressing with linear probing and backward-shift deletion, at most half full, sized once.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/check.hh"
#include "core/base/siphash.hh"

namespace dashi {

// Key is a plain struct without padding (std::has_unique_object_representations) and ==.
template <typename Key>
class FlowIndex {
 public:
  static_assert(std::has_unique_object_representations_v<Key>);
  static constexpr uint32_t kNone = 0xffffffff;

  FlowIndex(uint32_t capacity, SipKey key) : key_(key) {
    size_t buckets = 16;
    while (buckets < size_t{capacity} * 2) buckets *= 2;
    cells_.resize(buckets);
  }

  uint32_t find(const Key& key) const {
    for (size_t i = home(key);; i = next(i)) {
      if (cells_[i].slot == kNone) return kNone;
      if (cells_[i].key == key) return cells_[i].slot;
    }
  }

  void insert(const Key& key, uint32_t slot) {
    DASHI_CHECK((size_ + 1) * 2 <= cells_.size());
    size_t i = home(key);
    while (cells_[i].slot != kNone) {
      DASHI_CHECK(!(cells_[i].key == key));
      i = next(i);
    }
    cells_[i] = Cell{key, slot};
    ++size_;
  }

  void erase(const Key& key) {
    size_t i = home(key);
    while (!(cells_[i].key == key && cells_[i].slot != kNone)) {
      if (cells_[i].slot == kNone) return;
      i = next(i);
    }
    --size_;
    for (size_t j = next(i); cells_[j].slot != kNone; j = next(j)) {
      const size_t want = home(cells_[j].key);
      const bool stays = i < j ? (i < want && want <= j) : (i < want || want <= j);
      if (stays) continue;
      cells_[i] = cells_[j];
      i = j;
    }
    cells_[i] = Cell{};
  }

  size_t size() const { return size_; }

 private:
  // One that would straddle two cache lines fills one: a lookup among many flows costs one miss.
  static constexpr size_t kCellAlign = sizeof(Key) > 32 - sizeof(uint32_t) ? 64 : alignof(uint32_t);
  struct alignas(kCellAlign) Cell {
    Key key{};
    uint32_t slot = kNone;
  };

  size_t home(const Key& key) const {
    const auto* raw = reinterpret_cast<const uint8_t*>(&key);
    return static_cast<size_t>(siphash(key_, Bytes(raw, sizeof(Key)))) & (cells_.size() - 1);
  }
  size_t next(size_t i) const { return (i + 1) & (cells_.size() - 1); }

  SipKey key_;
  size_t size_ = 0;
  std::vector<Cell> cells_;
};

}  // namespace dashi
