// What is lost on the way to a guest with SACK: RACK-TLP (RFC 8985), PRR (RFC 9937), and taking back what
// was no loss (RFC 2883, RFC 5682).
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

constexpr uint32_t kMss = 1460;

class SackBench : public TcpBench {
 public:
  explicit SackBench(const Config& config) : TcpBench(config) {}

  // An ACK of everything before segment `acked`, and of the segments [first, last) of each block.
  void sack(uint32_t acked, const std::vector<std::pair<uint32_t, uint32_t>>& blocks) {
    ByteVector options = {1, 1, 5, static_cast<uint8_t>(2 + 8 * blocks.size())};
    for (const auto& [first, last] : blocks) {
      for (const uint32_t edge : {isn + 1 + first * kMss, isn + 1 + last * kMss}) {
        for (int shift = 24; shift >= 0; shift -= 8) {
          options.push_back(static_cast<uint8_t>(edge >> shift));
        }
      }
    }
    frames({segment(kTcpAck, kGuestIsn + 1, isn + 1 + acked * kMss, window, {}, options)});
  }
  uint16_t window = 501;
  // Ten segments on a path of 50 ms, all of which were sent at once.
  StreamState& flight() {
    syn();
    StreamState& host = sockets.streams.back();
    host_connects(host);
    isn = expect(kTcpSyn | kTcpAck).packet.tcp.sequence;
    now += 50ms;
    ack(0, 0, 501);
    host_writes(host, pattern(10 * kMss));
    BOOST_TEST(swallow(0) == 10 * kMss);
    return host;
  }
  // The segments that came, by number.
  std::vector<uint32_t> segments() {
    std::vector<uint32_t> out;
    while (!link.frames.empty()) {
      const Heard heard = hear();
      for (uint32_t at = 0; at < heard.packet.payload.size(); at += kMss) {
        out.push_back((offset_of(heard.packet) + at) / kMss);
      }
    }
    return out;
  }
};

using Segments = std::vector<uint32_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_sack_recovery)

TCP_CASE(sends_exactly_what_is_missing_again) {
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{1, 2}});
  bench.sack(0, {{1, 3}});
  BOOST_TEST((bench.segments() == Segments{}));
  bench.sack(0, {{1, 4}});  // three segments above the hole (RFC 6675 2)
  BOOST_TEST((bench.segments() == Segments{0}));
  bench.sack(0, {{5, 6}, {1, 4}});
  bench.sack(0, {{5, 10}});  // what was reported before need not be again
  BOOST_TEST((bench.segments() == Segments{4}));
  bench.ack(0, 10 * kMss, 501);
  BOOST_TEST((bench.segments() == Segments{}));
  BOOST_TEST(host.consumed == 10 * kMss);
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 1u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 0u);
}

TCP_CASE(waits_a_quarter_of_the_round_trip_for_what_was_overtaken) {  // RFC 8985 6.2 step 4
  SackBench bench(quiet_config());
  bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{1, 2}});
  BOOST_TEST((bench.segments() == Segments{}));
  bench.advance(12ms);
  BOOST_TEST((bench.segments() == Segments{}));
  bench.advance(1ms);
  BOOST_TEST((bench.segments() == Segments{0}));
}

TCP_CASE(sends_a_lost_retransmission_again_without_a_timeout) {
  SackBench bench(quiet_config());
  bench.flight();
  bench.host_writes(bench.sockets.streams.back(), pattern(20 * kMss));
  bench.now += 50ms;
  bench.sack(0, {{1, 4}});
  BOOST_TEST((bench.segments() == Segments{0}));
  bench.sack(0, {{1, 8}});  // new data, as segments leave the network
  BOOST_TEST((bench.segments() == Segments{10, 11, 12, 13}));
  bench.now += 50ms;
  bench.sack(0, {{1, 11}});  // what was sent after the retransmission arrived
  const Segments again = bench.segments();
  BOOST_REQUIRE(!again.empty());
  BOOST_TEST(again.front() == 0u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 0u);
}

