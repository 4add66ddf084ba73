#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {

BOOST_AUTO_TEST_SUITE(tcp_handshake)

BOOST_AUTO_TEST_CASE(writes_the_options_of_a_syn_ack_in_linuxs_order) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.host_connects(bench.sockets.streams.back());
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  const ByteVector options(heard.frame.bytes.begin() + 14 + 20 + 20, heard.frame.bytes.end());
  BOOST_TEST(options == (ByteVector{2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(announces_an_unscaled_window_in_the_syn_ack_and_a_scaled_one_after_it) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.host_connects(bench.sockets.streams.back());
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(heard.packet.tcp.window == 65535);
  bench.isn = heard.packet.tcp.sequence;
  bench.ack(0, 0, 501);
  bench.data(0, 0, "x");
  bench.advance(40ms);
  const auto ack = bench.expect(kTcpAck);
  BOOST_TEST(TcpBench::window_of(ack.packet) > 65535u);
  BOOST_TEST(TcpBench::window_of(ack.packet) <= TcpConfig().window);
}

BOOST_AUTO_TEST_CASE(begins_where_a_world_asks_it_to_but_nowhere_else_in_particular) {
  Config config = quiet_config();
  config.tcp.initial_sequence_bits = 0xffffff00;
  TcpBench near_wrap(config);
  near_wrap.connect();
  BOOST_TEST(near_wrap.isn >= 0xffffff00);
  TcpBench anywhere(quiet_config());
  anywhere.connect();
  BOOST_TEST((anywhere.isn & 0xff) == (near_wrap.isn & 0xff));
  BOOST_TEST(anywhere.isn < 0xffffff00);
}

BOOST_AUTO_TEST_CASE(scales_no_window_when_the_guest_did_not_offer_it) {
  TcpBench bench(quiet_config());
  bench.syn_options = {2, 4, 0x05, 0xb4};
  bench.syn_window = 1000;
  bench.syn();
  StreamState& host = bench.sockets.streams.back();
  bench.host_connects(host);
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(!heard.packet.tcp.options.window_scale.has_value());
  bench.isn = heard.packet.tcp.sequence;
  bench.ack(0, 0, 1000);
  bench.host_writes(host, pattern(5000));
  BOOST_TEST(bench.swallow(0) == 1000u);  // the guest's window as it stands
  bench.data(0, 1000, "x");
  bench.swallow(1000);
  bench.advance(40ms);
}

BOOST_AUTO_TEST_CASE(honours_the_guests_scale_from_the_first_ack_on) {  // scenario 10
  TcpBench bench(quiet_config());
  bench.syn_window = 512;
  StreamState& host = bench.connect();
  bench.ack(0, 0, 100);
  bench.host_writes(host, pattern(65536));
  BOOST_TEST(bench.swallow(0) == 8 * 1460u);  // whole segments of 12800
}

BOOST_AUTO_TEST_CASE(takes_a_shift_beyond_14_as_14) {
  TcpBench bench(quiet_config());
  bench.syn_options = {2, 4, 0x05, 0xb4, 1, 3, 3, 200};
  StreamState& host = bench.connect();
  bench.ack(0, 0, 1);
  bench.host_writes(host, pattern(40000));
  BOOST_TEST(bench.swallow(0) == 14600u);  // the initial congestion window, not a shifted-out one
}

BOOST_AUTO_TEST_CASE(cuts_segments_to_the_guests_mss_or_to_536_without_one) {
  const std::vector<std::pair<ByteVector, size_t>> cases = {{{2, 4, 0x03, 0xe8}, 1000},
                                                            {{}, 536},
                                                            {{2, 4, 0, 0}, 536},
                                                            {{2, 4, 0xff, 0xff}, 1460},
                                                            {{2, 4, 0, 1}, 48}};
  for (const auto& [options, mss] : cases) {
    TcpBench bench(quiet_config());
    bench.syn_options = options;
    StreamState& host = bench.connect();
    bench.ack(0, 0, 60000);
    bench.host_writes(host, pattern(3000));
    BOOST_TEST(bench.expect(kTcpAck).packet.payload.size() == mss);
  }
}

BOOST_AUTO_TEST_CASE(answers_the_syn_once_however_often_it_is_repeated_while_connecting) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.advance(1s);
  bench.syn();
  bench.advance(2s);
  bench.syn();
  BOOST_TEST(bench.sockets.streams.size() == 1u);
  BOOST_TEST(bench.count(DropReason::kTcpConnecting) == 2u);
  bench.expect_nothing();
  bench.host_connects(bench.sockets.streams.back());
  bench.expect(kTcpSyn | kTcpAck);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(begins_anew_when_a_syn_with_another_number_comes_while_connecting) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.send(kTcpSyn, 5000, 0, 64240, {});
  BOOST_REQUIRE(bench.sockets.streams.size() == 2u);
  BOOST_TEST(bench.sockets.streams[0].aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  bench.event({bench.sockets.streams[0].id, SocketEvent::Kind::kConnected, {}});  // too late
  bench.expect_nothing();
  BOOST_TEST(bench.count(Counter::kSocketEventsStale) == 1u);
  bench.host_connects(bench.sockets.streams[1]);
  BOOST_TEST(bench.expect(kTcpSyn | kTcpAck).packet.tcp.acknowledgment == 5001u);
}

BOOST_AUTO_TEST_CASE(lets_the_data_of_a_syn_come_again) {  // RFC 9293 3.10.7.2
  TcpBench bench(quiet_config());
  bench.frames({bench.segment(kTcpSyn, kGuestIsn, 0, 64240, text("early"), bench.syn_options)});
  StreamState& host = bench.sockets.streams.back();
  bench.host_connects(host);
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 1);  // of the SYN alone
  bench.isn = heard.packet.tcp.sequence;
  bench.data(0, 0, "early");
  BOOST_TEST(TcpBench::written(host) == "early");
}

BOOST_AUTO_TEST_CASE(keeps_connecting_when_a_syn_with_rst_or_fin_comes) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.send(kTcpSyn | kTcpRst, 5000, 0, 64240, {});
  bench.send(kTcpSyn | kTcpFin, 6000, 0, 64240, {});
  BOOST_TEST(bench.sockets.streams.size() == 1u);
  BOOST_TEST(!bench.sockets.streams[0].aborted);
}

