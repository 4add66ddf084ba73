// No allocation per packet: once a flow runs, its frames cost no memory. Counted in a program of its own,
// because it replaces the global operator new.
#include <cstdlib>
#include <new>

#include "core/nat/nat.hh"
#include "tests/core/tcp/fixed_env.hh"
#include "tests/support/fake_env.hh"

namespace {

size_t allocations = 0;

void* counted(std::size_t size) {
  ++allocations;
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) std::abort();
  return p;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace dashi::test {
namespace {

class QuietTrace final : public Trace {
 public:
  void record(const TraceEvent&) override {}
};

struct World {
  FixedLink link;
  FixedSockets sockets;
  FakeEntropy entropy;
  QuietTrace trace;
  Instant now = instant_from_nanoseconds(1'000'000'000);
  std::unique_ptr<Nat> nat;
  ByteVector frame;  // of the guest; patched in place
  uint32_t isn = 0;

  World() : World(0) {}
  explicit World(uint32_t gso_bytes_max) {
    link.link_limits.gso_bytes_max = gso_bytes_max;
    link.link_limits.checksum_offload = gso_bytes_max != 0;
    Config config;
    config.topology.ipv6 = false;
    config.dns.resolvers = {{Ipv4Address{{203, 0, 113, 53}}, Port{53}}};
    nat = std::make_unique<Nat>(config, Env{link, sockets, entropy, trace});
  }

  IpSpec ip() const {
    IpSpec out;
    out.source = Ipv4Address{{10, 0, 0, 2}};
    out.destination = Ipv4Address{{198, 51, 100, 7}};
    return out;
  }
  void turn(const Offload& offload) {
    const GuestFrame view{frame, offload};
    nat->handle_frames(now, {&view, 1});
    nat->handle_timers(now);
    nat->flush(now);
    now += 100us;
  }
  void event(const FixedState& of, SocketEvent::Kind kind) {
    const SocketEvent e{of.id, kind, {}};
    nat->handle_sockets(now, {&e, 1});
    nat->handle_timers(now);
    nat->flush(now);
  }
  void segment(uint8_t flags, uint32_t sequence, uint32_t ack, const ByteVector& payload,
               const ByteVector& options) {
    frame = tcp_frame(ip(), {4444, 80, sequence, ack, flags, 60000, options}, payload);
  }
  void establish() {
    segment(kTcpSyn, 999, 0, {}, {2, 4, 0x05, 0xb4, 1, 3, 3, 7});
    turn({});
    event(sockets.stream, SocketEvent::Kind::kConnected);
    isn = load<Be32>(Bytes(link.last).subspan(38));
    segment(kTcpAck, 1000, isn + 1, {}, {});
    turn({});
  }
  // The same frame with other numbers; the link vouches for the checksum.
  void patch(uint32_t sequence, uint32_t ack) {
    store(MutableBytes(frame).subspan(38), Be32(sequence));
    store(MutableBytes(frame).subspan(42), Be32(ack));
  }
};

constexpr int kWarmUp = 3000;
constexpr int kMeasured = 3000;

// Runs `step` to warm up and then counts what the rest allocates.
template <typename Step>
size_t allocations_of(Step step) {
  for (int i = 0; i < kWarmUp; ++i) step();
  const size_t before = allocations;
  for (int i = 0; i < kMeasured; ++i) step();
  return allocations - before;
}

Offload trusted(uint16_t gso_size) {
  Offload offload;
  offload.csum_trusted = true;
  offload.gso_size = gso_size;
  if (gso_size != 0) offload.gso_type = GsoType::kTcpv4;
  return offload;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(allocation)

BOOST_AUTO_TEST_CASE(counts_at_all) {
  const size_t before = allocations;
  delete new int(1);
  BOOST_TEST(allocations == before + 1);
}

BOOST_AUTO_TEST_CASE(costs_none_for_tcp_up) {
  struct Size {
    size_t bytes;
    uint16_t gso;
  };
  for (const Size& size : {Size{1448, 0}, Size{65000, 1448}}) {
    const size_t bytes = size.bytes;
    World world;
    world.establish();
    world.segment(kTcpAck, 1000, world.isn + 1, pattern(bytes), {});
    uint32_t at = 1000;
    const size_t counted = allocations_of([&] {
      world.patch(at, world.isn + 1);
      at += static_cast<uint32_t>(bytes);
      world.turn(trusted(size.gso));
    });
    BOOST_TEST(counted == 0u);
    BOOST_TEST(world.sockets.stream.written == bytes * (kWarmUp + kMeasured));
  }
}

BOOST_AUTO_TEST_CASE(costs_none_for_tcp_up_out_of_order_to_a_host_that_stalls) {
  World world;
  world.establish();
  world.segment(kTcpAck, 1000, world.isn + 1, pattern(1000), {});
  uint32_t at = 1000;
  const size_t counted = allocations_of([&] {
    world.sockets.stream.write_room = 500;
    world.patch(at + 1000, world.isn + 1);
    world.turn(trusted(0));
    world.patch(at, world.isn + 1);
    world.turn(trusted(0));
    at += 2000;
    world.sockets.stream.write_room = ~size_t{0};
    world.event(world.sockets.stream, SocketEvent::Kind::kWritable);
  });
  BOOST_TEST(counted == 0u);
  BOOST_TEST(world.sockets.stream.written == size_t{2000} * (kWarmUp + kMeasured));
}

BOOST_AUTO_TEST_CASE(costs_none_for_tcp_down) {
  for (const uint32_t gso : {0u, 65535u}) {
    World world(gso);
    world.establish();
    world.sockets.stream.available = ~size_t{0} / 2;
    world.event(world.sockets.stream, SocketEvent::Kind::kReadable);
    world.segment(kTcpAck, 1000, world.isn + 1, {}, {});
    const size_t counted = allocations_of([&] {
      const uint32_t sequence = load<Be32>(Bytes(world.link.last).subspan(38));
      world.patch(1000, sequence + static_cast<uint32_t>(world.link.last_bytes - 54));
      world.turn(trusted(0));
    });
    BOOST_TEST(counted == 0u);
    BOOST_TEST(world.link.bytes > size_t{1460} * kMeasured);
  }
}

BOOST_AUTO_TEST_CASE(costs_none_for_udp_there_and_back) {
  World world;
  world.frame = udp_frame(world.ip(), 5555, 7, pattern(100));
  const size_t counted = allocations_of([&] {
    world.turn({});
    world.sockets.datagram.waiting = 1;
    world.event(world.sockets.datagram, SocketEvent::Kind::kReadable);
  });
  BOOST_TEST(counted == 0u);
  BOOST_TEST(world.sockets.datagram.sent == size_t{kWarmUp + kMeasured});
  BOOST_TEST(world.link.committed == size_t{kWarmUp + kMeasured});
}

BOOST_AUTO_TEST_CASE(costs_none_for_echo_there_and_back) {
  World world;
  world.frame = icmp_frame(world.ip(), 8, 0, 0x00070001, pattern(56));
  const size_t counted = allocations_of([&] {
    world.turn({});
    world.sockets.echo.waiting = 1;
    world.event(world.sockets.echo, SocketEvent::Kind::kReadable);
  });
  BOOST_TEST(counted == 0u);
  BOOST_TEST(world.sockets.echo.sent == size_t{kWarmUp + kMeasured});
  BOOST_TEST(world.link.committed == size_t{kWarmUp + kMeasured});
}

BOOST_AUTO_TEST_CASE(costs_none_for_replies_in_fragments) {
  World world;
  world.sockets.datagram.reply_bytes = world.sockets.echo.reply_bytes = 8000;
  const ByteVector ping = icmp_frame(world.ip(), 8, 0, 0x00070001, pattern(56));
  const ByteVector datagram = udp_frame(world.ip(), 5555, 7, pattern(100));
  world.frame.reserve(200);
  const size_t counted = allocations_of([&] {
    world.frame = datagram;
    world.turn({});
    world.sockets.datagram.waiting = 1;
    world.event(world.sockets.datagram, SocketEvent::Kind::kReadable);
    world.frame = ping;
    world.turn({});
    world.sockets.echo.waiting = 1;
    world.event(world.sockets.echo, SocketEvent::Kind::kReadable);
  });
  BOOST_TEST(counted == 0u);
  BOOST_TEST(world.link.committed == size_t{2 * 6} * (kWarmUp + kMeasured));
}

BOOST_AUTO_TEST_CASE(costs_none_for_dns_there_and_back) {
  World world;
  world.sockets.datagram.resolves = true;
  IpSpec to_gateway = world.ip();
  to_gateway.destination = Ipv4Address{{10, 0, 0, 1}};
  ByteVector query = {0x12, 0x34, 1, 0,   0,   1,   0,   0,   0,   0,
                      0,    0,    7, 'e', 'x', 'a', 'm', 'p', 'l', 'e'};
  append(query, ByteVector{0, 0, 1, 0, 1});
  world.frame = udp_frame(to_gateway, 5555, 53, query);
  const size_t counted = allocations_of([&] {
    world.turn({});
    world.sockets.datagram.waiting = 1;
    world.event(world.sockets.datagram, SocketEvent::Kind::kReadable);
  });
  BOOST_TEST(counted == 0u);
  BOOST_TEST(world.sockets.datagram.sent == size_t{kWarmUp + kMeasured});
  BOOST_TEST(world.link.committed == size_t{kWarmUp + kMeasured});
  BOOST_TEST(world.nat->counters()[Counter::kDnsAnswers] == size_t{kWarmUp + kMeasured});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
