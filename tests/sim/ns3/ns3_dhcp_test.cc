// The ns-3 guest's DHCP: what is leased, what is lost on the way, and a connection from the address.
#include <boost/test/unit_test.hpp>

#include "sim/ns3/ns3_world.hh"

namespace dashi {
namespace {

// Each message takes 100 ms: Discover, Offer, Request and Ack arrive 100, 200, 300 and 400 ms after
// the world began.
Ns3WorldConfig slow_link() {
  Ns3WorldConfig config;
  config.guest_link.up.delay = 100ms;
  config.guest_link.down.delay = 100ms;
  return config;
}

std::unique_ptr<Ns3World> make(const Ns3WorldConfig& config) {
  auto world = Ns3World::create(config);
  BOOST_REQUIRE_MESSAGE(world.ok(), (world.ok() ? std::string() : world.error()));
  return std::move(world.value());
}

Ns3TaskResult download(Ns3World& world) {
  const auto task = world.download(Family::kIpv4, 100'000);
  world.run(world.now() + 60s);
  for (const std::string& violation : world.violations()) BOOST_ERROR(violation);
  return world.result(task);
}

BOOST_AUTO_TEST_SUITE(ns3_dhcp)

BOOST_AUTO_TEST_CASE(the_guest_has_what_the_nat_leases_and_connects_from_it) {
  Ns3WorldConfig config = slow_link();
  const auto topology = topology_for(Ipv4Prefix{{{192, 168, 64, 0}}, 20}, config.nat.topology);
  BOOST_REQUIRE(topology.ok());
  config.nat.topology = topology.value();
  config.nat.topology.guest_v4 = Ipv4Address{{192, 168, 77, 9}};
  const auto world = make(config);
  const DhcpRecord& lease = world->lease();
  BOOST_TEST(lease.bound);
  BOOST_TEST((lease.bound_at - lease.began == 400ms));
  BOOST_TEST((lease.address == Ipv4Address{{192, 168, 77, 9}}));
  BOOST_TEST(lease.prefix_length == 20);
  BOOST_TEST((lease.router == Ipv4Address{{192, 168, 64, 1}}));
  BOOST_TEST(lease.dns.size() == 1u);
  BOOST_TEST(lease.mtu == 1500u);
  BOOST_TEST(lease.lease_seconds == 86'400u);
  BOOST_TEST((world->guest_address(Family::kIpv4) == IpAddress(lease.address)));
  const auto task = world->download(Family::kIpv4, 1 << 20);
  world->run(world->now() + 500ms);
  BOOST_TEST_CONTEXT(world->dump()) {
    BOOST_TEST(world->dump().find("192.168.77.9") != std::string::npos);
  }
  world->run(world->now() + 60s);
  BOOST_TEST(world->result(task).ok);
  const auto name = world->resolve("server.example", Family::kIpv4);
  world->run(world->now() + 10s);
  BOOST_TEST(world->result(name).ok);
}

// Whichever of the four is lost, the client says again what it said last, 4 s after it began.
BOOST_AUTO_TEST_CASE(a_lost_message_is_made_up_for) {
  struct Case {
    const char* lost;
    bool up;
    Duration from;
    Duration bound_after;
  };
  for (const Case& one :
       {Case{"Discover", true, 0ms, 4400ms}, Case{"Offer", false, 90ms, 4400ms},
        Case{"Request", true, 190ms, 4200ms}, Case{"Ack", false, 290ms, 4200ms}}) {
    BOOST_TEST_CONTEXT(one.lost) {
      Ns3WorldConfig config = slow_link();
      auto& faults = one.up ? config.guest_link.up.faults : config.guest_link.down.faults;
      faults.blackouts.push_back({Instant(one.from), 20ms});
      const auto world = make(config);
      BOOST_TEST((world->lease().bound_at - world->lease().began == one.bound_after));
      BOOST_TEST(download(*world).ok);
    }
  }
}

BOOST_AUTO_TEST_CASE(two_runs_are_equal_with_and_without_a_loss) {
  Hash128 digests[2];
  for (const Duration blackout : {0ms, 20ms}) {
    for (Hash128& digest : digests) {
      Ns3WorldConfig config = slow_link();
      config.guest_link.up.faults.blackouts.push_back({Instant{}, blackout});
      const auto world = make(config);
      BOOST_TEST(download(*world).ok);
      digest = world->digest_value();
    }
    BOOST_TEST((digests[0] == digests[1]));
  }
}

BOOST_AUTO_TEST_CASE(a_guest_whose_link_answers_nothing_is_an_error_in_words) {
  Ns3WorldConfig config = slow_link();
  config.guest_link.up.faults.loss = Chance::always();
  const auto world = Ns3World::create(config);
  BOOST_REQUIRE(!world.ok());
  BOOST_TEST(world.error().find("IPv4") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
