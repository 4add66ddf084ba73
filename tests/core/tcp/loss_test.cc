// What is lost on the way to a guest without SACK comes again: RFC 6298, RFC 5681, RFC 6582.
#include "core/tcp/rtt.hh"
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

class RenoBench : public TcpBench {
 public:
  explicit RenoBench(const Config& config) : TcpBench(config) {
    syn_options = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_loss)

BOOST_AUTO_TEST_CASE(estimates_as_rfc_6298_says) {
  TcpConfig config;
  RttEstimator rtt(config);
  BOOST_TEST((rtt.rto() == 1s));
  rtt.sample(config, Instant(), 100ms);  // srtt 100, rttvar 50
  BOOST_TEST((rtt.smoothed() == 100ms));
  BOOST_TEST((rtt.rto() == 300ms));
  rtt.sample(config, Instant(), 180ms);  // rttvar 3/4 * 50 + 1/4 * 80 = 57.5, srtt 110
  BOOST_TEST((rtt.smoothed() == 110ms));
  BOOST_TEST((rtt.rto() == 340ms));
  rtt.back_off(config);
  BOOST_TEST((rtt.rto() == 680ms));
  for (int i = 0; i < 20; ++i) rtt.back_off(config);
  BOOST_TEST((rtt.rto() == 60s));
  rtt.settle(config);
  BOOST_TEST((rtt.rto() == 340ms));
  RttEstimator fast(config);
  fast.sample(config, Instant(), 1ms);
  BOOST_TEST((fast.rto() == 200ms));  // rto_min
}

TCP_CASE(repeats_lost_data_with_back_off_and_recovers) {
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, text("hello"));
  bench.expect_data(0, 5, kTcpPsh);
  for (const Duration wait : {200ms, 400ms, 800ms, 1600ms}) {
    bench.advance(wait - 1ms);
    bench.expect_nothing();
    bench.advance(1ms);
    const auto heard = bench.expect_data(0, 5, kTcpPsh);
    BOOST_TEST(as_text(heard.packet.payload) == "hello");
  }
  BOOST_TEST(bench.count(Counter::kTcpSegmentsRetransmitted) == 4u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 4u);
  bench.ack(0, 5, 501);
  BOOST_TEST(host.consumed == 5u);
  bench.host_writes(host, text("again"));
  bench.expect_data(5, 5, kTcpPsh);
  bench.advance(3199ms);  // the ACK of what was sent again told no time: RFC 6298 5
  bench.expect_nothing();
  bench.advance(1ms);
  bench.expect_data(5, 5, kTcpPsh);
  bench.ack(0, 10, 501);
  bench.host_writes(host, text("once"));
  bench.expect_data(10, 4, kTcpPsh);
  bench.ack(0, 14, 501);  // this tells one
  bench.host_writes(host, text("more"));
  bench.expect_data(14, 4, kTcpPsh);
  bench.advance(200ms);
  bench.expect_data(14, 4, kTcpPsh);
}

TCP_CASE(does_not_sample_what_it_sent_twice) {  // Karn
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, text("hello"));
  bench.advance(5s);
  bench.link.frames.clear();
  bench.ack(0, 5, 501);
  // Four doublings, as it was.
  BOOST_TEST(bench.nat().dump(bench.now).find(" rto=3200ms") != std::string::npos);
  bench.host_writes(host, text("again"));
  bench.ack(0, 10, 501);  // sent once, and a sample
  BOOST_TEST(bench.nat().dump(bench.now).find(" rto=200ms") != std::string::npos);
}

TCP_CASE(gives_a_silent_guest_up_and_aborts_the_host) {
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, text("hello"));
  bench.advance(20min);
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 16u);
  BOOST_TEST(bench.link.frames.back().packet().tcp.rst());
}

TCP_CASE(repeats_a_lost_fin_and_a_fin_with_its_data) {
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  host.incoming = text("final");
  bench.host_ends(host);
  bench.expect_data(0, 5, kTcpPsh | kTcpFin);
  bench.advance(200ms);
  bench.expect_data(0, 5, kTcpPsh | kTcpFin);
  bench.advance(100ms);
  bench.ack(0, 5, 501);  // all but the FIN
  bench.advance(399ms);  // the back-off stays
  bench.expect_nothing();
  bench.advance(1ms);
  bench.expect_data(5, 0, kTcpFin);
  bench.ack(0, 6, 501);
  bench.advance(10s);
  bench.expect_nothing();
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 2u);  // the timer stopped
}

