#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {

BOOST_AUTO_TEST_SUITE(tcp_uplink)

BOOST_AUTO_TEST_CASE(puts_segments_that_came_out_of_order_in_order) {  // scenario 2
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(5, 0, "BBBBB");
  bench.expect_ack(0);  // a duplicate ACK, at once
  bench.data(10, 0, "CCCCC");
  bench.expect_ack(0);
  bench.data(0, 0, "AAAAA");
  bench.expect_ack(15);  // the gap is filled: at once (RFC 5681 4.2)
  BOOST_TEST(TcpBench::written(host) == "AAAAABBBBBCCCCC");
}

BOOST_AUTO_TEST_CASE(sends_a_duplicate_ack_for_each_segment_out_of_order_even_in_one_batch) {
  TcpBench bench(quiet_config());
  bench.establish();
  std::vector<ByteVector> batch;
  for (uint32_t i = 1; i <= 4; ++i) {
    batch.push_back(
        bench.segment(kTcpAck, kGuestIsn + 1 + i * 10, bench.isn + 1, 501, pattern(5), {}));
  }
  bench.frames(batch);
  for (int i = 0; i < 4; ++i) bench.expect_ack(0);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(keeps_a_fin_that_came_before_its_data) {  // scenario 3
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.fin(5, 0, "WORLD");
  bench.expect_ack(0);
  BOOST_TEST(!host.fin_written);
  bench.data(0, 0, "HELLO");
  bench.expect_ack(11);
  BOOST_TEST(TcpBench::written(host) == "HELLOWORLD");
  BOOST_TEST(host.fin_written);
}

BOOST_AUTO_TEST_CASE(writes_on_what_the_same_batch_made_contiguous) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(5, 0, "WORLD");  // behind a gap
  bench.expect_ack(0);
  const auto segment = [&](uint32_t offset, std::string_view payload) {
    return bench.segment(kTcpAck, kGuestIsn + 1 + offset, bench.isn + 1, 501, text(payload), {});
  };
  // The first fills the gap when the second, which lies behind that, has it written.
  bench.frames({segment(0, "HELLO"), segment(10, "AGAIN")});
  BOOST_TEST(TcpBench::written(host) == "HELLOWORLDAGAIN");
  bench.advance(40ms);
  BOOST_TEST(bench.hear().packet.tcp.acknowledgment == kGuestIsn + 1 + 15);
}

BOOST_AUTO_TEST_CASE(keeps_a_bare_fin_that_came_before_its_data) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  for (int i = 0; i < 3; ++i) {
    bench.fin(5, 0, "");
    bench.expect_ack(0);  // a duplicate ACK for each, so that the guest retransmits fast
  }
  bench.expect_nothing();
  BOOST_TEST(!host.fin_written);
  bench.data(0, 0, "HELLO");
  bench.expect_ack(6);
  BOOST_TEST(host.fin_written);
}

BOOST_AUTO_TEST_CASE(ignores_duplicates_in_order_and_out_of_order) {  // scenario 4
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(5, 0, "BBBBB");
  bench.data(5, 0, "BBBBB");
  bench.data(0, 0, "AAAAA");
  bench.link.frames.clear();
  bench.data(0, 0, "AAAAA");
  bench.expect_ack(10);  // a retransmission is told where we are
  bench.data(3, 0, "AABBBBB");
  bench.expect_ack(10);
  BOOST_TEST(TcpBench::written(host) == "AAAAABBBBB");
}

BOOST_AUTO_TEST_CASE(joins_segments_that_overlap) {  // scenario 5
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(5, 0, "BBBBB");
  bench.data(0, 0, "AAAAA##");
  const std::string got = TcpBench::written(host);
  BOOST_TEST(got.size() == 10u);
  BOOST_TEST(got.substr(0, 5) == "AAAAA");
  BOOST_TEST(got.substr(7) == "BBB");
  BOOST_TEST((got.substr(5, 2) == "##" || got.substr(5, 2) == "BB"));
  bench.data(8, 0, "BBCCC");  // its front is old
  BOOST_TEST(TcpBench::written(host) == got + "CCC");
}

