// Views of bytes, and numbers in network byte order.
//
// Nothing here owns memory: a Bytes is borrowed for as long as its giver says. Endianness lives in
// BigEndian<T> fields only; everywhere else integers are host integers.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace dashi {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

// An unsigned integer kept in network byte order, with alignment 1, so that a wire header can be a
// plain struct of such fields.
template <typename T>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr BigEndian(T value) {  // NOLINT(google-explicit-constructor): a field takes its number
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes_[sizeof(T) - 1 - i] = static_cast<uint8_t>(value >> (8 * i));
    }
  }
  constexpr operator T() const {  // NOLINT(google-explicit-constructor)
    const T raw = std::bit_cast<T>(bytes_);
    return std::endian::native == std::endian::big ? raw : swapped(raw);
  }
  friend constexpr bool operator==(const BigEndian&, const BigEndian&) = default;

 private:
  // Spelled out, because g++ -O2 leaves a loop over the bytes a loop.
  static constexpr T swapped(T raw) {
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(raw);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(raw);
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(raw);
    return raw;
  }

  std::array<uint8_t, sizeof(T)> bytes_{};
};

template <>
inline constexpr BigEndian<uint8_t>::operator uint8_t() const {
  return bytes_[0];
}

using Be16 = BigEndian<uint16_t>;
using Be32 = BigEndian<uint32_t>;

// Copies a header off the front of `bytes`. The caller has checked the length.
template <typename Header>
Header load(Bytes bytes) {
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(Header));
  return header;
}

// Copies `header` onto the front of `bytes`. The caller has checked the length.
template <typename Header>
void store(MutableBytes bytes, const Header& header) {
  std::memcpy(bytes.data(), &header, sizeof(Header));
}

// Copies as much of `from` as fits into `to`; gives the number of bytes copied.
inline size_t copy_bytes(MutableBytes to, Bytes from) {
  const size_t n = from.size() < to.size() ? from.size() : to.size();
  if (n != 0) std::memcpy(to.data(), from.data(), n);
  return n;
}

}  // namespace dashi
