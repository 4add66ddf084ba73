// Whether a NAT that lives long, with many flows, stays the size it is: connections open, carry something
// and end in every way there is, for hours and days of virtual time, and what memory it has is printed at
// intervals. Over sockets and a link of no cost, so that what grows is the core's. Not a table of times.
//
//   bench_memory [FLOWS CONNECTIONS OPENED_A_SECOND]
#include <malloc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string_view>
#include <vector>

#include "core/nat/nat.hh"
#include "sim/link/prng.hh"
#include "tests/bench/null_env.hh"
#include "tests/support/guest_frames.hh"

namespace {

size_t live_bytes = 0;

void* counted(void* p) {
  if (p == nullptr) std::abort();
  live_bytes += malloc_usable_size(p);
  return p;
}

void uncounted(void* p) {
  live_bytes -= malloc_usable_size(p);
  std::free(p);
}

}  // namespace

void* operator new(size_t size) { return counted(std::malloc(size)); }
void* operator new(size_t size, std::align_val_t align) {
  const auto to = static_cast<size_t>(align);
  return counted(std::aligned_alloc(to, (size + to - 1) / to * to));
}
void operator delete(void* p) noexcept { uncounted(p); }
void operator delete(void* p, size_t) noexcept { uncounted(p); }
void operator delete(void* p, std::align_val_t) noexcept { uncounted(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { uncounted(p); }

namespace dashi {
namespace {

using test::ByteVector;

constexpr uint32_t kFirstRemote = 0x08000001;  // the slot of a flow is the remote it talks to
constexpr uint32_t kOneInMute = 100;           // hosts that take nothing
constexpr uint32_t kOneInForgotten = 500;      // connections that the guest forgets without a word
constexpr size_t kSlotBytes = 2048;
constexpr size_t kSamples = 12;

struct Plan {
  uint32_t flows;  // open at a time
  uint64_t connections;
  uint32_t opened_a_second;  // of virtual time
};

// What the guest sees of a segment that was sent to it.
struct Heard {
  uint32_t remote;
  uint16_t port;
  uint8_t flags;
  uint32_t sequence;
  uint32_t acknowledgment;
  uint32_t bytes;
};

class Link final : public GuestLink {
 public:
  std::vector<Heard> heard;

  Link() : memory_(slots_.size() * kSlotBytes) {}
  LinkLimits limits() const override { return {}; }
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override {
    const size_t n = std::min(frames, slots_.size());
    for (size_t i = 0; i < n; ++i) {
      slots_[i].head = MutableBytes(memory_).subspan(i * kSlotBytes, bytes_each);
    }
    return std::span<const FrameSlot>(slots_).first(n);
  }
  void commit(std::span<const Filled> filled) override {
    for (size_t i = 0; i < filled.size(); ++i) {
      const Bytes frame(slots_[i].head);
      if (frame[12] != 0x08 || frame[13] != 0 || frame[23] != 6) continue;  // TCP over IPv4
      const uint32_t head = 34u + (frame[46] >> 4) * 4u;
      heard.push_back({load<Be32>(frame.subspan(26)), load<Be16>(frame.subspan(36)), frame[47],
                       load<Be32>(frame.subspan(38)), load<Be32>(frame.subspan(42)),
                       static_cast<uint32_t>(filled[i].bytes) - head});
    }
  }
  void flush() override {}

 private:
  std::array<FrameSlot, 64> slots_{};
  std::vector<uint8_t> memory_;
};

// What a host has to give, and whether it takes anything. It is the flow's, not the socket's.
struct Host {
  FlowId id;
  size_t readable = 0;
  bool eof = false;
  bool mute = false;
  class Stream* stream = nullptr;  // the one that is served
};

class Stream final : public StreamSocket {
 public:
  explicit Stream(Host& host) : host_(&host) { host.stream = this; }
  ~Stream() override {
    if (mine()) host_->stream = nullptr;
  }
  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    const size_t there = mine() ? host_->readable : 0;
    size_t left = there - std::min(there, offset);
    if (left == 0 && (!mine() || !host_->eof)) return SocketError::kWouldBlock;
    Peeked out;
    for (const MutableBytes& piece : into) {
      out.bytes += std::min(left, piece.size());
      left -= std::min(left, piece.size());
    }
    out.eof = left == 0 && mine() && host_->eof;
    return out;
  }
  void consume(size_t n) override {
    if (mine()) host_->readable -= n;
  }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    if (!mine() || host_->mute) return SocketError::kWouldBlock;
    size_t n = 0;
    for (const Bytes& piece : from) n += piece.size();
    return n;
  }
  void shutdown_write() override {}
  void abort() override {}
  HostTcpInfo info() const override { return {}; }
  Endpoint local() const override { return {}; }

 private:
  bool mine() const { return host_->stream == this; }  // else it serves a flow after this one
  Host* host_;
};

class Datagrams final : public DatagramSocket {
 public:
  Result<size_t, SocketError> send(std::span<const OutDatagram> all) override { return all.size(); }
  Result<size_t, SocketError> receive(std::span<InDatagram>) override {
    return SocketError::kWouldBlock;
  }
  Endpoint local() const override { return {}; }
};

class Echoes final : public EchoSocket {
 public:
  Result<size_t, SocketError> send(std::span<const OutEcho> all) override { return all.size(); }
  Result<size_t, SocketError> receive(std::span<InEcho>) override {
    return SocketError::kWouldBlock;
  }
};

class Hosts final : public NullSockets {
 public:
  explicit Hosts(uint32_t flows) : all(flows) {}
  std::vector<Host> all;

  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                             const ConnectOptions&,
                                                             FlowId id) override {
    Host& host = all[remote.address.v4().to_u32() - kFirstRemote];
    host = {};
    host.id = id;
    return std::unique_ptr<StreamSocket>(std::make_unique<Stream>(host));
  }
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint&,
                                                                     FlowId) override {
    return std::unique_ptr<DatagramSocket>(std::make_unique<Datagrams>());
  }
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family, FlowId) override {
    return std::unique_ptr<EchoSocket>(std::make_unique<Echoes>());
  }
};

