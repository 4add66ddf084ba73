// The bytes of one input, read as a program reads its instructions: what is not there reads as zero, so
// every input means something and a shorter one means nearly the same.
#pragma once

#include <algorithm>

#include "core/base/bytes.hh"

namespace dashi::fuzz {

class Input {
 public:
  explicit Input(Bytes bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  uint8_t u8() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_[0];
    rest_ = rest_.subspan(1);
    return byte;
  }
  uint16_t u16() {
    const auto high = static_cast<uint16_t>(u8() << 8);
    return static_cast<uint16_t>(high | u8());
  }
  uint32_t u32() {
    const uint32_t high = u16();
    return high << 16 | u16();
  }
  // -128..127, most often used as a small distance from what would be right.
  int8_t i8() { return static_cast<int8_t>(u8()); }
  Bytes take(size_t n) {
    const Bytes taken = rest_.first(std::min(n, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  Bytes rest() { return take(rest_.size()); }

 private:
  Bytes rest_;
};

}  // namespace dashi::fuzz
