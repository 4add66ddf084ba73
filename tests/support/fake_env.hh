// All that a proxy or a service of the core is constructed with, of fakes and real parts of flow/.
//
//   test::FakeFlowWorld world;           // change world.topology, .limits, .link.link_limits first
//   UdpProxy proxy(config, world.context, world.policy, world.errors);
#pragma once

#include <deque>
#include <stdexcept>
#include <vector>

#include "core/flow/address_policy.hh"
#include "core/flow/context.hh"
#include "core/flow/icmp_error.hh"
#include "tests/support/fake_link.hh"
#include "tests/support/fake_sockets.hh"
#include "tests/support/guest_frames.hh"
#include "tests/support/memory_archive.hh"

namespace dashi::test {

class FakeEntropy final : public Entropy {
 public:
  uint64_t state = 1;
  uint64_t next_u64() override {  // splitmix64
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
};

class FakeTrace final : public Trace {
 public:
  std::deque<TraceEvent> events;  // their bytes are not kept
  void record(const TraceEvent& event) override {
    events.push_back(event);
    events.back().bytes = {};
  }
};

struct FakeFlowWorld {
  Topology topology;
  Limits limits;
  AddressPolicyConfig policy_config;
  Counters counters;
  FakeLink link;
  FakeSockets sockets;
  FakeEntropy entropy;
  FakeTrace trace;
  Guest guest{topology, 16};
  FrameWriter writer{link, topology, guest, counters};
  FlowContext context{topology, limits, guest,
                      counters, writer, Env{link, sockets, entropy, trace}};
  AddressPolicy policy{topology, policy_config};
  IcmpErrors errors{context};

  FakeFlowWorld() { BOOST_REQUIRE(guest.check_mac(IpSpec{}.source_mac).ok()); }
  FakeFlowWorld(const FakeFlowWorld&) = delete;
  FakeFlowWorld& operator=(const FakeFlowWorld&) = delete;

  uint64_t drops(DropReason reason) const { return counters[reason]; }
  uint64_t all_drops() const {
    uint64_t sum = 0;
    for (uint64_t n : counters.drops) sum += n;
    return sum;
  }
};

// A guest frame and its Packet together; throws if the frame does not parse.
struct ParsedFrame {
  ByteVector bytes;
  Packet packet;
  explicit ParsedFrame(ByteVector frame) : ParsedFrame(std::move(frame), Offload{}) {}
  ParsedFrame(ByteVector frame, const Offload& offload) : bytes(std::move(frame)) {
    if (!parse(bytes, offload, 65535, packet).ok()) throw std::runtime_error("malformed frame");
  }
  ParsedFrame(const ParsedFrame&) = delete;
  ParsedFrame& operator=(const ParsedFrame&) = delete;
};

}  // namespace dashi::test
