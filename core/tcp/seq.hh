// Sequence numbers: modulo 2^32, compared by signed distance (RFC 9293 3.4). There is no `<`, so
// that nobody sorts them by accident.
#pragma once

#include <cstdint>

namespace dashi {

class SeqNum {
 public:
  constexpr SeqNum() = default;
  explicit constexpr SeqNum(uint32_t raw) : raw_(raw) {}
  constexpr uint32_t raw() const { return raw_; }

  constexpr SeqNum operator+(uint32_t n) const { return SeqNum(raw_ + n); }
  constexpr SeqNum operator-(uint32_t n) const { return SeqNum(raw_ - n); }
  SeqNum& operator+=(uint32_t n) {
    raw_ += n;
    return *this;
  }
  // How far this lies after `other`; negative when before.
  constexpr int32_t operator-(SeqNum other) const {
    return static_cast<int32_t>(raw_ - other.raw_);
  }
  constexpr bool before(SeqNum other) const { return *this - other < 0; }
  constexpr bool after(SeqNum other) const { return *this - other > 0; }
  constexpr bool at_or_before(SeqNum other) const { return !after(other); }
  constexpr bool at_or_after(SeqNum other) const { return !before(other); }
  friend constexpr bool operator==(SeqNum, SeqNum) = default;

 private:
  uint32_t raw_ = 0;
};

// Bytes from `first` to `last`, which does not lie before it.
constexpr uint32_t bytes_between(SeqNum first, SeqNum last) { return last.raw() - first.raw(); }
constexpr SeqNum later(SeqNum a, SeqNum b) { return a.after(b) ? a : b; }

template <typename Archive>
void archive(Archive& ar, SeqNum& s) {
  uint32_t raw = s.raw();
  ar(raw);
  s = SeqNum(raw);
}

}  // namespace dashi
