// How much may be in flight, by itself: CUBIC (RFC 9438), NewReno (RFC 5681) and PRR (RFC 9937) against what
// their formulas say.
#include "core/tcp/congestion.hh"

#include <boost/test/unit_test.hpp>
#include <cmath>

namespace dashi::test {
namespace {

constexpr uint32_t kMss = 1460;

Instant at(Duration since_start) { return Instant(1s) + since_start; }

TcpConfig with(TcpConfig::Congestion congestion) {
  TcpConfig config;
  config.congestion = congestion;
  return config;
}

// A window that is used in full, a round trip a step.
struct Flow {
  TcpConfig config;
  Duration rtt;
  Congestion window;
  Duration passed{0};

  Flow(TcpConfig::Congestion congestion, Duration round_trip, uint32_t segments)
      : config(with(congestion)), rtt(round_trip) {
    window.cwnd = segments * kMss;
  }
  void lose_with(uint32_t segments) {
    window.lose(config, kMss, segments * kMss);
    window.end_reduction();
  }
  void round() {
    window.grow(config, at(passed), rtt, kMss, window.cwnd);
    passed += rtt;
  }
  double segments() const { return static_cast<double>(window.cwnd) / kMss; }
};

// W_cubic(t) in segments, after a loss at `highest` that left `kept` (RFC 9438 4.2).
double cubic(double highest, double kept, Duration t) {
  const double seconds = std::chrono::duration<double>(t).count();
  return 0.4 * std::pow(seconds - std::cbrt((highest - kept) / 0.4), 3) + highest;
}

constexpr auto kCubic = TcpConfig::Congestion::kCubic;
constexpr auto kNewReno = TcpConfig::Congestion::kNewReno;

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_congestion)

BOOST_AUTO_TEST_CASE(doubles_in_slow_start_and_stops_at_ssthresh) {  // RFC 5681 3.1
  for (const auto congestion : {kCubic, kNewReno}) {
    Flow flow(congestion, 100ms, 10);
    flow.window.ssthresh = 70 * kMss;
    flow.round();
    BOOST_TEST(flow.window.cwnd == 20 * kMss);
    flow.round();
    BOOST_TEST(flow.window.cwnd == 40 * kMss);
    flow.round();
    BOOST_TEST(flow.window.cwnd >= 70 * kMss);
    BOOST_TEST(flow.window.cwnd < 71 * kMss);
  }
}

BOOST_AUTO_TEST_CASE(adds_a_segment_a_round_trip_when_it_avoids_congestion) {  // RFC 5681 3.1
  Flow flow(kNewReno, 100ms, 100);
  flow.lose_with(100);
  for (uint32_t i = 0; i < 30; ++i) {
    BOOST_TEST(flow.window.cwnd == (50 + i) * kMss);
    flow.round();
  }
}

BOOST_AUTO_TEST_CASE(halves_with_new_reno_down_to_two_segments) {  // RFC 5681 3.1 equation 4
  Flow flow(kNewReno, 100ms, 100);
  flow.lose_with(60);  // of what is in flight, not of the window
  BOOST_TEST(flow.window.ssthresh == 30 * kMss);
  flow.lose_with(3);
  BOOST_TEST(flow.window.ssthresh == 2 * kMss);
}

BOOST_AUTO_TEST_CASE(keeps_seven_tenths_with_cubic_down_to_two_segments) {  // RFC 9438 4.6
  Flow flow(kCubic, 100ms, 100);
  flow.lose_with(60);
  BOOST_TEST(flow.window.ssthresh == 42 * kMss);
  flow.lose_with(2);
  BOOST_TEST(flow.window.ssthresh == 2 * kMss);
}

// What arrived behind a hole is outstanding and no longer in flight.
BOOST_AUTO_TEST_CASE(keeps_no_more_than_its_part_of_the_window_whatever_is_outstanding) {
  for (const auto kind : {kCubic, kNewReno}) {
    Flow flow(kind, 100ms, 10);
    flow.lose_with(60);
    BOOST_TEST(flow.window.ssthresh == (kind == kCubic ? 7 : 5) * kMss);
  }
}

BOOST_AUTO_TEST_CASE(grows_as_a_cubic_around_where_it_lost) {  // RFC 9438 4.2
  Flow flow(kCubic, 200ms, 100);
  flow.lose_with(100);
  while (flow.passed < 9s) {
    flow.round();
    BOOST_TEST_CONTEXT("after " << flow.passed.count()) {
      BOOST_TEST(std::abs(flow.segments() - cubic(100, 70, flow.passed)) < 0.5);
    }
  }
  BOOST_TEST(flow.segments() > 140);
}

BOOST_AUTO_TEST_CASE(is_where_reno_would_be_on_a_short_path) {  // RFC 9438 4.3
  Flow flow(kCubic, 10ms, 100);
  flow.lose_with(100);
  for (int i = 1; i <= 56; ++i) {
    flow.round();
    BOOST_TEST(std::abs(flow.segments() - (70 + i * 9.0 / 17)) < 0.1);
  }
  flow.round();  // it has what it had: from now on a segment a round trip
  const double then = flow.segments();
  for (int i = 1; i <= 20; ++i) flow.round();
  BOOST_TEST(std::abs(flow.segments() - then - 20) < 0.1);
}

BOOST_AUTO_TEST_CASE(grows_by_half_a_round_trip_at_most) {  // RFC 9438 4.2
  Flow flow(kCubic, 100ms, 1000);
  flow.lose_with(20);  // of a window of a thousand that was hardly used
  const uint32_t before = flow.window.cwnd;
  BOOST_TEST(cubic(1000, 14, 100ms) > 1.5 * 14);
  flow.round();
  BOOST_TEST(flow.window.cwnd == before * 3 / 2);
}

BOOST_AUTO_TEST_CASE(makes_room_when_it_loses_below_its_last_maximum) {  // RFC 9438 4.7
  Flow flow(kCubic, 200ms, 100);
  flow.lose_with(100);
  flow.window.cwnd = 80 * kMss;
  flow.lose_with(80);
  while (flow.passed < 4s) {
    flow.round();
    BOOST_TEST(std::abs(flow.segments() - cubic(68, 56, flow.passed)) < 0.5);
  }
}

BOOST_AUTO_TEST_CASE(begins_a_new_cubic_after_a_timeout) {  // RFC 9438 4.8
  Flow flow(kCubic, 200ms, 100);
  flow.window.lose(flow.config, kMss, 100 * kMss);
  flow.window.collapse(kMss, 0);
  BOOST_TEST(flow.window.cwnd == kMss);
  while (flow.window.cwnd < flow.window.ssthresh) flow.round();
  for (int i = 0; i < 10; ++i) flow.round();
  BOOST_TEST(flow.segments() <
             78);  // Reno's five segments more, and not most of the way back to 100
}

BOOST_AUTO_TEST_CASE(does_not_count_the_time_in_which_it_was_not_used) {  // RFC 9438 4.2
  Flow busy(kCubic, 200ms, 100);
  Flow pausing(kCubic, 200ms, 100);
  busy.lose_with(100);
  pausing.lose_with(100);
  for (int i = 0; i < 20; ++i) {
    busy.round();
    pausing.round();
    pausing.passed += 10s;
    BOOST_TEST(pausing.window.cwnd == busy.window.cwnd);
  }
}

BOOST_AUTO_TEST_CASE(sends_in_a_recovery_in_proportion_to_what_was_delivered) {  // RFC 9937 6
  Flow flow(kCubic, 100ms, 100);
  flow.window.lose(flow.config, kMss, 100 * kMss);
  flow.window.begin_reduction(100 * kMss);
  uint32_t pipe = 99 * kMss;  // one was lost
  uint32_t out = 0;
  for (uint32_t delivered = 1; delivered <= 90 && pipe > 71 * kMss; ++delivered) {
    pipe -= kMss;
    flow.window.reduce(kMss, kMss, pipe, false);
    const uint32_t send = flow.window.cwnd - pipe;
    flow.window.sent_in_reduction(send);
    pipe += send;
    out += send;
    const double due = delivered * 0.7 * kMss;
    BOOST_TEST(out >= due);
    BOOST_TEST(out <= due + kMss);  // the first retransmission left in whole
  }
}

BOOST_AUTO_TEST_CASE(lets_the_first_retransmission_go_at_once) {  // RFC 9937 6
  Flow flow(kCubic, 100ms, 100);
  flow.window.lose(flow.config, kMss, 100 * kMss);
  flow.window.begin_reduction(100 * kMss);
  flow.window.reduce(kMss, 0, 99 * kMss, false);
  BOOST_TEST(flow.window.cwnd == 100 * kMss);
}

BOOST_AUTO_TEST_CASE(sends_a_segment_more_below_ssthresh_where_it_is_safe) {  // RFC 9937 6
  for (const bool safe : {false, true}) {
    Flow flow(kCubic, 100ms, 100);
    flow.window.lose(flow.config, kMss, 100 * kMss);
    flow.window.begin_reduction(100 * kMss);
    flow.window.sent_in_reduction(kMss);
    flow.window.reduce(kMss, kMss, 30 * kMss, safe);  // most of it was lost
    BOOST_TEST(flow.window.cwnd == (safe ? 32 : 31) * kMss);
    flow.window.reduce(kMss, 60 * kMss, 30 * kMss, safe);
    BOOST_TEST(flow.window.cwnd == 70 * kMss);  // never beyond ssthresh
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
