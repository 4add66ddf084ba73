// Big-endian numbers in byte vectors, for what simulated guests and servers write by hand. Not
// core/wire's, as all of the other party's side.
#pragma once

#include <vector>

#include "core/base/bytes.hh"

namespace dashi::guest {

inline uint16_t get16(Bytes from, size_t at) {
  return static_cast<uint16_t>(from[at] << 8 | from[at + 1]);
}
inline uint32_t get32(Bytes from, size_t at) {
  return static_cast<uint32_t>(get16(from, at)) << 16 | get16(from, at + 2);
}
inline void put16(std::vector<uint8_t>& to, uint16_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}
inline void put32(std::vector<uint8_t>& to, uint32_t value) {
  put16(to, static_cast<uint16_t>(value >> 16));
  put16(to, static_cast<uint16_t>(value));
}

}  // namespace dashi::guest
