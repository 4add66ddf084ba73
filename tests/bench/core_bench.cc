// What one packet costs the core, and whether that depends on the number of flows. No link, no sockets
// and no kernel: null implementations of Env, so that nothing but the core is measured.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/nat/nat.hh"
#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/ipv4.hh"
#include "tests/bench/null_env.hh"

namespace {
uint64_t allocations = 0;
}

void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace dashi {
namespace {

class NullLink final : public GuestLink {
 public:
  explicit NullLink(uint32_t gso) : gso_(gso), buffer_(64 * 70'000) {}
  LinkLimits limits() const override { return {1500, gso_, gso_ != 0, false}; }
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override {
    const size_t n = std::min<size_t>(frames, slots_.size());
    for (size_t i = 0; i < n; ++i) {
      slots_[i].head = MutableBytes(buffer_).subspan(i * 70'000, bytes_each);
    }
    return std::span<const FrameSlot>(slots_).first(n);
  }
  void commit(std::span<const Filled> filled) override {
    for (const Filled& f : filled) payload += f.bytes - std::min<size_t>(f.bytes, 54);
    if (!filled.empty()) last = slots_[0].head;
  }
  void flush() override {}
  uint64_t payload = 0;  // bytes of TCP payload, SYN options aside
  MutableBytes last;     // the first frame of the last commit

 private:
  uint32_t gso_;
  std::vector<uint8_t> buffer_;
  std::array<FrameSlot, 64> slots_;
};

class NullStream final : public StreamSocket {
 public:
  explicit NullStream(uint64_t& readable) : readable_(readable) {}
  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    if (offset >= readable_) return SocketError::kWouldBlock;
    size_t n = 0;
    for (const MutableBytes& area : into) n += area.size();
    return Peeked{std::min<size_t>(n, readable_ - offset), false};
  }
  void consume(size_t n) override { readable_ -= n; }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    size_t n = 0;
    for (const Bytes& piece : from) n += piece.size();
    return n;
  }
  void shutdown_write() override {}
  void abort() override {}
  HostTcpInfo info() const override { return {}; }
  Endpoint local() const override { return {}; }

 private:
  uint64_t& readable_;
};

class Hosts : public NullSockets {
 public:
  std::vector<FlowId> connected;
  uint64_t readable = 0;  // unconsumed bytes of the one stream that is read
  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint&, const ConnectOptions&,
                                                             FlowId id) override {
    connected.push_back(id);
    return std::unique_ptr<StreamSocket>(new NullStream(readable));
  }
};

// `flows` established connections of one guest, and frames for each.
class Bench {
 public:
  Bench(uint32_t flows, uint32_t gso) : link_(gso), config_(config_for(flows)) {
    nat_ = std::make_unique<Nat>(config_, Env{link_, sockets_, entropy_, trace_});
    flows_.resize(flows);
    for (uint32_t i = 0; i < flows; ++i) open(i);
  }

  NullLink& link() { return link_; }
  Hosts& sockets() { return sockets_; }
  Nat& nat() { return *nat_; }
  Instant tick() { return now_ += Duration(1000); }
  Instant tick(Duration by) { return now_ += by; }
  FlowId id(uint32_t flow) const { return sockets_.connected[flow]; }

  // The next data segment of a flow, to be handed in at once.
  GuestFrame data(uint32_t flow, uint32_t bytes, std::vector<uint8_t>& into) {
    GuestFrame frame = segment(flow, kTcpAck, bytes, into);
    flows_[flow].sequence += bytes;
    if (bytes > 1448) {
      frame.offload.gso_type = GsoType::kTcpv4;
      frame.offload.gso_size = 1448;
    }
    return frame;
  }
  GuestFrame ack(uint32_t flow, uint32_t acked, std::vector<uint8_t>& into) {
    flows_[flow].acknowledgment += acked;
    return segment(flow, kTcpAck, 0, into);
  }

 private:
  struct Flow {
    uint32_t sequence = 1;
    uint32_t acknowledgment = 0;
  };

  static Config config_for(uint32_t flows) {
    Config config;
    config.topology.ipv6 = false;
    config.limits.tcp_connections = flows;
    return config;
  }

  GuestFrame segment(uint32_t flow, uint8_t flags, uint32_t bytes, std::vector<uint8_t>& into) {
    const bool syn = (flags & kTcpSyn) != 0;
    into.resize(54 + (syn ? 4 : bytes));
    EthernetHeader ethernet;
    ethernet.destination = config_.topology.gateway_mac;
    ethernet.source = {{2, 0, 0, 0, 0, 1}};
    ethernet.type = static_cast<uint16_t>(EtherType::kIpv4);
    store(into, ethernet);
    Ipv4Header ip;
    ip.total_length = static_cast<uint16_t>(into.size() - 14);
    ip.ttl = 64;
    ip.protocol = 6;
    ip.source = config_.topology.guest_v4;
    ip.destination = Ipv4Address::from_u32(0xc6120001 + flow / 20000);
    MutableBytes rest = MutableBytes(into).subspan(14);
    store(rest, ip);
    Checksum sum;
    sum.add(Bytes(rest).first(20));
    ip.checksum = sum.value();
    store(rest, ip);
    TcpHeader tcp;
    tcp.source_port = static_cast<uint16_t>(20000 + flow % 20000);
    tcp.destination_port = 80;
    tcp.sequence = flows_[flow].sequence;
    tcp.acknowledgment = flows_[flow].acknowledgment;
    tcp.data_offset = syn ? 0x60 : 0x50;
    if (syn) store(rest.subspan(40), Be32(0x020405b4));  // MSS 1460
    tcp.flags = flags;
    tcp.window = 65535;
    store(rest.subspan(20), tcp);
    GuestFrame frame{into, {}};
    frame.offload.csum_trusted = true;
    return frame;
  }

  void open(uint32_t flow) {
    std::vector<uint8_t> bytes;
    GuestFrame frame = segment(flow, kTcpSyn, 0, bytes);
    nat_->handle_frames(tick(), {&frame, 1});
    const SocketEvent event{sockets_.connected.back(), SocketEvent::Kind::kConnected, {}};
    nat_->handle_sockets(now_, {&event, 1});
    flows_[flow].sequence = 2;
    flows_[flow].acknowledgment = load<TcpHeader>(link_.last.subspan(34)).sequence + 1;
    frame = segment(flow, kTcpAck, 0, bytes);
    nat_->handle_frames(now_, {&frame, 1});
    nat_->flush(now_);
  }

  NullLink link_;
  Hosts sockets_;
  CountingEntropy entropy_;
  NullTrace trace_;
  Config config_;
  std::unique_ptr<Nat> nat_;
  std::vector<Flow> flows_;
  Instant now_ = instant_from_nanoseconds(1'000'000'000);
};

void report(benchmark::State& state, uint64_t allocated, int64_t packets) {
  state.SetItemsProcessed(packets);
  state.counters["allocs"] = benchmark::Counter(static_cast<double>(allocated) /
                                                static_cast<double>(std::max<int64_t>(packets, 1)));
}

// One connection, batches of 64 segments of `range(0)` bytes.
void uplink_segment(benchmark::State& state) {
  Bench bench(1, 65536);
  const auto bytes = static_cast<uint32_t>(state.range(0));
  constexpr size_t kBatch = 32;
  std::vector<std::vector<uint8_t>> buffers(kBatch);
  std::vector<GuestFrame> frames(kBatch);
  int64_t packets = 0;
  uint64_t allocated = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const size_t n = bytes > 1448 ? 1 : kBatch;  // within the first window
    for (size_t i = 0; i < n; ++i) frames[i] = bench.data(0, bytes, buffers[i]);
    const Instant now = bench.tick();
    const uint64_t before = allocations;
    state.ResumeTiming();
    bench.nat().handle_frames(now, std::span<const GuestFrame>(frames).first(n));
    bench.nat().handle_timers(now);
    bench.nat().flush(now);
    packets += static_cast<int64_t>(n);
    allocated += allocations - before;
  }
  if (bench.nat().counters()[Counter::kTcpBytesUp] != static_cast<uint64_t>(packets) * bytes) {
    state.SkipWithError("bytes were lost");
  }
  report(state, allocated, packets);
}
BENCHMARK(uplink_segment)->Arg(1448)->Arg(64000);

// One connection, 64 KiB readable at a time; with GSO one frame, without 46.
void downlink_64k(benchmark::State& state) {
  Bench bench(1, static_cast<uint32_t>(state.range(0)));
  std::vector<uint8_t> buffer;
  uint64_t allocated = 0;
  uint64_t total = 0;
  bench.link().payload = 0;  // the SYN-ACK's options
  const uint32_t bytes = 45 * 1448;
  for (auto _ : state) {
    const uint64_t before = allocations;
    bench.sockets().readable += bytes - bench.sockets().readable;
    const SocketEvent event{bench.id(0), SocketEvent::Kind::kReadable, {}};
    const Instant now = bench.tick();
    bench.nat().handle_sockets(now, {&event, 1});
    bench.nat().flush(now);
    const uint64_t sent = std::exchange(bench.link().payload, 0);
    total += sent;
    const GuestFrame ack = bench.ack(0, static_cast<uint32_t>(sent), buffer);
    bench.nat().handle_frames(now, {&ack, 1});
    bench.nat().flush(now);
    allocated += allocations - before;
  }
  if (bench.nat().counters()[Counter::kTcpBytesDown] < total / 2) state.SkipWithError("stalled");
  state.SetBytesProcessed(static_cast<int64_t>(total));
  report(state, allocated, static_cast<int64_t>(state.iterations()));
}
BENCHMARK(downlink_64k)->Arg(65536)->Arg(0);

// `range(0)` connections, each packet of another one, in an order that no cache can foresee. Dense: many
// packets of a flow for each delayed ACK. Sparse: so far apart that each is acknowledged on its own, by the
// timer.
void packet_of_many_flows(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  Bench bench(flows, 65536);
  constexpr size_t kBatch = 32;
  const Duration between = Duration(100ms) * kBatch / flows;  // a flow has a packet each 100 ms
  std::vector<std::vector<uint8_t>> buffers(kBatch);
  std::vector<GuestFrame> frames(kBatch);
  uint32_t x = 1;
  int64_t packets = 0;
  uint64_t allocated = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (size_t i = 0; i < kBatch; ++i) {
      x = x * 1664525 + 1013904223;
      frames[i] = bench.data(static_cast<uint32_t>(uint64_t{x} * flows >> 32), 100, buffers[i]);
    }
    const Instant now = bench.tick(state.range(1) != 0 ? between : Duration(1000));
    const uint64_t before = allocations;
    state.ResumeTiming();
    bench.nat().handle_frames(now, frames);
    bench.nat().handle_timers(now);
    bench.nat().flush(now);
    packets += kBatch;
    allocated += allocations - before;
  }
  report(state, allocated, packets);
}
BENCHMARK(packet_of_many_flows)
    ->ArgNames({"flows", "sparse"})
    ->ArgsProduct({{100, 10'000, 100'000}, {0, 1}});

