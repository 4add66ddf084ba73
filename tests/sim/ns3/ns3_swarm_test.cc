// Random ns-3 worlds, one a seed: any link, any loss, any buffers, transfers of every kind at once.
// Whatever the draw, every byte arrives, and no flow and no socket stays.
#include <boost/test/unit_test.hpp>

#include "sim/ns3/ns3_world.hh"

namespace dashi {
namespace {

LinkFaults draw_faults(Prng& prng) {
  LinkFaults faults;
  if (prng.below(2) == 0) return faults;
  const auto up_to = [&prng](uint32_t ppm) {
    return Chance::ppm(static_cast<uint32_t>(prng.below(ppm)));
  };
  faults.loss = up_to(50'000);
  faults.duplicate = up_to(30'000);
  faults.reorder_by_delay = up_to(30'000);
  faults.reorder_delay = {1us, 50ms};
  faults.truncate = up_to(20'000);
  faults.corrupt_checksum = up_to(20'000);
  return faults;
}

Ns3WorldConfig draw_world(uint64_t seed, Prng& prng) {
  Ns3WorldConfig config;
  config.seed = seed;
  config.digests = false;
  config.direct = prng.below(8) == 0;
  config.internet.wan.rate_bps = prng.between(1'000'000, 200'000'000);
  config.internet.wan.delay = prng.duration({0ms, 100ms});
  config.internet.wan.queue_packets = static_cast<uint32_t>(prng.between(10, 1000));
  config.internet.wan.queue_disc = static_cast<QueueDisc>(prng.below(4));
  if (prng.below(2) == 0) {
    config.internet.wan.faults.loss = Chance::ppm(static_cast<uint32_t>(prng.below(60'000)));
  }
  config.guest_link.up.rate_bps = prng.between(1'000'000, 1'000'000'000);
  config.guest_link.down.rate_bps = config.guest_link.up.rate_bps;
  config.guest_link.up.delay = prng.duration({0ms, 5ms});
  config.guest_link.down.delay = config.guest_link.up.delay;
  config.guest_link.up.faults = draw_faults(prng);
  config.guest_link.down.faults = draw_faults(prng);
  if (prng.below(3) == 0) {
    config.tcp_buffer_bytes = static_cast<uint32_t>(prng.between(16'384, 100'000));
  }
  config.draw_batches = prng.below(2) == 0;
  return config;
}

void run_seed(uint64_t seed) {
  Prng prng(seed, "ns3 swarm", 0);
  auto created = Ns3World::create(draw_world(seed, prng));
  BOOST_REQUIRE_MESSAGE(created.ok(), (created.ok() ? std::string() : created.error()));
  Ns3World& world = **created;
  for (int i = 0; i < 6; ++i) {
    Ns3Transfer transfer;
    transfer.family = prng.below(2) == 0 ? Family::kIpv4 : Family::kIpv6;
    transfer.up_bytes = prng.below(3) != 0 ? prng.below(200'000) : 0;
    transfer.down_bytes = prng.below(3) != 0 ? prng.below(200'000) : 0;
    transfer.answer_after_eof = transfer.up_bytes > 0 && prng.below(3) == 0;
    world.transfer(transfer);
  }
  BOOST_TEST(world.run(world.now() + 900s));
  for (uint32_t task = 0; task < world.tasks(); ++task) {
    const Ns3TaskResult& result = world.result(task);
    BOOST_TEST_CONTEXT("task " << task << ": " << result.error) BOOST_TEST(result.ok);
  }
  for (const std::string& violation : world.violations()) BOOST_ERROR(violation);
  world.run_for(30min);
  BOOST_TEST_CONTEXT(world.dump()) {
    BOOST_TEST(world.flow_counts().tcp == 0u);
    BOOST_TEST(world.host_sockets() == 0u);
  }
}

BOOST_AUTO_TEST_SUITE(ns3_swarm)

BOOST_AUTO_TEST_CASE(every_byte_of_a_random_world_arrives_and_nothing_stays) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) run_seed(seed);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