TCP_CASE(sends_in_a_new_proportion_when_the_window_falls_again) {  // RFC 9937 6
  SackBench bench(quiet_config());
  bench.host_writes(bench.flight(), pattern(60 * kMss));
  bench.now += 50ms;
  bench.ack(0, 10 * kMss, 501);
  BOOST_TEST(bench.segments().size() == 20u);  // 10 to 29
  bench.now += 50ms;
  uint32_t sent = 0;
  for (uint32_t last = 14; last <= 30;
       ++last) {  // the first is missing: seven tenths of the others
    bench.sack(10, {{11, last}});
    sent += static_cast<uint32_t>(bench.segments().size());
  }
  BOOST_TEST(sent == 14u);  // of 20
  bench.now += 50ms;
  bench.sack(10, {{11, 31}});
  BOOST_TEST((bench.segments() == Segments{10}));  // lost again
  sent = 1;
  for (uint32_t last = 32; last <= 43; ++last) {
    bench.sack(10, {{11, last}});
    sent += static_cast<uint32_t>(bench.segments().size());
  }
  BOOST_TEST(sent == 9u);  // of 13
}

TCP_CASE(probes_the_tail_after_two_round_trips) {  // RFC 8985 7
  SackBench bench(quiet_config());
  bench.flight();
  bench.advance(99ms);
  BOOST_TEST((bench.segments() == Segments{}));
  bench.advance(1ms);
  BOOST_TEST((bench.segments() == Segments{9}));
  BOOST_TEST(bench.count(Counter::kTcpTailProbes) == 1u);
  bench.now += 50ms;
  bench.sack(7, {{9, 10}});  // 7 and 8 were lost: the probe shows it
  bench.advance(13ms);
  BOOST_TEST((bench.segments() == Segments{7, 8}));
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 0u);
}

TCP_CASE(probes_the_tail_with_new_data_where_there_is_some) {
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.host_writes(host, pattern(kMss));  // cwnd has no room for it
  BOOST_TEST((bench.segments() == Segments{}));
  bench.advance(100ms);
  BOOST_TEST((bench.segments() == Segments{10}));
}

TCP_CASE(halves_nothing_when_the_probe_alone_was_needless) {  // RFC 8985 7.4.2
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.advance(100ms);
  BOOST_TEST((bench.segments() == Segments{9}));
  bench.ack(0, 10 * kMss, 501);
  bench.sack(10, {{9, 10}});  // both copies came: a D-SACK
  bench.host_writes(host, pattern(40 * kMss));
  const size_t sent = bench.segments().size();
  BOOST_TEST(sent >= 10u);
  bench.now += 50ms;
  bench.ack(0, static_cast<uint32_t>(10 + sent) * kMss, 501);
  BOOST_TEST(bench.segments().size() >= sent);
}

TCP_CASE(takes_a_probe_that_repaired_a_loss_for_one) {  // RFC 8985 7.4.2
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.advance(100ms);
  BOOST_TEST((bench.segments() == Segments{9}));
  bench.now += 50ms;
  bench.ack(0, 10 * kMss, 501);  // and no D-SACK: the last segment had been lost
  bench.host_writes(host, pattern(kMss));
  BOOST_TEST((bench.segments() == Segments{10}));
  bench.now += 50ms;
  bench.ack(0, 11 * kMss, 501);
  bench.host_writes(host, pattern(40 * kMss));
  BOOST_TEST(bench.segments().size() ==
             7u);  // seven tenths of the ten that were out with the probe
}

TCP_CASE(has_one_of_three_timers_at_a_time) {  // RFC 8985 8
  SackBench bench(quiet_config());
  bench.flight();
  const Instant sent = bench.now;
  BOOST_TEST((bench.nat().next_deadline() == sent + 100ms));  // the probe
  bench.now += 50ms;
  bench.sack(0, {{1, 2}});
  BOOST_TEST((bench.nat().next_deadline() == sent + 62500us));  // reordering
  bench.advance(13ms);
  BOOST_TEST((bench.segments() == Segments{0}));
  BOOST_TEST((bench.nat().next_deadline() == sent + 250ms));  // the timeout, which a SACK puts off
  bench.advance(200ms);
  BOOST_TEST(!bench.segments().empty());
  BOOST_TEST(bench.count(Counter::kTcpTailProbes) == 0u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 1u);
}

TCP_CASE(sends_nothing_more_for_an_ack_that_repeats_itself_without_news) {  // RFC 3042 2
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.host_writes(host, pattern(10 * kMss));
  bench.ack(0, 0, 501);
  bench.ack(0, 0, 501);
  bench.ack(0, 0, 501);
  BOOST_TEST((bench.segments() == Segments{}));
  bench.sack(0, {{1, 2}});
  BOOST_TEST((bench.segments() == Segments{10}));
}