BOOST_AUTO_TEST_CASE(gives_up_the_host_connect_when_the_guest_resets_its_syn) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});
  BOOST_TEST(bench.sockets.streams.back().aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(repeats_a_lost_syn_ack_with_back_off_and_gives_up) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  for (const Duration wait : {1s, 2s, 4s, 8s, 16s, 32s, 60s}) {
    bench.advance(wait - 1ms);
    bench.expect_nothing();
    bench.advance(1ms);
    BOOST_TEST(bench.expect(kTcpSyn | kTcpAck).packet.tcp.sequence == bench.isn);
  }
  bench.advance(57s - 1ms);  // RFC 9293 3.8.3: three minutes
  BOOST_TEST(!host.aborted);
  bench.advance(1ms);
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(repeats_a_lost_syn_ack_when_the_guest_repeats_its_syn) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  bench.advance(300ms);
  bench.syn();
  BOOST_TEST(bench.expect(kTcpSyn | kTcpAck).packet.tcp.sequence == bench.isn);
  bench.advance(100ms);
  bench.ack(0, 0, 501);
  bench.data(0, 0, "hello");
  BOOST_TEST(TcpBench::written(host) == "hello");
}

BOOST_AUTO_TEST_CASE(starts_data_with_3_s_after_a_lost_syn_ack) {  // RFC 6298 5.7
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  bench.advance(1s);
  bench.expect(kTcpSyn | kTcpAck);
  bench.ack(0, 0, 501);
  bench.host_writes(host, text("x"));
  bench.expect_data(0, 1, kTcpPsh);
  bench.advance(2999ms);
  bench.expect_nothing();
  bench.advance(1ms);
  bench.expect_data(0, 1, kTcpPsh);
}

BOOST_AUTO_TEST_CASE(starts_as_ever_after_one_lost_syn_ack) {  // RFC 6928 2
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  bench.advance(1s);
  bench.expect(kTcpSyn | kTcpAck);
  bench.ack(0, 0, 501);
  bench.host_writes(host, pattern(20000));
  BOOST_TEST(bench.swallow(0) == 14600u);
}

BOOST_AUTO_TEST_CASE(starts_with_one_segment_after_two_lost_syn_acks) {  // RFC 5681 3.1
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  for (const Duration wait : {1s, 2s}) {
    bench.advance(wait);
    bench.expect(kTcpSyn | kTcpAck);
  }
  bench.ack(0, 0, 501);
  bench.host_writes(host, pattern(10000));
  BOOST_TEST(bench.swallow(0) == 1460u);
  bench.ack(0, 1460, 501);
  BOOST_TEST(bench.swallow(1460) == 2920u);  // and on by slow start
}

BOOST_AUTO_TEST_CASE(completes_when_the_guests_ack_is_lost_and_data_comes_instead) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  bench.data(0, 0, "hello");
  BOOST_TEST(TcpBench::written(host) == "hello");
}

BOOST_AUTO_TEST_CASE(delivers_what_the_host_said_before_the_guest_acknowledged_the_syn_ack) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  bench.host_writes(host, text("banner"));
  bench.host_ends(host);
  bench.expect_nothing();
  bench.ack(0, 0, 501);
  const auto heard = bench.expect_data(0, 6, kTcpPsh | kTcpFin);
  BOOST_TEST(as_text(heard.packet.payload) == "banner");
  bench.ack(0, 7, 501);
  BOOST_TEST(host.consumed == 6u);
}

