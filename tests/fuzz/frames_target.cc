// Raw frames, one after another: as they are, or with lengths and checksums mended, with and without
// what a virtio-net header says. Input: the world's byte, then for each frame a byte of flags, its
// length and its bytes.
#include "tests/fuzz/fuzz_world.hh"
#include "tests/support/mend_checksums.hh"

namespace dashi::fuzz {
namespace {

enum Flag : uint8_t { kMend = 1, kOffload = 2, kLater = 4, kRestore = 8 };

Offload read_offload(Input& input) {
  Offload offload;
  offload.gso_type = static_cast<GsoType>(input.u8() % 4);
  offload.gso_size = input.u16();
  offload.hdr_len = input.u8();
  const uint8_t bits = input.u8();
  offload.csum_partial = (bits & 1) != 0;
  offload.csum_trusted = (bits & 2) != 0;
  offload.csum_start = input.u8();
  offload.csum_offset = input.u8();
  return offload;
}

void program(FuzzWorld& world, Input& input) {
  world.sockets.check_uplink = false;
  while (!input.empty()) {
    const uint8_t flags = input.u8();
    Frame frame;
    if ((flags & kOffload) != 0) frame.offload = read_offload(input);
    if ((flags & kLater) != 0) world.advance(std::chrono::milliseconds(input.u8()));
    const Bytes bytes = input.take(input.u16());
    frame.bytes.assign(bytes.begin(), bytes.end());
    if ((flags & kMend) != 0) test::mend_checksums(frame.bytes);
    world.turn_of_one(frame);
    if ((flags & kRestore) != 0) world.restore();
  }
}

}  // namespace
}  // namespace dashi::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dashi::fuzz::run_twice({data, size}, dashi::fuzz::program);
  return 0;
}