TCP_CASE(believes_at_a_timeout_in_what_left_just_now) {  // RFC 8985 6.3
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.now += 50ms;
  bench.ack(0, 10 * kMss, 501);
  bench.host_writes(host, pattern(4 * kMss));
  BOOST_TEST((bench.segments() == Segments{10, 11, 12, 13}));
  bench.advance(100ms);
  BOOST_TEST((bench.segments() == Segments{13}));  // a probe, lost as well
  bench.advance(190ms);
  bench.host_writes(host, pattern(kMss));
  BOOST_TEST((bench.segments() == Segments{14}));
  bench.advance(10ms);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 1u);
  BOOST_TEST((bench.segments() == Segments{10}));
  // It counts as in flight, beside the one segment of a timeout.
  BOOST_TEST(bench.nat().dump(bench.now).find(" cwnd=2920") != std::string::npos);
}

TCP_CASE(begins_no_recovery_within_that_from_a_timeout) {  // RFC 6675 5.1
  SackBench bench(quiet_config());
  bench.flight();
  bench.advance(300ms);
  BOOST_TEST((bench.segments() == Segments{9, 0}));  // a probe, and the timeout
  bench.now += 50ms;
  bench.ack(0, kMss, 501);
  BOOST_TEST((bench.segments() == Segments{1, 2}));
  bench.now += 50ms;
  bench.sack(1, {{2, 3}});
  // What was sent behind 1 arrived: it is lost again, so that the window stays at its least (RFC 5681 4.3).
  BOOST_TEST((bench.segments() == Segments{1, 3}));
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 0u);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 1u);
}

TCP_CASE(takes_a_timeout_back_for_what_it_did_not_send_again) {  // RFC 5682 3.1
  for (const bool early : {true, false}) {
    SackBench bench(quiet_config());
    StreamState& host = bench.flight();
    bench.host_writes(host, pattern(10 * kMss));
    bench.advance(300ms);
    BOOST_TEST((bench.segments() == Segments{10, 0}));  // a probe, and the timeout
    bench.now += early ? 10ms : 50ms;
    bench.ack(0, kMss, 501);
    BOOST_TEST((bench.segments() == Segments{11, 12}));  // new data, to find out
    if (early) {
      bench.ack(0, 2 * kMss, 501);  // of the second segment, which was sent once
      BOOST_TEST(bench.count(Counter::kTcpSpuriousRecoveries) == 1u);
      for (const uint32_t next : bench.segments()) BOOST_TEST(next > 12u);
    } else {
      bench.sack(1, {{11, 12}});
      BOOST_TEST(bench.count(Counter::kTcpSpuriousRecoveries) == 0u);
      BOOST_TEST(bench.segments().front() == 1u);
    }
  }
}

TCP_CASE(takes_a_recovery_back_when_every_copy_came_twice) {  // RFC 2883, RFC 3708
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{1, 4}});  // 0 is late, not lost
  BOOST_TEST((bench.segments() == Segments{0}));
  bench.sack(4, {{0, 1}});  // it came, and the copy
  BOOST_TEST(bench.count(Counter::kTcpSpuriousRecoveries) == 1u);
  bench.ack(0, 10 * kMss, 501);
  bench.host_writes(host, pattern(40 * kMss));
  BOOST_TEST(bench.segments().size() >= 10u);
}

TCP_CASE(takes_no_recovery_back_for_what_came_twice_by_itself) {  // RFC 2883 5
  const auto doubled = [](uint32_t first, bool much_later) {
    SackBench bench(quiet_config());
    StreamState& host = bench.flight();
    bench.now += 50ms;
    bench.sack(0, {{1, 4}});
    BOOST_TEST((bench.segments() == Segments{0}));
    bench.now += 50ms;
    bench.ack(0, 10 * kMss, 501);
    bench.host_writes(host, pattern(kMss));
    BOOST_TEST((bench.segments() == Segments{10}));
    bench.now += 50ms;
    if (much_later) bench.ack(0, 11 * kMss, 501);
    bench.sack(much_later ? 11 : 10, {{first, first + 1}});
    return bench.count(Counter::kTcpSpuriousRecoveries);
  };
  BOOST_TEST(doubled(0, false) == 1u);  // what was sent again
  BOOST_TEST(doubled(5, false) == 0u);  // of the same flight, and sent once
  BOOST_TEST(doubled(0, true) == 0u);   // a round trip after the recovery, and by itself
  BOOST_TEST(doubled(10, true) == 0u);  // sent since
}

