// The ns-3 worlds whose digests are compared: twice in a process, in a fresh process, between builds,
// and over a Nat that is restored on the way. None of them has a committed digest: ns-3 computes with
// libm, which is not the same on every processor.
#pragma once

#include <string>

#include "sim/ns3/ns3_world.hh"

namespace dashi {

struct ComparedNs3World {
  const char* name;
  Ns3WorldConfig config;
};

inline Ns3WorldConfig lossy_ns3_world(uint64_t seed) {
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

inline std::vector<ComparedNs3World> compared_ns3_worlds() {
  std::vector<ComparedNs3World> worlds;
  worlds.push_back({"lossy", lossy_ns3_world(11)});
  worlds.push_back({"another-seed", lossy_ns3_world(12)});
  worlds.push_back({"direct", lossy_ns3_world(11)});
  worlds.back().config.direct = true;
  worlds.push_back({"drawn-batches", lossy_ns3_world(13)});
  worlds.back().config.draw_batches = true;
  worlds.push_back({"bad-guest-link", lossy_ns3_world(14)});
  LinkFaults& faults = worlds.back().config.guest_link.up.faults;
  faults.duplicate = faults.truncate = faults.corrupt_bit = Chance::percent(2);
  faults.reorder_by_delay = Chance::percent(3);
  faults.reorder_delay = {1us, 20ms};
  worlds.push_back({"cubic-over-pie", lossy_ns3_world(15)});
  worlds.back().config.congestion = TcpCongestion::kCubic;
  worlds.back().config.internet.wan.queue_disc = QueueDisc::kPie;
  worlds.push_back({"cubic-over-codel", lossy_ns3_world(16)});
  worlds.back().config.congestion = TcpCongestion::kCubic;
  worlds.back().config.internet.wan.queue_disc = QueueDisc::kCodel;
  // What ns-3 says again while it boots it says after a draw of its own.
  worlds.push_back({"late-boot", lossy_ns3_world(17)});
  worlds.back().config.guest_link.up.faults.blackouts.push_back({Instant{}, 10s});
  return worlds;
}

// Every kind of transfer and probe, over both families.
inline void begin_ns3_tasks(Ns3World& world) {
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

// To its end.
inline Digest run_ns3_world(const Ns3WorldConfig& base, const DigestOptions& options) {
  Ns3WorldConfig config = base;
  config.digest = options;
  auto world = Ns3World::create(config);
  DASHI_CHECK(world.ok());
  begin_ns3_tasks(**world);
  (*world)->run((*world)->now() + 120s);
  DASHI_CHECK((*world)->all_done());
  return std::move((*world)->digest());
}

// A line for each, "NAME DIGEST EVENTS".
inline std::string ns3_digest_lines() {
  std::string lines;
  for (const ComparedNs3World& world : compared_ns3_worlds()) {
    const Digest digest = run_ns3_world(world.config, DigestOptions{});
    lines += std::string(world.name) + " " + to_string(digest.value()) + " " +
             std::to_string(digest.events()) + "\n";
  }
  return lines;
}

}  // namespace dashi
