// RFC 5961 and its kin: segments that may be forged or are out of their minds.
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {

BOOST_AUTO_TEST_SUITE(tcp_attack)

BOOST_AUTO_TEST_CASE(obeys_a_reset_only_at_the_very_next_number) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(0, 0, "hello");
  bench.send(kTcpRst, kGuestIsn + 1 + 5 + 100, 0, 0, {});  // in the window: a challenge
  const auto heard = bench.expect(kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 6);
  BOOST_TEST(heard.packet.tcp.sequence == bench.isn + 1);
  BOOST_TEST(bench.count(Counter::kTcpChallengeAcks) == 1u);
  bench.send(kTcpRst, kGuestIsn + 1 + 4, 0, 0, {});      // old
  bench.send(kTcpRst, kGuestIsn + 3'000'000, 0, 0, {});  // beyond
  bench.expect_nothing();
  BOOST_TEST(bench.count(DropReason::kTcpUnacceptable) == 3u);
  BOOST_TEST(!host.aborted);
  bench.send(kTcpRst, heard.packet.tcp.acknowledgment, 0, 0, {});  // the answer to the challenge
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.count(Counter::kTcpResetsReceived) == 1u);
}

BOOST_AUTO_TEST_CASE(obeys_a_reset_with_text_while_its_window_is_closed) {
  Config config = quiet_config();
  config.tcp.window = 1000;
  config.tcp.window_scale = 0;
  TcpBench bench(config);
  StreamState& host = bench.establish();
  host.write_room = 0;
  bench.data(0, 0, std::string(1000, 'x'));
  bench.send(kTcpRst, kGuestIsn + 1001, 0, 0, text("bye"));
  BOOST_TEST(host.aborted);
}

BOOST_AUTO_TEST_CASE(challenges_a_syn_of_any_number) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  for (const uint32_t at : {kGuestIsn, kGuestIsn + 1, kGuestIsn + 500, kGuestIsn + 5'000'000}) {
    bench.send(kTcpSyn, at, 0, 64240, {});
    bench.expect_ack(0);
  }
  bench.send(kTcpSyn | kTcpAck, kGuestIsn, bench.isn + 1, 64240, {});
  bench.expect_ack(0);
  BOOST_TEST(bench.count(Counter::kTcpChallengeAcks) == 5u);
  BOOST_TEST(bench.count(DropReason::kTcpUnacceptable) == 5u);
  BOOST_TEST(!host.aborted);
}

BOOST_AUTO_TEST_CASE(challenges_an_ack_of_what_it_never_sent) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(0, 1, "hello");
  bench.expect_ack(0);
  BOOST_TEST(host.written.empty());
  BOOST_TEST(bench.count(Counter::kTcpChallengeAcks) == 1u);
}

BOOST_AUTO_TEST_CASE(challenges_an_ack_older_than_any_window_and_bears_one_that_is_not) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(1460));
  bench.link.frames.clear();
  bench.ack(0, 1460, 501);
  bench.send(kTcpAck, kGuestIsn + 1, bench.isn + 1 - 70'000, 501, text("old"));
  bench.expect_ack(0);
  BOOST_TEST(bench.count(Counter::kTcpChallengeAcks) == 1u);
  BOOST_TEST(host.written.empty());
  bench.data(0, 0, "data with an ACK from before");
  BOOST_TEST(host.written.size() == 28u);
}

BOOST_AUTO_TEST_CASE(limits_challenges_and_counts_those_it_did_not_send) {
  TcpBench bench(quiet_config());
  bench.establish();
  for (int i = 0; i < 150; ++i) bench.send(kTcpSyn, kGuestIsn + 9, 0, 64240, {});
  BOOST_TEST(bench.link.frames.size() == 100u);
  BOOST_TEST(bench.count(Counter::kTcpChallengeAcksLimited) == 50u);
  BOOST_TEST(bench.count(DropReason::kTcpUnacceptable) == 150u);
  bench.link.frames.clear();
  bench.advance(10ms);  // a thousand a second
  for (int i = 0; i < 20; ++i) bench.send(kTcpSyn, kGuestIsn + 9, 0, 64240, {});
  BOOST_TEST(bench.link.frames.size() == 10u);
}

