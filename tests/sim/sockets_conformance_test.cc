#include "tests/sim/sockets_conformance.hh"

#include "tests/sim/sim_sockets_backend.hh"

namespace dashi::conformance {

namespace {

[[maybe_unused]] const bool kRegistered = add_backend(
    "in_memory", [] { return std::unique_ptr<SocketsUnderTest>(std::make_unique<SimBackend>()); });

}  // namespace

}  // namespace dashi::conformance