BOOST_AUTO_TEST_CASE(delivers_what_the_host_said_together_with_its_connect) {
  TcpBench bench(quiet_config());
  bench.syn();
  StreamState& host = bench.sockets.streams.back();
  host.incoming = text("banner");
  host.eof = true;
  const std::array<SocketEvent, 2> both{
      {{host.id, SocketEvent::Kind::kConnected, {}}, {host.id, SocketEvent::Kind::kReadable, {}}}};
  bench.nat().handle_sockets(bench.now, both);
  bench.turn();
  bench.isn = bench.expect(kTcpSyn | kTcpAck).packet.tcp.sequence;
  bench.expect_nothing();
  bench.ack(0, 0, 501);
  bench.expect_data(0, 6, kTcpPsh | kTcpFin);
}

BOOST_AUTO_TEST_CASE(passes_on_a_reset_that_comes_before_the_guests_ack) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.connect();
  bench.host_resets(host);
  const auto heard = bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(heard.packet.tcp.sequence == bench.isn + 1);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  bench.ack(0, 0, 501);  // it crossed
  BOOST_TEST(bench.expect(kTcpRst).packet.tcp.sequence == bench.isn + 1);
}

BOOST_AUTO_TEST_CASE(refuses_an_ack_of_the_wrong_syn_ack_with_a_reset) {
  TcpBench bench(quiet_config());
  bench.connect();
  bench.send(kTcpAck, kGuestIsn + 1, bench.isn + 77, 501, {});
  BOOST_TEST(bench.expect(kTcpRst).packet.tcp.sequence == bench.isn + 77);
  BOOST_TEST(bench.count(DropReason::kTcpUnacceptable) == 1u);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
}

BOOST_AUTO_TEST_CASE(numbers_connections_by_a_secret_that_nothing_tells) {  // RFC 9293 3.4.1
  const auto numbers = [](uint64_t seed) {
    TcpBench bench(quiet_config(), seed);
    std::array<uint32_t, 2> out{};
    for (uint32_t& isn : out) {
      bench.connect();
      isn = bench.isn;
      ++bench.guest_port;
    }
    return out;
  };
  const auto one = numbers(1);
  const auto other = numbers(2);
  BOOST_TEST(one[0] != other[0]);
  BOOST_TEST(one[1] - one[0] != other[1] - other[0]);  // nor does one connection tell of another
  BOOST_TEST(one[0] == numbers(1)[0]);
}

BOOST_AUTO_TEST_CASE(numbers_connections_by_time_and_secret) {  // RFC 9293 3.4.1
  TcpBench bench(quiet_config());
  bench.connect();
  const uint32_t first = bench.isn;
  bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});
  bench.advance(4ms);
  bench.connect();
  BOOST_TEST(bench.isn - first == 1000u);  // the same tuple: 4 us a step
  bench.guest_port = 44445;
  bench.connect();
  BOOST_TEST(bench.isn - first > 100000u);  // another: unrelated
}

BOOST_AUTO_TEST_CASE(works_the_same_over_ipv6) {
  TcpBench bench(ipv6_config());
  bench.guest_address = address("fd00:da51::2");
  bench.remote_address = address("2001:db8::7");
  bench.syn_options = {2, 4, 0x05, 0xa0, 1, 3, 3, 7};
  bench.syn();
  StreamState& host = bench.sockets.streams.back();
  BOOST_TEST((host.remote == Endpoint{address("2001:db8::7"), {80}}));
  bench.host_connects(host);
  const auto heard = bench.expect(kTcpSyn | kTcpAck);
  BOOST_TEST(heard.packet.tcp.options.mss.value_or(0) == 1440);
  bench.isn = heard.packet.tcp.sequence;
  bench.ack(0, 0, 501);
  bench.data(0, 0, "up");
  BOOST_TEST(TcpBench::written(host) == "up");
  bench.host_writes(host, pattern(3000));
  bench.expect_data(0, 1440, 0);
  bench.expect_data(1440, 1440, 0);
  bench.expect_data(2880, 120, kTcpPsh);
  bench.ack(2, 3000, 501);
  BOOST_TEST(host.consumed == 3000u);
}

BOOST_AUTO_TEST_CASE(cuts_to_1220_over_ipv6_without_an_mss) {
  TcpBench bench(ipv6_config());
  bench.guest_address = address("fd00:da51::2");
  bench.remote_address = address("2001:db8::7");
  bench.syn_options = {};
  StreamState& host = bench.establish(60000);
  bench.host_writes(host, pattern(3000));
  bench.expect_data(0, 1220, 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
