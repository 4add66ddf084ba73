// Nat::save, restore and go on: the same digest, at any event.
#include "sim/pattern.hh"
#include "tests/sim/world_support.hh"

namespace dashi {

namespace {

WorldConfig busy_config(uint64_t seed) {
  WorldConfig config;
  config.seed = seed;
  config.link.up.delay = config.link.down.delay = 3ms;
  config.link.down.rate_bps = 10'000'000;
  config.link.up.faults.loss = config.link.down.faults.loss = Chance::percent(3);
  config.link.down.faults.reorder_by_delay = Chance::percent(3);
  config.link.down.faults.reorder_delay = {1ms, 10ms};
  config.socket_faults.short_write = Chance::percent(20);
  config.nat.dns.resolvers = {{Ipv4Address{{203, 0, 113, 40}}, Port{53}},
                              {Ipv4Address{{203, 0, 113, 10}}, Port{53}}};
  Forward forward;
  forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{8080}};
  forward.guest_port = Port{80};
  config.forwards.push_back(forward);
  forward.protocol = ForwardProtocol::kUdp;
  config.forwards.push_back(forward);
  return config;
}

// Something of everything at once.
void begin_traffic(World& world) {
  TcpGuest& guest = world.guest();
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const IpAddress server = world.address("server", family);
    guest.connect({server, Port{19}}, app(AppKind::kSink, 0));
    guest.connect({server, Port{9}}, app(AppKind::kSource, 60'000));
    guest.connect({server, Port{7}}, app(AppKind::kEchoClient, 30'000));
    guest.connect({server, Port{81}}, app(AppKind::kSink, 0));
    guest.connect({server, Port{84}}, app(AppKind::kSource, 20'000));
    guest.ping(server, 56, 64);
    guest.send_udp(Port{4000}, {server, Port{7}}, std::vector<uint8_t>(100, 7), 64);
    guest.send_udp(Port{4001}, {server, Port{4}}, std::vector<uint8_t>(100, 7), 64);
  }
  guest.resolve("server.example", 1);
  guest.tcp().listen(Port{80}, app(AppKind::kEcho, 0));
  guest.echo_udp_on(Port{80});
  world.apps().connect(1, world.forwarded()[0], app(AppKind::kEchoClient, 20'000));
  const Endpoint peer{world.address("far", Family::kIpv4), Port{7777}};
  world.apps().bind_manually(peer);
  world.apps().send_datagram(peer, world.forwarded()[1], std::vector<uint8_t>(50, 9));
}

struct Outcome {
  Hash128 digest;
  uint64_t digest_events;
  std::string dump;
};

// Runs 30 s; replaces the Nat after every `every`th event from `first` on (0: never).
Outcome run(const WorldConfig& config, uint64_t first, uint64_t every) {
  World world(config);
  BOOST_REQUIRE(world.configure(30s));
  begin_traffic(world);
  const Instant until = world.now() + 30s;
  uint64_t event = 0;
  while (world.queue().next_time().value_or(kNever) <= until) {
    world.queue().run_one();
    ++event;
    if (every != 0 && event >= first && (event - first) % every == 0) world.save_restore_nat();
  }
  expect_clean(world);
  return {world.digest().value(), world.digest().events(), world.nat().dump(world.now())};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(world_restore)

BOOST_AUTO_TEST_CASE(a_nat_restored_at_every_event_behaves_as_one_that_was_never_saved) {
  const WorldConfig config = busy_config(1);
  const Outcome plain = run(config, 0, 0);
  BOOST_TEST(plain.digest_events > 1000u);
  const Outcome restored = run(config, 1, 1);
  BOOST_TEST(plain.digest_events == restored.digest_events);
  BOOST_TEST((plain.digest == restored.digest));
  BOOST_TEST(plain.dump == restored.dump);
}

BOOST_AUTO_TEST_CASE(a_single_restore_anywhere_changes_nothing) {
  for (uint64_t seed = 2; seed <= 4; ++seed) {
    const WorldConfig config = busy_config(seed);
    const Outcome plain = run(config, 0, 0);
    for (uint64_t at = 50; at < 2000; at += 391) {
      BOOST_TEST_CONTEXT("seed " << seed << ", event " << at) {
        const Outcome restored = run(config, at, ~uint64_t{0} >> 1);
        BOOST_TEST((plain.digest == restored.digest));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(saving_twice_gives_the_same_bytes_and_saving_changes_nothing) {
  const WorldConfig config = busy_config(5);
  World world(config);
  BOOST_REQUIRE(world.configure(30s));
  begin_traffic(world);
  for (int i = 0; i < 200; ++i) {
    world.run_for(5ms);
    const std::vector<uint8_t> saved = world.save_nat();
    BOOST_REQUIRE((saved == world.save_nat()));
    world.save_restore_nat();
    BOOST_REQUIRE((saved == world.save_nat()));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
