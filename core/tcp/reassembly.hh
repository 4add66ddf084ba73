// Bytes of the guest that the host has not taken yet: those it could not take at once, and those
// that came out of order. One store for both, addressed by offset from the first byte not yet
// taken, in blocks of a shared pool, so that memory is bounded by what is really held.
#pragma once

#include <span>
#include <vector>

#include "core/base/archive.hh"
#include "core/base/block_pool.hh"

namespace dashi {

class Reassembly {
 public:
  // `bytes_max` bounds offsets; `gaps_max` the ranges that do not begin at offset 0.
  Reassembly(BlockPool& pool, size_t bytes_max, uint32_t gaps_max)
      : pool_(pool), bytes_max_(bytes_max), gaps_max_(gaps_max) {}
  ~Reassembly() { clear(); }
  Reassembly(const Reassembly&) = delete;
  Reassembly& operator=(const Reassembly&) = delete;

  bool empty() const { return ranges_.empty(); }
  // Bytes ready from offset 0 on.
  size_t contiguous() const {
    return !ranges_.empty() && ranges_.front().first == 0 ? ranges_.front().last : 0;
  }
  bool has_gaps() const { return ranges_.size() > (contiguous() != 0 ? 1u : 0u); }
  // Bytes from offset 0 to the end of the last range.
  size_t extent() const { return ranges_.empty() ? 0 : ranges_.back().last; }
  size_t ranges() const { return ranges_.size(); }
  uint32_t blocks() const;  // taken from the pool

  struct Range {
    uint32_t first = 0;
    uint32_t last = 0;  // one past
    template <typename Archive>
    friend void archive(Archive& ar, Range& r) {
      ar(r.first, r.last);
    }
  };
  // The range that holds the byte at `offset`; an empty one if none does.
  Range range_at(size_t offset) const;
  // The first bytes of [offset, offset + n) that are held already; an empty range if none are.
  Range overlap(size_t offset, size_t n) const;

  // Keeps bytes at `offset`; what is there already stays as it is. Gives how many bytes from the
  // front of `bytes` are now held: fewer when memory, offsets or ranges ran out.
  size_t insert(size_t offset, Bytes bytes);
  // Views of the contiguous bytes, as many as fit into `out`; gives the number of views.
  size_t view(std::span<Bytes> out) const;
  // Drops `n` bytes from the front: taken by the host, from here or straight from a frame.
  void advance(size_t n);
  void clear();

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  // Whether one more range may begin at `first`.
  bool may_add(uint32_t first) const;
  void prepare();
  uint32_t* block_at(size_t position);  // position: offset + origin_
  size_t copy_in(size_t offset, Bytes bytes);
  void release_before(size_t position);

  std::vector<Range>
      ranges_;  // sorted, apart from one another; all that an idle store is asked for
  BlockPool& pool_;
  size_t bytes_max_;
  uint32_t gaps_max_;
  // Offset 0 lies origin_ bytes into blocks_[head_], a ring. A block is taken when first written.
  size_t origin_ = 0;
  size_t head_ = 0;
  std::vector<uint32_t> blocks_;
};

}  // namespace dashi
