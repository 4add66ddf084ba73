// Memory is bounded by Limits, whatever a guest sends: the live bytes of a Nat under a flood of every
// kind of flow do not grow once its tables are full. A program of its own, because it counts what the
// global operator new gives.
#include <cstdlib>
#include <new>

#include "core/nat/nat.hh"
#include "sim/link/prng.hh"
#include "sim/sim_dns.hh"
#include "tests/core/tcp/fixed_env.hh"
#include "tests/support/fake_env.hh"

namespace {

constexpr size_t kHeader = alignof(std::max_align_t);  // where a block's size is kept
size_t live_bytes = 0;

void* counted(std::size_t size) {
  void* p = std::malloc(size + kHeader);
  if (p == nullptr) std::abort();
  *static_cast<std::size_t*>(p) = size;
  live_bytes += size;
  return static_cast<char*>(p) + kHeader;
}

void uncounted(void* p) {
  if (p == nullptr) return;
  void* whole = static_cast<char*>(p) - kHeader;
  live_bytes -= *static_cast<std::size_t*>(whole);
  std::free(whole);
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* p) noexcept { uncounted(p); }
void operator delete[](void* p) noexcept { uncounted(p); }
void operator delete(void* p, std::size_t) noexcept { uncounted(p); }
void operator delete[](void* p, std::size_t) noexcept { uncounted(p); }

namespace dashi::test {
namespace {

class QuietTrace final : public Trace {
 public:
  void record(const TraceEvent&) override {}
};

class MuteDatagram final : public DatagramSocket {
 public:
  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override {
    return datagrams.size();
  }
  Result<size_t, SocketError> receive(std::span<InDatagram>) override {
    return SocketError::kWouldBlock;
  }
  Endpoint local() const override { return {}; }
};

// A host that takes whatever connection is asked for, and says nothing.
class MuteSockets final : public Sockets {
 public:
  FixedSockets fixed;

  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                             const ConnectOptions& options,
                                                             FlowId id) override {
    return fixed.connect(remote, options, id);
  }
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local, FlowId id) override {
    return fixed.listen(local, id);
  }
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint&,
                                                                     FlowId) override {
    return std::unique_ptr<DatagramSocket>(std::make_unique<MuteDatagram>());
  }
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) override {
    return fixed.open_echo(family, id);
  }
  std::unique_ptr<StreamSocket> adopt_stream(FlowId) override { return nullptr; }
  std::unique_ptr<Listener> adopt_listener(FlowId) override { return nullptr; }
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId) override { return nullptr; }
  std::unique_ptr<EchoSocket> adopt_echo(FlowId) override { return nullptr; }
};

Limits small_limits() {
  Limits limits;
  limits.tcp_connections = 64;
  limits.tcp_connects_pending = 16;
  limits.tcp_time_wait = limits.tcp_failures_remembered = 32;
  limits.tcp_uplink_bytes_each = size_t{32} << 10;
  limits.tcp_uplink_bytes_total = size_t{512} << 10;
  limits.udp_endpoints = limits.echo_ids = limits.dns_queries = 32;
  limits.dns_tcp_connections = 4;
  limits.dns_records = 16;
  return limits;
}

// A guest that opens, fills and forgets flows of every kind, to a host that takes nothing.
class Flood {
 public:
  Flood(const Limits& limits, uint64_t seed) : prng_(seed, "flood", 0) {
    Config config;
    config.limits = limits;
    config.dns.resolvers = {{Ipv4Address{{203, 0, 113, 10}}, Port{53}}};
    sockets_.fixed.stream.write_room = 0;
    before_ = live_bytes;
    nat_ = std::make_unique<Nat>(config, Env{link_, sockets_, entropy_, trace_});
  }

  void run(int frames) {
    for (int i = 0; i < frames; ++i) {
      switch (prng_.below(6)) {
        case 0:
          open();
          break;
        case 1:
          hand_in(udp_frame(to_anybody(), any16(), any16(), pattern(prng_.below(1200))));
          break;
        case 2:
          hand_in(
              icmp_frame(to_anybody(), 8, 0, static_cast<uint32_t>(prng_.next_u64()), pattern(56)));
          break;
        case 3:
          ask();
          break;
        default:
          fill();
          break;
      }
      now_ += 100us;
    }
  }
  size_t live() const { return live_bytes - before_; }
  const Nat& nat() const { return *nat_; }

 private:
  struct Open {
    uint16_t port;
    uint32_t sequence;
    uint32_t acknowledgment;
    IpSpec ip;
  };

