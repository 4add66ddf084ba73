// What time does to a connection: keep-alive, half-open, lingering, TIME-WAIT.
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

// Closes from the host's side first: what is left is a TIME-WAIT record.
void into_time_wait(TcpBench& bench) {
  StreamState& host = bench.establish();
  bench.host_ends(host);
  bench.expect(kTcpAck | kTcpFin);
  bench.fin(0, 1, "");
  bench.expect_ack(1);
  BOOST_REQUIRE(bench.nat().flow_counts().tcp == 0u);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_idle)

BOOST_AUTO_TEST_CASE(probes_an_idle_guest_after_two_hours_and_gives_up_after_nine) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.advance(2h - 1s);
  bench.expect_nothing();
  bench.advance(1s);
  for (int i = 0; i < 9; ++i) {
    const auto heard = bench.expect(kTcpAck);
    BOOST_TEST(heard.packet.tcp.sequence == bench.isn);  // an old number asks for an ACK
    bench.expect_nothing();
    bench.advance(75s);
  }
  bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(lets_an_idle_guest_answer_when_the_driver_comes_hours_late) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.now += 24h;  // stopped, or its machine was
  bench.turn();
  bench.expect(kTcpAck);
  bench.expect_nothing();  // one probe, not nine at once and then a RST
  bench.advance(75s - 1ms);
  bench.expect_nothing();
  bench.ack(0, 0, 501);
  bench.advance(2h - 1ms);
  bench.expect_nothing();
  BOOST_TEST(!host.aborted);
}

BOOST_AUTO_TEST_CASE(keeps_an_idle_guest_that_answers) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  for (int i = 0; i < 20; ++i) {
    bench.advance(2h);
    bench.expect(kTcpAck);
    bench.ack(0, 0, 501);
    bench.expect_nothing();
  }
  BOOST_TEST(!host.aborted);
}

BOOST_AUTO_TEST_CASE(probes_only_when_nothing_is_outstanding_and_nothing_was_heard) {
  Config config = quiet_config();
  config.tcp.keep_alive_idle = 5s;
  TcpBench bench(config);
  StreamState& host = bench.establish();
  for (int i = 0; i < 5; ++i) {
    bench.advance(4s);
    bench.ack(0, 0, 501);
  }
  bench.expect_nothing();
  bench.host_writes(host, text("hello"));
  bench.advance(1min);
  BOOST_TEST(bench.link.frames.size() > 5u);
  while (!bench.link.frames.empty()) bench.expect_data(0, 5, kTcpPsh);  // its own timer asks
  bench.ack(0, 5, 501);
  bench.advance(5s - 1ms);
  bench.expect_nothing();
  bench.advance(1ms);
  BOOST_TEST(bench.expect(kTcpAck).packet.payload.empty());
}

BOOST_AUTO_TEST_CASE(answers_the_guests_keep_alive) {
  TcpBench bench(quiet_config());
  bench.establish();
  bench.data(0, 0, "hello");
  bench.advance(40ms);
  bench.expect_ack(5);
  bench.ack(4, 0, 501);
  bench.expect_ack(5);
  bench.data(4, 0, "o");  // with a byte of garbage, as some do
  bench.expect_ack(5);
  BOOST_TEST(bench.all_drops() == 0u);
}

BOOST_AUTO_TEST_CASE(probes_a_half_closed_guest_every_minute) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_ends(host);
  bench.expect(kTcpAck | kTcpFin);
  bench.ack(0, 1, 501);
  for (int i = 0; i < 5; ++i) {
    bench.advance(60s);
    bench.expect(kTcpAck);
    bench.ack(0, 1, 501);  // alive, and may stay silent for as long as it likes
  }
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  bench.advance(60s + 9 * 75s);
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(lets_go_of_the_guest_while_the_host_still_takes_its_bytes) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  host.write_room = 2;
  bench.fin(0, 0, "hello");
  bench.expect_ack(6);
  bench.host_ends(host);
  bench.expect(kTcpAck | kTcpFin);
  bench.ack(6, 1, 501);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  BOOST_TEST(bench.nat().dump(bench.now).find("host draining") != std::string::npos);
  StreamState& second = bench.establish();  // the tuple is free again
  BOOST_TEST(bench.nat().flow_counts().tcp == 2u);
  bench.host_takes(host, 100);
  BOOST_TEST(TcpBench::written(host) == "hello");
  BOOST_TEST(host.fin_written);
  BOOST_TEST(host.closed);
  BOOST_TEST(!host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  BOOST_TEST(!second.closed);
}

