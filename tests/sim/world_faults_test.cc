// Worlds in which things go wrong: every byte must still arrive, or the guest be told.
#include "sim/pattern.hh"
#include "tests/sim/world_support.hh"

namespace dashi {

namespace {

LinkFaults bad_link() {
  LinkFaults faults;
  faults.loss = Chance::percent(2);
  faults.bursts = {Chance::ppm(5000), Chance::percent(30), Chance::never(), Chance::percent(70)};
  faults.duplicate = Chance::percent(1);
  faults.reorder_by_delay = Chance::percent(2);
  faults.reorder_delay = {1ms, 8ms};
  faults.reorder_by_distance = Chance::percent(1);
  faults.jitter = {0us, 500us};
  faults.corrupt_bit = faults.corrupt_checksum = Chance::ppm(5000);
  faults.truncate = Chance::ppm(2000);
  return faults;
}

// The traffic of most fault tests: down, up and both ways at once.
void transfer(World& world, Family family, Duration limit) {
  const IpAddress server = world.address("server", family);
  TcpGuest& guest = world.guest();
  guest.connect({server, Port{19}}, app(AppKind::kSink, 0));
  guest.connect({server, Port{9}}, app(AppKind::kSource, 150'000));
  guest.connect({server, Port{7}}, app(AppKind::kEchoClient, 80'000));
  if (!all_flows_over(world, limit))
    BOOST_ERROR("not over in time:\n" << world.nat().dump(world.now()));
}

// Every flow got all its bytes and ended in order.
void expect_all_arrived(World& world) {
  for (uint32_t i = 0; i < world.guest().tcp().count(); ++i) {
    const GuestFlowRecord& record = world.guest().tcp().record(i);
    BOOST_TEST_CONTEXT("flow " << i << " " << name_of(record.state)) {
      BOOST_TEST(record.eof);
      BOOST_TEST(!record.reset);
      BOOST_TEST(!record.timed_out);
      if (record.app.kind == AppKind::kSink) BOOST_TEST(record.received == 100'000u);
      if (record.app.kind == AppKind::kEchoClient) BOOST_TEST(record.received == record.app.bytes);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(world_faults)

BOOST_AUTO_TEST_CASE(every_byte_crosses_a_bad_guest_link) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      WorldConfig config;
      config.seed = seed;
      config.link.up.delay = config.link.down.delay = 2ms;
      config.link.up.faults = config.link.down.faults = bad_link();
      World world(config);
      BOOST_REQUIRE(world.configure(60s));
      transfer(world, seed % 2 == 0 ? Family::kIpv4 : Family::kIpv6, 10min);
      expect_all_arrived(world);
      expect_clean(world);
      expect_no_leaks(world);
    }
  }
}

// A link that keeps order, and brings every ACK: what was sent again had been lost.
BOOST_AUTO_TEST_CASE(no_loss_of_a_link_that_only_loses_is_taken_back) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      WorldConfig config;
      config.seed = seed;
      config.guest.tcp.sack = config.guest.tcp.timestamps = true;
      config.link.up.delay = config.link.down.delay = 10ms;
      config.link.down.rate_bps = 50'000'000;
      config.link.down.faults.loss = Chance::percent(10);
      World world(config);
      BOOST_REQUIRE(world.configure(60s));
      for (int i = 0; i < 4; ++i) {
        world.guest().connect({world.address("server", Family::kIpv4), Port{19}},
                              app(AppKind::kSink, 0));
      }
      BOOST_TEST(all_flows_over(world, 10min));
      BOOST_TEST(world.nat().counters()[Counter::kTcpFastRetransmits] != 0u);
      BOOST_TEST(world.nat().counters()[Counter::kTcpSpuriousRecoveries] == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_byte_passes_sockets_that_take_little_and_block_often) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      WorldConfig config;
      config.seed = seed;
      config.socket_faults.short_write = Chance::percent(30);
      config.socket_faults.would_block = Chance::percent(20);
      config.socket_faults.connect_late = Chance::percent(50);
      config.draw_batches = true;
      World world(config);
      BOOST_REQUIRE(world.configure(60s));
      transfer(world, seed % 2 == 0 ? Family::kIpv4 : Family::kIpv6, 10min);
      expect_all_arrived(world);
      expect_clean(world);
      const Counters& counted = world.nat().counters();
      BOOST_TEST(counted[Counter::kTcpBytesUp] == world.sockets().counts().tcp_written);
      BOOST_TEST(counted[Counter::kTcpBytesDown] == world.sockets().counts().tcp_consumed);
      BOOST_TEST(world.sockets().counts().tcp_written != 0u);
      expect_no_leaks(world);
    }
  }
}

BOOST_AUTO_TEST_CASE(sockets_that_fail_end_flows_in_a_way_the_guest_sees) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      WorldConfig config;
      config.seed = seed;
      config.socket_faults.reset = Chance::ppm(3000);
      config.socket_faults.connect_fails = Chance::percent(10);
      config.socket_faults.too_many_sockets = Chance::percent(10);
      config.socket_faults.no_buffers = Chance::percent(5);
      World world(config);
      BOOST_REQUIRE(world.configure(60s));
      for (int round = 0; round < 4; ++round) transfer(world, Family::kIpv4, 10min);
      for (uint32_t i = 0; i < world.guest().tcp().count(); ++i) {
        const GuestFlowRecord& record = world.guest().tcp().record(i);
        BOOST_TEST((record.eof || record.reset || record.icmp));
        BOOST_TEST(!record.timed_out);
      }
      expect_clean(world);
      expect_no_leaks(world);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_link_without_room_slows_the_nat_and_loses_nothing) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      WorldConfig config;
      config.seed = seed;
      config.link.room_frames = 4;
      config.link.down.rate_bps = 20'000'000;
      config.link.back_pressure = Chance::percent(5);
      config.link.head_bytes = seed % 2 == 0 ? 128 : 0;
      World world(config);
      BOOST_REQUIRE(world.configure(60s));
      transfer(world, Family::kIpv6, 10min);
      expect_all_arrived(world);
      expect_clean(world);
      expect_no_leaks(world);
    }
  }
}

