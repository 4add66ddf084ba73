#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

Config unscaled_config(uint32_t window) {
  Config config = quiet_config();
  config.tcp.window_scale = 0;
  config.tcp.window = window;
  return config;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_window)

TCP_CASE(sends_no_more_than_the_guests_window) {
  TcpBench bench(quiet_config());
  bench.syn_window = 1280;
  StreamState& host = bench.establish(10);
  bench.host_writes(host, pattern(5000));
  BOOST_TEST(bench.swallow(0) == 1280u);
  bench.ack(0, 1280, 5);
  BOOST_TEST(bench.swallow(1280) == 640u);
}

TCP_CASE(probes_a_closed_window_with_back_off_and_goes_on_when_it_opens) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.ack(0, 0, 0);
  bench.host_writes(host, pattern(2000));
  bench.expect_nothing();
  Duration wait = 200ms;
  for (int i = 0; i < 5; ++i) {
    bench.advance(wait - 1ms);
    bench.expect_nothing();
    bench.advance(1ms);
    bench.expect_data(0, 1, kTcpPsh);
    bench.ack(0, 0, 0);  // still closed
    wait *= 2;
  }
  BOOST_TEST(bench.count(Counter::kTcpZeroWindowProbes) == 5u);
  bench.ack(0, 0, 501);
  BOOST_TEST(bench.swallow(0) == 2000u);
  bench.ack(0, 2000, 501);
  BOOST_TEST(host.consumed == 2000u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 0u);
}

TCP_CASE(bears_a_closed_window_for_ever_as_long_as_probes_are_answered) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.ack(0, 0, 0);
  bench.host_writes(host, pattern(2000));
  for (int i = 0; i < 60; ++i) {
    bench.advance(61s);
    bench.link.frames.clear();
    bench.ack(0, 0, 0);
  }
  BOOST_TEST(!host.aborted);
  bench.ack(0, 0, 501);
  BOOST_TEST(bench.swallow(0) == 2000u);
}

TCP_CASE(gives_up_a_guest_that_closed_its_window_and_vanished) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.ack(0, 0, 0);
  bench.host_writes(host, pattern(2000));
  bench.advance(1h);
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.count(Counter::kTcpZeroWindowProbes) == 15u);
}

TCP_CASE(takes_the_byte_of_a_probe_as_sent) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.ack(0, 0, 0);
  bench.host_writes(host, pattern(2000));
  bench.advance(200ms);
  bench.expect_data(0, 1, kTcpPsh);
  bench.ack(0, 1, 0);
  BOOST_TEST(host.consumed == 1u);
  bench.advance(200ms);
  bench.expect_data(1, 1, kTcpPsh);
  bench.ack(0, 2, 501);
  BOOST_TEST(bench.swallow(2) == 1998u);
}

TCP_CASE(sends_its_fin_through_a_closed_window) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.ack(0, 0, 0);
  bench.host_ends(host);
  bench.advance(200ms);
  bench.expect_data(0, 0, kTcpFin);
  bench.ack(0, 1, 0);
  bench.advance(10s);
  bench.expect_nothing();
  BOOST_TEST(bench.nat().dump(bench.now).find("FIN-WAIT-2") != std::string::npos);
}

TCP_CASE(stops_probing_when_there_is_nothing_to_send) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.ack(0, 0, 0);
  bench.event({host.id, SocketEvent::Kind::kReadable, {}});  // a false alarm
  bench.advance(1min);
  bench.expect_nothing();
  BOOST_TEST(bench.count(Counter::kTcpZeroWindowProbes) == 0u);
  bench.host_writes(host, text("x"));
  bench.advance(1s);
  bench.expect_data(0, 1, kTcpPsh);
}

TCP_CASE(closes_its_window_to_a_stalled_host_answers_probes_and_reopens_unasked) {
  // scenario 17
  TcpBench bench(unscaled_config(16384));
  StreamState& host = bench.establish();
  host.write_room = 0;
  uint32_t sent = 0;
  uint32_t window = 16384;
  while (window != 0) {
    const uint32_t n = std::min<uint32_t>(window, 1400);
    bench.data(sent, 0, std::string(n, 'x'));
    sent += n;
    bench.advance(40ms);
    const auto heard = bench.expect(kTcpAck);
    BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 1 + sent);
    window = heard.packet.tcp.window;
  }
  BOOST_TEST(sent == 16384u);
  bench.data(sent, 0, "p");  // the guest probes
  bench.expect_ack(sent);
  bench.ack(sent - 1, 0, 501);  // as Linux does it: an old number
  bench.expect_ack(sent);
  bench.host_takes(host, 1000);  // too little to tell (RFC 9293 3.8.6.2.2)
  bench.expect_nothing();
  bench.ack(sent - 1, 0, 501);  // nor when asked
  BOOST_TEST(bench.expect(kTcpAck).packet.tcp.window == 0u);
  bench.host_takes(host, 8000);
  const auto heard = bench.expect(kTcpAck);
  BOOST_TEST(heard.packet.tcp.window >= 8000u);
  bench.host_takes(host, ~size_t{0});
  BOOST_TEST(host.written.size() == 16384u);
}

