#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

Forward forward_of(const char* host, uint16_t host_port, uint16_t guest_port) {
  Forward forward;
  forward.protocol = ForwardProtocol::kTcp;
  forward.host = {address(host), {host_port}};
  forward.guest_port = {guest_port};
  return forward;
}

// A host peer connects to the first listener; the bench becomes the guest's side of it.
StreamState& peer_connects(TcpBench& bench, const char* peer, uint16_t port) {
  ListenerState& listener = bench.sockets.listeners.front();
  listener.pending.push_back({address(peer), {port}});
  bench.event({listener.id, SocketEvent::Kind::kAcceptable, {}});
  return bench.sockets.streams.back();
}

// Takes the SYN and makes the bench its other end.
TcpBench::Heard hear_syn(TcpBench& bench) {
  auto heard = bench.expect(kTcpSyn);
  bench.isn = heard.packet.tcp.sequence;
  bench.guest_address = heard.packet.ip_header.destination;
  bench.guest_port = heard.packet.destination_port.number;
  bench.remote_address = heard.packet.ip_header.source;
  bench.remote_port = heard.packet.source_port.number;
  return heard;
}

void answer_syn(TcpBench& bench, uint16_t window) {
  bench.frames(
      {bench.segment(kTcpSyn | kTcpAck, kGuestIsn, bench.isn + 1, window, {}, bench.syn_options)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_forward)

BOOST_AUTO_TEST_CASE(brings_a_peer_of_the_host_to_the_guest) {  // scenarios 11, 12
  TcpBench bench(quiet_config());
  const auto bound = bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777));
  BOOST_REQUIRE(bound.ok());
  StreamState& host = peer_connects(bench, "203.0.113.9", 50000);
  const auto syn = hear_syn(bench);
  BOOST_TEST((syn.packet.source() == Endpoint{address("203.0.113.9"), {50000}}));
  BOOST_TEST((syn.packet.destination() == Endpoint{address("10.0.0.2"), {7777}}));
  BOOST_TEST(syn.packet.tcp.window == 65535);
  BOOST_TEST(syn.packet.tcp.options.window_scale.value() > 0);
  BOOST_TEST(syn.packet.tcp.options.mss.value() == 1460);
  BOOST_TEST(syn.packet.tcp.options.timestamps.value().echo_reply == 0u);  // RFC 7323 3.2
  answer_syn(bench, 200);
  bench.expect_ack(0);
  bench.host_writes(host, pattern(1000));
  const size_t first = bench.swallow(0);
  BOOST_TEST(first == 200u);  // the window of a SYN-ACK is not scaled
  bench.data(0, 200, "up");
  BOOST_TEST(TcpBench::written(host) == "up");
  BOOST_TEST(bench.count(Counter::kTcpAccepted) == 1u);
}

BOOST_AUTO_TEST_CASE(
    keeps_the_window_its_syn_promised_when_memory_has_gone_since) {  // RFC 9293 3.8.6
  Config config = quiet_config();
  config.limits.tcp_uplink_bytes_total = 65536;
  TcpBench bench(config);
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  bench.establish().write_room = 0;
  ListenerState& listener = bench.sockets.listeners.front();
  listener.pending.push_back({address("203.0.113.9"), {50000}});
  bench.event({listener.id, SocketEvent::Kind::kAcceptable, {}});
  for (uint32_t i = 0; i < 20; ++i) bench.data(i * 1460, 0, std::string(1460, 'x'));
  const auto syn = hear_syn(bench);
  BOOST_TEST(syn.packet.tcp.window == 65535);
  bench.link.frames.clear();  // what acknowledges the other connection
  answer_syn(bench, 65535);
  const uint32_t window = bench.expect(kTcpAck).packet.tcp.window;
  BOOST_TEST(window << syn.packet.tcp.options.window_scale.value() >= 65535u);
}

BOOST_AUTO_TEST_CASE(tells_the_port_that_the_host_chose_and_refuses_one_that_is_taken) {
  TcpBench bench(quiet_config());
  const auto first = bench.nat().add_forward(bench.now, forward_of("127.0.0.1", 0, 80));
  BOOST_REQUIRE(first.ok());
  BOOST_TEST(first->port.number != 0);
  const auto again =
      bench.nat().add_forward(bench.now, forward_of("127.0.0.1", first->port.number, 81));
  BOOST_REQUIRE(!again.ok());
  BOOST_TEST((again.error() == SocketError::kAddressInUse));
  BOOST_TEST(bench.nat().add_forward(bench.now, forward_of("::1", first->port.number, 80)).ok());
  BOOST_TEST(bench.nat().remove_forward(bench.now, ForwardProtocol::kTcp, *first).ok());
  BOOST_TEST(!bench.nat().remove_forward(bench.now, ForwardProtocol::kTcp, *first).ok());
  BOOST_TEST(
      bench.nat().add_forward(bench.now, forward_of("127.0.0.1", first->port.number, 80)).ok());
}

