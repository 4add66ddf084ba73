// The conformance suite against Linux: as the kernel is, and as on a kernel that cannot peek at an
// offset.
#include "tests/sim/sockets_conformance.hh"
#include "tests/linux/conformance_fixture.hh"

namespace {

std::unique_ptr<dashi::conformance::SocketsUnderTest> make(bool force_ring) {
  return std::make_unique<dashi::conformance::LinuxFixture>(force_ring);
}

const bool kernel = dashi::conformance::add_backend("linux", [] { return make(false); });
const bool ring = dashi::conformance::add_backend("linux_ring", [] { return make(true); });

}  // namespace