TCP_CASE(repeats_no_window_update_but_answers_the_probe_that_asks_for_it) {
  TcpBench bench(unscaled_config(16384));
  StreamState& host = bench.establish();
  host.write_room = 0;
  bench.super_frame(bench.segment(kTcpAck, kGuestIsn + 1, bench.isn + 1, 501, pattern(16384), {}),
                    1460);
  BOOST_TEST(bench.expect(kTcpAck).packet.tcp.window == 0);
  bench.host_takes(host, ~size_t{0});
  bench.link.frames.clear();  // the update is lost
  bench.data(16384, 0, "p");
  bench.advance(40ms);
  BOOST_TEST(bench.expect(kTcpAck).packet.tcp.acknowledgment == kGuestIsn + 1 + 16385);
}

TCP_CASE(keeps_a_window_of_two_small_segments_open_while_others_hold_the_memory) {
  Config config = unscaled_config(16384);
  config.tcp.mss = 200;
  config.limits.tcp_uplink_bytes_total = 8192;
  TcpBench bench(config);
  bench.establish().write_room = 0;
  bench.super_frame(bench.segment(kTcpAck, kGuestIsn + 1, bench.isn + 1, 501, pattern(8192), {}),
                    1460);
  BOOST_TEST(bench.expect(kTcpAck).packet.tcp.window == 0);
  bench.guest_port = 44445;
  const StreamState& host = bench.establish();
  for (uint32_t at = 0; at < 2000; at += 200) {
    bench.data(at, 0, std::string(200, 'x'));
    bench.advance(40ms);
    BOOST_REQUIRE(bench.expect(kTcpAck).packet.tcp.window >= 200);
  }
  BOOST_TEST(host.written.size() == 2000u);
}

TCP_CASE(
    takes_back_less_than_rounding_added_and_promises_no_more) {  // RFC 9293 3.8.6, RFC 7323 2.4
  // One-byte and odd-sized segments into a stalled host, with every rounding of a scaled window.
  for (const uint8_t scale : {uint8_t{0}, uint8_t{3}, uint8_t{7}, uint8_t{14}}) {
    Config config = quiet_config();
    config.tcp.window_scale = scale;
    config.tcp.window = 100'000;
    config.limits.tcp_uplink_bytes_each = 131'072;
    TcpBench bench(config);
    StreamState& host = bench.establish();
    host.write_room = 0;
    const uint32_t unit = uint32_t{1} << scale;
    uint32_t edge = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < 3000; ++i) {
      const uint32_t n = i % 3 == 0 ? 1 : i % 97;
      if (i % 500 == 499) bench.host_takes(host, 777);
      bench.data(at, 0, std::string(n, 'x'));
      at += n;
      bench.advance(40ms);
      while (!bench.link.frames.empty()) {
        const SentFrame frame = bench.link.take();
        const Packet p = frame.packet();
        if (p.ip_header.protocol != IpProtocol::kTcp) continue;  // a router advertisement
        const uint32_t told =
            p.tcp.acknowledgment - kGuestIsn - 1 + (uint32_t{p.tcp.window} << scale);
        const uint32_t acked = p.tcp.acknowledgment - kGuestIsn - 1;
        BOOST_REQUIRE_GT(told + unit, edge);
        BOOST_REQUIRE_LE(acked, at);
        BOOST_REQUIRE_LT(told, std::max<size_t>(host.written.size() + 100'000, acked) + unit);
        edge = std::max(edge, told);
      }
    }
    host.write_room = ~size_t{0};
    bench.event({host.id, SocketEvent::Kind::kWritable, {}});
    BOOST_TEST(host.written.size() <= at);
    BOOST_TEST(host.written.size() > 60'000u);
  }
}

TCP_CASE(reopens_a_window_without_scale_before_the_host_has_all) {  // RFC 9293 3.8.6.2.2, MUST-39
  Config config = quiet_config();
  config.tcp.window = config.tcp.window_initial = 1u << 20;  // more than the field can say
  TcpBench bench(config);
  bench.syn_options = {2, 4, 0x05, 0xb4};
  StreamState& host = bench.establish();
  host.write_room = 0;
  for (uint32_t at = 0; at < 65'535; at += 1285) bench.data(at, 0, std::string(1285, 'x'));
  bench.advance(40ms);
  uint16_t window = 1;
  while (!bench.link.frames.empty()) window = bench.hear().packet.tcp.window;
  BOOST_TEST(window == 0u);
  bench.host_takes(host, 20'000);
  BOOST_TEST(bench.expect(kTcpAck).packet.tcp.window == 20'000u);
}

TCP_CASE(sends_whole_segments_as_long_as_there_are_more) {  // RFC 9293 3.8.6.2.1
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish(40);  // 5120 bytes: three segments and a bit
  bench.host_writes(host, pattern(20000));
  bench.expect_data(0, 1460, 0);
  bench.expect_data(1460, 1460, 0);
  bench.expect_data(2920, 1460, kTcpPsh);
  bench.expect_nothing();
  bench.ack(0, 1460, 40);
  bench.expect_data(4380, 1460, kTcpPsh);
  bench.expect_nothing();
}

TCP_CASE(sends_a_short_segment_when_it_is_all_there_is) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(1500));
  bench.expect_data(0, 1460, 0);
  bench.expect_data(1460, 40, kTcpPsh);
  bench.host_writes(host, pattern(10));
  bench.expect_data(1500, 10, kTcpPsh);
}

TCP_CASE(bears_a_guest_that_takes_its_window_back) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(20 * 1460));
  BOOST_TEST(bench.swallow(0) == 14600u);
  bench.ack(0, 1460, 0);  // closed, with nine segments on their way
  bench.expect_nothing();
  bench.advance(3s);
  BOOST_TEST(bench.count(Counter::kTcpZeroWindowProbes) > 0u);
  bench.link.frames.clear();
  bench.ack(0, 1460, 501);
  bench.advance(1s);
  bench.ack(0, 14600, 501);
  BOOST_TEST(host.consumed == 14600u);
}

TCP_CASE(probes_a_tail_with_nothing_beyond_a_window_that_shrank) {  // RFC 9293 3.8.6, SHLD-15
  TcpBench bench(quiet_config());
  bench.syn();
  StreamState& host = bench.sockets.streams.back();
  bench.host_connects(host);
  bench.isn = bench.expect(kTcpSyn | kTcpAck).packet.tcp.sequence;
  bench.now += 50ms;
  bench.ack(0, 0, 501);
  bench.host_writes(host, pattern(20 * 1460));
  BOOST_TEST(bench.swallow(0) == 14600u);
  bench.now += 50ms;
  bench.ack(0, 1460, 4 * 1460 >> 7);  // nine segments on their way, and room for four
  bench.expect_nothing();
  bench.advance(10s);
  while (!bench.link.frames.empty()) {
    const auto heard = bench.hear();
    const size_t end = bench.offset_of(heard.packet) + heard.packet.payload.size();
    BOOST_TEST(end <= 1460u + ((4 * 1460u >> 7) << 7));
  }
}

TCP_CASE(leaves_with_the_host_what_the_guest_does_not_take) {  // scenario 18
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(65536));
  BOOST_TEST(bench.swallow(0) == 14600u);  // RFC 6928
  BOOST_TEST(host.incoming.size() == 65536u);
  BOOST_TEST(host.consumed == 0u);
}

