// Why a saved Nat cannot go on, told by its right name.
#include <functional>

#include "tests/core/nat/nat_bench.hh"

namespace dashi::test {
namespace {

struct Fixture : NatBench {
  Fixture() { nat = std::make_unique<Nat>(Config{}, env()); }
  Env env() { return Env{link, sockets, entropy, trace}; }
  RestoreError error_of(MemoryArchive& saved, const Config& config) {
    saved.read = 0;
    const auto restored = Nat::restore(saved, config, env());
    BOOST_REQUIRE(!restored.ok());
    return restored.error();
  }
  void guest_sends_tcp() {
    TcpSpec syn;
    syn.source = 4000;
    syn.destination = 80;
    syn.flags = 0x02;
    feed(tcp_frame(v4("10.0.0.2", "198.51.100.7"), syn, {}));
  }
  void guest_asks_dns() {
    nat->set_resolvers(now, std::vector<Endpoint>{{parse_ip("192.0.2.53").value(), {53}}});
    const ByteVector question = {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
    feed(udp_frame(v4("10.0.0.2", "10.0.0.1"), 4000, 53, question));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(nat_restore, Fixture)

BOOST_AUTO_TEST_CASE(a_flow_of_any_kind_whose_socket_is_gone_is_said_to_lack_it) {
  const std::vector<std::function<void()>> kinds = {
      [&] { guest_sends_tcp(); },
      [&] { guest_asks_dns(); },
      [&] { feed(udp_frame(v4("10.0.0.2", "198.51.100.7"), 4000, 7, {1})); },
      [&] { feed(icmp_frame(v4("10.0.0.2", "198.51.100.7"), 8, 0, 0x00010001, {})); },
      [&] {
        const Endpoint host{parse_ip("127.0.0.1").value(), {8080}};
        BOOST_REQUIRE(nat->add_forward(now, {ForwardProtocol::kUdp, host, Port{80}, {}}).ok());
      },
      [&] {
        const Endpoint host{parse_ip("127.0.0.1").value(), {8080}};
        BOOST_REQUIRE(nat->add_forward(now, {ForwardProtocol::kTcp, host, Port{80}, {}}).ok());
      }};
  for (size_t i = 0; i < kinds.size(); ++i) {
    BOOST_TEST_CONTEXT("kind " << i) {
      nat = std::make_unique<Nat>(Config{}, env());
      kinds[i]();
      MemoryArchive saved;
      nat->save(saved);
      BOOST_TEST(Nat::restore(saved, Config{}, env()).ok());
      sockets.adopts = false;
      BOOST_TEST((error_of(saved, Config{}) == RestoreError::kSocketMissing));
      sockets.adopts = true;
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_state_of_this_nat_is_unreadable_or_of_another_version) {
  feed(udp_frame(v4("10.0.0.2", "198.51.100.7"), 4000, 7, {1}));
  MemoryArchive saved;
  nat->save(saved);
  Config other;
  other.limits.reassemblies = 3;
  BOOST_TEST((error_of(saved, other) == RestoreError::kUnreadable));
  MemoryArchive part = saved;
  part.bytes.pop_back();
  BOOST_TEST((error_of(part, Config{}) == RestoreError::kUnreadable));
  ++saved.bytes[0];
  BOOST_TEST((error_of(saved, Config{}) == RestoreError::kWrongVersion));
}

// Two flows that differ in one bit of a port become one, numbers part from what follows of them, lengths
// lie: that may be refused or taken, but what is taken is a state that can be saved and restored.
BOOST_AUTO_TEST_CASE(a_state_with_any_bit_turned_is_refused_or_a_state) {
  Config small;  // so that thousands are made in little time
  small.limits.tcp_connections = small.limits.tcp_time_wait = small.limits.udp_endpoints = 16;
  small.limits.tcp_accepts_pending = 8;
  small.limits.tcp_failures_remembered = small.limits.udp_contacts = small.limits.echo_ids = 16;
  small.limits.dns_queries = small.limits.reassemblies = 4;
  nat = std::make_unique<Nat>(small, env());
  for (const uint16_t port : {uint16_t{4000}, uint16_t{4001}}) {
    TcpSpec syn;
    syn.source = port;
    syn.destination = 80;
    syn.flags = kTcpSyn;
    feed(tcp_frame(v4("10.0.0.2", "198.51.100.7"), syn, {}));
    feed(udp_frame(v4("10.0.0.2", "198.51.100.7"), port, 7, {1}));
    feed(icmp_frame(v4("10.0.0.2", "198.51.100.7"), 8, 0, size_t{port} << 16, {}));
  }
  const SocketEvent connected{sockets.streams.front().id, SocketEvent::Kind::kConnected, {}};
  nat->handle_sockets(now, {&connected, 1});
  guest_asks_dns();
  MemoryArchive saved;
  nat->save(saved);
  size_t refused = 0;
  for (size_t i = 0; i < saved.bytes.size(); ++i) {
    MemoryArchive bent;
    bent.bytes = saved.bytes;
    bent.bytes[i] ^= 1;
    const auto restored = Nat::restore(bent, small, env());
    refused += restored.ok() ? 0 : 1;
    if (!restored.ok()) continue;
    MemoryArchive again;
    (*restored)->save(again);
    BOOST_TEST(Nat::restore(again, small, env()).ok(), "byte " << i);
    BOOST_TEST((*restored)->audit() == "", "byte " << i);
  }
  BOOST_TEST(refused > 50u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