TCP_CASE(shrinks_to_one_segment_on_a_timeout_and_grows_again) {
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  BOOST_TEST(bench.swallow(0) == 14600u);
  bench.advance(200ms);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.expect_nothing();
  bench.ack(0, 1460, 501);  // slow start: two more
  BOOST_TEST(bench.swallow(1460) == 2920u);
  bench.ack(0, 2 * 1460, 501);
  BOOST_TEST(bench.swallow(3 * 1460) == 2920u);
  bench.ack(0, 10 * 1460, 501);  // it had the rest all along
  bench.expect_nothing();
  BOOST_TEST(host.consumed == 14600u);
}

TCP_CASE(is_a_timeout_like_any_where_no_new_data_was_when_it_asked) {  // RFC 5682 2.1 step 2b
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  BOOST_TEST(bench.swallow(0) == 14600u);
  bench.advance(200ms);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.ack(0, 1460, 501);
  BOOST_TEST(bench.swallow(1460) == 2920u);
  bench.host_writes(host, pattern(10 * 1460));  // too late to ask
  bench.expect_nothing();
  bench.ack(0, 2 * 1460, 501);
  BOOST_TEST(bench.swallow(3 * 1460) == 2920u);
}

TCP_CASE(sends_new_data_to_find_out_whether_a_timeout_was_spurious) {  // RFC 5682 2.1
  for (const bool spurious : {true, false}) {
    RenoBench bench(quiet_config());
    StreamState& host = bench.establish();
    bench.host_writes(host, pattern(20 * 1460));
    BOOST_TEST(bench.swallow(0) == 14600u);
    bench.advance(200ms);
    bench.expect_data(0, 1460, kTcpPsh);
    bench.ack(0, 1460, 501);
    BOOST_TEST(bench.swallow(14600) == 2920u);  // two segments that are new
    if (spurious) {
      bench.ack(0, 2 * 1460, 501);  // of the second segment, which was sent once: nothing was lost
      BOOST_TEST(bench.swallow(17520) == 1460u);  // the window is what it was, and grows
      BOOST_TEST(bench.count(Counter::kTcpSpuriousRecoveries) == 1u);
      BOOST_TEST(bench.count(Counter::kTcpSegmentsRetransmitted) == 1u);
    } else {
      bench.ack(0, 1460, 501);  // a duplicate: it was
      BOOST_TEST(bench.swallow(1460) != 0u);
      BOOST_TEST(bench.count(Counter::kTcpSpuriousRecoveries) == 0u);
    }
  }
}

TCP_CASE(does_not_ask_again_within_the_recovery_from_a_timeout) {  // RFC 5682 2.1 step 1
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(20 * 1460));
  BOOST_TEST(bench.swallow(0) == 14600u);
  bench.advance(200ms);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.ack(0, 1460, 501);
  BOOST_TEST(bench.swallow(14600) == 2920u);
  bench.ack(0, 1460, 501);  // it was no spurious one
  BOOST_TEST(bench.swallow(1460) != 0u);
  bench.advance(400ms);
  bench.expect_data(1460, 1460, kTcpPsh);  // what was sent again was lost as well
  bench.ack(0, 2 * 1460, 501);
  BOOST_TEST(bench.swallow(2 * 1460) == 2920u);  // and what follows it goes again, not new data
}

BOOST_AUTO_TEST_CASE(allows_for_a_tick_of_the_clock) {  // RFC 6298 4
  TcpConfig config;
  config.rto_min = 1ms;
  RttEstimator rtt(config);
  for (int i = 0; i < 200; ++i) rtt.sample(config, Instant(), 100ms);
  BOOST_TEST((rtt.variation() < 1us));
  BOOST_TEST((rtt.rto() == 101ms));
}

TCP_CASE(does_not_take_a_timeout_back_for_an_ack_of_what_was_held) {  // RFC 5682 2.1
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(4 * 1460));
  BOOST_TEST(bench.swallow(0) == 4 * 1460u);
  bench.ack(0, 0, 501);  // the first and the third were lost
  bench.ack(0, 0, 501);
  bench.advance(200ms);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.ack(0, 2 * 1460, 501);  // the repeated one, and the one the guest held
  BOOST_TEST(bench.count(Counter::kTcpSpuriousRecoveries) == 0u);
  BOOST_TEST(bench.swallow(2 * 1460) == 2 * 1460u);
}

