// A batch of guest frames: what is to leave by one socket leaves in one call.
#include "tests/core/udp/fixture.hh"

namespace dashi {
namespace {

using test::at;
using test::ByteVector;
using test::ParsedFrame;

const Endpoint kGuest = at("10.0.0.2", 5000);
const Endpoint kOther = at("10.0.0.2", 5001);
const Endpoint kRemote = at("192.0.2.1", 7000);

struct Fixture : test::UdpFixture {
  std::deque<ParsedFrame> frames;  // borrowed by the proxy until the end of the batch

  void frame(const Endpoint& source, const Endpoint& destination, uint8_t byte) {
    const ParsedFrame& f = frames.emplace_back(test::udp_frame(
        spec(source, destination), source.port.number, destination.port.number, ByteVector{byte}));
    proxy.handle_packet(now, f.packet);
  }
};

BOOST_FIXTURE_TEST_SUITE(udp_batch, Fixture)

BOOST_AUTO_TEST_CASE(datagrams_of_one_endpoint_leave_in_one_call_in_their_order) {
  for (uint8_t i = 0; i < 10; ++i) frame(kGuest, at("192.0.2.1", 7000 + i % 3), i);
  BOOST_TEST(socket(0).send_calls == 0u);
  proxy.finish_batch(now);
  BOOST_TEST(socket(0).send_calls == 1u);
  BOOST_REQUIRE(socket(0).sent.size() == 10u);
  for (uint8_t i = 0; i < 10; ++i) {
    BOOST_TEST(socket(0).sent[i].payload == ByteVector{i});
    BOOST_TEST((socket(0).sent[i].remote == at("192.0.2.1", 7000 + i % 3)));
  }
  BOOST_TEST(world.counters[Counter::kUdpOut] == 10u);
}

BOOST_AUTO_TEST_CASE(endpoints_that_take_turns_still_leave_in_one_call_each) {
  BOOST_REQUIRE(proxy.add_forward(at("127.0.0.1", 5353), at("10.0.0.2", 53)).ok());
  arrives(0, at("127.0.0.1", 50001), {1});
  for (uint8_t i = 0; i < 12; ++i) {
    if (i % 3 == 0) frame(kGuest, kRemote, i);
    if (i % 3 == 1) frame(kOther, kRemote, i);
    if (i % 3 == 2) frame(at("10.0.0.2", 53), at("10.0.0.1", 50001), i);
  }
  proxy.finish_batch(now);
  for (size_t s = 0; s < 3; ++s) {
    BOOST_TEST(socket(s).send_calls == 1u);
    BOOST_REQUIRE(socket(s).sent.size() == 4u);
    for (size_t i = 1; i < 4; ++i) {
      BOOST_TEST(socket(s).sent[i].payload[0] == socket(s).sent[i - 1].payload[0] + 3);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_batch_longer_than_what_may_wait_loses_nothing) {
  for (uint8_t i = 0; i < 200; ++i) frame(kGuest, kRemote, i);
  proxy.finish_batch(now);
  BOOST_REQUIRE(socket(0).sent.size() == 200u);
  for (uint8_t i = 0; i < 200; ++i) BOOST_TEST(socket(0).sent[i].payload == ByteVector{i});
  BOOST_TEST(socket(0).send_calls <= 4u);
}

BOOST_AUTO_TEST_CASE(one_datagram_that_cannot_leave_stops_no_other) {
  frame(kGuest, kRemote, 0);
  socket(0).refused_remote = at("192.0.2.66", 1);
  frame(kGuest, at("192.0.2.66", 1), 1);
  frame(kGuest, kRemote, 2);
  proxy.finish_batch(now);
  BOOST_REQUIRE(socket(0).sent.size() == 2u);
  BOOST_TEST(socket(0).sent[1].payload == ByteVector{2});
  BOOST_TEST(world.drops(DropReason::kUdpSendFailed) == 1u);
  BOOST_TEST(world.counters[Counter::kUdpOut] == 2u);
  // The error quotes the one datagram it is about.
  const auto error = expect_icmp(3, 13);
  const Packet p = error.packet();
  BOOST_TEST(p.transport[8 + 20 + 8] == 1);
}

BOOST_AUTO_TEST_CASE(a_socket_without_room_loses_what_it_did_not_take) {
  for (uint8_t i = 0; i < 5; ++i) frame(kGuest, kRemote, i);
  socket(0).send_room = 2;
  proxy.finish_batch(now);
  BOOST_TEST(socket(0).sent.size() == 2u);
  BOOST_TEST(socket(0).send_calls == 2u);
  BOOST_TEST(world.drops(DropReason::kUdpSendFailed) == 3u);
  BOOST_TEST(world.link.frames.empty());
  socket(0).send_room = ~size_t{0};
  frame(kGuest, kRemote, 9);
  proxy.finish_batch(now);
  BOOST_TEST(socket(0).sent.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_full_queue_of_the_host_loses_a_datagram_and_says_nothing) {
  frame(kGuest, kRemote, 0);
  socket(0).refused_remote = at("192.0.2.66", 1);
  socket(0).refusal = SocketError::kNoBuffers;
  for (uint8_t i = 1; i <= 200; ++i) frame(kGuest, at("192.0.2.66", 1), i);
  frame(kGuest, kRemote, 201);  // by a queue that has room
  proxy.finish_batch(now);
  BOOST_TEST(world.drops(DropReason::kUdpSendFailed) == 200u);
  BOOST_REQUIRE(socket(0).sent.size() == 2u);
  BOOST_TEST(socket(0).sent[1].payload == ByteVector{201});
  BOOST_TEST(world.link.frames.empty());
  // Nor is what the network says held back for it.
  NetError error;
  error.error = SocketError::kMessageTooLong;
  error.icmp_type = 3;
  error.icmp_code = 4;
  error.mtu = 1280;
  error.original_remote = kRemote;
  event(0, SocketEvent::Kind::kNetError, error);
  expect_icmp(3, 4);
  BOOST_TEST(world.counters[Counter::kIcmpErrorsLimited] == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
