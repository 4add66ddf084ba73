#include "core/flow/frame_writer.hh"

#include "tests/support/fake_env.hh"

namespace dashi::test {
namespace {

struct Ends {
  IpAddress source;
  IpAddress destination;
  size_t ip_bytes;
};

std::vector<Ends> both_families() {
  return {{parse_ip("198.51.100.7").value(), parse_ip("10.0.0.2").value(), 20},
          {parse_ip("2001:db8::7").value(), parse_ip("fd00:da51::2").value(), 40}};
}

// The transport bytes sum to zero together with the pseudo-header.
void transport_sums_to_zero(const SentFrame& frame, const Ends& ends, uint8_t protocol) {
  IpSpec ip;
  ip.source = ends.source;
  ip.destination = ends.destination;
  const Bytes transport = Bytes(frame.bytes).subspan(14 + ends.ip_bytes);
  BOOST_TEST(transport_checksum(ip, protocol, ByteVector(transport.begin(), transport.end())) == 0);
  if (ends.ip_bytes == 20) {
    BOOST_TEST(naive_checksum(Bytes(frame.bytes).subspan(14, 20)) == 0);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(flow_frame_writer)

BOOST_AUTO_TEST_CASE(writes_udp_with_right_headers_and_checksums) {
  for (const Ends& ends : both_families()) {
    for (const size_t n : {size_t{0}, size_t{1}, size_t{2}, size_t{999}}) {
      for (const size_t rest : {~size_t{0}, size_t{1}, size_t{7}}) {
        FakeFlowWorld world;
        world.link.rest_bytes = rest;
        IpOut ip{ends.source, ends.destination, IpProtocol::kUdp, 33, 0xb8, true, {}};
        const ByteVector payload = pattern(n);
        BOOST_REQUIRE(world.writer.send_udp(ip, {53}, {4444}, payload));
        const SentFrame frame = world.link.take();
        transport_sums_to_zero(frame, ends, 17);
        const Packet packet = frame.packet();
        BOOST_TEST((packet.source() == Endpoint{ends.source, {53}}));
        BOOST_TEST((packet.destination() == Endpoint{ends.destination, {4444}}));
        BOOST_TEST(packet.ip_header.ttl == 33);
        BOOST_TEST(packet.ip_header.tos == 0xb8);
        BOOST_TEST((packet.destination_mac == IpSpec{}.source_mac));
        BOOST_TEST((packet.source_mac == world.topology.gateway_mac));
        BOOST_TEST((ByteVector(packet.payload.begin(), packet.payload.end()) == payload));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(never_sends_a_udp_checksum_of_zero) {
  for (const Ends& ends : both_families()) {
    FakeFlowWorld world;
    IpOut ip{ends.source, ends.destination, IpProtocol::kUdp, 64, 0, true, {}};
    // The one word that makes the sum come out as zero, found by trying.
    bool found = false;
    for (uint32_t word = 0; word < 65536 && !found; ++word) {
      ByteVector payload;
      append_u16(payload, word);
      IpSpec spec;
      spec.source = ends.source;
      spec.destination = ends.destination;
      ByteVector datagram = {0, 53, 0x11, 0x5c, 0, 10, 0, 0};
      append(datagram, payload);
      if (transport_checksum(spec, 17, datagram) != 0) continue;
      found = true;
      BOOST_REQUIRE(world.writer.send_udp(ip, {53}, {4444}, payload));
      const SentFrame frame = world.link.take();
      BOOST_TEST(int{frame.bytes[14 + ends.ip_bytes + 6]} == 0xff);
      BOOST_TEST(int{frame.bytes[14 + ends.ip_bytes + 7]} == 0xff);
      frame.packet();
    }
    BOOST_TEST(found);
  }
}

BOOST_AUTO_TEST_CASE(writes_icmp_without_and_icmpv6_with_a_pseudo_header) {
  for (const Ends& ends : both_families()) {
    FakeFlowWorld world;
    const bool v4 = ends.ip_bytes == 20;
    IpOut ip{
        ends.source, ends.destination, v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6, 64, 0, true,
        {}};
    const ByteVector header = {static_cast<uint8_t>(v4 ? 0 : 129), 0, 0, 0, 1, 2, 3, 4};
    BOOST_REQUIRE(world.writer.send_ip(ip, header, pattern(55), 2));
    const SentFrame frame = world.link.take();
    if (v4) {
      BOOST_TEST(naive_checksum(Bytes(frame.bytes).subspan(34)) == 0);
    } else {
      transport_sums_to_zero(frame, ends, 58);
    }
  }
}

BOOST_AUTO_TEST_CASE(addresses_groups_and_named_stations) {
  FakeFlowWorld world;
  const auto mac_of = [&](const char* destination, std::optional<MacAddress> named) {
    const IpAddress to = parse_ip(destination).value();
    IpOut ip{
        to.is_v4() ? IpAddress(world.topology.gateway_v4) : IpAddress(world.topology.gateway_v6()),
        to,
        IpProtocol::kUdp,
        64,
        0,
        false,
        named};
    BOOST_REQUIRE(world.writer.send_udp(ip, {1}, {2}, {}));
    return to_string(load<MacAddress>(world.link.take().bytes));
  };
  BOOST_TEST(mac_of("224.129.2.3", {}) == "01:00:5e:01:02:03");  // 23 bits (RFC 1112 6.4)
  BOOST_TEST(mac_of("ff02::1", {}) == "33:33:00:00:00:01");
  BOOST_TEST(mac_of("10.0.0.2", MacAddress{{2, 0, 0, 0, 0, 9}}) == "02:00:00:00:00:09");
  BOOST_TEST(mac_of("10.0.0.2", {}) == to_string(IpSpec{}.source_mac));
}

BOOST_AUTO_TEST_CASE(counts_a_frame_that_finds_no_room) {
  FakeFlowWorld world;
  world.link.room = 0;
  const Ends ends = both_families()[0];
  IpOut ip{ends.source, ends.destination, IpProtocol::kUdp, 64, 0, true, {}};
  BOOST_TEST(!world.writer.send_udp(ip, {1}, {2}, {}));
  BOOST_TEST(!world.writer.send_ethernet(MacAddress::broadcast(), EtherType::kArp, pattern(28)));
  BOOST_TEST(world.counters[Counter::kGuestLinkFull] == 2u);
  BOOST_TEST(world.counters[Counter::kGuestFramesOut] == 0u);
}

BOOST_AUTO_TEST_CASE(finishes_tcp_in_place_over_any_slot) {
  for (const Ends& ends : both_families()) {
    for (const size_t rest : {~size_t{0}, size_t{1}, size_t{5}, size_t{600}}) {
      for (const size_t n : {size_t{0}, size_t{1}, size_t{77}, size_t{1400}}) {
        FakeFlowWorld world;
        world.link.rest_bytes = rest;
        IpOut ip{ends.source, ends.destination, IpProtocol::kTcp, 64, 0, true, {}};
        const size_t before = FrameWriter::headers_size(ends.source.family(), 20);
        BOOST_TEST(before == 14 + ends.ip_bytes + 20);
        const auto slots = world.writer.reserve(1, before + n);
        BOOST_REQUIRE(slots.size() == 1u);
        // The payload, where the slot has room for it.
        const ByteVector payload = pattern(n);
        size_t at = copy_bytes(slots[0].head.subspan(before), payload);
        for (const MutableBytes& piece : slots[0].rest) {
          at += copy_bytes(piece, Bytes(payload).subspan(at));
        }
        ByteVector tcp(20, 0);
        tcp[12] = 0x50;
        put_u16(tcp, 0, 443);
        put_u16(tcp, 2, 80);
        const Filled filled = world.writer.finish_tcp(slots[0], ip, tcp, n, 0);
        world.writer.commit({&filled, 1});
        const SentFrame frame = world.link.take();
        transport_sums_to_zero(frame, ends, 6);
        const Packet packet = frame.packet();
        BOOST_TEST((ByteVector(packet.payload.begin(), packet.payload.end()) == payload));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
