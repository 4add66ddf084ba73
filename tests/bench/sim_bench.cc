// How fast worlds run: events a second on the queue, tiny worlds a second, and bytes through a world.
#include <benchmark/benchmark.h>

#include "sim/named_worlds.hh"

namespace dashi {
namespace {

// `timers` events that each schedule their successor a pseudo-random while later.
struct Hop {
  EventQueue* queue;
  uint64_t state;
  void operator()() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    queue->schedule_after(Duration(static_cast<int64_t>(state >> 50) + 1), *this);
  }
};

void events(benchmark::State& state) {
  EventQueue queue;
  for (int64_t i = 0; i < state.range(0); ++i) {
    queue.schedule(Instant(Duration(i)), Hop{&queue, static_cast<uint64_t>(i) * 77 + 1});
  }
  for (auto _ : state) queue.run_one();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(events)->Arg(100)->Arg(10'000)->Arg(1'000'000);

// Half of all timers are cancelled before they fire, as retransmission timers are.
void events_half_cancelled(benchmark::State& state) {
  EventQueue queue;
  uint64_t draw = 1;
  EventId last;
  for (auto _ : state) {
    draw = draw * 6364136223846793005u + 1442695040888963407u;
    queue.cancel(last);
    last = queue.schedule_after(Duration(static_cast<int64_t>(draw >> 50)), [] {});
    queue.schedule_after(Duration(static_cast<int64_t>(draw >> 52)), [] {});
    queue.run_one();
  }
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(events_half_cancelled);

WorldConfig tiny_config(uint64_t seed) {
  WorldConfig config;
  config.seed = seed;
  config.guest.ipv6 = config.nat.topology.ipv6 = false;
  Limits& limits = config.nat.limits;
  limits.tcp_connections = limits.tcp_connects_pending = limits.tcp_time_wait = 64;
  limits.udp_endpoints = limits.udp_contacts = limits.echo_ids = limits.dns_queries = 64;
  limits.udp_forwards = limits.tcp_forwards = 16;
  limits.tcp_failures_remembered = 64;
  limits.dns_records = 16;
  limits.dns_tcp_connections = 4;
  return config;
}

// A world as a seed swarm runs them: made, one echo of 1,000 bytes over a lossy link, judged.
void tiny_worlds(benchmark::State& state) {
  uint64_t seed = 0;
  uint64_t events_run = 0;
  for (auto _ : state) {
    WorldConfig config = tiny_config(++seed);
    config.link.up.faults.loss = config.link.down.faults.loss = Chance::percent(1);
    config.digests = state.range(0) != 0;
    World world(config);
    world.configure(10s);
    AppSpec echo;
    echo.kind = AppKind::kEchoClient;
    echo.bytes = 1000;
    world.guest().connect({world.address("server", Family::kIpv4), Port{7}}, echo);
    world.run_until_done([&world] { return world.guest().tcp().all_over(); }, 10min);
    if (!world.violations().empty()) state.SkipWithError("a violation");
    events_run += world.queue().events_run();
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["events"] =
      benchmark::Counter(static_cast<double>(events_run), benchmark::Counter::kIsRate);
}
BENCHMARK(tiny_worlds)->Arg(0)->Arg(1)->ArgName("digest");

// Bytes through the Nat and both its links, downstream.
void download(benchmark::State& state) {
  constexpr uint64_t kBytes = uint64_t{8} << 20;
  uint64_t events_run = 0;
  for (auto _ : state) {
    WorldConfig config;
    config.digests = false;
    config.net.hosts[0].services.push_back({});
    ServiceSpec& service = config.net.hosts[0].services.back();
    service.port = Port{8000};
    service.app.kind = AppKind::kSource;
    service.app.bytes = kBytes;
    if (state.range(0) != 0) config.link.limits.gso_bytes_max = 65'535;
    if (state.range(0) != 0) config.link.limits.checksum_offload = true;
    World world(config);
    world.configure(10s);
    AppSpec sink;
    sink.kind = AppKind::kSink;
    world.guest().connect({world.address("server", Family::kIpv4), Port{8000}}, sink);
    world.run_until_done([&world] { return world.guest().tcp().all_over(); }, 10min);
    if (world.guest().tcp().record(0).received != kBytes) state.SkipWithError("bytes are missing");
    events_run += world.queue().events_run();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
  state.counters["events"] =
      benchmark::Counter(static_cast<double>(events_run), benchmark::Counter::kIsRate);
}
BENCHMARK(download)->Arg(0)->Arg(1)->ArgName("gso");

}  // namespace
}  // namespace dashi

BENCHMARK_MAIN();