  uint16_t any16() { return static_cast<uint16_t>(prng_.between(1, 0xffff)); }
  IpSpec to_anybody() {
    IpSpec ip;
    ip.source = Ipv4Address{{10, 0, 0, 2}};
    ip.destination = Ipv4Address::from_u32(0xc6336400u + static_cast<uint32_t>(prng_.below(256)));
    return ip;
  }
  void turn() {
    nat_->handle_timers(now_);
    nat_->flush(now_);
  }
  void hand_in(const ByteVector& frame) {
    const GuestFrame view{frame, {}};
    nat_->handle_frames(now_, {&view, 1});
    turn();
  }
  void open() {
    Open flow{any16(), 1000, 0, to_anybody()};
    const FlowId before = sockets_.fixed.stream.id;
    hand_in(tcp_frame(flow.ip, {flow.port, 80, 999, 0, kTcpSyn, 60'000, {}}, {}));
    if (sockets_.fixed.stream.id == before) return;  // refused
    const SocketEvent connected{sockets_.fixed.stream.id, SocketEvent::Kind::kConnected, {}};
    nat_->handle_sockets(now_, {&connected, 1});
    turn();
    flow.acknowledgment = load<Be32>(Bytes(link_.last).subspan(38)) + 1;
    hand_in(
        tcp_frame(flow.ip, {flow.port, 80, 1000, flow.acknowledgment, kTcpAck, 60'000, {}}, {}));
    flows_[static_cast<size_t>(prng_.below(flows_.size()))] = flow;
  }
  // Bytes in and out of order, now and then an end, on a flow that may be gone.
  void fill() {
    const Open& flow = flows_[static_cast<size_t>(prng_.below(flows_.size()))];
    const auto ahead = static_cast<uint32_t>(prng_.below(40'000));
    const uint8_t end = prng_.below(1000) == 0 ? kTcpRst : uint8_t{0};
    const auto flags = static_cast<uint8_t>(kTcpAck | end);
    hand_in(tcp_frame(flow.ip,
                      {flow.port,
                       80,
                       flow.sequence + (end != 0 ? 0 : ahead),
                       flow.acknowledgment,
                       flags,
                       60'000,
                       {}},
                      pattern(end != 0 ? 0 : 1400)));
  }
  void ask() {
    IpSpec ip = to_anybody();
    ip.destination = Ipv4Address{{10, 0, 0, 1}};
    hand_in(udp_frame(ip, any16(), 53, make_dns_query(any16(), "n" + std::to_string(any16()), 1)));
  }

  Prng prng_;
  FixedLink link_;
  MuteSockets sockets_;
  FakeEntropy entropy_;
  QuietTrace trace_;
  Instant now_ = instant_from_nanoseconds(1'000'000'000);
  std::array<Open, 128> flows_{};
  size_t before_ = 0;
  std::unique_ptr<Nat> nat_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(memory)

BOOST_AUTO_TEST_CASE(live_bytes_stop_growing_at_limits_whatever_a_guest_sends) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      const Limits limits = small_limits();
      auto flood = std::make_unique<Flood>(limits, seed);
      const size_t idle = flood->live();
      flood->run(20'000);
      const FlowCounts full = flood->nat().flow_counts();
      BOOST_TEST(full.tcp + 4 >= limits.tcp_connections);  // but for those just reset
      BOOST_TEST(full.udp == limits.udp_endpoints);
      BOOST_TEST(full.echo == limits.echo_ids);
      const size_t reached = flood->live();
      BOOST_TEST(reached >
                 idle + limits.tcp_uplink_bytes_total / 2);  // it is the held bytes we see
      BOOST_TEST(reached < idle + limits.tcp_uplink_bytes_total + (size_t{1} << 20));
      flood->run(60'000);
      BOOST_TEST(flood->live() <= reached + (size_t{64} << 10));  // scratch that grew once more
      BOOST_TEST(flood->nat().audit() == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(larger_limits_are_seen_as_more_live_bytes) {
  Limits larger = small_limits();
  larger.tcp_uplink_bytes_total *= 4;
  larger.tcp_connections *= 4;
  auto small = std::make_unique<Flood>(small_limits(), 1);
  small->run(20'000);
  const size_t bound = small->live();
  auto large = std::make_unique<Flood>(larger, 1);
  large->run(60'000);
  BOOST_TEST(large->live() > bound + (size_t{64} << 10));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
