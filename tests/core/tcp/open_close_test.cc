#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {

BOOST_AUTO_TEST_SUITE(tcp_open_close)

BOOST_AUTO_TEST_CASE(answers_a_syn_only_after_the_host_connected) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.expect_nothing();
  StreamState& host = bench.sockets.streams.back();
  BOOST_TEST((host.remote == Endpoint{Ipv4Address{{198, 51, 100, 7}}, {80}}));
  BOOST_TEST(host.options.ttl == 63);  // the gateway is one hop
  bench.event({host.id, SocketEvent::Kind::kConnected, {}});
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == 1001u);
  BOOST_TEST(heard.packet.tcp.options.mss.value() == 1460);
  BOOST_TEST(heard.packet.tcp.options.window_scale.has_value());
}

BOOST_AUTO_TEST_CASE(carries_bytes_both_ways_and_closes_gracefully_from_the_guest) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(0, 0, "hello ");
  bench.data(6, 0, "world");
  BOOST_TEST(TcpBench::written(host) == "hello world");
  bench.expect_nothing();  // delayed
  bench.advance(40ms);
  bench.expect_ack(11);
  bench.host_writes(host, text("answer"));
  const auto heard = bench.expect(kTcpAck | kTcpPsh);
  BOOST_TEST(heard.packet.payload.size() == 6u);
  BOOST_TEST(host.consumed == 0u);
  bench.ack(11, 6, 501);
  BOOST_TEST(host.consumed == 6u);
  bench.fin(11, 6, "");
  bench.expect_ack(12);
  BOOST_TEST(host.fin_written);
  bench.host_ends(host);
  bench.expect(kTcpAck | kTcpFin);
  bench.ack(12, 7, 501);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 0u);  // the guest closed first
  BOOST_TEST(host.closed);
  BOOST_TEST(!host.aborted);
}

BOOST_AUTO_TEST_CASE(waits_in_time_wait_when_the_host_closed_first) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, text("final"));
  bench.expect(kTcpAck | kTcpPsh);
  bench.host_ends(host);
  bench.expect(kTcpAck | kTcpFin);
  bench.ack(0, 6, 501);
  bench.data(0, 6, "late");  // the half that is open goes on
  BOOST_TEST(TcpBench::written(host) == "late");
  bench.fin(4, 6, "");
  bench.expect_ack(5);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 1u);
  bench.fin(4, 6, "");  // its ACK was lost
  bench.expect_ack(5);
  bench.advance(61s);
  BOOST_TEST(bench.nat().flow_counts().tcp_time_wait == 0u);
}

BOOST_AUTO_TEST_CASE(passes_an_abort_on_in_either_direction) {
  {
    TcpBench bench(quiet_config());
    StreamState& host = bench.establish();
    bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});
    BOOST_TEST(host.aborted);
    BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
    bench.expect_nothing();
  }
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_resets(host);
  bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(goes_on_after_save_and_restore) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(0, 0, "one ");
  bench.host_writes(host, text("answer"));
  bench.expect(kTcpAck | kTcpPsh);
  bench.save_and_restore();
  bench.data(4, 6, "two");
  BOOST_TEST(TcpBench::written(host) == "one two");
  BOOST_TEST(host.consumed == 6u);
  bench.host_resets(host);
  bench.expect(kTcpRst | kTcpAck);
}

BOOST_AUTO_TEST_CASE(aborts_what_is_unfinished_when_the_driver_ends) {
  TcpBench bench(quiet_config());
  StreamState& open = bench.establish();
  bench.data(0, 0, "a part");
  bench.link.frames.clear();
  bench.guest_port = 44446;
  StreamState& held = bench.establish();
  held.write_room = 4;
  bench.fin(0, 0, "all of it");  // the guest is done; the host took four bytes
  bench.link.frames.clear();
  bench.guest_port = 44447;
  StreamState& complete = bench.establish();
  bench.fin(0, 0, "all of it");
  bench.guest_port = 44448;
  bench.syn();
  StreamState& connecting = bench.sockets.streams.back();
  BOOST_TEST(bench.nat().flow_counts().tcp_held_bytes != 0u);

  bench.nat().abort_unfinished(bench.now);
  BOOST_TEST(open.aborted);
  BOOST_TEST(held.aborted);
  BOOST_TEST(!held.fin_written);
  BOOST_TEST(connecting.aborted);
  BOOST_TEST(complete.fin_written);
  BOOST_TEST(!complete.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  BOOST_TEST(bench.nat().flow_counts().tcp_held_bytes == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