BOOST_AUTO_TEST_CASE(aborts_a_host_that_takes_nothing_of_a_closed_guest_for_two_minutes) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  host.write_room = 2;
  bench.fin(0, 0, "hello");
  bench.host_ends(host);
  bench.ack(6, 1, 501);
  bench.link.frames.clear();
  bench.advance(1min);
  bench.host_takes(host, 1);  // a little is something
  bench.advance(2min - 1s);
  BOOST_TEST(!host.aborted);
  bench.advance(1s);
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(waits_60_s_in_time_wait_and_anew_after_each_fin) {
  TcpBench bench(quiet_config());
  into_time_wait(bench);
  bench.advance(59s);
  bench.fin(0, 1, "");
  const auto heard = bench.expect(kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 2);
  BOOST_TEST(heard.packet.tcp.sequence == bench.isn + 2);
  bench.advance(59s);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 1u);
  bench.advance(1s);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 0u);
  bench.fin(0, 1, "");
  bench.expect(kTcpRst);
}

BOOST_AUTO_TEST_CASE(is_not_assassinated_in_time_wait) {  // RFC 1337
  TcpBench bench(quiet_config());
  into_time_wait(bench);
  bench.send(kTcpRst, kGuestIsn + 2, 0, 0, {});
  bench.ack(1, 1, 501);  // asks for nothing
  bench.expect_nothing();
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 1u);
  BOOST_TEST(bench.count(DropReason::kTcpUnacceptable) == 2u);
}

BOOST_AUTO_TEST_CASE(leaves_time_wait_for_a_syn_with_a_greater_number_only) {  // RFC 6191
  TcpBench bench(quiet_config());
  into_time_wait(bench);
  bench.send(kTcpSyn, kGuestIsn - 10, 0, 64240, {});
  bench.expect(kTcpAck);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  const uint32_t last = bench.isn + 2;
  bench.send(kTcpSyn, kGuestIsn + 100, 0, 64240, {});
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 0u);
  bench.host_connects(bench.sockets.streams.back());
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 101);
  BOOST_TEST(static_cast<int32_t>(heard.packet.tcp.sequence - last) > 0);  // above the old one's
}

BOOST_AUTO_TEST_CASE(stays_in_time_wait_when_the_syn_that_would_end_it_is_refused) {
  Config config = quiet_config();
  config.limits.tcp_connections = 1;
  config.limits.tcp_failures_remembered = 0;
  TcpBench bench(config);
  into_time_wait(bench);
  const uint32_t last = bench.isn + 2;
  const auto refused = [&] {
    bench.send(kTcpSyn, kGuestIsn + 100, 0, 64240, {});
    bench.expect(kTcpRst | kTcpAck);
    BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 1u);
  };
  bench.sockets.open_error = SocketError::kRefused;
  refused();
  bench.sockets.open_error.reset();
  bench.guest_port = 44445;
  StreamState& other = bench.establish();
  bench.guest_port = 44444;
  refused();
  BOOST_TEST(bench.count(Counter::kTcpLimit) == 1u);
  // What is late of the old connection is still known, and a new one begins above it.
  bench.isn = last - 2;
  bench.fin(0, 1, "");
  bench.expect(kTcpAck);
  bench.host_resets(other);
  bench.expect(kTcpRst | kTcpAck);
  bench.send(kTcpSyn, kGuestIsn + 100, 0, 64240, {});
  bench.host_connects(bench.sockets.streams.back());
  BOOST_TEST(static_cast<int32_t>(bench.expect(kTcpSyn | kTcpAck).packet.tcp.sequence - last) > 0);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 0u);
}

