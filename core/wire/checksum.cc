#include "core/wire/checksum.hh"

#include <bit>

namespace dashi {
namespace {

uint16_t fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint16_t swap_bytes(uint16_t word) { return static_cast<uint16_t>(word << 8 | word >> 8); }

// The sum of `bytes` as words in host order, the last byte padded with a zero. Words are added as
// the machine loads them, because the sum does not care until the end (RFC 1071 2 B).
uint16_t sum_of(Bytes bytes) {
  const uint8_t* p = bytes.data();
  size_t n = bytes.size();
  // 32-bit halves in 64-bit sums: no carry can be lost within 2^32 additions.
  uint64_t low = 0;
  uint64_t high = 0;
  for (; n >= 16; n -= 16, p += 16) {
    uint64_t a = 0;
    uint64_t b = 0;
    std::memcpy(&a, p, 8);
    std::memcpy(&b, p + 8, 8);
    low += (a & 0xffffffff) + (b & 0xffffffff);
    high += (a >> 32) + (b >> 32);
  }
  if (n != 0) {
    std::array<uint64_t, 2> tail{};
    std::memcpy(tail.data(), p, n);
    low += (tail[0] & 0xffffffff) + (tail[1] & 0xffffffff);
    high += (tail[0] >> 32) + (tail[1] >> 32);
  }
  const uint16_t sum = fold(uint64_t{fold(low)} + fold(high));
  return std::endian::native == std::endian::little ? swap_bytes(sum) : sum;
}

}  // namespace

void Checksum::add(Bytes piece) {
  const uint16_t sum = sum_of(piece);
  sum_ += odd_ ? swap_bytes(sum) : sum;
  odd_ = odd_ != (piece.size() % 2 != 0);
}

void Checksum::add_word(uint16_t word) { sum_ += odd_ ? swap_bytes(word) : word; }

uint16_t Checksum::partial() const { return fold(sum_); }

void add_pseudo_header(Checksum& sum, const IpAddress& source, const IpAddress& destination,
                       IpProtocol protocol, size_t transport_bytes) {
  sum.add(source.bytes());
  sum.add(destination.bytes());
  sum.add_word(static_cast<uint16_t>(transport_bytes >> 16));
  sum.add_word(static_cast<uint16_t>(transport_bytes));
  sum.add_word(static_cast<uint16_t>(protocol));
}

}  // namespace dashi