BOOST_AUTO_TEST_CASE(drops_a_segment_without_ack) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.send(kTcpPsh, kGuestIsn + 1, 0, 501, text("hello"));
  BOOST_TEST(host.written.empty());
  BOOST_TEST(bench.count(DropReason::kTcpUnacceptable) == 1u);
}

BOOST_AUTO_TEST_CASE(does_not_ack_for_ever_with_one_who_disagrees) {
  TcpBench bench(quiet_config());
  bench.establish();
  bench.advance(1s);
  for (int i = 0; i < 500; ++i) bench.ack(static_cast<uint32_t>(-1000), 0, 501);
  BOOST_TEST(bench.link.frames.size() == 100u);
}

BOOST_AUTO_TEST_CASE(answers_segments_of_no_connection_by_the_book) {  // RFC 9293 3.10.7.1
  TcpBench bench(quiet_config());
  bench.send(kTcpAck, 700, 900, 501, text("x"));
  BOOST_TEST(bench.expect(kTcpRst).packet.tcp.sequence == 900u);
  bench.send(kTcpFin | kTcpPsh, 700, 0, 501, text("xyz"));
  BOOST_TEST(bench.expect(kTcpRst | kTcpAck).packet.tcp.acknowledgment == 704u);
  bench.send(kTcpSyn | kTcpFin, 700, 0, 501, {});
  BOOST_TEST(bench.expect(kTcpRst | kTcpAck).packet.tcp.acknowledgment == 702u);
  bench.send(kTcpRst, 700, 0, 0, {});
  bench.send(kTcpRst | kTcpAck, 700, 5, 0, {});
  bench.expect_nothing();
  BOOST_TEST(bench.count(DropReason::kTcpNoConnection) == 5u);
}

BOOST_AUTO_TEST_CASE(limits_resets) {
  TcpBench bench(quiet_config());
  for (int i = 0; i < 130; ++i) bench.send(kTcpAck, 700, 900, 501, {});
  BOOST_TEST(bench.link.frames.size() == 100u);
  BOOST_TEST(bench.count(Counter::kTcpResetsLimited) == 30u);
}

BOOST_AUTO_TEST_CASE(aborts_both_ways_as_aborts) {
  {  // the guest, with data of the host unacknowledged
    TcpBench bench(quiet_config());
    StreamState& host = bench.establish();
    bench.host_writes(host, pattern(100));
    bench.link.frames.clear();
    bench.send(kTcpRst | kTcpAck, kGuestIsn + 1, bench.isn + 1, 0, {});
    BOOST_TEST(host.aborted);
  }
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(3000));
  bench.link.frames.clear();
  bench.host_resets(host);
  const auto heard = bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(heard.packet.tcp.sequence == bench.isn + 1 + 3000);
}

BOOST_AUTO_TEST_CASE(passes_an_abort_through_a_closed_window_at_a_number_the_guest_takes) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.ack(0, 0, 0);
  bench.host_writes(host, pattern(3000));
  bench.advance(200ms);
  bench.expect_data(0, 1, kTcpPsh);  // a probe, refused
  bench.ack(0, 0, 0);
  bench.host_resets(host);
  BOOST_TEST(bench.expect(kTcpRst | kTcpAck).packet.tcp.sequence == bench.isn + 1);
}

BOOST_AUTO_TEST_CASE(passes_an_abort_on_while_the_window_is_full_or_after_both_fins) {
  {
    TcpBench bench(quiet_config());
    StreamState& host = bench.establish(1);
    bench.host_writes(host, pattern(3000));
    bench.expect_data(0, 128, kTcpPsh);
    bench.host_resets(host);
    bench.expect(kTcpRst | kTcpAck);
  }
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_ends(host);
  bench.expect(kTcpFin | kTcpAck);
  bench.host_resets(host);
  bench.expect(kTcpRst | kTcpAck);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