BOOST_AUTO_TEST_CASE(forgets_the_oldest_when_time_wait_is_full) {
  Config config = quiet_config();
  config.limits.tcp_time_wait = 3;
  TcpBench bench(config);
  for (uint16_t i = 0; i < 4; ++i) {
    bench.guest_port = static_cast<uint16_t>(44000 + i);
    into_time_wait(bench);
    bench.advance(1s);
  }
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 3u);
  BOOST_TEST(bench.count(Counter::kTcpTimeWaitEvicted) == 1u);
  bench.guest_port = 44000;
  bench.fin(0, 1, "");
  bench.expect(kTcpRst);  // forgotten
  bench.guest_port = 44001;
  bench.fin(0, 1, "");
  bench.expect(kTcpAck);
}

BOOST_AUTO_TEST_CASE(does_without_time_wait_when_its_table_has_no_room_at_all) {
  Config config = quiet_config();
  config.limits.tcp_time_wait = 0;
  config.limits.tcp_failures_remembered = 0;
  TcpBench bench(config);
  into_time_wait(bench);
  bench.guest_port = 44445;
  bench.syn();
  NetError refused;
  refused.error = SocketError::kRefused;
  bench.host_fails(bench.sockets.streams.back(), refused);
  bench.expect(kTcpRst | kTcpAck);
}

BOOST_AUTO_TEST_CASE(closes_simultaneously_into_time_wait) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_ends(host);
  bench.expect(kTcpAck | kTcpFin);
  bench.fin(0, 0, "");  // it crossed ours
  bench.expect_ack(1);
  BOOST_TEST(bench.nat().dump(bench.now).find("CLOSING") != std::string::npos);
  bench.ack(1, 1, 501);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 1u);
}

BOOST_AUTO_TEST_CASE(leaves_no_wish_behind_when_all_is_closed) {
  TcpBench bench(quiet_config());
  into_time_wait(bench);
  bench.advance(61s);
  BOOST_TEST(!bench.nat().next_deadline().has_value());
  BOOST_TEST(bench.sockets.open_count() == 0u);
}

BOOST_AUTO_TEST_CASE(shows_every_flow_as_a_line) {
  TcpBench bench(quiet_config());
  into_time_wait(bench);
  bench.guest_port = 44445;
  StreamState& host = bench.establish();
  bench.host_writes(host, text("hello"));
  bench.data(5, 0, "gap");
  bench.guest_port = 44446;
  bench.syn();
  const std::string dump = bench.nat().dump(bench.now);
  const auto has = [&](std::string_view text) { return dump.find(text) != std::string::npos; };
  BOOST_TEST(has("tcp 10.0.0.2:44444 > 198.51.100.7:80 TIME-WAIT"));
  BOOST_TEST(has("tcp 10.0.0.2:44445 > 198.51.100.7:80 ESTABLISHED"));
  BOOST_TEST(has("tcp 10.0.0.2:44446 > 198.51.100.7:80 SYN-RECEIVED (host connecting)"));
  BOOST_TEST(has(" snd.una=" + std::to_string(bench.isn + 1)));
  BOOST_TEST(has(" snd.nxt=" + std::to_string(bench.isn + 6)));
  BOOST_TEST(has(" rcv.nxt=" + std::to_string(kGuestIsn + 1)));
  BOOST_TEST(has(" snd.wnd=64128"));
  BOOST_TEST(has(" cwnd=14600"));
  BOOST_TEST(has(" gaps=1"));
  BOOST_TEST(has(" rto=200ms"));
  BOOST_TEST(has(" rto-in=200ms"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
