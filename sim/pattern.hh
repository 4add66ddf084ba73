// The bytes applications of a world send each other: byte i of pattern k is a function of (k, i), so
// that any receiver checks any piece of a stream without holding the rest.
#pragma once

#include <optional>

#include "core/base/bytes.hh"
#include "sim/link/prng.hh"

namespace dashi {

// Fills `into` with bytes offset.. of the pattern.
inline void fill_pattern(uint64_t pattern, uint64_t offset, MutableBytes into) {
  size_t i = 0;
  while (i < into.size()) {
    const uint64_t block = (offset + i) / 8;
    uint64_t state = pattern ^ (block * 0xd1342543de82ef95);
    const uint64_t word = splitmix64(state);
    for (size_t byte = static_cast<size_t>((offset + i) % 8); byte < 8 && i < into.size();
         ++byte, ++i) {
      into[i] = static_cast<uint8_t>(word >> (8 * byte));
    }
  }
}

// The offset in the stream of the first byte of `bytes` that is not the pattern's, if there is one.
inline std::optional<uint64_t> first_unlike(uint64_t pattern, uint64_t offset, Bytes bytes) {
  std::array<uint8_t, 512> expected;
  for (size_t done = 0; done < bytes.size();) {
    const size_t n = bytes.size() - done < expected.size() ? bytes.size() - done : expected.size();
    fill_pattern(pattern, offset + done, MutableBytes(expected).first(n));
    if (std::memcmp(expected.data(), bytes.data() + done, n) != 0) {
      for (size_t i = 0; i < n; ++i) {
        if (expected[i] != bytes[done + i]) return offset + done + i;
      }
    }
    done += n;
  }
  return std::nullopt;
}

}  // namespace dashi
