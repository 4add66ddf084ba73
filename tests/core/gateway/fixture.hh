// A gateway service's surroundings for unit tests, and what one guest frame led to. Frames are parsed
// as dispatch would, so that what parsing refuses never reaches a handler.
#pragma once

#include <string_view>
#include <vector>

#include "core/gateway/gateway_config.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {

inline const MacAddress kGuestMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
inline const Ipv4Address kGuestV4{{10, 0, 0, 2}};
inline const Ipv4Address kGatewayV4{{10, 0, 0, 1}};

inline Ipv4Address v4(std::string_view address) { return parse_ipv4(address).value(); }
inline Ipv6Address v6(std::string_view address) { return parse_ipv6(address).value(); }

struct Outcome {
  std::vector<SentFrame> frames;
  std::vector<DropReason> drops;

  bool silent_with(DropReason reason) const {
    return frames.empty() && drops.size() == 1 && drops[0] == reason;
  }
  // The house rule: a frame that comes to nothing is dropped, and dropped once.
  bool is_accounted_for() const { return drops.size() == (frames.empty() ? 1u : 0u); }
  bool answered() const { return frames.size() == 1 && drops.empty(); }
};

struct GatewayFixture : FakeFlowWorld {
  GatewayConfig config;
  Instant at = Instant(1000s);

  // What a handler made of the frame. `Handler` has handle_packet(Instant, const Packet&).
  template <typename Handler>
  Outcome feed(Handler& handler, const ByteVector& frame) {
    Packet packet;
    const Result<Done, DropReason> parsed = parse(frame, {}, topology.mtu, packet);
    if (!parsed) return {{}, {parsed.error()}};
    handler.handle_packet(at, packet);
    return taken();
  }

  // What came out since the last time.
  Outcome taken() {
    Outcome outcome;
    outcome.frames.assign(link.frames.begin(), link.frames.end());
    for (const TraceEvent& event : trace.events) {
      if (event.kind != TraceEvent::Kind::kDrop) continue;
      outcome.drops.push_back(static_cast<DropReason>(event.code));
    }
    link.frames.clear();
    trace.events.clear();
    return outcome;
  }
};

}  // namespace dashi::test
