#include "core/tcp/reassembly.hh"

#include <algorithm>

namespace dashi {

namespace {
constexpr size_t kBlock = BlockPool::kBlockBytes;
}

// For the first byte this connection ever holds.
void Reassembly::prepare() {
  blocks_.assign(bytes_max_ / kBlock + 2, BlockPool::kNone);
  ranges_.reserve(gaps_max_ + 2);
}

uint32_t* Reassembly::block_at(size_t position) {
  return &blocks_[(head_ + position / kBlock) % blocks_.size()];
}

bool Reassembly::may_add(uint32_t first) const {
  if (first == 0) return true;
  const size_t beyond_gaps = ranges_.size() - (contiguous() != 0 ? 1 : 0);
  return beyond_gaps < gaps_max_;
}

// Copies as far as blocks can be had; gives the bytes copied.
size_t Reassembly::copy_in(size_t offset, Bytes bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const size_t position = origin_ + offset + done;
    uint32_t* block = block_at(position);
    if (*block == BlockPool::kNone) *block = pool_.take();
    if (*block == BlockPool::kNone) break;
    done += copy_bytes(pool_.bytes(*block).subspan(position % kBlock), bytes.subspan(done));
  }
  return done;
}

size_t Reassembly::insert(size_t offset, Bytes bytes) {
  if (offset >= bytes_max_) return 0;
  bytes = bytes.first(std::min(bytes.size(), bytes_max_ - offset));
  if (bytes.empty()) return 0;
  if (blocks_.empty()) prepare();  // before iterators are taken
  const auto first = static_cast<uint32_t>(offset);
  const auto last = static_cast<uint32_t>(offset + bytes.size());
  // Ranges that touch [first, last) become one with it.
  auto from =
      std::find_if(ranges_.begin(), ranges_.end(), [&](const Range& r) { return r.last >= first; });
  auto to = std::find_if(from, ranges_.end(), [&](const Range& r) { return r.first > last; });
  if (from == to && !may_add(first)) return 0;
  // Copy only what lies between the ranges: what came first stays.
  uint32_t at = first;
  uint32_t reached = last;
  for (auto r = from; r != to && at < last; ++r) {
    if (at < r->first) {
      const uint32_t end = std::min(r->first, last);
      const size_t n = copy_in(at, bytes.subspan(at - first, end - at));
      if (n < end - at) {
        reached = at + static_cast<uint32_t>(n);
        to = r;
        break;
      }
    }
    at = std::max(at, r->last);
  }
  if (reached == last && at < last) {
    reached = at + static_cast<uint32_t>(copy_in(at, bytes.subspan(at - first, last - at)));
  }
  if (from == to) {
    if (reached == first || !may_add(first)) return 0;
    ranges_.insert(from, Range{first, reached});
    return reached - first;
  }
  from->first = std::min(from->first, first);
  from->last = std::max((to - 1)->last, reached);
  ranges_.erase(from + 1, to);
  return reached - first;
}

Reassembly::Range Reassembly::range_at(size_t offset) const {
  for (const Range& r : ranges_) {
    if (offset < r.last) return offset >= r.first ? r : Range{};
  }
  return {};
}

Reassembly::Range Reassembly::overlap(size_t offset, size_t n) const {
  for (const Range& r : ranges_) {
    if (r.last <= offset) continue;
    if (r.first >= offset + n) break;
    return {std::max(r.first, static_cast<uint32_t>(offset)),
            std::min(r.last, static_cast<uint32_t>(offset + n))};
  }
  return {};
}

uint32_t Reassembly::blocks() const {
  const auto taken = [](uint32_t block) { return block != BlockPool::kNone; };
  return static_cast<uint32_t>(std::count_if(blocks_.begin(), blocks_.end(), taken));
}

size_t Reassembly::view(std::span<Bytes> out) const {
  size_t left = contiguous();
  size_t position = origin_;
  size_t n = 0;
  while (left != 0 && n < out.size()) {
    const uint32_t block = blocks_[(head_ + position / kBlock) % blocks_.size()];
    const size_t in_block = std::min(left, kBlock - position % kBlock);
    out[n++] = pool_.bytes(block).subspan(position % kBlock, in_block);
    position += in_block;
    left -= in_block;
  }
  return n;
}

void Reassembly::release_before(size_t position) {
  while (position >= kBlock) {
    uint32_t& block = blocks_[head_];
    if (block != BlockPool::kNone) pool_.give_back(block);
    block = BlockPool::kNone;
    head_ = (head_ + 1) % blocks_.size();
    position -= kBlock;
  }
  origin_ = position;
}

void Reassembly::advance(size_t n) {
  if (ranges_.empty() || n == 0) return;  // nothing held: no block is taken either
  const auto by = static_cast<uint32_t>(n);
  const size_t end = origin_ + extent();
  size_t kept = 0;
  for (Range& r : ranges_) {
    if (r.last <= by) continue;
    ranges_[kept++] = {r.first > by ? r.first - by : 0, r.last - by};
  }
  ranges_.resize(kept);
  if (ranges_.empty()) {  // back to the start of the ring, so that an idle flow holds nothing
    release_before(end + kBlock - 1);
    origin_ = 0;
    return;
  }
  release_before(origin_ + n);
}

void Reassembly::clear() {
  for (uint32_t& block : blocks_) {
    if (block != BlockPool::kNone) pool_.give_back(block);
    block = BlockPool::kNone;
  }
  ranges_.clear();
  origin_ = 0;
  head_ = 0;
}

void Reassembly::save(ArchiveWriter& ar) const {
  auto count = static_cast<uint32_t>(ranges_.size());
  auto origin = static_cast<uint32_t>(origin_);
  ar(count, origin);
  for (Range r : ranges_) {
    ar(r);
    for (uint32_t at = r.first; at < r.last;) {
      const size_t position = origin_ + at;
      const uint32_t block = blocks_[(head_ + position / kBlock) % blocks_.size()];
      const size_t n = std::min<size_t>(r.last - at, kBlock - position % kBlock);
      ar.bytes(pool_.bytes(block).subspan(position % kBlock, n));
      at += static_cast<uint32_t>(n);
    }
  }
}

bool Reassembly::restore(ArchiveReader& ar) {
  uint32_t count = 0;
  uint32_t origin = 0;
  ar(count, origin);
  if (count > uint64_t{gaps_max_} + 1 || origin >= kBlock) return false;
  origin_ = origin;  // so that the blocks lie as they lay, and the pool is as full as it was
  std::vector<uint8_t> scratch(kBlock);
  for (uint32_t i = 0; i < count && ar.ok(); ++i) {
    Range r;
    ar(r);
    if (r.last < r.first || r.last > bytes_max_) return false;
    for (uint32_t at = r.first; at < r.last;) {
      const size_t n = std::min<size_t>(r.last - at, kBlock);
      ar.bytes(MutableBytes(scratch).first(n));
      if (!ar.ok() || insert(at, Bytes(scratch).first(n)) != n) return false;
      at += static_cast<uint32_t>(n);
    }
  }
  return ar.ok();
}

}  // namespace dashi
