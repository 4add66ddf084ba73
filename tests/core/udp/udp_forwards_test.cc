#include "core/udp/udp_forwards.hh"

#include "tests/core/udp/fixture.hh"

namespace dashi {
namespace {

using test::Arrival;
using test::at;
using test::ip;
using test::ParsedFrame;

const Endpoint kHost = at("127.0.0.1", 5353);
const Endpoint kServer = at("10.0.0.2", 53);

struct Fixture : test::UdpFixture {
  // A forward for kServer; its socket is the first.
  Endpoint forward() {
    const auto added = proxy.add_forward(kHost, kServer);
    BOOST_REQUIRE(added.ok());
    return *added;
  }
  Endpoint source_of_next() {
    const auto frame = world.link.take();
    return frame.packet().source();
  }
};

BOOST_FIXTURE_TEST_SUITE(udp_forwards, Fixture)

BOOST_AUTO_TEST_CASE(the_answer_leaves_from_the_forwarded_port) {
  forward();
  Arrival arrival;
  arrival.remote = at("198.51.100.4", 33333);
  arrival.payload = {1, 2};
  arrival.local = at("192.168.1.5", 5353);
  arrives(0, arrival);
  expect_datagram(at("198.51.100.4", 33333), kServer, {1, 2});
  guest_sends(kServer, at("198.51.100.4", 33333), {3});
  BOOST_TEST(sockets() == 1u);
  BOOST_REQUIRE(socket(0).sent.size() == 1u);
  BOOST_TEST((socket(0).sent[0].remote == at("198.51.100.4", 33333)));
  BOOST_TEST((socket(0).sent[0].local == ip("192.168.1.5")));
  BOOST_TEST(socket(0).sent[0].ttl == 63);
  // To somebody else the same guest endpoint has a mapping like any other.
  guest_sends(kServer, at("198.51.100.5", 1), {4});
  BOOST_TEST(sockets() == 2u);
  BOOST_TEST(socket(0).sent.size() == 1u);
}

BOOST_AUTO_TEST_CASE(loopback_remotes_are_shown_as_ports_of_the_gateway_each_its_own) {
  forward();
  arrives(0, at("127.0.0.1", 50001), {1});
  arrives(0, at("127.0.0.1", 50002), {2});
  arrives(0, at("127.0.0.1", 67), {3});  // not to be taken for the gateway's DHCP server
  arrives(0, at("127.0.0.2", 50001), {4});
  const Endpoint first = source_of_next();
  const Endpoint second = source_of_next();
  const Endpoint third = source_of_next();
  const Endpoint fourth = source_of_next();
  for (const Endpoint& e : {first, second, third, fourth}) {
    BOOST_TEST((e.address == ip("10.0.0.1")));
    BOOST_TEST(e.port.number >= 49152);
  }
  BOOST_TEST(first.port.number == 50001);
  BOOST_TEST((first != fourth));
  guest_sends(kServer, fourth, {9});
  guest_sends(kServer, third, {9});
  guest_sends(kServer, first, {9});
  BOOST_REQUIRE(socket(0).sent.size() == 3u);
  BOOST_TEST((socket(0).sent[0].remote == at("127.0.0.2", 50001)));
  BOOST_TEST((socket(0).sent[1].remote == at("127.0.0.1", 67)));
  BOOST_TEST((socket(0).sent[2].remote == at("127.0.0.1", 50001)));
  // The same remote keeps its name.
  arrives(0, at("127.0.0.1", 67), {3});
  BOOST_TEST((source_of_next() == third));
}

BOOST_AUTO_TEST_CASE(remotes_that_look_like_the_guests_own_link_are_rewritten) {
  forward();
  arrives(0, at("10.0.0.1", 50001), {1});
  arrives(0, at("10.0.0.2", 53), {1});
  arrives(0, at("169.254.1.1", 50007), {1});
  for (int i = 0; i < 3; ++i) BOOST_TEST((source_of_next().address == ip("10.0.0.1")));
}

BOOST_AUTO_TEST_CASE(the_rewriting_is_for_the_flow_that_needs_it_only) {
  forward();
  arrives(0, at("127.0.0.1", 50001), {1});
  const Endpoint seen = source_of_next();
  // Another guest port has no part in it.
  guest_sends(at("10.0.0.2", 54), seen, {1});
  expect_icmp(3, 3);
  BOOST_TEST(socket(0).sent.empty());
}

BOOST_AUTO_TEST_CASE(two_forwards_to_one_server_do_not_mix_up_a_common_remote) {
  forward();
  BOOST_REQUIRE(proxy.add_forward(at("192.168.1.5", 5353), kServer).ok());
  const Endpoint remote = at("198.51.100.4", 33333);
  arrives(0, remote, {1});
  arrives(1, remote, {2});
  const Endpoint first = source_of_next();
  const Endpoint second = source_of_next();
  BOOST_TEST((first == remote));
  BOOST_TEST((second.address == ip("10.0.0.1")));
  guest_sends(kServer, second, {3});
  guest_sends(kServer, first, {4});
  BOOST_TEST(socket(0).sent.size() == 1u);
  BOOST_TEST(socket(1).sent.size() == 1u);
  BOOST_TEST((socket(1).sent[0].remote == remote));
}

BOOST_AUTO_TEST_CASE(a_guest_that_calls_its_own_forward_talks_to_itself_through_the_gateway) {
  world.policy_config.host_loopback = true;
  forward();
  const Endpoint client = at("10.0.0.2", 44444);
  guest_sends(client, at("10.0.0.1", 5353), {1});
  BOOST_REQUIRE(sockets() == 2u);
  BOOST_TEST((socket(1).sent[0].remote == kHost));
  // What the host's loopback would do with it.
  const Endpoint mapped = at("127.0.0.1", socket(1).local.port.number);
  arrives(0, mapped, {1});
  const Endpoint seen = source_of_next();
  BOOST_TEST((seen.address == ip("10.0.0.1")));
  guest_sends(kServer, seen, {2});
  BOOST_TEST((socket(0).sent[0].remote == mapped));
  arrives(1, kHost, {2});
  expect_datagram(at("10.0.0.1", 5353), client, {2});
}

BOOST_AUTO_TEST_CASE(an_ipv6_forward_follows_the_guest_to_its_address) {
  const auto added = proxy.add_forward(at("::1", 0), std::nullopt, Port{80});
  BOOST_REQUIRE(added.ok());
  BOOST_TEST(added->port.number == 30000);
  arrives(0, at("2001:db8::5", 1000), {1});
  BOOST_TEST(world.drops(DropReason::kDestinationUnreachable) == 1u);
  BOOST_REQUIRE(world.guest.check_source(now, ip("fd00:da51::22")).ok());
  arrives(0, at("2001:db8::5", 1000), {2});
  expect_datagram(at("2001:db8::5", 1000), at("fd00:da51::22", 80), {2});
  now += 1s;
  BOOST_REQUIRE(world.guest.check_source(now, ip("fd00:da51::33")).ok());
  arrives(0, at("2001:db8::5", 1000), {3});
  expect_datagram(at("2001:db8::5", 1000), at("fd00:da51::33", 80), {3});
  arrives(0, at("::1", 50000), {4});
  BOOST_TEST((source_of_next().address == IpAddress(world.topology.gateway_v6())));
}

BOOST_AUTO_TEST_CASE(a_forward_may_cross_families) {
  BOOST_REQUIRE(proxy.add_forward(at("::1", 5353), kServer).ok());
  arrives(0, at("2001:db8::5", 51000), {1});
  const Endpoint seen = source_of_next();
  BOOST_TEST(to_string(seen) == "10.0.0.1:51000");
  guest_sends(kServer, seen, {2});
  BOOST_TEST((socket(0).sent[0].remote == at("2001:db8::5", 51000)));
}

BOOST_AUTO_TEST_CASE(adding_and_removing) {
  forward();
  const auto twice = proxy.add_forward(kHost, kServer);
  BOOST_REQUIRE(!twice.ok());
  BOOST_TEST((twice.error() == SocketError::kAddressInUse));
  arrives(0, at("198.51.100.4", 33333), {1});
  BOOST_TEST(proxy.forward_peers() == 1u);
  SocketEvent late;
  late.id = socket(0).id;
  late.kind = SocketEvent::Kind::kReadable;
  BOOST_REQUIRE(proxy.remove_forward(kHost).ok());
  BOOST_TEST(world.sockets.open_count() == 0u);
  BOOST_TEST(proxy.forward_peers() == 0u);
  BOOST_TEST(!proxy.remove_forward(kHost).ok());
  proxy.handle_socket(now, late);
  BOOST_TEST(world.counters[Counter::kSocketEventsStale] == 1u);
  guest_sends(kServer, at("198.51.100.4", 33333), {3});
  BOOST_TEST(sockets() == 2u);  // a mapping now
  world.sockets.open_error = SocketError::kAddressInUse;
  BOOST_TEST((proxy.add_forward(kHost, kServer).error() == SocketError::kAddressInUse));
  world.sockets.open_error.reset();
  for (uint16_t i = 0; i < world.limits.udp_forwards; ++i) {
    BOOST_TEST(proxy.add_forward(at("127.0.0.1", static_cast<uint16_t>(6000 + i)), kServer).ok());
  }
  BOOST_TEST((proxy.add_forward(kHost, kServer).error() == SocketError::kTooManySockets));
}

BOOST_AUTO_TEST_CASE(errors_are_told_under_the_name_the_guest_knows) {
  forward();
  arrives(0, at("127.0.0.1", 50001), {1});
  const Endpoint seen = source_of_next();
  guest_sends(kServer, seen, {1});
  NetError error;
  error.error = SocketError::kRefused;
  error.icmp_type = 3;
  error.icmp_code = 3;
  error.reporter = ip("127.0.0.1");
  error.original_remote = at("127.0.0.1", 50001);
  event(0, SocketEvent::Kind::kNetError, error);
  const auto frame = expect_icmp(3, 3);
  const Packet p = frame.packet();
  BOOST_TEST((p.ip_header.source == ip("10.0.0.1")));
  const Bytes inner = p.transport.subspan(8);
  BOOST_TEST(inner[20 + 2] * 256 + inner[20 + 3] == seen.port.number);
}

BOOST_AUTO_TEST_CASE(remotes_are_forgotten_after_the_timeout) {
  forward();
  arrives(0, at("198.51.100.4", 33333), {1});
  advance(4min);
  guest_sends(kServer, at("198.51.100.4", 33333), {3});
  advance(4min);
  BOOST_TEST(proxy.forward_peers() == 1u);
  advance(1min);
  BOOST_TEST(proxy.forward_peers() == 0u);
  BOOST_TEST(proxy.forwards() == 1u);
}

BOOST_AUTO_TEST_CASE(a_flood_of_remotes_does_not_push_out_those_the_guest_answered) {
  world.limits.udp_endpoints = 8;
  UdpProxy small(config, world.context, world.policy, world.errors, SipKey{});
  BOOST_REQUIRE(small.add_forward(kHost, kServer).ok());
  const auto arrive = [&](const Endpoint& remote) {
    socket(0).incoming.push_back({remote, {1}, {}, 0, 0, 0});
    SocketEvent e;
    e.id = socket(0).id;
    e.kind = SocketEvent::Kind::kReadable;
    small.handle_socket(now, e);
    small.flush(now);
  };
  const Endpoint known = at("198.51.100.4", 33333);
  arrive(known);
  const ParsedFrame answer(test::udp_frame(UdpFixture::spec(kServer, known), 53, 33333, {1}));
  small.handle_packet(now, answer.packet);
  small.finish_batch(now);
  for (uint16_t i = 1; i <= 100; ++i) arrive(at("203.0.113.1", i));
  BOOST_TEST(small.forward_peers() == 8u);
  BOOST_TEST(world.link.frames.size() == 101u);
  small.handle_packet(now, answer.packet);
  small.finish_batch(now);
  BOOST_TEST(socket(0).sent.size() == 2u);
  // With every remote answered, the table is full and says so.
  for (uint16_t i = 94; i <= 100; ++i) {
    const ParsedFrame more(
        test::udp_frame(UdpFixture::spec(kServer, at("203.0.113.1", i)), 53, i, {1}));
    small.handle_packet(now, more.packet);
    small.finish_batch(now);
  }
  BOOST_TEST(socket(0).sent.size() == 9u);
  arrive(at("203.0.113.2", 1));
  BOOST_TEST(world.drops(DropReason::kFlowLimit) == 1u);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 1u);
  now += 2min;
  arrive(at("203.0.113.2", 1));
  BOOST_TEST(world.drops(DropReason::kFlowLimit) == 1u);
}

BOOST_AUTO_TEST_CASE(a_full_guest_link_leaves_arrivals_in_the_socket) {
  forward();
  world.link.room = 0;
  arrives(0, at("198.51.100.4", 33333), {1});
  BOOST_TEST(socket(0).incoming.size() == 1u);
  BOOST_TEST((proxy.next_deadline() > now));
  world.link.room = 5;
  proxy.handle_guest_writable(now);
  BOOST_TEST((proxy.next_deadline() <= now));
  proxy.flush(now);
  expect_datagram(at("198.51.100.4", 33333), kServer, {1});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
