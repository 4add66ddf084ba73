// Each bound of TCP driven to: the guest sees a refusal, and a counter moves.
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {

BOOST_AUTO_TEST_SUITE(tcp_limits)

BOOST_AUTO_TEST_CASE(refuses_a_connection_when_the_table_is_full) {
  Config config = quiet_config();
  config.limits.tcp_connections = 2;
  TcpBench bench(config);
  for (uint16_t i = 0; i < 2; ++i) {
    bench.guest_port = static_cast<uint16_t>(44000 + i);
    bench.establish();
  }
  bench.guest_port = 44002;
  bench.syn();
  BOOST_TEST(bench.expect(kTcpRst | kTcpAck).packet.tcp.acknowledgment == kGuestIsn + 1);
  BOOST_TEST(bench.count(Counter::kTcpLimit) == 1u);
  BOOST_TEST(bench.count(DropReason::kFlowLimit) == 1u);
  BOOST_TEST(bench.sockets.streams.size() == 2u);
  bench.guest_port = 44001;
  bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});
  bench.guest_port = 44002;
  bench.establish();  // there is room again
}

BOOST_AUTO_TEST_CASE(refuses_a_connection_when_too_many_connects_are_pending) {
  Config config = quiet_config();
  config.limits.tcp_connects_pending = 2;
  TcpBench bench(config);
  for (uint16_t i = 0; i < 3; ++i) {
    bench.guest_port = static_cast<uint16_t>(44000 + i);
    bench.syn();
  }
  bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(bench.count(Counter::kTcpLimit) == 1u);
  bench.host_connects(bench.sockets.streams[0]);
  bench.expect(kTcpSyn | kTcpAck);
  bench.syn();
  BOOST_TEST(bench.sockets.streams.size() == 3u);
  // Each way out of connecting gives its place back.
  NetError refused;
  refused.error = SocketError::kRefused;
  bench.host_fails(bench.sockets.streams[1], refused);
  bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});
  bench.link.frames.clear();
  for (uint16_t i = 0; i < 3; ++i) {
    bench.guest_port = static_cast<uint16_t>(45000 + i);
    bench.syn();
  }
  BOOST_TEST(bench.sockets.streams.size() == 5u);
  bench.advance(131s);
  for (uint16_t i = 0; i < 2; ++i) {
    bench.guest_port = static_cast<uint16_t>(46000 + i);
    bench.syn();
  }
  BOOST_TEST(bench.sockets.streams.size() == 7u);
}

BOOST_AUTO_TEST_CASE(acknowledges_nothing_that_finds_no_memory) {
  Config config = quiet_config();
  config.limits.tcp_uplink_bytes_total = 8192;  // two blocks
  TcpBench bench(config);
  StreamState& host = bench.establish();
  host.write_room = 0;
  const std::string full(1460, 'x');
  for (uint32_t i = 0; i < 10; ++i) bench.data(i * 1460, 0, full);
  bench.advance(1s);
  uint32_t acked = 0;
  while (!bench.link.frames.empty()) {
    acked = bench.hear().packet.tcp.acknowledgment - kGuestIsn - 1;
  }
  BOOST_TEST(acked == 8192u);
  BOOST_TEST(bench.count(Counter::kTcpReassemblyFull) > 0u);
  bench.host_takes(host, ~size_t{0});
  BOOST_TEST(host.written.size() == 8192u);
  bench.data(8192, 0, "on");
  BOOST_TEST(host.written.size() == 8194u);
}

BOOST_AUTO_TEST_CASE(serves_a_host_that_keeps_up_while_others_hold_all_memory) {
  Config config = quiet_config();
  config.limits.tcp_uplink_bytes_total = 8192;
  TcpBench bench(config);
  StreamState& slow = bench.establish();
  slow.write_room = 0;
  for (uint32_t i = 0; i < 8; ++i) bench.data(i * 1460, 0, std::string(1460, 'x'));
  bench.guest_port = 44445;
  bench.link.frames.clear();
  StreamState& host = bench.establish();
  for (uint32_t i = 0; i < 100; ++i) {
    bench.data(i * 1460, 0, std::string(1460, 'y'));
    while (!bench.link.frames.empty()) BOOST_TEST(bench.hear().packet.tcp.window != 0);
  }
  BOOST_TEST(host.written.size() == 146'000u);
  // Out of order it must wait its turn: nothing can be kept.
  bench.data(146'005, 0, "gap");
  BOOST_TEST(bench.count(DropReason::kTcpNoMemory) > 0u);
}

BOOST_AUTO_TEST_CASE(gives_memory_back_when_connections_end) {
  Config config = quiet_config();
  config.limits.tcp_uplink_bytes_total = 8192;
  TcpBench bench(config);
  for (int round = 0; round < 5; ++round) {
    StreamState& host = bench.establish();
    host.write_room = 0;
    bench.data(100, 0, std::string(1000, 'x'));
    bench.data(5000, 0, std::string(1000, 'x'));
    BOOST_TEST(bench.count(DropReason::kTcpNoMemory) == 0u);
    bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});
    BOOST_TEST(host.aborted);
    bench.link.frames.clear();
  }
}

