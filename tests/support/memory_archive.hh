// Saved state in memory: a sink and a source over one vector.
#pragma once

#include <vector>

#include "core/base/archive.hh"

namespace dashi::test {

class MemoryArchive final : public Sink, public Source {
 public:
  std::vector<uint8_t> bytes;
  size_t read = 0;
  void put(Bytes piece) override { bytes.insert(bytes.end(), piece.begin(), piece.end()); }
  bool get(MutableBytes piece) override {
    if (bytes.size() - read < piece.size()) return false;
    copy_bytes(piece, Bytes(bytes).subspan(read));
    read += piece.size();
    return true;
  }
};

}  // namespace dashi::test