BOOST_AUTO_TEST_CASE(bridges_forty_gaps) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  std::string all;
  for (uint32_t i = 0; i < 41; ++i) all += std::string(2, static_cast<char>('a' + i % 26));
  for (uint32_t i = 40; i > 0; --i) bench.data(i * 2 + i, 0, all.substr(i * 2, 2) + "|");
  for (uint32_t i = 0; i < 41; ++i) {
    if (i > 0) bench.data(i * 3 - 1, 0, "|");
    bench.data(i * 3, 0, all.substr(i * 2, 2));
  }
  std::string got = TcpBench::written(host);
  std::erase(got, '|');
  BOOST_TEST(got == all);
  BOOST_TEST(bench.count(Counter::kTcpReassemblyFull) == 0u);
}

BOOST_AUTO_TEST_CASE(takes_the_gap_that_completes_a_full_set_of_gaps) {
  Config config = quiet_config();
  config.limits.tcp_reassembly_gaps = 4;
  TcpBench bench(config);
  StreamState& host = bench.establish();
  for (uint32_t i = 1; i <= 5; ++i) bench.data(i * 2, 0, "x");
  BOOST_TEST(bench.count(Counter::kTcpReassemblyFull) == 1u);
  BOOST_TEST(bench.count(DropReason::kTcpNoMemory) == 1u);
  host.write_room = 0;  // what is in order has a place even now
  bench.data(0, 0, "yy");
  BOOST_TEST(bench.count(DropReason::kTcpNoMemory) == 1u);
  bench.host_takes(host, 100);
  BOOST_TEST(TcpBench::written(host) == "yyx");
  bench.data(3, 0, "yxyxyx");
  BOOST_TEST(TcpBench::written(host) == "yyxyxyxyx");
}

BOOST_AUTO_TEST_CASE(drops_data_beyond_its_window_and_says_where_it_is) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(2'000'000, 0, "far");
  bench.expect_ack(0);
  BOOST_TEST(bench.count(DropReason::kTcpWindow) == 1u);
  BOOST_TEST(host.written.empty());
}

BOOST_AUTO_TEST_CASE(cuts_off_what_lies_beyond_its_window) {
  Config config = quiet_config();
  config.tcp.window_scale = 0;
  config.tcp.window = 1000;
  TcpBench bench(config);
  StreamState& host = bench.establish();
  bench.fin(0, 0, std::string(1200, 'x'));
  BOOST_TEST(host.written.size() == 1000u);
  BOOST_TEST(!host.fin_written);
  bench.advance(40ms);
  bench.expect_ack(1000);
}

BOOST_AUTO_TEST_CASE(answers_a_repeated_fin) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.fin(0, 0, "bye");
  bench.expect_ack(4);
  bench.fin(0, 0, "bye");
  bench.expect_ack(4);
  bench.fin(3, 0, "");
  bench.expect_ack(4);
  BOOST_TEST(TcpBench::written(host) == "bye");
}

