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

BOOST_AUTO_TEST_SUITE(ns3_determinism)

BOOST_AUTO_TEST_CASE(two_runs_of_a_process_are_equal_whatever_ran_between) {
  const std::string first = ns3_digest_lines();
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

BOOST_AUTO_TEST_CASE(a_fresh_process_gives_the_same_digests_and_no_two_worlds_the_same) {
  const std::string lines = ns3_digest_lines();
  BOOST_TEST(output_of(DASHI_NS3_DIGESTS) == lines);
  std::istringstream words(lines);
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

BOOST_AUTO_TEST_CASE(save_restore_and_go_on_changes_nothing) {
  const Digest whole = run_ns3_world(lossy_ns3_world(11), DigestOptions{});
  auto created = Ns3World::create(lossy_ns3_world(11));
  BOOST_REQUIRE(created.ok());
  Ns3World& world = **created;
  begin_ns3_tasks(world);
  for (int i = 0; i < 40 && !world.all_done(); ++i) {
    world.run(world.now() + 37ms);
    BOOST_REQUIRE(world.save_and_restore_nat());
  }
  world.run(world.now() + 120s);
  BOOST_TEST(world.all_done());
  BOOST_TEST((world.digest_value() == whole.value()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
