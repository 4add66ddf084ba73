#include "core/icmp/echo_proxy.hh"

#include <boost/test/unit_test.hpp>

#include "core/wire/icmpv6.hh"
#include "tests/support/fake_env.hh"

namespace dashi {
namespace {

using test::ByteVector;
using test::IpSpec;
using test::ParsedFrame;

const Instant kStart = instant_from_nanoseconds(1'000'000'000);

IpAddress ip(std::string_view text) { return *parse_ip(text); }

struct Fixture {
  test::FakeFlowWorld world;
  EchoConfig config;
  EchoProxy proxy{config, world.context, world.policy, world.errors, SipKey{1, 2}};
  Instant now = kStart;

  static IpSpec from_guest(std::string_view source, std::string_view destination) {
    IpSpec spec;
    spec.source = ip(source);
    spec.destination = ip(destination);
    return spec;
  }
  void ping(const IpSpec& spec, uint16_t id, uint16_t sequence, const ByteVector& payload) {
    const uint8_t type = spec.source.is_v4() ? 8 : 128;
    const uint32_t rest = static_cast<uint32_t>(id) << 16 | sequence;
    const ParsedFrame frame(test::icmp_frame(spec, type, 0, rest, payload));
    proxy.handle_packet(now, frame.packet);
  }
  void ping(uint16_t id) { ping(from_guest("10.0.0.2", "192.0.2.1"), id, 1, {}); }
  void event(size_t socket, SocketEvent::Kind kind, const NetError& error) {
    SocketEvent e;
    e.id = world.sockets.echoes[socket].id;
    e.kind = kind;
    e.error = error;
    proxy.handle_socket(now, e);
  }
  void reply(size_t socket, const test::EchoArrival& arrival) {
    world.sockets.echoes[socket].incoming.push_back(arrival);
    event(socket, SocketEvent::Kind::kReadable, {});
    proxy.flush(now);
  }
  void advance(Duration by) {
    now += by;
    proxy.handle_timers(now);
    proxy.flush(now);
  }
};

BOOST_FIXTURE_TEST_SUITE(echo_proxy, Fixture)

BOOST_AUTO_TEST_CASE(a_request_goes_out_with_one_hop_less) {
  IpSpec spec = from_guest("10.0.0.2", "192.0.2.1");
  spec.ttl = 7;
  spec.tos = 0x48;
  ping(spec, 77, 5, test::pattern(1472));
  BOOST_REQUIRE(world.sockets.echoes.size() == 1u);
  const auto& state = world.sockets.echoes[0];
  BOOST_TEST((state.family == Family::kIpv4));
  BOOST_REQUIRE(state.sent.size() == 1u);
  BOOST_TEST((state.sent[0].remote == ip("192.0.2.1")));
  BOOST_TEST(state.sent[0].sequence == 5);
  BOOST_TEST(state.sent[0].ttl == 6);
  BOOST_TEST(state.sent[0].tos == 0x48);
  BOOST_TEST(state.sent[0].dont_fragment);
  BOOST_TEST(state.sent[0].payload == test::pattern(1472), boost::test_tools::per_element());
  BOOST_TEST(world.all_drops() == 0u);
}

BOOST_AUTO_TEST_CASE(a_reply_reaches_the_guest_under_its_own_id) {
  for (const char* family : {"4", "6"}) {
    const bool v4 = family[0] == '4';
    const IpSpec spec =
        v4 ? from_guest("10.0.0.9", "192.0.2.1") : from_guest("fd00:da51::9", "2001:db8::1");
    ping(spec, 0xabcd, 3, test::pattern(56));
    test::EchoArrival arrival;
    arrival.remote = spec.destination;
    arrival.sequence = 3;
    arrival.payload = test::pattern(56);
    arrival.ttl = 50;
    reply(world.sockets.echoes.size() - 1, arrival);
    const auto frame = world.link.take();
    const Packet p = frame.packet();
    BOOST_TEST((p.ip_header.source == spec.destination));
    BOOST_TEST((p.ip_header.destination == spec.source));
    BOOST_TEST(p.ip_header.ttl == 49);
    BOOST_TEST(p.transport[0] == (v4 ? 0 : 129));
    BOOST_TEST(p.transport[4] == 0xab);
    BOOST_TEST(p.transport[5] == 0xcd);
    BOOST_TEST(p.transport[7] == 3);
    BOOST_TEST(p.transport.size() == 64u);
  }
  BOOST_TEST(world.counters[Counter::kEchoReplies] == 2u);
}

BOOST_AUTO_TEST_CASE(an_unknown_ttl_becomes_64_and_a_spent_one_ends_here) {
  ping(1);
  test::EchoArrival arrival;
  arrival.remote = ip("192.0.2.1");
  reply(0, arrival);
  BOOST_TEST(world.link.take().packet().ip_header.ttl == 64);
  arrival.ttl = 1;
  reply(0, arrival);
  BOOST_TEST(world.link.frames.empty());
  BOOST_TEST(world.drops(DropReason::kTtlExpired) == 1u);
}

BOOST_AUTO_TEST_CASE(ids_and_guest_addresses_have_sockets_of_their_own) {
  ping(1);
  ping(1);
  ping(2);
  ping(from_guest("10.0.0.3", "192.0.2.1"), 1, 1, {});
  ping(from_guest("10.0.0.3", "192.0.2.99"), 1, 1, {});
  BOOST_TEST(world.sockets.echoes.size() == 3u);
  BOOST_TEST(proxy.size() == 3u);
  BOOST_TEST(world.sockets.echoes[2].sent.size() == 2u);
}

BOOST_AUTO_TEST_CASE(the_gateway_answers_for_itself) {
  ping(from_guest("10.0.0.2", "10.0.0.1"), 9, 8, test::pattern(100));
  const auto frame = world.link.take();
  const Packet p = frame.packet();
  BOOST_TEST((p.ip_header.source == ip("10.0.0.1")));
  BOOST_TEST(p.transport[0] == 0);
  BOOST_TEST(p.transport[5] == 9);
  BOOST_TEST(p.transport.size() == 108u);
  ping(from_guest("fe80::99", to_string(world.topology.gateway_link_local())), 9, 8, {});
  BOOST_TEST(world.link.take().packet().transport[0] == 129);
  BOOST_TEST(world.sockets.echoes.empty());
}

BOOST_AUTO_TEST_CASE(where_no_ping_may_go_is_refused) {
  ping(from_guest("10.0.0.2", "127.0.0.1"), 1, 1, {});
  BOOST_TEST(world.drops(DropReason::kDestinationDenied) == 1u);
  BOOST_TEST(world.link.take().packet().transport[1] == 13);
  ping(from_guest("10.0.0.2", "10.0.0.77"), 1, 1, {});
  BOOST_TEST(world.drops(DropReason::kDestinationUnreachable) == 1u);
  BOOST_TEST(world.link.take().packet().transport[1] == 1);
  ping(from_guest("10.0.0.2", "224.0.0.1"), 1, 1, {});
  ping(from_guest("10.0.0.2", "10.0.0.255"), 1, 1, {});
  BOOST_TEST(world.drops(DropReason::kMulticast) == 1u);
  BOOST_TEST(world.drops(DropReason::kBroadcast) == 1u);
  BOOST_TEST(world.link.frames.empty());
  BOOST_TEST(world.sockets.echoes.empty());
  BOOST_TEST(proxy.size() == 0u);
}

BOOST_AUTO_TEST_CASE(other_icmp_is_not_for_the_proxy) {
  const ParsedFrame frame(test::icmp_frame(from_guest("10.0.0.2", "192.0.2.1"), 13, 0, 0, {}));
  proxy.handle_packet(now, frame.packet);
  BOOST_TEST(world.drops(DropReason::kIcmpUnhandled) == 1u);
  BOOST_TEST(world.link.frames.empty());
}

BOOST_AUTO_TEST_CASE(an_id_unused_for_a_minute_is_forgotten_and_a_reply_keeps_it) {
  ping(1);
  advance(50s);
  test::EchoArrival arrival;
  arrival.remote = ip("192.0.2.1");
  reply(0, arrival);
  advance(59s);
  BOOST_TEST(proxy.size() == 1u);
  BOOST_TEST((proxy.next_deadline() == kStart + 110s));
  advance(1s);
  BOOST_TEST(proxy.size() == 0u);
  BOOST_TEST(world.sockets.open_count() == 0u);
  BOOST_TEST((proxy.next_deadline() == kNever));
}

BOOST_AUTO_TEST_CASE(errors_of_the_network_reach_the_guest_with_its_own_packet_quoted) {
  ping(from_guest("10.0.0.2", "192.0.2.1"), 0x1234, 42, test::pattern(30));
  NetError error;
  error.error = SocketError::kTtlExceeded;
  error.icmp_type = 11;
  error.reporter = ip("198.51.100.1");
  error.original_remote = {ip("192.0.2.1"), {}};
  error.echo_sequence = 42;
  const ByteVector quoted = test::pattern(30);
  error.quoted = quoted;
  event(0, SocketEvent::Kind::kNetError, error);
  const auto frame = world.link.take();
  const Packet p = frame.packet();
  BOOST_TEST((p.ip_header.source == ip("198.51.100.1")));
  BOOST_TEST((p.ip_header.destination == ip("10.0.0.2")));
  BOOST_TEST(p.transport[0] == 11);
  const Bytes inner = p.transport.subspan(8);
  BOOST_REQUIRE(inner.size() == 20u + 8 + 30);
  // The quoted packet is the guest's, whole and right.
  ByteVector again(14, 0);
  test::put_u16(again, 12, 0x0800);
  test::append(again, inner);
  Packet request;
  BOOST_REQUIRE(parse(again, {}, 1500, request).ok());
  BOOST_TEST((request.ip_header.source == ip("10.0.0.2")));
  BOOST_TEST((request.ip_header.destination == ip("192.0.2.1")));
  const ByteVector echo = {8, 0, request.transport[2], request.transport[3], 0x12, 0x34, 0, 42};
  BOOST_TEST(ByteVector(request.transport.begin(), request.transport.begin() + 8) == echo,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_error_without_icmp_is_told_by_the_gateway) {
  ping(from_guest("fd00:da51::2", "2001:db8::1"), 1, 1, {});
  NetError error;
  error.error = SocketError::kHostUnreachable;
  error.original_remote = {ip("2001:db8::1"), {}};
  event(0, SocketEvent::Kind::kNetError, error);
  const auto frame = world.link.take();
  const Packet p = frame.packet();
  BOOST_TEST((p.ip_header.source == IpAddress(world.topology.gateway_v6())));
  BOOST_TEST(p.transport[0] == kIcmpv6Unreachable);
  BOOST_TEST(p.transport[1] == kIcmpv6AddressUnreachable);
}

BOOST_AUTO_TEST_CASE(at_the_bound_idle_ids_give_way_and_busy_ones_stay) {
  world.limits.echo_ids = 3;
  EchoProxy small(config, world.context, world.policy, world.errors, SipKey{});
  const auto send = [&](uint16_t id) {
    const ParsedFrame frame(test::icmp_frame(from_guest("10.0.0.2", "192.0.2.1"), 8, 0,
                                             static_cast<uint32_t>(id) << 16, {}));
    small.handle_packet(now, frame.packet);
  };
  send(1);
  now += 5s;
  send(2);
  send(3);
  now += 4s;
  send(4);
  BOOST_TEST(small.size() == 3u);
  BOOST_TEST(world.counters[Counter::kEchoLimit] == 1u);
  BOOST_TEST(world.drops(DropReason::kFlowLimit) == 1u);
  BOOST_TEST(world.link.take().packet().transport[1] == 13);
  now += 1s;  // id 1 has been idle for 10 s
  send(4);
  BOOST_TEST(small.size() == 3u);
  BOOST_TEST(world.sockets.echoes[0].closed);
  BOOST_TEST(!world.sockets.echoes[1].closed);
  send(5);
  BOOST_TEST(world.counters[Counter::kEchoLimit] == 2u);
}

BOOST_AUTO_TEST_CASE(a_host_without_sockets_left_is_told_apart_from_one_that_forbids) {
  world.sockets.open_error = SocketError::kTooManySockets;
  ping(1);
  BOOST_TEST(world.counters[Counter::kEchoLimit] == 1u);
  BOOST_TEST(world.drops(DropReason::kFlowLimit) == 1u);
  world.sockets.open_error = SocketError::kAccessDenied;
  ping(1);
  BOOST_TEST(world.drops(DropReason::kEchoSendFailed) == 1u);
  BOOST_TEST(world.link.frames.size() == 2u);
  BOOST_TEST(proxy.size() == 0u);
  world.sockets.open_error.reset();
  ping(1);
  world.sockets.echoes[0].send_error = SocketError::kNetworkUnreachable;
  ping(1);
  BOOST_TEST(world.drops(DropReason::kEchoSendFailed) == 2u);
  BOOST_TEST(world.link.frames.back().packet().transport[0] == 3);
}

BOOST_AUTO_TEST_CASE(a_full_queue_of_the_host_loses_a_request_and_says_nothing) {
  ping(1);
  for (const SocketError error : {SocketError::kNoBuffers, SocketError::kWouldBlock}) {
    world.sockets.echoes[0].send_error = error;
    ping(1);
  }
  BOOST_TEST(world.drops(DropReason::kEchoSendFailed) == 2u);
  BOOST_TEST(world.link.frames.empty());
  world.sockets.open_error = SocketError::kNoBuffers;  // no socket is another matter: that lasts
  ping(2);
  BOOST_TEST(world.link.take().packet().transport[0] == 3);
  BOOST_TEST(world.counters[Counter::kEchoLimit] == 1u);
}

BOOST_AUTO_TEST_CASE(a_full_guest_link_leaves_replies_in_the_socket) {
  ping(1);
  world.link.room = 1;
  test::EchoArrival arrival;
  arrival.remote = ip("192.0.2.1");
  for (uint16_t i = 0; i < 3; ++i) {
    arrival.sequence = i;
    world.sockets.echoes[0].incoming.push_back(arrival);
  }
  event(0, SocketEvent::Kind::kReadable, {});
  proxy.flush(now);
  BOOST_TEST(world.link.frames.size() == 1u);
  BOOST_TEST(world.sockets.echoes[0].incoming.size() == 2u);
  BOOST_TEST((proxy.next_deadline() > now));  // blocked: nothing to do until the link has room
  world.link.room = 10;
  proxy.handle_guest_writable(now);
  BOOST_TEST((proxy.next_deadline() <= now));
  proxy.flush(now);
  BOOST_TEST(world.link.frames.size() == 3u);
  BOOST_TEST((proxy.next_deadline() > now));
}

BOOST_AUTO_TEST_CASE(nobody_outside_speaks_as_the_gateway) {
  ping(1);
  for (const char* forged : {"10.0.0.1", "10.0.0.50", "127.0.0.1", "169.254.169.254"}) {
    test::EchoArrival arrival;
    arrival.remote = ip(forged);
    reply(0, arrival);
  }
  BOOST_TEST(world.link.frames.empty());
  BOOST_TEST(world.drops(DropReason::kDestinationDenied) == 4u);
}

BOOST_AUTO_TEST_CASE(a_reply_longer_than_the_guests_mtu_comes_in_fragments) {
  ping(1);
  test::EchoArrival arrival;
  arrival.remote = ip("192.0.2.1");
  arrival.payload = test::pattern(1473);
  reply(0, arrival);
  BOOST_TEST(world.link.frames.size() == 2u);
  BOOST_TEST(world.counters[Counter::kEchoReplies] == 1u);
  // All of its fragments find room, or it is lost.
  world.link.room = 1;
  reply(0, arrival);
  BOOST_TEST(world.link.frames.size() == 2u);
  BOOST_TEST(world.counters[Counter::kEchoReplies] == 1u);
  BOOST_TEST(world.counters[Counter::kGuestLinkFull] == 1u);
  BOOST_TEST(world.drops(DropReason::kGuestLinkFull) == 1u);
  world.link.room = 100;
  proxy.handle_guest_writable(now);
  arrival.payload = test::pattern(65508);
  reply(0, arrival);
  BOOST_TEST(world.link.frames.size() == 2u);
  BOOST_TEST(world.drops(DropReason::kFrameTooLong) == 1u);
}

BOOST_AUTO_TEST_CASE(events_of_a_former_tenant_are_stale) {
  ping(1);
  SocketEvent old;
  old.id = world.sockets.echoes[0].id;
  old.kind = SocketEvent::Kind::kReadable;
  proxy.restart_link(now);
  BOOST_TEST(world.sockets.open_count() == 0u);
  ping(2);
  proxy.handle_socket(now, old);
  BOOST_TEST(world.counters[Counter::kSocketEventsStale] == 1u);
  BOOST_TEST((proxy.next_deadline() > now));
}

BOOST_AUTO_TEST_CASE(saved_and_restored_ids_go_on) {
  ping(1);
  ping(2);
  ping(3);
  world.link.room = 0;
  test::EchoArrival arrival;
  arrival.remote = ip("192.0.2.1");
  reply(1, arrival);
  test::MemoryArchive saved;
  ArchiveWriter writer(saved);
  proxy.save(writer);
  EchoProxy again(config, world.context, world.policy, world.errors, SipKey{5, 6});
  ArchiveReader reader(saved);
  BOOST_REQUIRE(again.restore(reader));
  BOOST_TEST(again.size() == 3u);
  BOOST_TEST((again.next_deadline() == proxy.next_deadline()));
  world.link.room = 5;
  again.handle_guest_writable(now);
  again.flush(now);
  BOOST_TEST(world.link.take().packet().transport[5] == 2);
  std::string dump;
  again.dump(dump, now);
  BOOST_TEST(dump.find("echo 10.0.0.2 id 2 -> 192.0.2.1 requests 1 replies 1") !=
             std::string::npos);
  // Every truncation of what was saved is refused.
  for (size_t n = 0; n < saved.bytes.size(); n += 7) {
    test::MemoryArchive cut;
    cut.bytes.assign(saved.bytes.begin(), saved.bytes.begin() + static_cast<ptrdiff_t>(n));
    EchoProxy third(config, world.context, world.policy, world.errors, SipKey{});
    ArchiveReader short_reader(cut);
    BOOST_TEST(!third.restore(short_reader));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