TCP_CASE(begins_with_two_large_segments_or_with_14600_bytes) {  // RFC 6928 2
  for (const auto& [mss, first] : {std::pair{1460u, 14600u}, {4096u, 12288u}, {8960u, 17920u}}) {
    Config config = quiet_config();
    config.topology.mtu = mss + (family_under_test == Family::kIpv4 ? 40 : 60);
    TcpBench bench(config);
    bench.link.link_limits.mtu = config.topology.mtu;
    bench.syn_options = {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss), 1, 3,
                         3, 7};
    StreamState& host = bench.establish();
    bench.host_writes(host, pattern(65536));
    BOOST_TEST(bench.swallow(0) == first);
  }
}

TCP_CASE(shares_the_turn_between_connections) {
  TcpBench bench(quiet_config());
  bench.syn_options = {2, 4, 0x05, 0xb4, 1, 3, 3, 14};
  StreamState& one = bench.establish(60000);
  bench.host_writes(one, pattern(4 << 20));
  uint32_t got = 0;
  for (int i = 0; i < 8; ++i) {  // opens the congestion window
    got += static_cast<uint32_t>(bench.swallow(got));
    bench.ack(0, got, 60000);
  }
  const uint32_t isn_of_one = bench.isn;
  for (size_t n = bench.swallow(got); n != 0; n = bench.swallow(got)) {
    got += static_cast<uint32_t>(n);
    bench.turn();
  }
  bench.guest_port = 44445;
  StreamState& two = bench.establish(60000);
  two.incoming = pattern(100);
  const SocketEvent readable{two.id, SocketEvent::Kind::kReadable, {}};
  bench.nat().handle_sockets(bench.now, {&readable, 1});
  bench.guest_port = 44444;
  const uint32_t isn_of_two = bench.isn;
  bench.isn = isn_of_one;
  bench.ack(0, got, 60000);
  size_t of_one = 0;
  bool of_two = false;
  while (!bench.link.frames.empty()) {
    const Packet p = bench.link.take().packet();
    if (p.destination_port.number == 44445) of_two = of_two || p.tcp.sequence == isn_of_two + 1;
    if (p.destination_port.number == 44444) of_one += p.payload.size();
  }
  BOOST_TEST(of_two);
  BOOST_TEST(of_one > 100'000u);
  BOOST_TEST(of_one < (256u << 10) + 1460u);
  BOOST_TEST((*bench.nat().next_deadline() == bench.now));  // the rest is due at once
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