TCP_CASE(sends_everything_again_to_a_guest_that_reneged) {  // RFC 2018 8
  SackBench bench(quiet_config());
  const StreamState& host = bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{1, 10}});
  BOOST_TEST((bench.segments() == Segments{0}));
  BOOST_TEST(host.consumed == 0u);  // the host holds it until it is acknowledged
  bench.ack(0, kMss, 501);          // and forgot the rest
  bench.advance(5s);
  const Segments again = bench.segments();
  BOOST_REQUIRE(!again.empty());
  BOOST_TEST(again.front() == 1u);
}

TCP_CASE(sends_nothing_again_at_a_timeout_that_was_sacked) {  // RFC 2018 5, RFC 6675 5.1
  SackBench bench(quiet_config());
  bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{1, 7}, {8, 10}});
  BOOST_TEST((bench.segments() == Segments{0, 7}));
  bench.advance(200ms);  // both were lost again
  BOOST_TEST((bench.segments() == Segments{0}));
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 1u);
  bench.now += 50ms;
  bench.sack(7, {{8, 10}});
  BOOST_TEST((bench.segments() == Segments{7}));
}

TCP_CASE(keeps_a_timer_when_a_late_d_sack_undoes_over_a_closed_window) {
  SackBench bench(quiet_config());
  StreamState& host = bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{1, 4}});
  BOOST_TEST((bench.segments() == Segments{0}));
  bench.ack(0, 10 * kMss, 0);  // all of it, and no room for more
  bench.host_writes(host, text("x"));
  bench.advance(1s);
  BOOST_TEST(!bench.segments().empty());  // a probe, which the guest drops
  const uint32_t una = bench.isn + 1 + 10 * kMss;
  ByteVector options = {1, 1, 5, 10};
  for (const uint32_t edge : {bench.isn + 1, bench.isn + 1 + kMss}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      options.push_back(static_cast<uint8_t>(edge >> shift));
    }
  }
  bench.frames({bench.segment(kTcpAck, kGuestIsn + 1, una, 0, {}, options)});
  bench.ack(0, 10 * kMss, 501);
  bench.advance(10s);
  BOOST_TEST(!bench.segments().empty());  // the byte comes again until it is acknowledged
}

TCP_CASE(remembers_many_blocks_of_a_growing_report) {
  Config config = quiet_config();
  config.tcp.initial_window_segments = 200;
  SackBench bench(config);
  bench.syn();
  StreamState& host = bench.sockets.streams.back();
  bench.host_connects(host);
  bench.isn = bench.expect(kTcpSyn | kTcpAck).packet.tcp.sequence;
  bench.now += 50ms;
  bench.window = 3000;
  bench.ack(0, 0, bench.window);
  bench.host_writes(host, pattern(170 * kMss));
  BOOST_TEST(bench.swallow(0) == 170 * kMss);
  bench.now += 50ms;
  Segments again;
  for (uint32_t i = 2; i <= 170; ++i) {  // all but the first and the last but one
    if (i == 169) continue;
    bench.sack(0, i == 170 ? std::vector<std::pair<uint32_t, uint32_t>>{{169, 170}, {1, 168}}
                           : std::vector<std::pair<uint32_t, uint32_t>>{{1, i}});
    for (const uint32_t s : bench.segments()) again.push_back(s);
  }
  bench.advance(20ms);
  for (const uint32_t s : bench.segments()) again.push_back(s);
  BOOST_TEST((again == Segments{0, 168}));
}

TCP_CASE(ignores_blocks_of_what_was_never_sent) {
  SackBench bench(quiet_config());
  bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{11, 40}});
  bench.sack(0, {{5, 3}});
  bench.advance(20ms);
  BOOST_TEST((bench.segments() == Segments{}));
}

TCP_CASE(keeps_the_scoreboard_over_saving_and_restoring) {
  SackBench bench(quiet_config());
  bench.flight();
  bench.now += 50ms;
  bench.sack(0, {{1, 3}});
  bench.save_and_restore();
  bench.sack(0, {{1, 4}});
  BOOST_TEST((bench.segments() == Segments{0}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
