// The only source of randomness of the core: the hash key, the ISN secret, ports and ids.
#pragma once

#include <cstdint>

namespace dashi {

class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual uint64_t
  next_u64() = 0;  // uniform; cryptographic in production, seeded in the laboratory
};

}  // namespace dashi
