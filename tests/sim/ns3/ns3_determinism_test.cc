// ns-3 worlds repeat to the bit: twice in a process, in a fresh process, and over a Nat that is saved
// and restored on the way. Between builds they are compared by the ctest sim_ns3_across_builds.
#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <set>
#include <sstream>
#include <string>

#include "tests/sim/ns3/ns3_worlds.hh"

namespace dashi {
namespace {

std::string output_of(const char* program) {
  std::string all;
  FILE* pipe = popen(program, "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::array<char, 256> piece{};
  while (fgets(piece.data(), piece.size(), pipe) != nullptr) all += piece.data();
  BOOST_TEST(pclose(pipe) == 0);
  return all;
}

// The tables of a Nat are what a restore costs.
Limits few_flows() {
  Limits limits;
  limits.tcp_connections = limits.udp_endpoints = limits.echo_ids = 32;
  limits.tcp_connects_pending = limits.tcp_accepts_pending = limits.tcp_time_wait = 16;
  limits.tcp_forwards = limits.udp_forwards = limits.tcp_failures_remembered = 16;
  limits.dns_queries = limits.dns_tcp_connections = limits.dns_records = 16;
  return limits;
}

BOOST_AUTO_TEST_SUITE(ns3_determinism)

BOOST_AUTO_TEST_CASE(two_runs_of_a_process_and_one_of_a_fresh_process_are_equal) {
  const std::string first = ns3_digest_lines();
  BOOST_TEST(output_of(DASHI_NS3_DIGESTS) == first);
  const std::string again = ns3_digest_lines();
  BOOST_TEST(again == first);
  if (again == first) return;
  for (const ComparedNs3World& world : compared_ns3_worlds()) {
    const auto run = [&world](const DigestOptions& options) {
      return run_ns3_world(world.config, options);
    };
    const auto difference = find_difference(run, run);
    if (difference.has_value()) BOOST_ERROR(world.name << ": " << to_string(*difference));
  }
}

BOOST_AUTO_TEST_CASE(no_two_worlds_are_the_same_and_none_is_trivial) {
  std::istringstream words(output_of(DASHI_NS3_DIGESTS));
  std::set<std::string> seen;
  std::string name;
  std::string digest;
  uint64_t events = 0;
  while (words >> name >> digest >> events) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(seen.insert(digest).second);
      BOOST_TEST(events > 1000u);
    }
  }
  BOOST_TEST(seen.size() == compared_ns3_worlds().size());
}

BOOST_AUTO_TEST_CASE(a_planted_difference_is_named) {
  const auto left = [](const DigestOptions& options) {
    return run_ns3_world(lossy_ns3_world(11), options);
  };
  const auto right = [](const DigestOptions& options) {
    Ns3WorldConfig config = lossy_ns3_world(11);
    config.internet.wan.delay = 10ms + 1ns;
    return run_ns3_world(config, options);
  };
  const auto difference = find_difference(left, right);
  BOOST_REQUIRE(difference.has_value());
  BOOST_REQUIRE((difference->left.has_value() && difference->right.has_value()));
  BOOST_TEST((*difference->left != *difference->right));
  BOOST_TEST_MESSAGE(to_string(*difference));
}

// At every event of one world, ns-3's own included, most of which the Nat does not see; of the others at
// one in sixteen, for the time it takes.
BOOST_AUTO_TEST_CASE(a_nat_restored_at_any_event_behaves_as_one_that_was_never_saved) {
  for (ComparedNs3World compared : compared_ns3_worlds()) {
    if (compared.config.direct) continue;  // it has no Nat
    const uint64_t every = compared.config.draw_batches ? 1 : 16;
    compared.config.nat.limits = few_flows();
    const Digest whole = run_ns3_world(compared.config, DigestOptions{});
    auto created = Ns3World::create(compared.config);
    BOOST_REQUIRE(created.ok());
    Ns3World& world = **created;
    begin_ns3_tasks(world);
    const Instant until = world.now() + 120s;
    uint64_t restored = 0;
    for (; world.run_some(until, false, every); ++restored) {
      BOOST_REQUIRE(world.save_and_restore_nat());
    }
    BOOST_TEST_CONTEXT(compared.name) {
      BOOST_TEST(world.all_done());
      BOOST_TEST(restored > 10'000 / every);
      for (const std::string& violation : world.violations()) BOOST_ERROR(violation);
      BOOST_TEST((world.digest_value() == whole.value()));
      BOOST_TEST(world.digest().events() == whole.events());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
