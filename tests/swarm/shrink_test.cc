// Shrinking, on questions that are answered without a run; and that a run made from a list of decisions is
// the run they were drawn in, on which it rests.
#include <boost/test/unit_test.hpp>

#include "sim/swarm/draw.hh"
#include "sim/swarm/minimise.hh"
#include "sim/swarm/performance.hh"
#include "sim/swarm/shrink.hh"

namespace dashi {

namespace {

using Kind = FaultDecision::Kind;

const FaultDecision kGuilty{SimLink::kUpStream, Kind::kLose, 17, 0};

// A hundred decisions, one of which is to blame.
std::vector<FaultDecision> decisions(const Plan& /*plan*/) {
  std::vector<FaultDecision> all;
  for (uint64_t i = 0; i < 100; ++i) all.push_back({SimLink::kDownStream, Kind::kJitter, i, 5});
  all.push_back(kGuilty);
  for (uint64_t i = 0; i < 100; ++i) all.push_back({SimLink::kUpStream, Kind::kHold, i, 2});
  return all;
}

// As if connections of 100 bytes and more broke with SACK when a frame is lost.
bool breaks_artificially(const Plan& plan) {
  const WorldConfig& config = plan.config;
  const bool lossy =
      config.given_faults.has_value()
          ? std::count(config.given_faults->begin(), config.given_faults->end(), kGuilty) != 0
          : !config.link.up.faults.loss.is_never();
  const auto is_long = [](const Exchange& exchange) { return exchange.guest.bytes >= 100; };
  return lossy && config.guest.tcp.sack &&
         std::any_of(plan.exchanges.begin(), plan.exchanges.end(), is_long);
}

Plan large_plan() {
  Plan plan = draw_plan(1, SwarmSize::kDefault);
  plan.config.guest.tcp.sack = true;
  plan.config.link.up.faults.loss = Chance::percent(1);
  plan.exchanges.resize(9);
  plan.exchanges[5].guest.kind = AppKind::kSource;
  plan.exchanges[5].guest.bytes = 5000;
  plan.exchanges[5].far.kind = AppKind::kSink;
  return plan;
}

Shrunk shrink(const Plan& plan, uint64_t runs_most) {
  return Shrinker(
             breaks_artificially, decisions, [](const Plan&, uint64_t) {}, runs_most)
      .shrink(plan);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(shrink_test)

BOOST_AUTO_TEST_CASE(a_list_is_left_with_what_cannot_be_missed) {
  std::vector<int> list(1000);
  for (int i = 0; i < 1000; ++i) list[static_cast<size_t>(i)] = i;
  unsigned asked = 0;
  minimise_list(list, [&](const std::vector<int>& rest) {
    ++asked;
    return std::count(rest.begin(), rest.end(), 3) + std::count(rest.begin(), rest.end(), 999) == 2;
  });
  BOOST_TEST(list == (std::vector<int>{3, 999}), boost::test_tools::per_element());
  BOOST_TEST(asked < 100u);
}

BOOST_AUTO_TEST_CASE(a_list_of_which_nothing_matters_is_left_empty) {
  std::vector<int> list{1, 2, 3};
  minimise_list(list, [](const std::vector<int>&) { return true; });
  BOOST_TEST(list.empty());
}

BOOST_AUTO_TEST_CASE(a_number_is_the_least_that_holds) {
  const auto at_least = [](uint64_t least) { return [least](uint64_t n) { return n >= least; }; };
  BOOST_TEST(minimise_number(65536, 0, at_least(1461)) == 1461u);
  BOOST_TEST(minimise_number(65536, 0, at_least(0)) == 0u);
  BOOST_TEST(minimise_number(7, 0, at_least(7)) == 7u);
  BOOST_TEST(minimise_number(3, 5, at_least(0)) == 3u);
}

BOOST_AUTO_TEST_CASE(a_rule_is_what_broke_without_its_numbers) {
  BOOST_TEST(rule_of("connection 3: the guest was told of the end after 5 of 10 bytes") ==
             "connection #: the guest was told of the end after # of # bytes");
  BOOST_TEST(rule_of("tcp 10.0.0.2:49152 > [2001:db8::1]:80 FIN-WAIT-1: broken: one timer") ==
             "tcp # > # #: broken: one timer");
  BOOST_TEST(rule_of("tcp 10.0.0.2:1 > 10.0.0.1:53 CLOSING: broken: one timer") ==
             "tcp # > # #: broken: one timer");
  BOOST_TEST(rule_of("not over in time:\ntcp 1") == "not over in time:");
}

BOOST_AUTO_TEST_CASE(a_plan_is_left_with_what_breaks_it_and_no_more) {
  const Shrunk shrunk = shrink(large_plan(), 30'000);
  BOOST_TEST(shrunk.smallest);
  const Plan& plan = shrunk.plan;
  BOOST_REQUIRE(plan.exchanges.size() == 1u);
  BOOST_TEST(plan.exchanges[0].guest.bytes == 100u);
  BOOST_TEST(plan.errands.empty());
  BOOST_TEST(!plan.encore);
  BOOST_TEST(!plan.config.draw_batches);
  BOOST_TEST(!plan.config.guest.tcp.timestamps);
  BOOST_TEST(plan.config.guest.tcp.sack);  // without it nothing breaks
  BOOST_REQUIRE(plan.config.given_faults.has_value());
  BOOST_TEST((*plan.config.given_faults == std::vector<FaultDecision>{kGuilty}));
}

BOOST_AUTO_TEST_CASE(the_same_question_gives_the_same_plan_by_as_many_runs) {
  const Shrunk once = shrink(large_plan(), 30'000);
  const Shrunk again = shrink(large_plan(), 30'000);
  BOOST_TEST(once.runs == again.runs);
  BOOST_TEST(once.plan.config.seed == again.plan.config.seed);
}

BOOST_AUTO_TEST_CASE(it_ends_after_as_many_runs_as_it_is_given) {
  const Shrunk shrunk = shrink(large_plan(), 25);
  BOOST_TEST(shrunk.runs <= 25u);
  BOOST_TEST(!shrunk.smallest);
  BOOST_TEST(breaks_artificially(shrunk.plan));
}

BOOST_AUTO_TEST_CASE(a_run_made_from_its_decisions_is_the_run_they_were_drawn_in) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Plan plan = draw_plan(seed, SwarmSize::kTiny);
    plan.config.record_faults = true;
    plan.config.digests = true;
    Performance drawn(plan);
    BOOST_TEST(drawn.run().empty());
    plan.config.given_faults = drawn.world().faults().decisions();
    Performance given(plan);
    BOOST_TEST(given.run().empty());
    BOOST_TEST((drawn.world().digest().value() == given.world().digest().value()), "seed " << seed);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