TCP_CASE(retransmits_fast_on_the_third_duplicate_ack) {
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  BOOST_TEST(bench.swallow(0) == 14600u);
  bench.ack(0, 0, 501);
  bench.ack(0, 0, 501);
  bench.expect_nothing();
  bench.ack(0, 0, 501);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.expect_nothing();
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 1u);
  bench.ack(0, 0, 501);  // more of them send it no more
  bench.expect_nothing();
  bench.ack(0, 14600, 501);
  BOOST_TEST(host.consumed == 14600u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 0u);
}

TCP_CASE(fills_hole_after_hole_on_partial_acks) {  // RFC 6582 3.2 step 3
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  bench.link.frames.clear();
  for (int i = 0; i < 3; ++i) bench.ack(0, 0, 501);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.ack(0, 3 * 1460, 501);  // the fourth was lost too
  bench.expect_data(3 * 1460, 1460, kTcpPsh);
  bench.ack(0, 7 * 1460, 501);
  bench.expect_data(7 * 1460, 1460, kTcpPsh);
  bench.ack(0, 10 * 1460, 501);
  bench.expect_nothing();
  BOOST_TEST(host.consumed == 14600u);
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 1u);
}

TCP_CASE(counts_no_window_update_or_data_as_a_duplicate_ack) {
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  bench.link.frames.clear();
  for (uint16_t i = 0; i < 5; ++i) bench.ack(0, 0, static_cast<uint16_t>(600 + i));
  bench.data(0, 0, "a");
  bench.data(1, 0, "b");
  bench.data(2, 0, "c");
  bench.data(3, 0, "d");
  for (int i = 0; i < 4; ++i) bench.fin(4, 0, "");
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 0u);
}

TCP_CASE(does_not_retransmit_fast_again_for_acks_of_before_a_timeout) {
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  bench.link.frames.clear();
  bench.advance(200ms);
  bench.expect_data(0, 1460, kTcpPsh);
  for (int i = 0; i < 5; ++i) bench.ack(0, 0, 501);
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 0u);
  bench.ack(0, 10 * 1460, 501);  // all that was sent before it, and no more
  bench.host_writes(host, pattern(10 * 1460));
  bench.link.frames.clear();
  for (int i = 0; i < 5; ++i) bench.ack(0, 10 * 1460, 501);
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 0u);
}

TCP_CASE(sends_acks_with_the_highest_number_while_it_repeats_old_data) {
  // After a timeout the next to send is old: an ACK with that number would be dropped by a guest that
  // has it, and the guest's own upload would starve.
  RenoBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  bench.link.frames.clear();
  bench.advance(200ms);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.data(5, 0, "gap");
  const auto heard = bench.expect(kTcpAck);
  BOOST_TEST(bench.offset_of(heard.packet) == 14600u);
}

TCP_CASE(loses_any_one_frame_of_a_session_and_still_completes) {
  // Frame k towards the guest is lost; the guest here acknowledges what it can, after each turn.
  for (size_t lost = 0; lost < 14; ++lost) {
    RenoBench bench(quiet_config());
    bench.syn();
    StreamState& host = bench.sockets.streams.back();
    host.incoming = pattern(5 * 1460);
    host.eof = true;
    const std::array<SocketEvent, 2> both{{{host.id, SocketEvent::Kind::kConnected, {}},
                                           {host.id, SocketEvent::Kind::kReadable, {}}}};
    bench.nat().handle_sockets(bench.now, both);
    bench.turn();
    size_t seen = 0;
    bool open = false;
    bool ended = false;
    uint32_t have = 0;
    std::string heard_bytes;
    for (int step = 0; step < 400 && !(ended && bench.nat().flow_counts().tcp == 0); ++step) {
      while (!bench.link.frames.empty()) {
        const SentFrame frame = bench.link.take();
        if (seen++ == lost) continue;
        const Packet p = frame.packet();
        BOOST_REQUIRE(!p.tcp.rst());
        if (p.tcp.syn()) {
          bench.isn = p.tcp.sequence;
          open = true;
        } else if (bench.offset_of(p) == have && (!p.payload.empty() || p.tcp.fin())) {
          have += static_cast<uint32_t>(p.payload.size()) + (p.tcp.fin() ? 1 : 0);
          heard_bytes += as_text(p.payload);
          ended = ended || p.tcp.fin();
        }
        if (open && !ended) bench.ack(0, have, 501);
        if (ended) bench.fin(0, have, "");
      }
      if (!open && step % 20 == 19) bench.syn();
      bench.advance(50ms);
    }
    BOOST_TEST_CONTEXT("frame " << lost) {
      BOOST_TEST(heard_bytes.size() == 7300u);
      BOOST_TEST((text(heard_bytes) == pattern(5 * 1460)));
      BOOST_TEST(ended);
      BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
