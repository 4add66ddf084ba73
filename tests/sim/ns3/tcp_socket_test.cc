// What tcp_socket corrects in ns-3's TCP, held to by connections directly between ns-3 hosts: under
// heavy loss, with tiny buffers, and closed in every order, each ends as it should, and none stays.
#include <boost/test/unit_test.hpp>

#include "sim/ns3/ns3_world.hh"

namespace dashi {
namespace {

struct Shape {
  uint64_t up;
  uint64_t down;
  bool half_close;
};

// Closing orders: the server first, the client first, both at once, one after the other's FIN, and a
// connection that carries nothing (whose last ACK of the handshake nobody repeats unasked).
constexpr Shape kShapes[] = {{0, 120'000, false},     {120'000, 0, false}, {90'000, 90'000, false},
                             {60'000, 120'000, true}, {1, 1, false},       {0, 0, false},
                             {3'000, 200'000, true}};

void run_seed(uint64_t seed, uint32_t loss_percent, uint32_t buffer_bytes) {
  BOOST_TEST_CONTEXT("seed " << seed << ", loss " << loss_percent << " %, buffers "
                             << buffer_bytes) {
    Ns3WorldConfig config;
    config.seed = seed;
    config.direct = true;
    config.digests = false;
    config.tcp_buffer_bytes = buffer_bytes;
    config.internet.wan.rate_bps = 10'000'000;
    config.internet.wan.delay = 7ms;
    config.internet.wan.queue_packets = 30;
    config.internet.wan.faults.loss = Chance::percent(loss_percent);
    auto created = Ns3World::create(config);
    BOOST_REQUIRE(created.ok());
    Ns3World& world = **created;
    for (const Shape& shape : kShapes) {
      Ns3Transfer transfer;
      transfer.family = seed % 2 == 0 ? Family::kIpv4 : Family::kIpv6;
      transfer.up_bytes = shape.up;
      transfer.down_bytes = shape.down;
      transfer.answer_after_eof = shape.half_close;
      world.transfer(transfer);
    }
    BOOST_TEST(world.run(world.now() + 900s));
    for (uint32_t task = 0; task < world.tasks(); ++task) {
      const Ns3TaskResult& result = world.result(task);
      BOOST_TEST_CONTEXT("task " << task << ": " << result.error) BOOST_TEST(result.ok);
    }
  }
}

BOOST_AUTO_TEST_SUITE(ns3_tcp_socket)

BOOST_AUTO_TEST_CASE(every_closing_order_ends_under_heavy_loss) {
  for (uint64_t seed = 1; seed <= 12; ++seed) run_seed(seed, 8, 4u << 20);
}

BOOST_AUTO_TEST_CASE(every_closing_order_ends_with_tiny_buffers) {
  for (uint64_t seed = 1; seed <= 8; ++seed) run_seed(seed, 3, 16u << 10);
}

BOOST_AUTO_TEST_CASE(windows_that_shut_open_again_under_loss) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Ns3WorldConfig config;
    config.seed = seed;
    config.direct = true;
    config.tcp_buffer_bytes = 32 << 10;
    config.internet.wan.faults.loss = Chance::percent(10);
    auto created = Ns3World::create(config);
    BOOST_REQUIRE(created.ok());
    Ns3World& world = **created;
    Ns3Transfer transfer;
    transfer.up_bytes = 150'000;
    transfer.server_reads_late = 30s;
    const auto up = world.transfer(transfer);
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_TEST(world.run(world.now() + 900s));
      BOOST_TEST_CONTEXT(world.result(up).error) BOOST_TEST(world.result(up).ok);
    }
  }
}

BOOST_AUTO_TEST_CASE(cubic_works_as_well) {
  Ns3WorldConfig config;
  config.direct = true;
  config.congestion = TcpCongestion::kCubic;
  auto created = Ns3World::create(config);
  BOOST_REQUIRE(created.ok());
  const auto down = (*created)->download(Family::kIpv4, 1 << 20);
  BOOST_TEST((*created)->run((*created)->now() + 60s));
  BOOST_TEST((*created)->result(down).ok);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
