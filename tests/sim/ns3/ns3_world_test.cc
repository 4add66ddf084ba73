// The whole Nat between ns-3 stacks: ns-3's own TCP at both ends, both families, with and without loss.
#include "sim/ns3/ns3_world.hh"

#include <boost/test/unit_test.hpp>

namespace dashi {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

Ns3WorldConfig lan_like() {
  Ns3WorldConfig config;
  config.seed = 7;
  config.internet.wan.rate_bps = 50'000'000;
  config.internet.wan.delay = 5ms;
  config.guest_link.up.rate_bps = 1'000'000'000;
  config.guest_link.down.rate_bps = 1'000'000'000;
  config.guest_link.up.delay = 20us;
  config.guest_link.down.delay = 20us;
  return config;
}

std::unique_ptr<Ns3World> make(const Ns3WorldConfig& config) {
  auto world = Ns3World::create(config);
  BOOST_REQUIRE_MESSAGE(world.ok(), (world.ok() ? std::string() : world.error()));
  return std::move(world.value());
}

const Ns3TaskResult& run_one(Ns3World& world, Ns3World::TaskId task, Duration limit) {
  world.run(world.now() + limit);
  const Ns3TaskResult& result = world.result(task);
  BOOST_TEST_MESSAGE(world.dump());
  BOOST_TEST(result.done);
  for (const std::string& violation : world.violations()) BOOST_ERROR(violation);
  return result;
}

void expect_ok(const Ns3TaskResult& result) {
  BOOST_TEST_CONTEXT(result.error) BOOST_TEST(result.ok);
}

constexpr Family kFamilies[] = {Family::kIpv4, Family::kIpv6};

BOOST_AUTO_TEST_SUITE(ns3_world)

BOOST_AUTO_TEST_CASE(the_guest_downloads_over_both_families) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    const Ns3TaskResult& result = run_one(*world, world->download(family, 2 * kMiB), 60s);
    expect_ok(result);
    BOOST_TEST(result.down_bytes == 2 * kMiB);
    BOOST_TEST(result.client_eof);
    // 2 MiB at 50 Mbit/s take a third of a second; slow start some round trips of 10 ms more.
    BOOST_TEST((result.finished - result.started < 1s));
    BOOST_TEST(world->counters()[Counter::kTcpBytesDown] == 2 * kMiB);
  }
}

BOOST_AUTO_TEST_CASE(the_guest_uploads_over_both_families) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    const Ns3TaskResult& result = run_one(*world, world->upload(family, 2 * kMiB), 60s);
    expect_ok(result);
    BOOST_TEST(result.up_bytes == 2 * kMiB);
    BOOST_TEST(result.server_eof);
    BOOST_TEST((result.finished - result.started < 1s));
    BOOST_TEST(world->counters()[Counter::kTcpBytesUp] == 2 * kMiB);
  }
}

BOOST_AUTO_TEST_CASE(after_half_close_the_other_direction_goes_on) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    Ns3Transfer transfer;
    transfer.family = family;
    transfer.up_bytes = 300'000;
    transfer.down_bytes = 700'000;
    transfer.answer_after_eof = true;
    const Ns3TaskResult& result = run_one(*world, world->transfer(transfer), 60s);
    expect_ok(result);
    BOOST_TEST(result.down_bytes == 700'000u);
  }
}

BOOST_AUTO_TEST_CASE(both_directions_at_once) {
  const auto world = make(lan_like());
  Ns3Transfer transfer;
  transfer.up_bytes = kMiB;
  transfer.down_bytes = kMiB;
  expect_ok(run_one(*world, world->transfer(transfer), 60s));
}

BOOST_AUTO_TEST_CASE(a_refused_connection_is_refused_and_an_unreachable_one_is_not_reached) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    Ns3Transfer refused;
    refused.family = family;
    refused.down_bytes = 1;
    refused.refused = true;
    Ns3Transfer unreachable = refused;
    unreachable.refused = false;
    unreachable.unreachable = true;
    const auto one = world->transfer(refused);
    const auto two = world->transfer(unreachable);
    BOOST_TEST(world->run(world->now() + 10s));
    BOOST_TEST((world->result(one).client_failure == SocketError::kRefused));
    const auto failure = world->result(two).client_failure;
    BOOST_TEST(
        (failure == SocketError::kNetworkUnreachable || failure == SocketError::kHostUnreachable));
  }
}