// Whatever is sent comes back at once.
class EchoingDatagram final : public DatagramSocket {
 public:
  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override {
    for (const OutDatagram& d : datagrams) waiting_.push_back(d.remote);
    return datagrams.size();
  }
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override {
    if (waiting_.empty()) return SocketError::kWouldBlock;
    const size_t n = std::min(datagrams.size(), waiting_.size());
    for (size_t i = 0; i < n; ++i) {
      datagrams[i].remote = waiting_.back();
      datagrams[i].size = 100;
      waiting_.pop_back();
    }
    return n;
  }
  Endpoint local() const override { return {}; }

 private:
  std::vector<Endpoint> waiting_;
};

class EchoingSockets final : public NullSockets {
 public:
  std::vector<FlowId> opened;
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint&,
                                                                     FlowId id) override {
    opened.push_back(id);
    return std::unique_ptr<DatagramSocket>(new EchoingDatagram);
  }
};

GuestFrame datagram(const Topology& topology, uint32_t endpoint, uint32_t remote,
                    std::vector<uint8_t>& into) {
  into.assign(14 + 20 + 8 + 100, 0);
  EthernetHeader ethernet;
  ethernet.destination = topology.gateway_mac;
  ethernet.source = {{2, 0, 0, 0, 0, 1}};
  ethernet.type = static_cast<uint16_t>(EtherType::kIpv4);
  store(into, ethernet);
  Ipv4Header ip;
  ip.total_length = static_cast<uint16_t>(into.size() - 14);
  ip.ttl = 64;
  ip.protocol = 17;
  ip.source = topology.guest_v4;
  ip.destination = Ipv4Address::from_u32(0xc6120001 + remote);
  const MutableBytes rest = MutableBytes(into).subspan(14);
  store(rest, ip);
  Checksum sum;
  sum.add(Bytes(rest).first(20));
  ip.checksum = sum.value();
  store(rest, ip);
  store(rest.subspan(20), Be16(static_cast<uint16_t>(20000 + endpoint)));
  store(rest.subspan(22), Be16(7000));
  store(rest.subspan(24), Be16(108));
  GuestFrame frame{into, {}};
  frame.offload.csum_trusted = true;
  return frame;
}

