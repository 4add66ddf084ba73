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

BOOST_AUTO_TEST_CASE(carries_urgent_bytes_as_any_others) {  // RFC 9293 3.8.5, RFC 6093
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  for (const uint16_t pointer : {uint16_t{0}, uint16_t{3}, uint16_t{65535}}) {
    ByteVector frame =
        bench.segment(kTcpAck | kTcpUrg, kGuestIsn + 1 + static_cast<uint32_t>(host.written.size()),
                      bench.isn + 1, 501, text("urgent"), {});
    store(MutableBytes(frame).subspan(52), Be16(pointer));
    const GuestFrame view{frame, {.csum_trusted = true}};
    bench.nat().handle_frames(bench.now, {&view, 1});
    bench.turn();
  }
  BOOST_TEST(TcpBench::written(host) == "urgenturgenturgent");
}

BOOST_AUTO_TEST_CASE(bears_urgent_marks_wherever_they_stand_and_sends_none) {  // RFC 6093 2, 6
  constexpr size_t kUrgentPointer = 14 + 20 + 18;
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  const auto marked = [&](uint8_t flags, uint32_t offset, uint16_t pointer, const char* payload) {
    ByteVector frame =
        bench.segment(flags, kGuestIsn + 1 + offset, bench.isn + 1, 501, text(payload), {});
    store(MutableBytes(frame).subspan(kUrgentPointer), Be16(pointer));
    const GuestFrame view{frame, {.csum_trusted = true}};
    bench.nat().handle_frames(bench.now, {&view, 1});
    bench.turn();
  };
  marked(kTcpAck | kTcpUrg, 0, 1, "");             // nothing to be urgent
  marked(kTcpAck, 0, 7, "a");                      // a pointer without its flag
  marked(kTcpAck | kTcpUrg, 4, 65535, "ef");       // ahead of a gap, beyond the window
  marked(kTcpAck | kTcpUrg, 1, 2, "bcd");          // which this fills
  marked(kTcpSyn | kTcpUrg, 0, 3, "");             // challenged, like any SYN
  marked(kTcpAck | kTcpUrg | kTcpFin, 6, 0, "g");  // and the end
  BOOST_TEST(TcpBench::written(host) == "abcdefg");
  BOOST_TEST(host.fin_written);
  bench.host_writes(host, text("answer"));
  bench.host_ends(host);
  BOOST_TEST(!bench.link.frames.empty());
  while (!bench.link.frames.empty()) {
    const auto heard = bench.hear();
    BOOST_TEST((heard.packet.tcp.flags & kTcpUrg) == 0);
    BOOST_TEST(heard.frame.bytes[kUrgentPointer] == 0);
    BOOST_TEST(heard.frame.bytes[kUrgentPointer + 1] == 0);
  }
}

BOOST_AUTO_TEST_CASE(bears_old_duplicates_after_either_side_closed) {
  for (const bool guest_first : {true, false}) {
    TcpBench bench(quiet_config());
    StreamState& host = bench.establish();
    bench.data(0, 0, "hello");
    if (guest_first) {
      bench.fin(5, 0, "");
    } else {
      bench.host_ends(host);
    }
    bench.link.frames.clear();
    const uint32_t next = guest_first ? 6 : 5;
    bench.data(0, 0, "hello");  // each is told where we are
    bench.expect_ack(next);
    bench.data(2, 0, "l");
    bench.expect_ack(next);
    bench.syn();
    bench.expect_ack(next);
    bench.send(kTcpSyn | kTcpAck, kGuestIsn, bench.isn + 1, 501, {});
    bench.expect_ack(next);
    bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});  // an old reset: nothing
    bench.expect_nothing();
    BOOST_TEST(!host.aborted);
    BOOST_TEST(TcpBench::written(host) == "hello");
  }
}

BOOST_AUTO_TEST_CASE(bears_a_guest_that_resets_or_goes_on_after_half_a_close) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_ends(host);  // FIN-WAIT-1
  bench.expect(kTcpFin | kTcpAck);
  bench.ack(0, 1, 501);  // FIN-WAIT-2
  bench.data(0, 1, "still here");
  BOOST_TEST(TcpBench::written(host) == "still here");
  bench.send(kTcpRst, kGuestIsn + 11, 0, 0, {});
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
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
    bench.syn_window = 128;
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