BOOST_AUTO_TEST_CASE(super_frames_pass_both_ways) {
  WorldConfig config;
  config.link.limits.gso_bytes_max = 65'535;
  config.link.limits.checksum_offload = true;
  config.guest.tcp.gso_bytes = 60'000;
  config.guest.checksum_offload = true;
  for (const size_t head : {size_t{0}, size_t{256}}) {
    config.link.head_bytes = head;
    World world(config);
    BOOST_REQUIRE(world.configure(60s));
    transfer(world, Family::kIpv4, 60s);
    transfer(world, Family::kIpv6, 60s);
    expect_all_arrived(world);
    // 660,000 bytes would be more than 450 frames of an MTU each way.
    BOOST_TEST(world.nat().counters()[Counter::kGuestFramesOut] < 400u);
    expect_clean(world);
    expect_no_leaks(world);
  }
}

BOOST_AUTO_TEST_CASE(a_slow_reader_at_either_end_holds_the_other_back) {
  WorldConfig config;
  config.guest.tcp.receive_buffer = 16'384;
  World world(config);
  BOOST_REQUIRE(world.configure(60s));
  TcpGuest& guest = world.guest();
  const IpAddress server = world.address("server", Family::kIpv4);
  AppSpec slow = app(AppKind::kSlowReader, 3000);
  slow.interval = 50ms;
  const uint32_t down = guest.connect({server, Port{19}}, slow);
  const uint32_t up = guest.connect({server, Port{86}}, app(AppKind::kSource, 400'000));
  BOOST_TEST(all_flows_over(world, 5min));
  BOOST_TEST(guest.tcp().record(down).received == 100'000u);
  BOOST_TEST((guest.tcp().record(down).ended - guest.tcp().record(down).opened >= 1s));
  BOOST_TEST(guest.tcp().record(up).acknowledged == 400'000u);
  BOOST_TEST(world.apps().record(0).received + world.apps().record(1).received == 400'000u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_reader_that_stops_for_minutes_is_probed_and_not_given_up) {
  WorldConfig config;
  config.guest.tcp.receive_buffer = 8192;
  World world(config);
  BOOST_REQUIRE(world.configure(60s));
  AppSpec stops = app(AppKind::kSlowReader, 8192);
  stops.interval = 3min;
  const uint32_t down =
      world.guest().connect({world.address("server", Family::kIpv4), Port{19}}, stops);
  BOOST_TEST(all_flows_over(world, 2h));
  BOOST_TEST(world.guest().tcp().record(down).received == 100'000u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpZeroWindowProbes] >= 1u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_blackout_of_half_a_minute_is_survived) {
  WorldConfig config;
  config.link.up.faults.blackouts = config.link.down.faults.blackouts = {{Instant(1s), 30s}};
  config.link.down.rate_bps = config.link.up.rate_bps = 500'000;
  World world(config);
  BOOST_REQUIRE(world.configure(500ms));
  transfer(world, Family::kIpv4, 10min);
  expect_all_arrived(world);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_run_repeats_from_its_fault_decisions_and_shrinks_to_a_clean_one) {
  WorldConfig config;
  config.seed = 99;
  config.link.up.delay = config.link.down.delay = 1ms;
  config.link.up.faults = config.link.down.faults = bad_link();
  config.socket_faults.short_write = Chance::percent(10);
  config.record_faults = true;
  World drawn(config);
  BOOST_REQUIRE(drawn.configure(60s));
  transfer(drawn, Family::kIpv4, 10min);
  BOOST_TEST(drawn.faults().decisions().size() > 50u);

  config.given_faults = drawn.faults().decisions();
  World replayed(config);
  BOOST_REQUIRE(replayed.configure(60s));
  transfer(replayed, Family::kIpv4, 10min);
  BOOST_TEST((replayed.digest().value() == drawn.digest().value()));

  config.given_faults = std::vector<FaultDecision>{};
  World clean(config);
  BOOST_REQUIRE(clean.configure(60s));
  transfer(clean, Family::kIpv4, 10s);
  BOOST_TEST(clean.link().up().counts().lost + clean.link().down().counts().lost == 0u);
}

BOOST_AUTO_TEST_CASE(a_guest_link_whose_rate_and_mtu_change_loses_nothing_and_repeats) {
  WorldConfig config;
  config.seed = 12;
  config.record_faults = true;
  for (LinkSpec* link : {&config.link.up, &config.link.down}) {
    link->delay = 1ms;
    link->rate_bps = 50'000'000;
    link->faults.rate_change = Chance::percent(2);
    link->faults.rate_least = 500'000;
    link->faults.rate_most = 100'000'000;
    link->faults.mtu_change = Chance::percent(5);
    link->faults.mtu_least = 700;
  }
  World drawn(config);
  BOOST_REQUIRE(drawn.configure(60s));
  transfer(drawn, Family::kIpv4, 1h);
  expect_all_arrived(drawn);
  expect_clean(drawn);
  BOOST_TEST(drawn.link().up().counts().dropped_mtu > 0u);
  BOOST_TEST(drawn.link().down().counts().dropped_mtu > 0u);

  config.given_faults = drawn.faults().decisions();
  config.seed = 12;
  World replayed(config);
  BOOST_REQUIRE(replayed.configure(60s));
  transfer(replayed, Family::kIpv4, 1h);
  BOOST_TEST((replayed.digest().value() == drawn.digest().value()));
}

// --- Faults of the path between the hosts, whose streams wait for what is lost ---

BOOST_AUTO_TEST_CASE(no_connect_gets_through_a_path_that_loses_all) {
  WorldConfig config;
  config.net.connect_timeout = 20s;
  config.net.hosts[0].path.faults.loss = Chance::always();
  World world(config);
  BOOST_REQUIRE(world.configure(60s));
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    world.guest().connect({world.address("server", family), Port{19}}, app(AppKind::kSink, 0));
  }
  BOOST_TEST(all_flows_over(world, 10min));
  for (uint32_t i = 0; i < world.guest().tcp().count(); ++i) {
    const GuestFlowRecord& record = world.guest().tcp().record(i);
    BOOST_TEST(!record.connected);
    BOOST_TEST(record.received == 0u);
    BOOST_TEST((record.ended - record.opened >= 20s));
  }
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(no_caller_of_the_hosts_gets_through_a_path_that_loses_all) {
  WorldConfig config;
  config.net.hosts[0].path.faults.loss = Chance::always();
  config.net.connect_timeout = 20s;
  Forward forward;
  forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{8080}};
  forward.guest_port = Port{80};
  config.forwards.push_back(forward);
  World world(config);
  BOOST_REQUIRE(world.configure(60s));
  world.guest().tcp().listen(Port{80}, app(AppKind::kEcho, 0));
  const uint32_t caller =
      world.apps().connect(world.net().host_of(world.address("server", Family::kIpv4)),
                           forward.host, app(AppKind::kSource, 1000));
  world.run_for(1min);
  BOOST_TEST(world.apps().record(caller).failed);
  BOOST_TEST((world.apps().record(caller).error == SocketError::kTimedOut));
  BOOST_TEST(world.guest().tcp().count() == 0u);
  expect_clean(world);
}

BOOST_AUTO_TEST_CASE(
    a_path_that_begins_to_lose_all_stalls_its_streams_until_their_sender_gives_up) {
  WorldConfig config;
  config.net.hosts[0].path.rate_bps = 4'000'000;
  World world(config);
  BOOST_REQUIRE(world.configure(60s));
  TcpGuest& guest = world.guest();
  const IpAddress server = world.address("server", Family::kIpv4);
  const uint32_t down = guest.connect({server, Port{19}}, app(AppKind::kSink, 0));
  const uint32_t up = guest.connect({server, Port{9}}, app(AppKind::kSource, 1'000'000));
  world.run_for(50ms);
  PathSpec path = config.net.hosts[0].path;
  path.faults.loss = Chance::always();
  world.net().set_path(world.net().host_of(server), path);
  world.run_for(2s);  // what was on its way came
  const uint64_t came_up = world.apps().record(1).received;
  world.run_for(1min);
  BOOST_TEST(guest.tcp().record(down).connected);
  BOOST_TEST(!guest.tcp().record(up).over());
  BOOST_TEST(world.apps().record(1).received == came_up);
  BOOST_TEST(came_up < 1'000'000u);

  world.run_for(30min);
  BOOST_TEST(guest.tcp().record(up).reset);
  BOOST_TEST(!guest.tcp().record(up).eof);
  BOOST_TEST(world.apps().record(1).received == came_up);
  expect_clean(world);
}

BOOST_AUTO_TEST_CASE(the_more_a_path_loses_the_longer_its_streams_take) {
  const auto seconds = [](uint64_t seed, uint32_t percent) {
    WorldConfig config;
    config.seed = seed;
    config.net.hosts[0].path.rate_bps = 20'000'000;
    config.net.hosts[0].path.faults.loss = Chance::percent(percent);
    World world(config);
    BOOST_REQUIRE(world.configure(60s));
    transfer(world, Family::kIpv4, 10min);
    expect_all_arrived(world);
    Duration slowest{};
    for (uint32_t i = 0; i < world.guest().tcp().count(); ++i) {
      const GuestFlowRecord& record = world.guest().tcp().record(i);
      slowest = std::max(slowest, record.ended - record.opened);
    }
    expect_clean(world);
    expect_no_leaks(world);
    return slowest;
  };
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      const Duration little = seconds(seed, 10);
      const Duration much = seconds(seed, 50);
      BOOST_TEST((seconds(seed, 0) < little));
      BOOST_TEST((2 * little < much));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_nat_whose_turns_come_late_keeps_its_guest_waiting) {
  Duration waited[2] = {};
  for (const bool late : {false, true}) {
    WorldConfig config;
    config.turns_late = late ? Duration(5ms) : Duration{};
    World world(config);
    BOOST_REQUIRE(world.configure(500ms));
    transfer(world, Family::kIpv4, 10min);
    expect_all_arrived(world);
    const GuestFlowRecord& first = world.guest().tcp().record(0);
    waited[late ? 1 : 0] = first.connected_at - first.opened;
    expect_clean(world);
    expect_no_leaks(world);
  }
  BOOST_TEST((waited[1] > waited[0]));
}

BOOST_AUTO_TEST_CASE(numbers_that_wrap_soon_change_nothing) {
  WorldConfig config;
  config.nat.tcp.initial_sequence_bits = config.guest.tcp.initial_sequence_bits = ~0u << 12;
  config.link.up.faults = config.link.down.faults = bad_link();
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  transfer(world, Family::kIpv6, 10min);
  expect_all_arrived(world);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_blackout_of_a_path_holds_its_streams_until_it_is_over) {
  WorldConfig config;
  config.net.hosts[0].path.faults.blackouts = {{Instant(0s), 10s}};
  World world(config);
  BOOST_REQUIRE(world.configure(500ms));
  transfer(world, Family::kIpv4, 10min);
  expect_all_arrived(world);
  for (uint32_t i = 0; i < world.guest().tcp().count(); ++i) {
    BOOST_TEST((world.guest().tcp().record(i).ended >= Instant(10s)));
  }
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(losses_of_what_is_sent_again_are_decisions_and_repeat) {
  WorldConfig config;
  config.seed = 17;
  config.record_faults = true;
  config.net.hosts[0].path.faults.loss = Chance::percent(50);
  World drawn(config);
  BOOST_REQUIRE(drawn.configure(60s));
  transfer(drawn, Family::kIpv4, 10min);
  constexpr uint32_t kPathAgainStream = 1u << 21;  // sim/README.md
  uint32_t lost_again = 0;
  for (const FaultDecision& decision : drawn.faults().decisions()) {
    if (decision.stream >= kPathAgainStream) ++lost_again;
  }
  BOOST_TEST(lost_again > 10u);

  config.given_faults = drawn.faults().decisions();
  World replayed(config);
  BOOST_REQUIRE(replayed.configure(60s));
  transfer(replayed, Family::kIpv4, 10min);
  BOOST_TEST((replayed.digest().value() == drawn.digest().value()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
