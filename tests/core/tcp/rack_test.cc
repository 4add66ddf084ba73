// RACK (RFC 8985) by itself: which delivery counts, and how long it waits for what was overtaken.
#include "core/tcp/rack.hh"

#include <boost/test/unit_test.hpp>

namespace dashi::test {
namespace {

constexpr Duration kRtt = 40ms;

Instant at(Duration since_start) { return Instant(1s) + since_start; }

Scoreboard::Run run(uint32_t first, Instant sent_at, bool resent) {
  Scoreboard::Run out;
  out.first = SeqNum(first);
  out.last = SeqNum(first + 100);
  out.sent_at = sent_at;
  out.resent = resent;
  return out;
}

// How long after a round trip a segment is waited for that was overtaken by the next.
Duration patience(const Rack& rack) {
  Rack copy = rack;
  Scoreboard board;
  board.sent(at(0s), SeqNum(0), SeqNum(100));
  board.sent(at(1us), SeqNum(100), SeqNum(200));
  board.sack(SeqNum(100), SeqNum(200),
             [&](const Scoreboard::Run& r) { copy.delivered(at(1us) + kRtt, r, kRtt, false); });
  return copy.detect(at(1us) + kRtt, board, kRtt, kRtt, false, false).wait + 1us;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_rack)

BOOST_AUTO_TEST_CASE(does_not_count_an_ack_of_the_copy_before) {  // RFC 8985 6.2 step 2
  const Scoreboard::Run earlier = run(0, at(0s), false);
  Rack rack;
  rack.delivered(at(110ms), run(100, at(100ms), true), kRtt, false);  // sooner than any ACK can be
  BOOST_TEST(!rack.overtook(earlier));
  rack.delivered(at(160ms), run(100, at(100ms), true), kRtt, true);  // the echoed clock says so
  BOOST_TEST(!rack.overtook(earlier));
  rack.delivered(at(160ms), run(100, at(100ms), true), kRtt, false);
  BOOST_TEST(rack.overtook(earlier));
}

BOOST_AUTO_TEST_CASE(waits_longer_after_each_round_trip_with_a_d_sack) {  // RFC 8985 6.2 step 4
  Rack rack;
  BOOST_TEST((patience(rack) == kRtt / 4));
  rack.saw_duplicate(SeqNum(1000), SeqNum(2000));
  BOOST_TEST((patience(rack) == kRtt / 2));
  rack.saw_duplicate(SeqNum(1500), SeqNum(2500));  // of the same round trip
  BOOST_TEST((patience(rack) == kRtt / 2));
  rack.saw_duplicate(SeqNum(2000), SeqNum(3000));
  BOOST_TEST((patience(rack) == kRtt * 3 / 4));
  for (uint32_t i = 3; i < 20; ++i) rack.saw_duplicate(SeqNum(i * 1000), SeqNum((i + 1) * 1000));
  BOOST_TEST((patience(rack) == kRtt));  // never longer than a round trip
  for (int i = 0; i < 15; ++i) rack.recovered();
  BOOST_TEST((patience(rack) == kRtt));
  rack.recovered();  // sixteen recoveries without one
  BOOST_TEST((patience(rack) == kRtt / 4));
}

BOOST_AUTO_TEST_CASE(hears_of_a_d_sack_2_gib_after_the_last) {
  Rack rack;
  rack.saw_duplicate(SeqNum(1000), SeqNum(2000));
  BOOST_TEST((patience(rack) == kRtt / 2));
  rack.saw_duplicate(SeqNum(0x9000'0000), SeqNum(0x9000'1000));
  BOOST_TEST((patience(rack) == kRtt * 3 / 4));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