BOOST_AUTO_TEST_CASE(takes_its_syn_back_when_the_peer_aborts) {
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  StreamState& host = peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  bench.host_resets(host);
  const auto heard = bench.expect(kTcpRst);  // an ACK of nothing would make the guest ignore it
  BOOST_TEST(heard.packet.tcp.sequence == bench.isn + 1);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(opens_when_guest_and_peer_call_each_other) {  // RFC 9293 3.5, MUST-10
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  StreamState& host = peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  bench.send(kTcpSyn, kGuestIsn, 0, 1000, {});  // crossed with ours: no second host connect
  const auto again = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(again.packet.tcp.sequence == bench.isn);
  BOOST_TEST(again.packet.tcp.acknowledgment == kGuestIsn + 1);
  BOOST_TEST(bench.sockets.streams.size() == 1u);
  answer_syn(bench, 1000);  // what the guest says to our SYN, in SYN-RECEIVED
  bench.expect_ack(0);      // makes it ESTABLISHED
  answer_syn(bench, 1000);  // that ACK was lost
  bench.expect_ack(0);
  bench.data(0, 0, "up");
  BOOST_TEST(TcpBench::written(host) == "up");
}

BOOST_AUTO_TEST_CASE(aborts_the_host_when_the_guest_refuses) {
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  StreamState& host = peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  bench.send(kTcpRst | kTcpAck, 0, bench.isn + 9, 0, {});  // of another SYN
  BOOST_TEST(!host.aborted);
  bench.send(kTcpRst, 0, 0, 0, {});
  BOOST_TEST(!host.aborted);
  bench.send(kTcpRst | kTcpAck, 0, bench.isn + 1, 0, {});
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(repeats_the_syn_and_gives_up_after_three_minutes) {
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  StreamState& host = peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  for (const Duration wait : {1s, 2s, 4s, 8s, 16s, 32s, 60s}) {
    bench.advance(wait);
    BOOST_TEST(bench.expect(kTcpSyn).packet.tcp.sequence == bench.isn);
  }
  bench.advance(57s - 1ms);  // RFC 9293 3.8.3
  BOOST_TEST(!host.aborted);
  bench.advance(1ms);
  BOOST_TEST(host.aborted);
}

BOOST_AUTO_TEST_CASE(answers_a_wrong_syn_ack_with_a_reset_and_waits_on) {
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  bench.send(kTcpSyn | kTcpAck, kGuestIsn, bench.isn + 99, 1000, {});
  BOOST_TEST(bench.expect(kTcpRst).packet.tcp.sequence == bench.isn + 99);
  bench.send(kTcpPsh, kGuestIsn, 0, 1000, {});  // neither SYN nor RST
  bench.expect_nothing();
  answer_syn(bench, 1000);
  bench.expect_ack(0);
}

BOOST_AUTO_TEST_CASE(gives_the_gateways_address_to_peers_that_mean_something_else_to_the_guest) {
  // scenario 13: loopback, the guest's own address, the gateway's, another of the subnet
  for (const char* peer : {"127.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.99", "169.254.1.1"}) {
    TcpBench bench(quiet_config());
    BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("127.0.0.1", 8080, 9999)).ok());
    StreamState& host = peer_connects(bench, peer, 50000);
    const auto syn = hear_syn(bench);
    BOOST_TEST((syn.packet.source() == Endpoint{address("10.0.0.1"), {50000}}));
    answer_syn(bench, 1000);
    bench.expect_ack(0);
    bench.data(0, 0, "hello");
    BOOST_TEST(TcpBench::written(host) == "hello");
  }
}

BOOST_AUTO_TEST_CASE(opens_nothing_else_by_rewriting_a_loopback_peer) {  // facts 2.3
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("127.0.0.1", 8080, 9999)).ok());
  peer_connects(bench, "127.0.0.1", 50000);
  hear_syn(bench);
  answer_syn(bench, 1000);
  bench.expect_ack(0);
  bench.guest_port = 40000;  // the guest tries the same name on its own account
  bench.remote_port = 50000;
  const size_t before = bench.sockets.streams.size();
  bench.syn();
  bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(bench.sockets.streams.size() == before);
}