BOOST_AUTO_TEST_CASE(goes_on_sending_to_a_guest_that_has_closed) {  // scenario 6
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.fin(0, 0, "goodbye");
  bench.expect_ack(8);
  BOOST_TEST(TcpBench::written(host) == "goodbye");
  BOOST_TEST(host.fin_written);
  bench.host_writes(host, text("still here"));
  bench.expect_data(0, 10, kTcpPsh);
  bench.ack(8, 10, 501);
  BOOST_TEST(host.consumed == 10u);
  BOOST_TEST(bench.nat().dump(bench.now).find("CLOSE-WAIT") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(acknowledges_every_second_segment_and_the_odd_one_after_40_ms) {
  TcpBench bench(quiet_config());
  bench.establish();
  const std::string full(1460, 'x');
  bench.data(0, 0, full);
  bench.expect_nothing();
  bench.data(1460, 0, full);
  bench.expect_ack(2920);
  bench.data(2920, 0, full);
  bench.advance(39ms);
  bench.expect_nothing();
  bench.advance(1ms);
  bench.expect_ack(4380);
  bench.advance(10s);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(acknowledges_a_batch_once) {  // scenario 9
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  std::vector<ByteVector> batch;
  for (uint32_t i = 0; i < 5; ++i) {
    batch.push_back(bench.segment(kTcpAck, kGuestIsn + 1 + i * 1460, bench.isn + 1, 501,
                                  ByteVector(1460, uint8_t{'x'}), {}));
  }
  bench.frames(batch);
  bench.expect_ack(7300);
  bench.expect_nothing();
  BOOST_TEST(host.written.size() == 7300u);
}

BOOST_AUTO_TEST_CASE(lets_data_carry_the_ack) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(0, 0, "ask");
  bench.host_writes(host, text("answer"));
  BOOST_TEST(bench.expect_data(0, 6, kTcpPsh).packet.tcp.acknowledgment == kGuestIsn + 4);
  bench.ack(3, 6, 501);
  bench.advance(1s);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(holds_what_the_host_does_not_take_and_goes_on_when_it_does) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  host.write_room = 3;
  bench.data(0, 0, "hello");
  bench.data(5, 0, " world");
  bench.fin(11, 0, "!");
  bench.expect_ack(13);  // acknowledged: we hold it
  BOOST_TEST(TcpBench::written(host) == "hel");
  BOOST_TEST(!host.fin_written);
  bench.host_takes(host, 4);
  BOOST_TEST(TcpBench::written(host) == "hello w");
  bench.host_takes(host, ~size_t{0});
  BOOST_TEST(TcpBench::written(host) == "hello world!");
  BOOST_TEST(host.fin_written);
}

BOOST_AUTO_TEST_CASE(writes_the_segments_of_a_batch_at_once) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  std::vector<ByteVector> batch;
  std::string all;
  for (uint32_t i = 0; i < 130; ++i) {  // more than one gathering holds
    const std::string piece(1 + i % 7, static_cast<char>('a' + i % 26));
    batch.push_back(bench.segment(kTcpAck, kGuestIsn + 1 + static_cast<uint32_t>(all.size()),
                                  bench.isn + 1, 501, text(piece), {}));
    all += piece;
  }
  bench.frames(batch);
  BOOST_TEST(TcpBench::written(host) == all);
}

BOOST_AUTO_TEST_CASE(acknowledges_nothing_in_a_batch_that_it_might_yet_lose) {
  // The host takes nothing and there is no memory: the duplicate ACK in the middle of the batch may
  // not cover what was gathered before it.
  Config config = quiet_config();
  config.limits.tcp_uplink_bytes_total = 0;
  TcpBench bench(config);
  StreamState& host = bench.establish();
  host.write_room = 0;
  bench.host_writes(host, pattern(3 * 1460));
  bench.swallow(0);
  const auto piece = [&](uint32_t at, uint32_t acked, const ByteVector& payload) {
    return bench.segment(kTcpAck, kGuestIsn + 1 + at, bench.isn + 1 + acked, 501, payload, {});
  };
  bench.frames({piece(0, 0, text("hello")), piece(50, 0, text("gap")), piece(5, 0, {}),
                piece(5, 0, {}), piece(5, 0, {}), piece(5, 0, {})});
  while (!bench.link.frames.empty()) {
    BOOST_TEST(bench.hear().packet.tcp.acknowledgment == kGuestIsn + 1);
  }
  BOOST_TEST(host.written.empty());
  bench.host_takes(host, 100);
  bench.data(0, 0, "hello");
  BOOST_TEST(TcpBench::written(host) == "hello");
}

BOOST_AUTO_TEST_CASE(resets_the_guest_when_the_host_refuses_its_bytes) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  host.error = SocketError::kReset;
  bench.data(0, 0, "hello");
  bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(hears_the_acks_of_a_guest_whose_window_it_closed) {
  Config config = quiet_config();
  config.tcp.window = 1000;
  config.tcp.window_scale = 0;
  TcpBench bench(config);
  StreamState& host = bench.establish();
  host.write_room = 0;
  bench.data(0, 0, std::string(1000, 'x'));
  bench.advance(40ms);
  BOOST_TEST(bench.expect(kTcpAck).packet.tcp.window == 0);
  bench.host_writes(host, text("down"));
  bench.expect_data(0, 4, kTcpPsh);
  bench.data(1000, 4, "p");  // a probe that acknowledges
  BOOST_TEST(host.consumed == 4u);
  bench.expect_ack(1000);
  bench.ack(1001, 4, 501);  // the number after the probe's
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
}

BOOST_AUTO_TEST_CASE(ignores_a_fin_where_it_has_a_byte_and_one_beyond_the_first) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(0, 0, "hello");
  bench.fin(4, 0, "");  // the fifth byte came as data
  BOOST_TEST(!host.fin_written);
  bench.fin(10, 0, "");
  bench.fin(12, 0, "");
  bench.data(5, 0, "world");
  BOOST_TEST(TcpBench::written(host) == "helloworld");
  BOOST_TEST(host.fin_written);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
