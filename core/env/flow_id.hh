// The name of a flow across the socket seam: which table, which slot, which tenant of the slot.
#pragma once

#include <compare>
#include <cstdint>

namespace dashi {

// One enumerator a table of the Nat that owns sockets.
enum class FlowKind : uint8_t {
  kTcp,         // a proxied connection
  kTcpForward,  // a listener of a forwarded port
  kUdp,         // a guest endpoint's socket
  kUdpForward,  // the socket of a forwarded port
  kEcho,        // a guest echo id's socket
  kDnsUdp,      // an upstream query over UDP
  kDnsTcp,      // an upstream query over TCP
};

struct FlowId {
  FlowKind kind{};
  uint32_t slot = 0;
  uint32_t generation = 0;
  friend auto operator<=>(const FlowId&, const FlowId&) = default;
};

}  // namespace dashi
