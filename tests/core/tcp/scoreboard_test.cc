// The scoreboard by itself, against a plain model: every byte's fate by its number.
#include "core/tcp/scoreboard.hh"

#include <boost/test/unit_test.hpp>
#include <map>
#include <random>

namespace dashi::test {
namespace {

struct Byte {
  bool sacked = false;
  bool lost = false;
};

Instant at(int milliseconds) { return instant_from_nanoseconds(int64_t{milliseconds} * 1'000'000); }

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_scoreboard)

BOOST_AUTO_TEST_CASE(joins_what_was_sent_at_one_moment) {
  Scoreboard board;
  board.sent(at(1), SeqNum(100), SeqNum(200));
  board.sent(at(1), SeqNum(200), SeqNum(300));
  BOOST_TEST(board.size() == 1u);
  board.sent(at(2), SeqNum(300), SeqNum(400));
  BOOST_TEST(board.size() == 2u);
}

BOOST_AUTO_TEST_CASE(splits_a_run_that_was_sacked_in_the_middle) {
  Scoreboard board;
  board.sent(at(1), SeqNum(100), SeqNum(400));
  uint32_t delivered = 0;
  board.sack(SeqNum(200), SeqNum(300), [&](const Scoreboard::Run& r) { delivered += r.bytes(); });
  BOOST_TEST(delivered == 100u);
  BOOST_TEST(board.size() == 3u);
  BOOST_TEST(board.sacked_bytes() == 100u);
  board.mark_lost(SeqNum(100), SeqNum(400));
  BOOST_TEST(board.lost_bytes() == 200u);
  board.resent(at(5), SeqNum(100), SeqNum(150));
  BOOST_TEST(board.lost_bytes() == 150u);
  BOOST_TEST(board[board.first_lost()].first.raw() == 150u);
}

BOOST_AUTO_TEST_CASE(is_what_a_model_of_single_bytes_says) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937 twister(seed);
      const auto below = [&](uint32_t n) { return static_cast<uint32_t>(twister() % n); };
      Scoreboard board;
      const SeqNum base(0xffffff00u + seed);  // wraps
      std::map<uint32_t, Byte> model;
      uint32_t una = 0;
      uint32_t nxt = 0;
      for (int step = 0; step < 300; ++step) {
        const uint32_t a = una + (nxt == una ? 0 : below(nxt - una));
        const uint32_t b = a + (nxt == a ? 0 : 1 + below(nxt - a));
        switch (below(5)) {
          case 0: {
            const uint32_t n = 1 + below(30);
            board.sent(at(step), base + nxt, base + (nxt + n));
            for (uint32_t i = 0; i < n; ++i) model[nxt++] = {};
            break;
          }
          case 1:
            board.sack(base + a, base + b, [&](const Scoreboard::Run& r) {
              for (uint32_t i = bytes_between(base, r.first); i < bytes_between(base, r.last);
                   ++i) {
                BOOST_REQUIRE(!model.at(i).sacked);
              }
            });
            for (uint32_t i = a; i < b; ++i) model[i] = {true, false};
            break;
          case 2:
            board.mark_lost(base + a, base + b);
            for (uint32_t i = a; i < b; ++i) model[i].lost = !model[i].sacked;
            break;
          case 3:
            board.resent(at(step), base + a, base + b);
            for (uint32_t i = a; i < b; ++i) model[i].lost = false;
            break;
          case 4: {
            uint32_t delivered = 0;
            board.acknowledge(base + b, [&](const Scoreboard::Run& r) { delivered += r.bytes(); });
            uint32_t expected = 0;
            for (; una < b; ++una) {
              expected += model[una].sacked ? 0 : 1;
              model.erase(una);
            }
            BOOST_REQUIRE_EQUAL(delivered, expected);
            break;
          }
        }
        uint32_t sacked = 0;
        uint32_t lost = 0;
        for (const auto& [i, byte] : model) {
          sacked += byte.sacked ? 1 : 0;
          lost += byte.lost ? 1 : 0;
        }
        BOOST_REQUIRE_EQUAL(board.sacked_bytes(), sacked);
        BOOST_REQUIRE_EQUAL(board.lost_bytes(), lost);
        BOOST_REQUIRE(board.size() < Scoreboard::kRunsMax);  // else the model knows more
        uint32_t reached = una;
        for (size_t i = 0; i < board.size(); ++i) {
          BOOST_REQUIRE(board[i].first == base + reached);
          reached += board[i].bytes();
        }
        BOOST_REQUIRE_EQUAL(reached, nxt);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(knows_when_each_byte_was_sent_last) {  // RFC 8985 4
  Scoreboard board;
  board.sent(at(1), SeqNum(0), SeqNum(100));
  board.sent(at(2), SeqNum(100), SeqNum(200));
  board.mark_lost(SeqNum(0), SeqNum(50));
  board.resent(at(3), SeqNum(0), SeqNum(50));
  BOOST_REQUIRE(board.size() == 3u);
  BOOST_TEST((board[0].sent_at == at(3)));
  BOOST_TEST((board[1].sent_at == at(1)));
  BOOST_TEST((board[2].sent_at == at(2)));
  board.mark_lost(SeqNum(0), SeqNum(50));
  board.resent(at(4), SeqNum(0), SeqNum(50));
  BOOST_TEST((board[0].sent_at == at(4)));
}

BOOST_AUTO_TEST_CASE(stays_within_its_bound_and_whole) {
  Scoreboard board;
  uint32_t sent = 0;
  for (int i = 0; i < 2000; ++i, sent += 10) {
    board.sent(at(i), SeqNum(sent), SeqNum(sent + 10));
    board.sack(SeqNum(sent), SeqNum(sent + 5), [](const Scoreboard::Run&) {});
    BOOST_REQUIRE(board.size() <= Scoreboard::kRunsMax);
  }
  uint32_t reached = 0;
  for (size_t i = 0; i < board.size(); ++i) {
    BOOST_REQUIRE_EQUAL(board[i].first.raw(), reached);
    reached = board[i].last.raw();
  }
  BOOST_TEST(reached == sent);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
