// Rows of datagrams in one buffer: what USO and GRO make of neighbours.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dashi {

// How many datagrams `bytes` are; a segment size of 0 means that they are one.
constexpr size_t segments_of(size_t bytes, uint16_t segment_size) {
  if (segment_size == 0 || bytes <= segment_size) return 1;
  return (bytes + segment_size - 1) / segment_size;
}

}  // namespace dashi
