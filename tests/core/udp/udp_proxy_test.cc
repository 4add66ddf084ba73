#include "core/udp/udp_proxy.hh"

#include "tests/core/udp/fixture.hh"

namespace dashi {
namespace {

using test::Arrival;
using test::at;
using test::ByteVector;
using test::ip;
using test::IpSpec;
using test::ParsedFrame;
using test::pattern;

const Endpoint kGuest = at("10.0.0.2", 5000);
const Endpoint kRemote = at("192.0.2.1", 7000);

BOOST_FIXTURE_TEST_SUITE(udp_proxy, test::UdpFixture)

BOOST_AUTO_TEST_CASE(one_socket_serves_a_guest_endpoint_whatever_it_talks_to) {
  guest_sends(kGuest, kRemote, {1});
  guest_sends(kGuest, at("198.51.100.9", 53), {2});
  guest_sends(at("10.0.0.2", 5001), kRemote, {3});
  guest_sends(at("10.0.0.3", 5000), kRemote, {4});
  BOOST_TEST(sockets() == 3u);
  BOOST_TEST(proxy.size() == 3u);
  BOOST_TEST(socket(0).sent.size() == 2u);
  BOOST_TEST((socket(0).sent[1].remote == at("198.51.100.9", 53)));
  BOOST_TEST(world.counters[Counter::kUdpOut] == 4u);
  BOOST_TEST(world.all_drops() == 0u);
}

BOOST_AUTO_TEST_CASE(a_datagram_carries_its_ip_header_along_with_one_hop_less) {
  IpSpec spec = UdpFixture::spec(kGuest, kRemote);
  spec.ttl = 9;
  spec.tos = 0x2e;
  spec.dont_fragment = false;
  const ParsedFrame frame(test::udp_frame(spec, 5000, 7000, pattern(10)));
  proxy.handle_packet(now, frame.packet);
  proxy.finish_batch(now);
  const auto& sent = socket(0).sent[0];
  BOOST_TEST(sent.ttl == 8);
  BOOST_TEST(sent.tos == 0x2e);
  BOOST_TEST(!sent.dont_fragment);
  BOOST_TEST(sent.segment_size == 0);
  BOOST_TEST(sent.payload == pattern(10), boost::test_tools::per_element());
  Arrival arrival;
  arrival.remote = kRemote;
  arrival.ttl = 33;
  arrival.tos = 0x03;
  arrives(0, arrival);
  const auto answer = world.link.take();
  BOOST_TEST(answer.packet().ip_header.ttl == 32);
  BOOST_TEST(answer.packet().ip_header.tos == 3);
}

BOOST_AUTO_TEST_CASE(answers_reach_the_guest_address_that_asked) {
  const Endpoint first = at("fd00:da51::2", 4000);
  const Endpoint second = at("fd00:da51::3", 4000);
  const Endpoint remote = at("2001:db8::9", 99);
  guest_sends(first, remote, {1});
  guest_sends(second, remote, {2});
  arrives(1, remote, pattern(700));
  arrives(0, remote, pattern(3));
  expect_datagram(remote, second, pattern(700));
  expect_datagram(remote, first, pattern(3));
  BOOST_TEST(world.counters[Counter::kUdpIn] == 2u);
}

BOOST_AUTO_TEST_CASE(empty_datagrams_are_datagrams) {
  guest_sends(kGuest, kRemote, {});
  BOOST_TEST(socket(0).sent.size() == 1u);
  BOOST_TEST(socket(0).sent[0].payload.empty());
  arrives(0, kRemote, {});
  expect_datagram(kRemote, kGuest, {});
}

BOOST_AUTO_TEST_CASE(the_filter_by_address_lets_other_ports_of_a_contact_in) {
  guest_sends(kGuest, kRemote, {1});
  arrives(0, at("192.0.2.1", 9999), {1});
  expect_datagram(at("192.0.2.1", 9999), kGuest, {1});
  arrives(0, at("192.0.2.2", 7000), {1});
  BOOST_TEST(world.link.frames.empty());
  BOOST_TEST(world.drops(DropReason::kUdpFiltered) == 1u);
  BOOST_TEST(world.counters[Counter::kUdpFiltered] == 1u);
}

BOOST_AUTO_TEST_CASE(the_filter_by_endpoint_and_the_open_one) {
  config.filter = UdpFilter::kAddressAndPortDependent;
  guest_sends(kGuest, kRemote, {1});
  arrives(0, at("192.0.2.1", 9999), {1});
  BOOST_TEST(world.drops(DropReason::kUdpFiltered) == 1u);
  arrives(0, kRemote, {2});
  expect_datagram(kRemote, kGuest, {2});
  config.filter = UdpFilter::kEndpointIndependent;
  arrives(0, at("203.0.113.5", 1), {3});
  expect_datagram(at("203.0.113.5", 1), kGuest, {3});
}

BOOST_AUTO_TEST_CASE(nobody_outside_speaks_as_a_local_address_even_unfiltered) {
  config.filter = UdpFilter::kEndpointIndependent;
  guest_sends(kGuest, kRemote, {1});
  for (const char* forged : {"10.0.0.1", "10.0.0.7", "127.0.0.1", "169.254.169.254"}) {
    arrives(0, at(forged, 53), {1});
  }
  arrives(0, at("192.0.2.1", 0), {1});
  BOOST_TEST(world.link.frames.empty());
  BOOST_TEST(world.drops(DropReason::kUdpFiltered) == 5u);
}

BOOST_AUTO_TEST_CASE(a_mapping_lives_five_minutes_after_the_last_datagram_of_either_side) {
  guest_sends(kGuest, kRemote, {1});
  advance(4min);
  arrives(0, kRemote, {1});
  advance(4min);
  guest_sends(kGuest, kRemote, {1});
  advance(5min - 1ns);
  BOOST_TEST(proxy.size() == 1u);
  advance(1ns);
  BOOST_TEST(proxy.size() == 0u);
  BOOST_TEST(world.sockets.open_count() == 0u);
  BOOST_TEST(world.counters[Counter::kUdpExpired] == 1u);
  BOOST_TEST((proxy.next_deadline() == kNever));
}

BOOST_AUTO_TEST_CASE(filtered_datagrams_keep_nothing_alive) {
  guest_sends(kGuest, kRemote, {1});
  advance(4min);
  arrives(0, at("203.0.113.5", 1), {3});
  advance(1min);
  BOOST_TEST(proxy.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_mapping_that_only_asked_names_is_short_lived) {
  guest_sends(kGuest, at("192.0.2.53", 53), {1});
  guest_sends(at("10.0.0.2", 6000), at("192.0.2.53", 53), {1});
  guest_sends(at("10.0.0.2", 6000), kRemote, {1});
  advance(10s);
  BOOST_TEST(proxy.size() == 1u);
  BOOST_TEST(socket(0).closed);
  advance(4min + 50s);
  BOOST_TEST(proxy.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_uso_super_frame_is_one_send) {
  Offload offload;
  offload.gso_type = GsoType::kUdp;
  offload.gso_size = 1000;
  offload.csum_partial = true;
  offload.csum_start = 34;
  offload.csum_offset = 6;
  const ParsedFrame frame(
      test::udp_frame(UdpFixture::spec(kGuest, kRemote), 5000, 7000, pattern(2500)), offload);
  proxy.handle_packet(now, frame.packet);
  proxy.finish_batch(now);
  BOOST_TEST(socket(0).sent.size() == 1u);
  BOOST_TEST(socket(0).sent[0].segment_size == 1000);
  BOOST_TEST(socket(0).sent[0].payload.size() == 2500u);
  BOOST_TEST(world.counters[Counter::kUdpOut] == 3u);
}

BOOST_AUTO_TEST_CASE(a_spent_ttl_ends_here) {
  guest_sends(kGuest, kRemote, {1});
  Arrival arrival;
  arrival.remote = kRemote;
  arrival.ttl = 1;
  arrives(0, arrival);
  BOOST_TEST(world.drops(DropReason::kTtlExpired) == 1u);
  BOOST_TEST(world.link.frames.empty());
}

BOOST_AUTO_TEST_CASE(refusals_are_told) {
  guest_sends(kGuest, at("10.0.0.1", 9), {1});
  expect_icmp(3, 3);
  BOOST_TEST(world.drops(DropReason::kUdpRefused) == 1u);
  guest_sends(kGuest, at("10.0.0.9", 9), {1});
  expect_icmp(3, 1);
  BOOST_TEST(world.drops(DropReason::kDestinationUnreachable) == 1u);
  guest_sends(kGuest, at("127.0.0.1", 9), {1});
  expect_icmp(3, 13);
  BOOST_TEST(world.drops(DropReason::kDestinationDenied) == 1u);
  guest_sends(kGuest, at("239.255.255.250", 1900), {1});
  guest_sends(kGuest, at("255.255.255.255", 1900), {1});
  guest_sends(at("10.0.0.2", 0), kRemote, {1});
  BOOST_TEST(world.drops(DropReason::kMulticast) == 1u);
  BOOST_TEST(world.drops(DropReason::kBroadcast) == 1u);
  BOOST_TEST(world.drops(DropReason::kUdpMalformed) == 1u);
  BOOST_TEST(world.link.frames.empty());
  BOOST_TEST(sockets() == 0u);
}

BOOST_AUTO_TEST_CASE(host_loopback_is_reached_by_the_gateways_name_when_opened) {
  world.policy_config.host_loopback = true;
  guest_sends(kGuest, at("10.0.0.1", 7777), {1});
  BOOST_TEST((socket(0).sent[0].remote == at("127.0.0.1", 7777)));
  arrives(0, at("127.0.0.1", 7777), {2});
  expect_datagram(at("10.0.0.1", 7777), kGuest, {2});
  arrives(0, at("127.0.0.1", 7778), {2});  // another service of the host has no business here
  BOOST_TEST(world.drops(DropReason::kUdpFiltered) == 1u);
  const Endpoint gateway{world.topology.gateway_link_local(), Port{7777}};
  guest_sends(at("fe80::77", 5000), gateway, {1});
  arrives(1, at("::1", 7777), {3});
  expect_datagram(gateway, at("fe80::77", 5000), {3});
}

BOOST_AUTO_TEST_CASE(errors_of_the_network_quote_the_guests_datagram) {
  guest_sends(kGuest, kRemote, pattern(20));
  NetError error;
  error.error = SocketError::kRefused;
  error.icmp_type = 3;
  error.icmp_code = 3;
  error.reporter = kRemote.address;
  error.original_remote = kRemote;
  const ByteVector quoted = pattern(20);
  error.quoted = quoted;
  event(0, SocketEvent::Kind::kNetError, error);
  const auto frame = expect_icmp(3, 3);
  const Packet p = frame.packet();
  BOOST_TEST((p.ip_header.source == kRemote.address));
  ByteVector again(14, 0);
  test::put_u16(again, 12, 0x0800);
  test::append(again, p.transport.subspan(8));
  Packet inner;
  BOOST_REQUIRE(parse(again, {}, 1500, inner).ok());
  BOOST_TEST(to_string(inner.source()) == to_string(kGuest));
  BOOST_TEST(to_string(inner.destination()) == to_string(kRemote));
  BOOST_TEST(inner.payload.size() == 20u);
  // About somebody the guest never wrote to there is nothing to tell.
  error.original_remote = at("192.0.2.77", 1);
  event(0, SocketEvent::Kind::kNetError, error);
  BOOST_TEST(world.link.frames.empty());
  BOOST_TEST(proxy.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_error_from_host_loopback_comes_from_the_gateway) {
  world.policy_config.host_loopback = true;
  guest_sends(kGuest, at("10.0.0.1", 7777), {1});
  NetError error;
  error.error = SocketError::kRefused;
  error.icmp_type = 3;
  error.icmp_code = 3;
  error.reporter = ip("127.0.0.1");
  error.original_remote = at("127.0.0.1", 7777);
  event(0, SocketEvent::Kind::kNetError, error);
  const auto frame = expect_icmp(3, 3);
  BOOST_TEST((frame.packet().ip_header.source == ip("10.0.0.1")));
}

BOOST_AUTO_TEST_CASE(packet_too_big_names_an_mtu_that_ipv6_allows) {
  const Endpoint guest = at("fd00:da51::2", 5000);
  const Endpoint remote = at("2001:db8::1", 9);
  guest_sends(guest, remote, pattern(1400));
  NetError error;
  error.error = SocketError::kMessageTooLong;
  error.icmp_type = 2;
  error.mtu = 900;
  error.reporter = ip("2001:db8:f::1");
  error.original_remote = remote;
  event(0, SocketEvent::Kind::kNetError, error);
  const auto frame = expect_icmp(2, 0);
  const Packet p = frame.packet();
  BOOST_TEST(p.transport[6] == 0x05);  // 1280
  BOOST_TEST(p.transport[7] == 0x00);
  BOOST_TEST((p.ip_header.source == ip("2001:db8:f::1")));
}

BOOST_AUTO_TEST_CASE(a_datagram_too_long_for_the_hosts_path_is_told_once_with_its_mtu) {
  guest_sends(kGuest, kRemote, {1});
  socket(0).send_error = SocketError::kMessageTooLong;
  guest_sends(kGuest, kRemote, pattern(1400));
  BOOST_TEST(world.drops(DropReason::kUdpSendFailed) == 1u);
  BOOST_TEST(world.link.frames.empty());  // the MTU comes as an event, in the same turn
  NetError error;
  error.error = SocketError::kMessageTooLong;
  error.mtu = 1280;
  error.original_remote = kRemote;
  const ByteVector quoted = pattern(512);
  error.quoted = quoted;
  event(0, SocketEvent::Kind::kNetError, error);
  const auto frame = expect_icmp(3, 4);
  const Packet p = frame.packet();
  BOOST_TEST(p.transport[6] == 0x05);
  BOOST_TEST(p.transport[7] == 0x00);
  BOOST_TEST((p.ip_header.source == ip("10.0.0.1")));
  BOOST_TEST(world.link.frames.empty());
}

BOOST_AUTO_TEST_CASE(a_send_that_fails_is_a_drop_and_told_where_it_can_be) {
  guest_sends(kGuest, kRemote, {1});
  socket(0).send_error = SocketError::kWouldBlock;
  guest_sends(kGuest, kRemote, {1});
  BOOST_TEST(world.drops(DropReason::kUdpSendFailed) == 1u);
  BOOST_TEST(world.link.frames.empty());
  socket(0).send_error = SocketError::kNetworkUnreachable;
  guest_sends(kGuest, kRemote, {1});
  BOOST_TEST(world.drops(DropReason::kUdpSendFailed) == 2u);
  expect_icmp(3, 0);
  BOOST_TEST(world.counters[Counter::kUdpOut] == 1u);
}

BOOST_AUTO_TEST_CASE(all_who_were_asked_may_answer_and_be_told_of) {
  const auto server = [](uint16_t i) {
    return at("192.0.2." + std::to_string(i % 250 + 1), static_cast<uint16_t>(3478 + i / 250));
  };
  constexpr uint16_t kServers = 1000;
  for (uint16_t i = 0; i < kServers; ++i) guest_sends(kGuest, server(i), {1});
  world.link.frames.clear();
  for (uint16_t i = 0; i < kServers; ++i) {
    arrives(0, server(i), {2});
    expect_datagram(server(i), kGuest, {2});
  }
  BOOST_TEST(world.counters[Counter::kUdpFiltered] == 0u);
  NetError error;
  error.error = SocketError::kRefused;
  error.icmp_type = 3;
  error.icmp_code = 3;
  error.original_remote = server(0);
  event(0, SocketEvent::Kind::kNetError, error);
  expect_icmp(3, 3);
  // Nobody else may, nor they once they were not talked to for long, though the mapping lives on.
  arrives(0, at("198.51.100.1", 3478), {3});
  BOOST_TEST(world.counters[Counter::kUdpFiltered] == 1u);
  for (int minute = 0; minute < 6; ++minute) {
    advance(1min);
    guest_sends(kGuest, server(0), {1});
  }
  arrives(0, server(1), {4});
  BOOST_TEST(world.counters[Counter::kUdpFiltered] == 2u);
  arrives(0, server(0), {5});
  expect_datagram(server(0), kGuest, {5});
}

BOOST_AUTO_TEST_CASE(a_host_without_that_family_is_unreachable) {
  world.sockets.open_error = SocketError::kNotSupported;
  guest_sends(at("fd00:da51::2", 1), at("2001:db8::1", 2), {1});
  expect_icmp(1, 0);
  world.sockets.open_error = SocketError::kTooManySockets;
  guest_sends(kGuest, kRemote, {1});
  expect_icmp(3, 13);
  world.sockets.open_error = SocketError::kNoBuffers;
  guest_sends(kGuest, kRemote, {1});
  expect_icmp(3, 13);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 2u);
  BOOST_TEST(world.drops(DropReason::kFlowLimit) == 2u);
  BOOST_TEST(proxy.size() == 0u);
}

BOOST_AUTO_TEST_CASE(at_the_bound_idle_mappings_give_way_and_busy_ones_stay) {
  world.limits.udp_endpoints = 3;
  UdpProxy small(config, world.context, world.policy, world.errors, SipKey{});
  const auto send = [&](uint16_t port) {
    const ParsedFrame frame(
        test::udp_frame(UdpFixture::spec(at("10.0.0.2", port), kRemote), port, 7000, {}));
    small.handle_packet(now, frame.packet);
    small.finish_batch(now);
  };
  send(1);
  now += 1min;
  send(2);
  send(3);
  send(4);
  BOOST_TEST(small.size() == 3u);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 1u);
  BOOST_TEST(world.drops(DropReason::kFlowLimit) == 1u);
  expect_icmp(3, 13);
  now += 1min;  // the first has been idle for two
  send(4);
  BOOST_TEST(small.size() == 3u);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 1u);
  BOOST_TEST(socket(0).closed);
  send(5);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 2u);
}

BOOST_AUTO_TEST_CASE(a_dns_client_that_takes_a_port_for_each_question_is_never_refused) {
  constexpr uint16_t kQueries = 3000;  // more than there are mappings, within a DNS mapping's time
  const Endpoint server = at("192.0.2.53", 53);
  guest_sends(kGuest, kRemote, {1});  // no DNS: it stays
  for (uint16_t i = 0; i < kQueries; ++i) {
    const Endpoint client = at("10.0.0.2", static_cast<uint16_t>(10'000 + i));
    guest_sends(client, server, {1});
    arrives(size_t{i} + 1, server, {2});
    expect_datagram(server, client, {2});
    advance(3ms);
  }
  BOOST_TEST(world.all_drops() == 0u);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 0u);
  BOOST_TEST(!socket(0).closed);
  BOOST_TEST(proxy.size() == world.limits.udp_endpoints);
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_dns_answer_does_not_give_way) {
  world.limits.udp_endpoints = 2;
  UdpProxy small(config, world.context, world.policy, world.errors, SipKey{});
  const Endpoint server = at("192.0.2.53", 53);
  const auto send = [&](uint16_t port) {
    const ParsedFrame frame(
        test::udp_frame(UdpFixture::spec(at("10.0.0.2", port), server), port, 53, {}));
    small.handle_packet(now, frame.packet);
    small.finish_batch(now);
  };
  const auto answer = [&](size_t i) {
    socket(i).incoming.push_back({server, {1}, {}});
    SocketEvent e;
    e.id = socket(i).id;
    e.kind = SocketEvent::Kind::kReadable;
    small.handle_socket(now, e);
    small.flush(now);
  };
  send(1);
  send(2);
  send(3);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 1u);
  answer(1);
  send(3);  // in vain a moment ago
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 1u);
  BOOST_TEST(!socket(0).closed);
  BOOST_TEST(socket(1).closed);
  answer(2);
  send(3);  // another question by the same port: the second answer is waited for
  send(4);
  BOOST_TEST(world.counters[Counter::kUdpLimit] == 2u);
  BOOST_TEST(!socket(2).closed);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
