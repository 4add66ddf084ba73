// A whole Nat between fakes, one frame at a time, and what came of it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>

#include "core/nat/nat.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {

class NatBench {
 public:
  NatBench() : NatBench(Config{}) {}
  explicit NatBench(const Config& config)
      : nat(std::make_unique<Nat>(config, Env{link, sockets, entropy, trace})) {
    feed(udp_frame(v4("10.0.0.2", "198.51.100.7"), 1, 1, {}));  // so that the guest is known
    nat->handle_timers(now);
    link.frames.clear();  // with the first router advertisements
  }

  FakeLink link;
  FakeSockets sockets;
  FakeEntropy entropy;
  FakeTrace trace;
  Instant now = instant_from_nanoseconds(1'000'000'000);
  std::unique_ptr<Nat> nat;

  static IpSpec v4(const char* source, const char* destination) {
    IpSpec ip;
    ip.source = parse_ip(source).value();
    ip.destination = parse_ip(destination).value();
    return ip;
  }
  static IpSpec v6(const char* source, const char* destination) { return v4(source, destination); }

  uint64_t drops() const {
    uint64_t sum = 0;
    for (uint64_t n : nat->counters().drops) sum += n;
    return sum;
  }
  uint64_t drops(DropReason reason) const { return nat->counters()[reason]; }

  // The number of drops that the frame caused.
  uint64_t feed(const ByteVector& frame) { return feed(frame, Offload{}); }
  uint64_t feed(const ByteVector& frame, const Offload& offload) {
    const uint64_t before = nat ? drops() : 0;
    const GuestFrame view{frame, offload};
    nat->handle_frames(now, {&view, 1});
    nat->flush(now);
    return drops() - before;
  }
  // Feeds a frame that must be dropped for this reason, once.
  void dropped(const ByteVector& frame, DropReason reason) {
    const uint64_t before = drops(reason);
    BOOST_TEST(feed(frame) == 1u);
    BOOST_TEST(drops(reason) == before + 1, "not dropped as " << name_of(reason));
  }
  // The next frame, an ICMP error of this type and code.
  Packet icmp(uint8_t type, uint8_t code) {
    heard_ = link.take();
    const Packet packet = heard_.packet();
    BOOST_REQUIRE(packet.transport.size() >= 8);
    BOOST_TEST(int{packet.transport[0]} == int{type});
    BOOST_TEST(int{packet.transport[1]} == int{code});
    return packet;
  }

 private:
  SentFrame heard_;
};

}  // namespace dashi::test
