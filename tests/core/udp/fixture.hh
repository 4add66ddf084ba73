// A UdpProxy among fakes, and the verbs its tests speak in.
#pragma once

#include <boost/test/unit_test.hpp>

#include "core/udp/udp_proxy.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {

inline IpAddress ip(std::string_view text) { return *parse_ip(text); }
inline Endpoint at(std::string_view address, uint16_t port) { return {ip(address), Port{port}}; }

struct UdpFixture {
  FakeFlowWorld world;
  UdpConfig config;
  UdpProxy proxy{config, world.context, world.policy, world.errors, SipKey{1, 2}};
  Instant now = instant_from_nanoseconds(1'000'000'000);

  static IpSpec spec(const Endpoint& source, const Endpoint& destination) {
    IpSpec out;
    out.source = source.address;
    out.destination = destination.address;
    return out;
  }
  void guest_sends(const Endpoint& source, const Endpoint& destination, const ByteVector& payload) {
    const ParsedFrame frame(
        udp_frame(spec(source, destination), source.port.number, destination.port.number, payload));
    proxy.handle_packet(now, frame.packet);
    proxy.finish_batch(now);
  }
  DatagramState& socket(size_t i) {
    BOOST_REQUIRE(i < world.sockets.datagrams.size());
    return world.sockets.datagrams[i];
  }
  size_t sockets() const { return world.sockets.datagrams.size(); }
  void event(size_t i, SocketEvent::Kind kind, const NetError& error) {
    SocketEvent e;
    e.id = socket(i).id;
    e.kind = kind;
    e.error = error;
    proxy.handle_socket(now, e);
  }
  void readable(size_t i) {
    event(i, SocketEvent::Kind::kReadable, {});
    proxy.flush(now);
  }
  void arrives(size_t i, const Arrival& arrival) {
    socket(i).incoming.push_back(arrival);
    readable(i);
  }
  void arrives(size_t i, const Endpoint& remote, const ByteVector& payload) {
    Arrival arrival;
    arrival.remote = remote;
    arrival.payload = payload;
    arrives(i, arrival);
  }
  void advance(Duration by) {
    now += by;
    proxy.handle_timers(now);
    proxy.flush(now);
  }
  // The oldest frame to the guest must be this datagram.
  void expect_datagram(const Endpoint& source, const Endpoint& destination,
                       const ByteVector& payload) {
    const SentFrame frame = world.link.take();
    const Packet p = frame.packet();
    BOOST_REQUIRE((p.ip_header.protocol == IpProtocol::kUdp));
    BOOST_TEST(to_string(p.source()) == to_string(source));
    BOOST_TEST(to_string(p.destination()) == to_string(destination));
    BOOST_TEST(ByteVector(p.payload.begin(), p.payload.end()) == payload,
               boost::test_tools::per_element());
  }
  // The oldest frame to the guest must be an ICMP error of this type and code.
  SentFrame expect_icmp(uint8_t type, uint8_t code) {
    SentFrame frame = world.link.take();
    const Packet p = frame.packet();
    BOOST_REQUIRE(!p.transport.empty());
    BOOST_TEST(
        (p.ip_header.protocol == IpProtocol::kIcmp || p.ip_header.protocol == IpProtocol::kIcmpv6));
    BOOST_TEST(int{p.transport[0]} == int{type});
    BOOST_TEST(int{p.transport[1]} == int{code});
    return frame;
  }
};

}  // namespace dashi::test
