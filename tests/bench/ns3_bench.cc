// What the NAT costs in an ns-3 world: the wall time of wan_loss (scenarios/experiments), each of its
// worlds run through the NAT and directly between the same hosts, one right after the other, so that
// what else the machine does falls on both. Prints a row a path and the ratio of the two.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "sim/ns3/ns3_world.hh"

namespace dashi {
namespace {

constexpr uint64_t kBytes = 1'000'000;
constexpr uint64_t kRateBps = 20'000'000;
constexpr uint64_t kSeeds = 3;
constexpr int kRounds = 5;  // of each world; the quickest counts: all else is the machine's noise
constexpr Duration kDelays[] = {5ms, 20ms, 50ms};
constexpr uint32_t kLossPpm[] = {0, 1'000, 5'000, 10'000, 20'000, 50'000};

struct Cost {
  double seconds = 0;  // of wall time
  uint64_t events = 0;
};

Cost run_once(uint64_t seed, Duration delay, uint32_t loss_ppm, bool direct) {
  const auto began = std::chrono::steady_clock::now();
  Ns3WorldConfig config;
  config.seed = seed;
  config.direct = direct;
  config.internet.wan.rate_bps = kRateBps;
  config.internet.wan.delay = delay;
  config.internet.wan.faults.loss = Chance::ppm(loss_ppm);
  auto world = Ns3World::create(config);
  if (!world.ok()) {
    std::fprintf(stderr, "%s\n", world.error().c_str());
    std::exit(1);
  }
  const auto task = (*world)->download(Family::kIpv4, kBytes);
  if (!(*world)->run(kNever) || !(*world)->result(task).ok) {
    std::fprintf(stderr, "a download failed: %s\n", (*world)->result(task).error.c_str());
    std::exit(1);
  }
  Cost cost;
  cost.events = (*world)->events_run();
  world->reset();
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return cost;
}

// Of all seeds; [0] through the NAT, [1] directly.
std::array<Cost, 2> measure(Duration delay, uint32_t loss_ppm) {
  std::array<Cost, 2> total;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    std::array<Cost, 2> best;
    for (int round = 0; round < kRounds; ++round) {
      for (size_t direct = 0; direct < 2; ++direct) {
        const Cost cost = run_once(seed, delay, loss_ppm, direct == 1);
        if (round == 0 || cost.seconds < best[direct].seconds) best[direct] = cost;
      }
    }
    for (size_t direct = 0; direct < 2; ++direct) {
      total[direct].seconds += best[direct].seconds;
      total[direct].events += best[direct].events;
    }
  }
  return total;
}

int run() {
  std::printf("wan_loss on ns-3: wall time of %llu downloads of 1 MB a row, 20 Mbit/s\n\n",
              static_cast<unsigned long long>(kSeeds));
  std::printf(" delay   loss   NAT ms  direct ms  ratio  NAT events  direct events\n");
  std::vector<double> ratios;
  double nat_seconds = 0;
  double direct_seconds = 0;
  for (const Duration delay : kDelays) {
    for (const uint32_t loss : kLossPpm) {
      const auto [nat, direct] = measure(delay, loss);
      nat_seconds += nat.seconds;
      direct_seconds += direct.seconds;
      ratios.push_back(nat.seconds / direct.seconds);
      std::printf("%4lldms %5.1f%% %8.1f %10.1f %6.2f %11llu %14llu\n",
                  static_cast<long long>(delay.count() / 1'000'000), loss / 10'000.0,
                  nat.seconds * 1e3, direct.seconds * 1e3, ratios.back(),
                  static_cast<unsigned long long>(nat.events),
                  static_cast<unsigned long long>(direct.events));
      std::fflush(stdout);
    }
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("\nNAT / direct: median %.2f, worst %.2f, of all time %.2f (aim: within 1.50)\n",
              (ratios[ratios.size() / 2] + ratios[(ratios.size() - 1) / 2]) / 2, ratios.back(),
              nat_seconds / direct_seconds);
  return 0;
}

}  // namespace
}  // namespace dashi

int main() { return dashi::run(); }
