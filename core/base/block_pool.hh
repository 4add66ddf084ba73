// Blocks of one size for many users, up to a fixed number. Slabs are taken from the heap as demand
// first grows and are kept; last freed, first reused, so that runs repeat.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/base/bytes.hh"
#include "core/base/check.hh"

namespace dashi {

class BlockPool {
 public:
  static constexpr size_t kBlockBytes = 4096;
  static constexpr uint32_t kNone = 0xffffffff;

  explicit BlockPool(size_t bytes_total)
      : capacity_(static_cast<uint32_t>(bytes_total / kBlockBytes)) {}

  // A block's number, or kNone when all are taken. Its bytes are what the last user left.
  uint32_t take() {
    if (free_.empty() && !grow()) return kNone;
    const uint32_t block = free_.back();
    free_.pop_back();
    ++taken_;
    return block;
  }
  void give_back(uint32_t block) {
    DASHI_CHECK(taken_ > 0);
    --taken_;
    free_.push_back(block);
  }
  MutableBytes bytes(uint32_t block) {
    return MutableBytes((*slabs_[block / kSlabBlocks])[block % kSlabBlocks]);
  }
  Bytes bytes(uint32_t block) const {
    return Bytes((*slabs_[block / kSlabBlocks])[block % kSlabBlocks]);
  }

  uint32_t taken() const { return taken_; }
  size_t free_bytes() const { return size_t{capacity_ - taken_} * kBlockBytes; }

 private:
  static constexpr uint32_t kSlabBlocks = 16;
  using Slab = std::array<std::array<uint8_t, kBlockBytes>, kSlabBlocks>;

  bool grow() {
    const auto first = static_cast<uint32_t>(slabs_.size()) * kSlabBlocks;
    if (first >= capacity_) return false;
    slabs_.push_back(std::unique_ptr<Slab>(new Slab));
    free_.reserve(slabs_.size() * kSlabBlocks);
    for (uint32_t i = kSlabBlocks; i-- > 0;) {
      if (first + i < capacity_) free_.push_back(first + i);
    }
    return true;
  }

  uint32_t capacity_;  // blocks
  uint32_t taken_ = 0;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::vector<uint32_t> free_;
};

}  // namespace dashi
