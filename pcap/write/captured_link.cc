#include "pcap/write/captured_link.hh"

#include <algorithm>

#include "core/base/check.hh"

namespace dashi {

void CapturedLink::from_guest(std::span<const GuestFrame> frames) {
  for (const GuestFrame& frame : frames) {
    recorder_.add(interface_, PacketDirection::kInbound, {&frame.bytes, 1}, frame.offload, {});
  }
}

std::span<const FrameSlot> CapturedLink::reserve(size_t frames, size_t bytes_each) {
  reserved_ = inner_.reserve(frames, bytes_each);
  return reserved_;
}

void CapturedLink::commit(std::span<const Filled> filled) {
  DASHI_CHECK(filled.size() <= reserved_.size());
  for (size_t i = 0; i < filled.size(); ++i) {
    size_t left = filled[i].bytes;
    const auto take = [&](MutableBytes segment) {
      const size_t n = std::min(left, segment.size());
      if (n > 0) pieces_.push_back(segment.first(n));
      left -= n;
    };
    pieces_.clear();
    take(reserved_[i].head);
    for (MutableBytes segment : reserved_[i].rest) take(segment);
    recorder_.add(interface_, PacketDirection::kOutbound, pieces_, filled[i].offload, {});
  }
  reserved_ = {};
  inner_.commit(filled);
}

}  // namespace dashi
