// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed 64-bit hash, for the flow index and for initial
// sequence numbers (RFC 9293 3.4.1 asks for a pseudorandom function of the tuple and a secret).
#pragma once

#include <cstdint>

#include "core/base/bytes.hh"

namespace dashi {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

uint64_t siphash(const SipKey& key, Bytes message);

}  // namespace dashi