BOOST_AUTO_TEST_CASE(an_abort_stays_an_abort_in_both_directions) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    Ns3Transfer server_aborts;
    server_aborts.family = family;
    server_aborts.up_bytes = 400'000;
    server_aborts.server_aborts_after = 100'000;
    Ns3Transfer client_aborts;
    client_aborts.family = family;
    client_aborts.down_bytes = 400'000;
    client_aborts.client_aborts_after = 100'000;
    const auto one = world->transfer(server_aborts);
    const auto two = world->transfer(client_aborts);
    world->run_for(10s);
    BOOST_TEST((world->result(one).client_failure == SocketError::kReset));
    BOOST_TEST(!world->result(one).client_eof);
    BOOST_TEST((world->result(two).server_failure == SocketError::kReset));
    BOOST_TEST(!world->result(two).server_eof);
  }
}

BOOST_AUTO_TEST_CASE(the_remote_connects_to_a_forwarded_port) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    expect_ok(run_one(*world, world->ping({.family = family}), 10s));  // the guest is known
    Ns3Transfer inbound;
    inbound.family = family;
    inbound.inbound = true;
    inbound.up_bytes = 200'000;
    inbound.down_bytes = 300'000;
    expect_ok(run_one(*world, world->transfer(inbound), 30s));
  }
}

BOOST_AUTO_TEST_CASE(echo_requests_are_answered_by_the_remote_and_by_the_gateway) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    const auto far = world->ping({.family = family, .count = 5, .interval = 100ms});
    const auto near = world->ping({.family = family, .count = 3, .to_gateway = true});
    BOOST_TEST(world->run(world->now() + 20s));
    expect_ok(world->result(far));
    expect_ok(world->result(near));
    for (const Duration round_trip : world->result(far).round_trips) {
      BOOST_TEST((round_trip > 10ms && round_trip < 20ms));
    }
    // The first may wait for ARP or NDP.
    BOOST_TEST((world->result(near).round_trips.back() < 1ms));
  }
}

BOOST_AUTO_TEST_CASE(udp_is_echoed) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    const auto small = world->udp_echo({.family = family, .count = 20, .interval = 10ms});
    const auto large =
        world->udp_echo({.family = family, .count = 3, .payload_bytes = 1400, .interval = 10ms});
    BOOST_TEST(world->run(world->now() + 20s));
    expect_ok(world->result(small));
    expect_ok(world->result(large));
    BOOST_TEST(world->counters()[Counter::kUdpOut] == 23u);
    BOOST_TEST(world->counters()[Counter::kUdpIn] == 23u);
  }
}

