#include "core/tcp/sack_report.hh"

#include <algorithm>

namespace dashi {
namespace {

class Blocks {
 public:
  Blocks(TcpOptions& options, size_t most) : options_(options) {
    most_ = std::min(most, options.sack.size());
  }
  bool full() const { return options_.sack_count >= most_; }
  // The same block is not said twice; but the first may be a duplicate inside of a later one.
  void add(SeqNum first, SeqNum last, size_t compare_from) {
    for (size_t i = compare_from; i < options_.sack_count; ++i) {
      if (options_.sack[i].left == first.raw()) return;
    }
    options_.sack[options_.sack_count++] = {first.raw(), last.raw()};
  }

 private:
  TcpOptions& options_;
  size_t most_;
};

}  // namespace

void SackReport::held(SeqNum sequence, const Reassembly& store, SeqNum base) {
  const auto block = store.range_at(bytes_between(base, sequence));
  std::array<SeqNum, 4> newest{sequence};
  uint8_t count = 1;
  for (size_t i = 0; i < count_ && count < newest.size(); ++i) {
    const bool same = recent_[i].at_or_after(base + block.first) &&
                      recent_[i].before(base + block.last);  // it is said by the first
    if (!same) newest[count++] = recent_[i];
  }
  recent_ = newest;
  count_ = count;
}

void SackReport::duplicate(SeqNum first, SeqNum last) {
  duplicate_ = true;
  duplicate_first_ = first;
  duplicate_last_ = last;
}

void SackReport::write(TcpOptions& options, const Reassembly& store, SeqNum base,
                       size_t most) const {
  Blocks blocks(options, most);
  if (duplicate_ && most != 0) {
    // When it was noted, what it lies in was taken for received; the host and memory may have kept less.
    const SeqNum next = base + static_cast<uint32_t>(store.contiguous());
    if (duplicate_first_.before(next)) {
      blocks.add(duplicate_first_, duplicate_last_.before(next) ? duplicate_last_ : next, 0);
    } else if (store.range_at(bytes_between(base, duplicate_first_)).first != 0) {
      blocks.add(duplicate_first_, duplicate_last_, 0);
    }
  }
  const size_t first_block = options.sack_count;
  if (!store.has_gaps()) return;
  for (size_t i = 0; i < count_ && !blocks.full(); ++i) {
    if (recent_[i].before(base)) continue;
    const auto range = store.range_at(bytes_between(base, recent_[i]));
    if (range.first == 0) continue;  // no longer held, or no longer out of order
    blocks.add(base + range.first, base + range.last, first_block);
  }
}

}  // namespace dashi
