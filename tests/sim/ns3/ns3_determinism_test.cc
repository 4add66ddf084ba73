// ns-3 worlds repeat to the bit: twice in a process, in a fresh process, and over a Nat that is saved
// and restored on the way. Their digests are compared between runs on one machine and never
// committed: ns-3 computes with libm, which is not the same on every processor.
#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <string>

#include "sim/ns3/ns3_world.hh"

namespace dashi {
namespace {

Ns3WorldConfig lossy(uint64_t seed) {
  Ns3WorldConfig config;
  config.seed = seed;
  config.internet.wan.rate_bps = 20'000'000;
  config.internet.wan.delay = 10ms;
  config.internet.wan.faults.loss = Chance::percent(1);
  config.internet.wan.queue_disc = QueueDisc::kFqCodel;
  config.guest_link.up.rate_bps = 200'000'000;
  config.guest_link.down.rate_bps = 200'000'000;
  config.guest_link.up.faults.loss = Chance::percent(1);
  config.guest_link.down.faults.loss = Chance::percent(1);
  config.guest_link.down.faults.jitter = {0ns, 500us};
  return config;
}

void begin_tasks(Ns3World& world) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    world.download(family, 300'000);
    world.upload(family, 300'000);
    Ns3Transfer half_close;
    half_close.family = family;
    half_close.up_bytes = 100'000;
    half_close.down_bytes = 100'000;
    half_close.answer_after_eof = true;
    world.transfer(half_close);
    world.udp_echo({.family = family, .count = 10, .interval = 50ms});
    world.ping({.family = family, .count = 5, .interval = 100ms});
  }
}

Digest run_world(const Ns3WorldConfig& base, const DigestOptions& options) {
  Ns3WorldConfig config = base;
  config.digest = options;
  auto world = Ns3World::create(config);
  BOOST_REQUIRE_MESSAGE(world.ok(), (world.ok() ? std::string() : world.error()));
  begin_tasks(**world);
  (*world)->run((*world)->now() + 120s);
  BOOST_TEST((*world)->all_done());
  return std::move((*world)->digest());
}

std::string digest_text(uint64_t seed, bool direct) {
  Ns3WorldConfig config = lossy(seed);
  config.direct = direct;
  return to_string(run_world(config, DigestOptions{}).value());
}

// What this program prints when it is run for the case that prints.
std::string in_a_fresh_process() {
  const std::string command =
      std::string(boost::unit_test::framework::master_test_suite().argv[0]) +
      " --run_test=ns3_determinism/print";
  std::string all;
  FILE* pipe = popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::array<char, 256> piece{};
  while (fgets(piece.data(), piece.size(), pipe) != nullptr) all += piece.data();
  pclose(pipe);
  const std::string mark = "digest ";
  const size_t at = all.find(mark);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, all);
  return all.substr(at + mark.size(), 32);
}

BOOST_AUTO_TEST_SUITE(ns3_determinism)

BOOST_AUTO_TEST_CASE(print) { std::printf("digest %s\n", digest_text(11, false).c_str()); }

BOOST_AUTO_TEST_CASE(two_runs_of_a_process_are_equal_whatever_ran_between) {
  const auto base = [](const DigestOptions& options) { return run_world(lossy(11), options); };
  const auto difference = find_difference(base, base);
  BOOST_TEST(!difference.has_value());
  const std::string first = digest_text(11, false);
  const std::string other = digest_text(12, false);
  const std::string direct = digest_text(11, true);
  BOOST_TEST(digest_text(11, false) == first);
  BOOST_TEST(digest_text(11, true) == direct);
  BOOST_TEST(other != first);
  BOOST_TEST(direct != first);
}

BOOST_AUTO_TEST_CASE(a_fresh_process_gives_the_same_digest) {
  BOOST_TEST(in_a_fresh_process() == digest_text(11, false));
}

BOOST_AUTO_TEST_CASE(a_planted_difference_is_named) {
  const auto left = [](const DigestOptions& options) { return run_world(lossy(11), options); };
  const auto right = [](const DigestOptions& options) {
    Ns3WorldConfig config = lossy(11);
    config.internet.wan.delay = 10ms + 1ns;
    return run_world(config, options);
  };
  const auto difference = find_difference(left, right);
  BOOST_REQUIRE(difference.has_value());
  BOOST_REQUIRE((difference->left.has_value() && difference->right.has_value()));
  BOOST_TEST((*difference->left != *difference->right));
  BOOST_TEST_MESSAGE(to_string(*difference));
}

BOOST_AUTO_TEST_CASE(save_restore_and_go_on_changes_nothing) {
  const std::string whole = digest_text(11, false);
  auto created = Ns3World::create(lossy(11));
  BOOST_REQUIRE(created.ok());
  Ns3World& world = **created;
  begin_tasks(world);
  for (int i = 0; i < 40 && !world.all_done(); ++i) {
    world.run(world.now() + 37ms);
    BOOST_REQUIRE(world.save_and_restore_nat());
  }
  world.run(world.now() + 120s);
  BOOST_TEST(world.all_done());
  BOOST_TEST(to_string(world.digest_value()) == whole);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