BOOST_AUTO_TEST_CASE(tells_two_peers_apart_that_look_alike) {
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("127.0.0.1", 8080, 9999)).ok());
  StreamState& one = peer_connects(bench, "127.0.0.1", 50000);
  const auto syn_one = hear_syn(bench);
  StreamState& two = peer_connects(bench, "127.0.0.2", 50000);
  const auto syn_two = hear_syn(bench);
  BOOST_TEST(syn_one.packet.source_port.number == 50000);
  BOOST_TEST(syn_two.packet.source_port.number == 50001);
  answer_syn(bench, 1000);
  bench.expect_ack(0);
  bench.data(0, 0, "two");
  BOOST_TEST(TcpBench::written(two) == "two");
  BOOST_TEST(one.written.empty());
}

BOOST_AUTO_TEST_CASE(aborts_a_peer_whose_tuple_the_guest_still_knows) {
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  StreamState& again = peer_connects(bench, "203.0.113.9", 50000);
  BOOST_TEST(again.aborted);
  bench.expect_nothing();
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
}

BOOST_AUTO_TEST_CASE(leaves_peers_in_the_backlog_while_the_table_is_full) {
  Config config = quiet_config();
  config.limits.tcp_connections = 1;
  TcpBench bench(config);
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  StreamState& one = peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  peer_connects(bench, "203.0.113.9", 50001);
  BOOST_TEST(bench.sockets.listeners.front().pending.size() == 1u);
  BOOST_TEST(bench.count(Counter::kTcpLimit) > 0u);
  bench.send(kTcpRst | kTcpAck, 0, bench.isn + 1, 0, {});
  BOOST_TEST(one.aborted);
  bench.advance(100ms);
  BOOST_TEST(hear_syn(bench).packet.source_port.number == 50001);
}

BOOST_AUTO_TEST_CASE(keeps_the_listener_through_a_shortage_of_descriptors) {
  TcpBench bench(quiet_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  bench.sockets.listeners.front().accept_error = SocketError::kTooManySockets;
  ListenerState& listener = bench.sockets.listeners.front();
  listener.pending.push_back({address("203.0.113.9"), {50000}});
  bench.event({listener.id, SocketEvent::Kind::kAcceptable, {}});
  bench.advance(1s);
  BOOST_TEST(!listener.closed);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  listener.accept_error.reset();
  bench.advance(100ms);  // without another event
  hear_syn(bench);
}

BOOST_AUTO_TEST_CASE(leaves_connections_alive_when_the_forward_is_removed) {
  TcpBench bench(quiet_config());
  const auto bound = bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777));
  StreamState& host = peer_connects(bench, "203.0.113.9", 50000);
  hear_syn(bench);
  answer_syn(bench, 1000);
  bench.expect_ack(0);
  const FlowId id = bench.sockets.listeners.front().id;
  BOOST_REQUIRE(bench.nat().remove_forward(bench.now, ForwardProtocol::kTcp, *bound).ok());
  BOOST_TEST(bench.sockets.listeners.front().closed);
  bench.event({id, SocketEvent::Kind::kAcceptable, {}});  // an event that was on its way
  bench.data(0, 0, "still here");
  BOOST_TEST(TcpBench::written(host) == "still here");
}

BOOST_AUTO_TEST_CASE(leads_to_the_ipv6_address_that_the_guest_uses_or_the_one_given) {
  TcpBench bench(ipv6_config());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("::", 8080, 7777)).ok());
  StreamState& nobody = peer_connects(bench, "2001:db8::9", 50000);
  BOOST_TEST(nobody.aborted);  // no address is known yet
  bench.guest_address = address("fd00:da51::abcd");
  bench.remote_address = address("2001:db8::7");
  bench.send(kTcpAck, 1, 1, 1, {});
  bench.expect(kTcpRst);
  peer_connects(bench, "2001:db8::9", 50001);
  const auto syn = hear_syn(bench);
  BOOST_TEST((syn.packet.ip_header.destination == address("fd00:da51::abcd")));
  BOOST_TEST((syn.packet.source() == Endpoint{address("2001:db8::9"), {50001}}));
  peer_connects(bench, "::1", 50002);
  BOOST_TEST((hear_syn(bench).packet.source() == Endpoint{address("fd00:da51::1"), {50002}}));

  TcpBench named(ipv6_config());
  Forward forward = forward_of("::", 8080, 7777);
  forward.guest = address("fd00:da51::5");
  BOOST_REQUIRE(named.nat().add_forward(named.now, forward).ok());
  peer_connects(named, "2001:db8::9", 50001);
  BOOST_TEST((hear_syn(named).packet.ip_header.destination == address("fd00:da51::5")));
}

// Peers that the guest does not answer, one after the other, from port 50000 on.
void peers_come(TcpBench& bench, uint16_t count) {
  for (uint16_t i = 0; i < count; ++i) {
    peer_connects(bench, "203.0.113.9", static_cast<uint16_t>(50000 + i));
  }
}

