// Memory to work in, taken from the heap when it is first asked for: a Nat that never resolves a name or
// forwards a datagram never has it, and one of a small world costs little to make. Its bytes are what the
// last user left, at first anything.
#pragma once

#include <memory>

#include "core/base/bytes.hh"

namespace dashi {

class Scratch {
 public:
  explicit Scratch(size_t bytes) : size_(bytes) {}

  size_t size() const { return size_; }
  MutableBytes bytes() {
    if (memory_ == nullptr) memory_.reset(new uint8_t[size_]);
    return {memory_.get(), size_};
  }

 private:
  size_t size_;
  std::unique_ptr<uint8_t[]> memory_;
};

}  // namespace dashi