BOOST_AUTO_TEST_CASE(forgets_the_oldest_failure_when_too_many_are_remembered) {
  Config config = quiet_config();
  config.limits.tcp_failures_remembered = 2;
  TcpBench bench(config);
  NetError refused;
  refused.error = SocketError::kRefused;
  for (uint16_t i = 0; i < 3; ++i) {
    bench.guest_port = static_cast<uint16_t>(44000 + i);
    bench.syn();
    bench.host_fails(bench.sockets.streams.back(), refused);
    bench.advance(1ms);
  }
  bench.guest_port = 44002;
  bench.syn();
  bench.guest_port = 44001;
  bench.syn();
  BOOST_TEST(bench.sockets.streams.size() == 3u);
  bench.guest_port = 44000;
  bench.syn();
  BOOST_TEST(bench.sockets.streams.size() == 4u);
}

BOOST_AUTO_TEST_CASE(leaves_nothing_behind_after_a_thousand_connections) {
  TcpBench bench(quiet_config());
  for (uint32_t i = 0; i < 1000; ++i) {
    bench.guest_port = static_cast<uint16_t>(20000 + i);
    StreamState& host = bench.establish();
    bench.data(0, 0, "ask");
    host.incoming = text("answer");
    bench.host_ends(host);
    bench.fin(3, 7, "");
    bench.link.frames.clear();
  }
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  BOOST_TEST(bench.sockets.open_count() == 0u);
  bench.advance(61s);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 0u);
  BOOST_TEST(bench.count(Counter::kTcpOpened) == bench.count(Counter::kTcpClosed));
}

BOOST_AUTO_TEST_CASE(aborts_all_when_the_link_restarts_and_goes_on_with_the_next_guest) {
  TcpBench bench(quiet_config());
  Forward forward;
  forward.host = {address("0.0.0.0"), {8080}};
  forward.guest_port = {7777};
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward).ok());
  StreamState& host = bench.establish();
  bench.data(5, 0, "held");
  bench.guest_port = 44445;
  bench.syn();
  StreamState& pending = bench.sockets.streams.back();
  bench.link.frames.clear();
  bench.link.room = 0;
  bench.host_resets(host);
  bench.link.room = ~size_t{0};
  bench.nat().restart_link(bench.now);
  bench.turn();
  BOOST_TEST(host.closed);
  BOOST_TEST(pending.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  BOOST_TEST(!bench.sockets.listeners.front().closed);
  bench.expect_nothing();
  bench.establish();
}

// --- Frames that crashed another NAT (mended here, and kept mended) ---

BOOST_AUTO_TEST_CASE(survives_an_mss_of_zero) {
  TcpBench bench(quiet_config());
  bench.syn_options = {2, 4, 0, 0};
  StreamState& host = bench.establish(60000);
  bench.host_writes(host, pattern(1000));
  BOOST_TEST(bench.swallow(0) == 1000u);
}

BOOST_AUTO_TEST_CASE(survives_a_connect_that_succeeds_before_the_turn_ends) {
  TcpBench bench(quiet_config());
  const ByteVector syn =
      bench.segment(kTcpSyn, kGuestIsn, 0, 64240, {}, {2, 4, 0x05, 0xb4, 1, 3, 3, 7});
  const GuestFrame view{syn, {}};
  bench.nat().handle_frames(bench.now, {&view, 1});
  const SocketEvent connected{bench.sockets.streams.back().id, SocketEvent::Kind::kConnected, {}};
  bench.nat().handle_sockets(bench.now, {&connected, 1});
  bench.turn();
  bench.expect(kTcpSyn | kTcpAck);
}

BOOST_AUTO_TEST_CASE(survives_a_fin_at_the_wrap_of_numbers) {
  TcpBench bench(quiet_config());
  bench.send(kTcpSyn, 0xfffffffe, 0, 64240, {});
  StreamState& host = bench.sockets.streams.back();
  bench.host_connects(host);
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == 0xffffffffu);
  const uint32_t ack = heard.packet.tcp.sequence + 1;
  bench.send(kTcpAck | kTcpFin, 4, ack, 501, text("world"));  // out of order, past the wrap
  bench.send(kTcpAck, 0xffffffff, ack, 501, text("hello"));
  BOOST_TEST(TcpBench::written(host) == "helloworld");
  BOOST_TEST(host.fin_written);
}

BOOST_AUTO_TEST_CASE(ends_a_stream_fully_under_back_pressure) {  // facts 2.5 m
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.fin(0, 0, "ask");
  bench.expect_ack(4);
  bench.link.room = 0;
  host.incoming = text("answer");
  bench.host_ends(host);
  bench.advance(1s);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  bench.link_reopens(~size_t{0});
  bench.expect_data(0, 6, kTcpPsh | kTcpFin);
  bench.ack(4, 7, 501);
  bench.expect_nothing();
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