// Batches of 32 datagrams, each of any guest endpoint to any of its remotes, and their answers.
void udp_there_and_back(benchmark::State& state) {
  const auto endpoints = static_cast<uint32_t>(state.range(0));
  const auto remotes = static_cast<uint32_t>(state.range(1));
  NullLink link(0);
  EchoingSockets sockets;
  CountingEntropy entropy;
  NullTrace trace;
  Config config;
  config.topology.ipv6 = false;
  Nat nat(config, Env{link, sockets, entropy, trace});
  constexpr size_t kBatch = 32;
  std::vector<std::vector<uint8_t>> buffers(kBatch);
  std::vector<GuestFrame> frames(kBatch);
  std::vector<SocketEvent> events(kBatch);
  Instant now = instant_from_nanoseconds(1'000'000'000);
  std::vector<uint8_t> buffer;
  for (uint32_t i = 0; i < endpoints; ++i) {
    const GuestFrame frame = datagram(config.topology, i, 0, buffer);
    nat.handle_frames(now, {&frame, 1});
  }
  uint32_t x = 1;
  int64_t packets = 0;
  uint64_t allocated = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (size_t i = 0; i < kBatch; ++i) {
      x = x * 1664525 + 1013904223;
      const auto endpoint = static_cast<uint32_t>(uint64_t{x} * endpoints >> 32);
      frames[i] = datagram(config.topology, endpoint, (x >> 4) % remotes, buffers[i]);
      events[i] = {sockets.opened[endpoint], SocketEvent::Kind::kReadable, {}};
    }
    now += Duration(10'000);
    const uint64_t before = allocations;
    state.ResumeTiming();
    nat.handle_frames(now, frames);
    nat.handle_sockets(now, events);
    nat.handle_timers(now);
    nat.flush(now);
    packets += kBatch;
    allocated += allocations - before;
  }
  state.counters["answered"] = benchmark::Counter(
      static_cast<double>(nat.counters()[Counter::kUdpIn]) / static_cast<double>(packets));
  report(state, allocated, packets);
}
BENCHMARK(udp_there_and_back)
    ->ArgNames({"endpoints", "remotes"})
    ->ArgsProduct({{1, 1000}, {1, 4, 30, 1000}});

}  // namespace
}  // namespace dashi

BENCHMARK_MAIN();