size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t whole = 0;
  size_t resident = 0;
  statm >> whole >> resident;
  return resident * 4096;
}

Config config_for(const Plan& plan) {
  Config config;
  config.topology.ipv6 = false;
  config.limits.tcp_connections = plan.flows * 2;  // those that the guest forgot stay 2 h
  config.limits.tcp_connects_pending = plan.flows;
  return config;
}

class Life {
 public:
  explicit Life(const Plan& plan)
      : plan_(plan),
        prng_(1, "memory", 0),
        hosts_(plan.flows),
        flows_(plan.flows),
        nat_(config_for(plan), Env{link_, hosts_, entropy_, trace_}) {}

  void run() {
    std::printf("\n%u flows at a time, %llu connections, %u opened a second\n\n", plan_.flows,
                static_cast<unsigned long long>(plan_.connections), plan_.opened_a_second);
    std::printf(
        "| hours | connections | TCP | TIME-WAIT | UDP | echo | held KiB | heap MiB | RSS MiB |\n");
    std::printf("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (uint32_t slot = 0; slot < plan_.flows; ++slot) open(slot);
    const uint64_t interval = std::max<uint64_t>(plan_.connections / kSamples, 1);
    while (opened_ < plan_.connections) {
      step();
      if (opened_ % interval == 0) sample();
    }
    const Counters& counters = nat_.counters();
    std::printf("\nrefused at a limit: %llu; audit: %s\n",
                static_cast<unsigned long long>(counters[DropReason::kFlowLimit]),
                nat_.audit().empty() ? "nothing" : nat_.audit().c_str());
    std::printf("heap MiB, of the second half: %.2f to %.2f; RSS MiB: %.1f to %.1f\n",
                mib(heap_min_), mib(heap_max_), mib(resident_min_), mib(resident_max_));
  }

 private:
  struct Flow {
    uint16_t port = 1023;
    uint32_t sequence = 0;
    uint32_t acknowledgment = 0;
    bool open = false;
    bool fin_sent = false;
  };

  static double mib(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(prng_.below(n)); }

  void sample() {
    const FlowCounts n = nat_.flow_counts();
    const size_t resident = resident_bytes();
    std::printf("| %.1f | %llu | %u | %u | %u | %u | %zu | %.2f | %.1f |\n",
                static_cast<double>((now_ - start_).count()) / 3.6e12,
                static_cast<unsigned long long>(opened_), n.tcp, n.tcp_time_wait, n.udp, n.echo,
                n.tcp_held_bytes >> 10, mib(live_bytes), mib(resident));
    std::fflush(stdout);
    if (opened_ * 2 < plan_.connections) return;
    heap_min_ = std::min(heap_min_, live_bytes);
    heap_max_ = std::max(heap_max_, live_bytes);
    resident_min_ = std::min(resident_min_, resident);
    resident_max_ = std::max(resident_max_, resident);
  }

  // One connection ends and another begins in its place, some third one carries something, time passes.
  void step() {
    end(below(plan_.flows));
    exchange(below(plan_.flows));
    if (below(8) == 0) stray();
    const Instant target = now_ + Duration(1'000'000'000 / plan_.opened_a_second);
    for (auto next = nat_.next_deadline(); next && *next < target; next = nat_.next_deadline()) {
      now_ = std::max(now_, *next);
      turn();
    }
    now_ = target;
    turn();
  }

  void open(uint32_t slot) {
    Flow& flow = flows_[slot];
    flow = {static_cast<uint16_t>(flow.port == 65535 ? 1024 : flow.port + 1),
            static_cast<uint32_t>(prng_.next_u64()), 0, true, false};
    ++opened_;
    send(slot, flow.port, kTcpSyn, flow.sequence++, 0, 0);
    event(slot, SocketEvent::Kind::kConnected);
    hosts_.all[slot].mute = below(kOneInMute) == 0;
    exchange(slot);
  }
  void exchange(uint32_t slot) {
    Flow& flow = flows_[slot];
    const uint32_t bytes = 1 + below(1400);
    send(slot, flow.port, kTcpAck, flow.sequence, flow.acknowledgment, bytes);
    flow.sequence += bytes;
    turn();
    hosts_.all[slot].readable += below(16'000);
    event(slot, SocketEvent::Kind::kReadable);
  }
  void end(uint32_t slot) {
    Flow& flow = flows_[slot];
    flow.open = below(kOneInForgotten) != 0;
    if (flow.open && below(4) == 0) {
      send(slot, flow.port, kTcpRst | kTcpAck, flow.sequence, flow.acknowledgment, 0);
    } else if (flow.open) {
      if (below(2) == 0) finish(slot);
      hosts_.all[slot].eof = true;  // hear() answers its FIN with ours
      event(slot, SocketEvent::Kind::kReadable);
    }
    turn();
    flow.open = false;
    open(slot);
  }
  void finish(uint32_t slot) {
    Flow& flow = flows_[slot];
    send(slot, flow.port, kTcpFin | kTcpAck, flow.sequence++, flow.acknowledgment, 0);
    flow.fin_sent = true;
    turn();
  }

  // A datagram or a ping to somebody, that nobody answers.
  void stray() {
    test::IpSpec ip = ip_to(below(plan_.flows));
    const auto port = static_cast<uint16_t>(1024 + below(64'000));
    give(below(4) == 0 ? test::icmp_frame(ip, 8, 0, uint32_t{port} << 16, test::pattern(56))
                       : test::udp_frame(ip, port, 9, test::pattern(100)));
  }

  // The guest's ear: data and FINs are acknowledged, what is not known is reset.
  void hear() {
    while (!link_.heard.empty()) {
      std::vector<Heard> all;
      all.swap(link_.heard);
      for (const Heard& heard : all) {
        const uint32_t slot = heard.remote - kFirstRemote;
        if (slot >= plan_.flows || (heard.flags & kTcpRst) != 0) continue;
        hear_one(slot, heard);
      }
      flush();
    }
  }
  void hear_one(uint32_t slot, const Heard& heard) {
    Flow& flow = flows_[slot];
    if (heard.port != flow.port || !flow.open) {
      if (heard.port != flow.port) {
        send(slot, heard.port, kTcpRst, heard.acknowledgment, 0, 0);
      }
      return;
    }
    const bool syn = (heard.flags & kTcpSyn) != 0;
    const bool fin = (heard.flags & kTcpFin) != 0;
    if (syn) flow.acknowledgment = heard.sequence;
    if (heard.sequence != flow.acknowledgment) return;
    flow.acknowledgment += (syn ? 1 : heard.bytes) + (fin ? 1 : 0);
    if (!syn && heard.bytes == 0 && !fin) return;
    if (fin && !flow.fin_sent) {
      flow.fin_sent = true;
      send(slot, flow.port, kTcpFin | kTcpAck, flow.sequence++, flow.acknowledgment, 0);
    } else {
      send(slot, flow.port, kTcpAck, flow.sequence, flow.acknowledgment, 0);
    }
  }

  test::IpSpec ip_to(uint32_t slot) const {
    test::IpSpec ip;
    ip.source = Ipv4Address{{10, 0, 0, 2}};
    ip.destination = Ipv4Address::from_u32(kFirstRemote + slot);
    return ip;
  }
  void send(uint32_t slot, uint16_t port, int flags, uint32_t sequence, uint32_t ack,
            size_t bytes) {
    give(test::tcp_frame(ip_to(slot),
                         {port, 80, sequence, ack, static_cast<uint8_t>(flags), 60'000, {}},
                         ByteVector(bytes)));
  }
  void give(const ByteVector& frame) {
    const GuestFrame view{frame, {}};
    nat_.handle_frames(now_, {&view, 1});
  }
  void event(uint32_t slot, SocketEvent::Kind kind) {
    const SocketEvent event{hosts_.all[slot].id, kind, {}};
    nat_.handle_sockets(now_, {&event, 1});
    turn();
  }
  void flush() {
    nat_.handle_timers(now_);
    nat_.flush(now_);
  }
  void turn() {
    flush();
    hear();
  }

  const Plan plan_;
  Prng prng_;
  Link link_;
  Hosts hosts_;
  CountingEntropy entropy_;
  NullTrace trace_;
  std::vector<Flow> flows_;
  const Instant start_ = instant_from_nanoseconds(1'000'000'000);
  Instant now_ = start_;
  uint64_t opened_ = 0;
  size_t heap_min_ = ~size_t{0};
  size_t heap_max_ = 0;
  size_t resident_min_ = ~size_t{0};
  size_t resident_max_ = 0;
  Nat nat_;
};

template <typename Number>
bool read(std::string_view text, Number& into) {
  const auto done = std::from_chars(text.data(), text.data() + text.size(), into);
  return done.ec == std::errc() && done.ptr == text.data() + text.size() && into != 0;
}

}  // namespace
}  // namespace dashi

int main(int count, char** arguments) {
  using dashi::read;
  if (count == 1) {
    dashi::Life({1'000, 3'000'000, 10}).run();  // the smaller first: what is resident stays so
    dashi::Life({100'000, 1'500'000, 100}).run();
    return 0;
  }
  dashi::Plan plan{};
  const bool readable = count == 4 && read(arguments[1], plan.flows) &&
                        read(arguments[2], plan.connections) &&
                        read(arguments[3], plan.opened_a_second);
  if (!readable) {
    std::fprintf(stderr, "usage: %s [FLOWS CONNECTIONS OPENED_A_SECOND]\n", arguments[0]);
    return 2;
  }
  dashi::Life(plan).run();
  return 0;
}
