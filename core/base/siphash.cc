#include "core/base/siphash.hh"

#include <bit>

namespace dashi {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
};

uint64_t little_endian_word(Bytes bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) word |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return word;
}

}  // namespace

uint64_t siphash(const SipKey& key, Bytes message) {
  SipState s{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d, key.k0 ^ 0x6c7967656e657261,
             key.k1 ^ 0x7465646279746573};
  const size_t whole = message.size() / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) {
    const uint64_t word = little_endian_word(message.subspan(i, 8));
    s.v3 ^= word;
    s.round();
    s.round();
    s.v0 ^= word;
  }
  const uint64_t last =
      little_endian_word(message.subspan(whole)) | static_cast<uint64_t>(message.size()) << 56;
  s.v3 ^= last;
  s.round();
  s.round();
  s.v0 ^= last;
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace dashi