BOOST_AUTO_TEST_CASE(the_gateway_is_one_hop) {
  for (const Family family : kFamilies) {
    const auto world = make(lan_like());
    // TTL 1 ends at the Nat, 2 at the router, 3 reaches the remote.
    for (uint8_t ttl = 1; ttl <= 3; ++ttl) {
      const auto task = world->ping({.family = family, .ttl = ttl});
      world->run(world->now() + 10s);
      const Ns3TaskResult& result = world->result(task);
      BOOST_TEST(result.ok == (ttl == 3));
      if (ttl == 3) continue;
      BOOST_REQUIRE(result.net_error.has_value());
      BOOST_TEST((result.net_error->error == SocketError::kTtlExceeded));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_guest_without_an_mss_option_is_served_with_the_default) {
  Ns3WorldConfig config = lan_like();
  config.guest_announces_mss = false;
  for (const Family family : kFamilies) {
    const auto world = make(config);
    expect_ok(run_one(*world, world->download(family, kMiB), 60s));
    // 536 bytes a segment over IPv4, 1220 over IPv6 (RFC 9293 3.7.1), not 1448.
    const uint64_t least = kMiB / (family == Family::kIpv4 ? 536 : 1220);
    BOOST_TEST(world->guest_link().frames_sent >= least);
  }
}

BOOST_AUTO_TEST_CASE(loss_on_the_guests_link_is_repaired) {
  Ns3WorldConfig config = lan_like();
  config.guest_link.up.faults.loss = Chance::percent(2);
  config.guest_link.down.faults.loss = Chance::percent(2);
  for (const Family family : kFamilies) {
    const auto world = make(config);
    Ns3Transfer both;
    both.family = family;
    both.up_bytes = 600'000;
    both.down_bytes = 600'000;
    const auto one = world->transfer(both);
    both.answer_after_eof = true;
    const auto two = world->transfer(both);
    BOOST_TEST(world->run(world->now() + 120s));
    expect_ok(world->result(one));
    expect_ok(world->result(two));
    BOOST_TEST(world->counters()[Counter::kTcpSegmentsRetransmitted] > 0u);
  }
}

BOOST_AUTO_TEST_CASE(every_fault_of_the_guests_link_at_once_is_repaired) {
  Ns3WorldConfig config = lan_like();
  LinkFaults faults;
  faults.loss = Chance::percent(1);
  faults.duplicate = Chance::percent(1);
  faults.reorder_by_delay = Chance::percent(2);
  faults.reorder_delay = {1ms, 20ms};
  faults.corrupt_bit = Chance::percent(1);
  faults.corrupt_header = Chance::percent(1);
  faults.truncate = Chance::percent(1);
  faults.jitter = {0ns, 200us};
  config.guest_link.up.faults = faults;
  config.guest_link.down.faults = faults;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    config.seed = seed;
    for (const Family family : kFamilies) {
      BOOST_TEST_MESSAGE("seed " << seed);
      const auto world = make(config);
      Ns3Transfer both;
      both.family = family;
      both.up_bytes = 200'000;
      both.down_bytes = 200'000;
      expect_ok(run_one(*world, world->transfer(both), 300s));
      BOOST_TEST(world->damaged_frames() > 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(loss_on_the_wan_is_repaired_by_the_hosts_own_tcp) {
  Ns3WorldConfig config = lan_like();
  config.internet.wan.faults.loss = Chance::percent(2);
  for (const Family family : kFamilies) {
    const auto world = make(config);
    Ns3Transfer both;
    both.family = family;
    both.up_bytes = 600'000;
    both.down_bytes = 600'000;
    const auto one = world->transfer(both);
    both.answer_after_eof = true;
    const auto two = world->transfer(both);
    BOOST_TEST(world->run(world->now() + 120s));
    expect_ok(world->result(one));
    expect_ok(world->result(two));
    BOOST_TEST(world->wan().lost > 0u);
    BOOST_TEST(world->counters()[Counter::kTcpSegmentsRetransmitted] == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_reader_that_is_late_shuts_the_window_and_loses_nothing) {
  Ns3WorldConfig config = lan_like();
  config.tcp_buffer_bytes = 64 << 10;
  // Also when the segment that opens the window again is lost.
  config.guest_link.up.faults.loss = Chance::percent(3);
  config.guest_link.down.faults.loss = Chance::percent(3);
  config.internet.wan.faults.loss = Chance::percent(1);
  for (const Family family : kFamilies) {
    const auto world = make(config);
    Ns3Transfer transfer;
    transfer.family = family;
    transfer.down_bytes = 2 * kMiB;  // more than all buffers on the way
    transfer.client_reads_late = 20s;
    const auto down = world->transfer(transfer);
    transfer.down_bytes = 0;
    transfer.up_bytes = 2 * kMiB;
    transfer.client_reads_late = 0s;
    transfer.server_reads_late = 20s;
    const auto up = world->transfer(transfer);
    world->run_for(15s);
    BOOST_TEST(!world->result(down).done);
    BOOST_TEST(world->counters()[Counter::kTcpZeroWindowProbes] > 0u);
    BOOST_TEST(world->counters()[Counter::kTcpBytesUp] < 2 * kMiB);
    BOOST_TEST(world->run(world->now() + 300s));
    expect_ok(world->result(down));
    expect_ok(world->result(up));
    BOOST_TEST((world->result(down).finished - world->result(down).started > 20s));
  }
}

BOOST_AUTO_TEST_CASE(a_lost_window_update_is_made_up_for_by_the_guests_probe) {
  Ns3WorldConfig config = lan_like();
  config.tcp_buffer_bytes = 64 << 10;
  // The server begins to read at 25 s, so the Nat's window opens while the guest hears nothing.
  config.guest_link.down.faults.blackouts.push_back({Instant(24s), 4s});
  const auto world = make(config);
  Ns3Transfer transfer;
  transfer.up_bytes = 2 * kMiB;
  transfer.server_reads_late = Instant(25s) - world->now();
  const Ns3TaskResult& result = run_one(*world, world->transfer(transfer), 120s);
  expect_ok(result);
}

BOOST_AUTO_TEST_CASE(the_same_tasks_run_directly_without_a_nat) {
  Ns3WorldConfig config = lan_like();
  config.direct = true;
  for (const Family family : kFamilies) {
    const auto world = make(config);
    const auto down = world->download(family, kMiB);
    const auto up = world->upload(family, kMiB);
    const auto echo = world->udp_echo({.family = family, .count = 3, .interval = 10ms});
    const auto ping = world->ping({.family = family});
    BOOST_TEST(world->run(world->now() + 60s));
    for (const auto task : {down, up, echo, ping}) expect_ok(world->result(task));
    BOOST_TEST(world->nat() == nullptr);
  }
}

BOOST_AUTO_TEST_CASE(every_queue_disc_carries_a_download) {
  for (const QueueDisc disc :
       {QueueDisc::kFifo, QueueDisc::kCodel, QueueDisc::kFqCodel, QueueDisc::kPie}) {
    Ns3WorldConfig config = lan_like();
    config.internet.wan.queue_disc = disc;
    config.internet.wan.queue_packets = 100;
    const auto world = make(config);
    expect_ok(run_one(*world, world->download(Family::kIpv4, 2 * kMiB), 60s));
  }
}

BOOST_AUTO_TEST_CASE(the_wan_loses_in_bursts_and_in_blackouts) {
  for (const bool bursts : {false, true}) {
    Ns3WorldConfig config = lan_like();
    LinkFaults& faults = config.internet.wan.faults;
    if (bursts) {
      faults.bursts.good_to_bad = Chance::percent(2);
      faults.bursts.bad_to_good = Chance::percent(20);
      faults.bursts.loss_in_bad = Chance::percent(90);
    } else {
      faults.blackouts.push_back({Instant(Ns3World::kBoot + 1s), 2s});
    }
    const auto world = make(config);
    const auto echo = world->udp_echo({.count = 500, .interval = 10ms});
    const auto down = world->download(Family::kIpv4, kMiB);
    world->run(world->now() + 300s);
    expect_ok(world->result(down));
    const Ns3TaskResult& probes = world->result(echo);
    BOOST_TEST(probes.sent == 500u);
    // 2 of 5 s are dark; a burst begins every 50 packets, and 5 long it loses less than a tenth each way.
    BOOST_TEST(probes.answered < (bursts ? 475u : 302u));
    BOOST_TEST(probes.answered > (bursts ? 350u : 295u));
    BOOST_TEST(world->wan().lost > 25u);
  }
}

BOOST_AUTO_TEST_CASE(no_flow_and_no_socket_is_left_behind) {
  const auto world = make(lan_like());
  for (const Family family : kFamilies) {
    world->download(family, 50'000);
    world->upload(family, 50'000);
    world->udp_echo({.family = family});
    world->ping({.family = family});
  }
  BOOST_TEST(world->run(world->now() + 60s));
  world->run_for(30min);
  const FlowCounts counts = world->flow_counts();
  BOOST_TEST(counts.tcp == 0u);
  BOOST_TEST(counts.tcp_time_wait == 0u);
  BOOST_TEST(counts.udp == 0u);
  BOOST_TEST(counts.echo == 0u);
  BOOST_TEST(world->host_sockets() == 0u);
}

BOOST_AUTO_TEST_CASE(what_ns3_would_abort_on_is_an_error_in_words) {
  Ns3WorldConfig config = lan_like();
  config.internet.wan.rate_bps = 0;
  BOOST_TEST(!Ns3World::create(config).ok());
  config = lan_like();
  config.internet.wan.queue_packets = 0;
  BOOST_TEST(!Ns3World::create(config).ok());
  for (Chance LinkFaults::*unknown :
       {&LinkFaults::duplicate, &LinkFaults::reorder_by_delay, &LinkFaults::reorder_by_distance,
        &LinkFaults::corrupt_bit, &LinkFaults::corrupt_header, &LinkFaults::corrupt_checksum,
        &LinkFaults::truncate, &LinkFaults::rate_change, &LinkFaults::mtu_change}) {
    config = lan_like();
    config.internet.wan.faults.*unknown = Chance::percent(1);
    BOOST_TEST(!Ns3World::create(config).ok());
  }
  config = lan_like();
  config.guest_link.limits.mtu = 9000;
  BOOST_TEST(!Ns3World::create(config).ok());
  const auto world = make(lan_like());
  const auto second = Ns3World::create(lan_like());
  BOOST_REQUIRE(!second.ok());
  BOOST_TEST(second.error().find("another ns-3 world") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
