#include "sim/world.hh"

#include <boost/test/unit_test.hpp>

namespace dashi {

namespace {

AppSpec app(AppKind kind, uint64_t bytes) {
  AppSpec spec;
  spec.kind = kind;
  spec.bytes = bytes;
  spec.checks_pattern = true;
  return spec;
}

void expect_clean(World& world) {
  for (const std::string& violation : world.violations()) BOOST_ERROR(violation);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(world)

BOOST_AUTO_TEST_CASE(a_download_and_an_upload_pass_whole) {
  World world(WorldConfig{});
  BOOST_REQUIRE(world.configure(10s));
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const IpAddress server = world.address("server", family);
    const uint32_t down = world.guest().connect({server, Port{19}}, app(AppKind::kSink, 0));
    const uint32_t up = world.guest().connect({server, Port{9}}, app(AppKind::kSource, 200'000));
    const uint32_t both =
        world.guest().connect({server, Port{7}}, app(AppKind::kEchoClient, 50'000));
    BOOST_TEST(world.run_until_done([&] { return world.guest().tcp().all_over(); }, 60s));
    BOOST_TEST(world.guest().tcp().record(down).received == 100'000u);
    BOOST_TEST(world.guest().tcp().record(up).acknowledged == 200'000u);
    BOOST_TEST(world.guest().tcp().record(both).received == 50'000u);
  }
  expect_clean(world);
  for (const std::string& leak : world.leaks(10min)) BOOST_ERROR(leak);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
