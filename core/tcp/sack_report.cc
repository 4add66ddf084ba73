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

void SackReport::held(SeqNum sequence) {
  size_t kept = std::min<size_t>(count_, recent_.size() - 1);
  std::copy_backward(recent_.begin(), recent_.begin() + kept, recent_.begin() + kept + 1);
  recent_[0] = sequence;
  count_ = static_cast<uint8_t>(kept + 1);
}

void SackReport::duplicate(SeqNum first, SeqNum last) {
  duplicate_ = true;
  duplicate_first_ = first;
  duplicate_last_ = last;
}

void SackReport::write(TcpOptions& options, const Reassembly& store, SeqNum base,
                       size_t most) const {
  Blocks blocks(options, most);
  const size_t first_block = duplicate_ && most != 0 ? 1 : 0;
  if (first_block != 0) blocks.add(duplicate_first_, duplicate_last_, 0);
  if (!store.has_gaps()) return;
  for (size_t i = 0; i < count_ && !blocks.full(); ++i) {
    if (recent_[i].before(base)) continue;
    const auto range = store.range_at(bytes_between(base, recent_[i]));
    if (range.first == 0) continue;  // no longer held, or no longer out of order
    blocks.add(base + range.first, base + range.last, first_block);
  }
}

}  // namespace dashi