BOOST_AUTO_TEST_CASE(takes_no_more_peers_than_may_wait_for_the_guest) {
  Config config = quiet_config();
  config.limits.tcp_accepts_pending = 2;
  TcpBench bench(config);
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  const std::deque<Endpoint>& backlog = bench.sockets.listeners.front().pending;
  peers_come(bench, 7);
  BOOST_TEST(bench.nat().flow_counts().tcp == 2u);
  BOOST_TEST(backlog.size() == 5u);
  BOOST_TEST(bench.count(Counter::kTcpLimit) > 0u);
  BOOST_TEST((bench.nat().next_deadline().value_or(kNever) > bench.now));  // no polling
  bench.save_and_restore();
  BOOST_TEST((bench.nat().next_deadline().value_or(kNever) > bench.now));

  // Each way out of it lets the next one in, without another event.
  hear_syn(bench);  // 50000
  answer_syn(bench, 1000);
  BOOST_TEST(backlog.size() == 4u);
  hear_syn(bench);  // 50001
  bench.send(kTcpRst | kTcpAck, 0, bench.isn + 1, 0, {});
  BOOST_TEST(backlog.size() == 3u);
  bench.host_resets(bench.sockets.streams.at(2));
  BOOST_TEST(backlog.size() == 2u);
  bench.link.frames.clear();
  bench.advance(181s);
  BOOST_TEST(backlog.size() == 0u);
  BOOST_TEST(bench.nat().flow_counts().tcp == 3u);
  BOOST_TEST(bench.nat().audit() == "");
}

BOOST_AUTO_TEST_CASE(takes_the_peers_that_wait_when_the_link_restarts) {
  Config config = quiet_config();
  config.limits.tcp_accepts_pending = 2;
  TcpBench bench(config);
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  peers_come(bench, 3);
  bench.link.frames.clear();
  bench.nat().restart_link(bench.now);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  bench.turn();
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  BOOST_TEST(bench.sockets.listeners.front().pending.empty());
}

BOOST_AUTO_TEST_CASE(leaves_half_of_the_table_to_the_guest_whatever_the_bound) {
  Config config = quiet_config();
  config.limits.tcp_connections = 4;
  TcpBench bench(config);
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  peers_come(bench, 9);
  BOOST_TEST(bench.nat().flow_counts().tcp == 2u);
  bench.link.frames.clear();
  bench.guest_port = 44000;
  bench.establish();
  bench.guest_port = 44001;
  bench.establish();
  BOOST_TEST(bench.nat().flow_counts().tcp == 4u);
  BOOST_TEST((bench.nat().next_deadline().value_or(kNever) > bench.now));
}

BOOST_AUTO_TEST_CASE(lets_forwards_take_turns_when_peers_of_both_wait) {
  Config config = quiet_config();
  config.limits.tcp_accepts_pending = 1;
  TcpBench bench(config);
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8080, 7777)).ok());
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 8081, 7778)).ok());
  peers_come(bench, 4);
  ListenerState& other = bench.sockets.listeners.back();
  for (uint16_t port = 60000; port < 60002; ++port) {
    other.pending.push_back({address("203.0.113.9"), {port}});
  }
  bench.event({other.id, SocketEvent::Kind::kAcceptable, {}});
  BOOST_TEST(other.pending.size() == 2u);
  constexpr std::array<uint16_t, 6> kTurns{50000, 60000, 50001, 60001, 50002, 50003};
  for (const uint16_t expected : kTurns) {
    BOOST_TEST(hear_syn(bench).packet.source_port.number == expected);
    bench.send(kTcpRst | kTcpAck, 0, bench.isn + 1, 0, {});
  }
  // Of a forward that is gone nobody is taken.
  peers_come(bench, 2);
  hear_syn(bench);
  const Endpoint first = bench.sockets.listeners.front().local;
  BOOST_TEST(bench.nat().remove_forward(bench.now, ForwardProtocol::kTcp, first).ok());
  bench.send(kTcpRst | kTcpAck, 0, bench.isn + 1, 0, {});
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(bounds_the_number_of_forwards) {
  Config config = quiet_config();
  config.limits.tcp_forwards = 2;
  TcpBench bench(config);
  BOOST_TEST(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 1, 1)).ok());
  BOOST_TEST(bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 2, 2)).ok());
  const auto third = bench.nat().add_forward(bench.now, forward_of("0.0.0.0", 3, 3));
  BOOST_REQUIRE(!third.ok());
  BOOST_TEST((third.error() == SocketError::kTooManySockets));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
