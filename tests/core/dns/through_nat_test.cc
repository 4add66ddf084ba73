// The gateway's DNS behind the whole Nat: dispatch, and streams behind the TCP proxy.
#include <boost/test/unit_test.hpp>

#include "core/nat/nat.hh"
#include "tests/core/dns/messages.hh"
#include "tests/support/fake_env.hh"

namespace dashi {

using namespace test;

namespace {

const Endpoint kServer{Ipv4Address{{127, 0, 0, 53}}, Port{53}};

struct NatWorld {
  Config config;
  FakeLink link;
  FakeSockets sockets;
  FakeEntropy entropy;
  FakeTrace trace;
  std::unique_ptr<Nat> nat;
  Instant now = Instant(100s);
  uint32_t next = 1000;       // the guest's next sequence number
  uint32_t acknowledged = 0;  // what the guest expects next
  ByteVector received;        // the stream's bytes so far
  bool gateway_fin = false;
  bool gateway_rst = false;
  size_t syn_acks = 0;

  NatWorld() {
    config.dns.resolvers = {kServer};
    config.dns.records = {{"ours", {Ipv4Address{{10, 9, 8, 7}}}}};
  }
  Env env() { return {link, sockets, entropy, trace}; }

  void turn() {
    if (!nat) nat = std::make_unique<Nat>(config, env());
    int turns = 0;
    do {
      nat->handle_timers(now);
      nat->flush(now);
      BOOST_REQUIRE(++turns < 100);
    } while (nat->next_deadline() && *nat->next_deadline() <= now);
  }
  void frame(const ByteVector& bytes) {
    if (!nat) nat = std::make_unique<Nat>(config, env());
    const GuestFrame guest_frame{bytes, {}};
    nat->handle_frames(now, {&guest_frame, 1});
    turn();
    take_segments();
  }
  IpSpec ip() const {
    IpSpec spec;
    spec.source = Ipv4Address{{10, 0, 0, 2}};
    spec.destination = Ipv4Address{{10, 0, 0, 1}};
    return spec;
  }
  void segment(uint8_t flags, const ByteVector& payload) {
    TcpSpec tcp;
    tcp.source = 40000;
    tcp.destination = 53;
    tcp.sequence = next;
    tcp.acknowledgment = acknowledged;
    tcp.flags = flags;
    const size_t phantom = (flags & (kTcpSyn | kTcpFin)) != 0 ? 1 : 0;
    next += static_cast<uint32_t>(payload.size() + phantom);
    frame(tcp_frame(ip(), tcp, payload));
  }
  // In-order segments of the gateway, taken off the link.
  void take_segments() {
    while (!link.frames.empty()) {
      const SentFrame sent = link.take();
      const Packet packet = sent.packet();
      if (packet.ip_header.protocol != IpProtocol::kTcp) continue;
      if (packet.tcp.rst()) gateway_rst = true;
      if (packet.tcp.syn()) {
        ++syn_acks;
        acknowledged = packet.tcp.sequence + 1;
      }
      if (packet.tcp.sequence != acknowledged) continue;
      append(received, packet.payload);
      acknowledged += static_cast<uint32_t>(packet.payload.size());
      if (packet.tcp.fin()) {
        gateway_fin = true;
        ++acknowledged;
      }
    }
  }
  void open() {
    segment(kTcpSyn, {});
    BOOST_REQUIRE(syn_acks == 1u);
    segment(kTcpAck, {});
  }
  void reply(size_t index, size_t bytes) {
    DatagramState& socket = sockets.datagrams[index];
    Arrival arrival;
    arrival.remote = kServer;
    arrival.payload = dns_reply(socket.sent[0].payload, 0, bytes);
    socket.incoming.push_back(arrival);
    SocketEvent event;
    event.id = socket.id;
    event.kind = SocketEvent::Kind::kReadable;
    nat->handle_sockets(now, {&event, 1});
    turn();
    take_segments();
  }
  void restore() {
    MemoryArchive archive;
    nat->save(archive);
    former = std::move(nat);
    auto restored = Nat::restore(archive, config, env());
    BOOST_REQUIRE(restored.ok());
    nat = std::move(*restored);
  }
  std::unique_ptr<Nat> former;  // its sockets are shared with the restored one
};

}  // namespace

BOOST_AUTO_TEST_SUITE(dns_through_nat)

BOOST_FIXTURE_TEST_CASE(answers_udp_at_the_gateway, NatWorld) {
  config.topology.guest_v4 = Ipv4Address{{10, 0, 0, 2}};
  nat = std::make_unique<Nat>(config, env());
  const ByteVector bytes = udp_frame(ip(), 5000, 53, dns_query(3, "ours", 1));
  const GuestFrame guest_frame{bytes, {}};
  nat->handle_frames(now, {&guest_frame, 1});
  BOOST_REQUIRE(link.frames.size() == 1u);
  const SentFrame sent = link.take();
  BOOST_TEST(dns_answers(sent.packet().payload) == 1);
}

BOOST_FIXTURE_TEST_CASE(answers_pipelined_queries_over_tcp_and_drains_after_the_fin, NatWorld) {
  open();
  ByteVector both = framed(dns_query(1, "a.example", 16));
  append(both, framed(dns_query(2, "b.example", 16)));
  segment(kTcpAck | kTcpPsh, {both.begin(), both.begin() + 20});
  segment(kTcpAck | kTcpPsh, {both.begin() + 20, both.end()});
  BOOST_REQUIRE(sockets.datagrams.size() == 2u);
  segment(kTcpAck | kTcpFin, {});
  BOOST_TEST(!gateway_fin);
  reply(1, 100);
  reply(0, 3000);
  for (int i = 0; i < 6 && !gateway_fin; ++i) segment(kTcpAck, {});
  ByteVector expected = framed(dns_reply(dns_query(2, "b.example", 16), 0, 100));
  append(expected, framed(dns_reply(dns_query(1, "a.example", 16), 0, 3000)));
  BOOST_TEST((received == expected));
  BOOST_TEST(gateway_fin);
  BOOST_TEST(!gateway_rst);
  segment(kTcpAck, {});
  BOOST_TEST(nat->flow_counts().dns == 0u);
  BOOST_TEST(nat->flow_counts().tcp == 0u);
  BOOST_TEST(sockets.open_count() == 0u);
}

BOOST_FIXTURE_TEST_CASE(resets_a_connection_that_does_not_speak_dns, NatWorld) {
  open();
  segment(kTcpAck | kTcpPsh, ByteVector(14, 0));
  BOOST_TEST(gateway_rst);
  BOOST_TEST(nat->flow_counts().tcp == 0u);
}

BOOST_FIXTURE_TEST_CASE(refuses_a_connection_beyond_the_bound, NatWorld) {
  config.limits.dns_tcp_connections = 0;
  segment(kTcpSyn, {});
  BOOST_TEST(gateway_rst);
  BOOST_TEST(syn_acks == 0u);
  BOOST_TEST(nat->counters()[Counter::kDnsLimit] == 1u);
}

BOOST_FIXTURE_TEST_CASE(closes_an_idle_connection_with_fin, NatWorld) {
  open();
  segment(kTcpAck | kTcpPsh, framed(dns_query(1, "ours", 1)));
  segment(kTcpAck, {});
  BOOST_TEST(received.size() > 20u);
  for (int i = 0; i < 31; ++i) {
    now += 1s;
    turn();
    take_segments();
  }
  BOOST_TEST(gateway_fin);
  BOOST_TEST(!gateway_rst);
}

BOOST_FIXTURE_TEST_CASE(forgets_its_streams_at_a_link_restart, NatWorld) {
  open();
  segment(kTcpAck | kTcpPsh, framed(dns_query(1, "a.example", 1)));
  BOOST_TEST(nat->flow_counts().dns == 1u);
  nat->restart_link(now);
  turn();
  BOOST_TEST(nat->flow_counts().dns == 0u);
  BOOST_TEST(nat->flow_counts().tcp == 0u);
  BOOST_TEST(sockets.open_count() == 0u);
}

BOOST_FIXTURE_TEST_CASE(goes_on_with_a_stream_after_a_restore, NatWorld) {
  open();
  segment(kTcpAck | kTcpPsh, framed(dns_query(1, "a.example", 16)));
  restore();
  reply(0, 500);
  BOOST_TEST((received == framed(dns_reply(dns_query(1, "a.example", 16), 0, 500))));
  segment(kTcpAck | kTcpPsh, framed(dns_query(2, "ours", 1)));
  BOOST_TEST(received.size() > 560u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
