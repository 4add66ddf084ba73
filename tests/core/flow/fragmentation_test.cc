// Packets longer than the MTU on their way to the guest.
#include <algorithm>

#include "core/flow/frame_writer.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {
namespace {

const IpAddress kGuestV4 = parse_ip("10.0.0.2").value();
const IpAddress kGuestV6 = parse_ip("fd00:da51::2").value();

IpOut udp_to(const IpAddress& guest) {
  const char* from = guest.is_v4() ? "198.51.100.7" : "2001:db8::7";
  return {parse_ip(from).value(), guest, IpProtocol::kUdp, 33, 0xb8, true, {}, true};
}

// A fragment as its bytes say it, read without the code under test.
struct Read {
  uint32_t id = 0;
  size_t offset = 0;
  bool more = false;
  int protocol = 0;
  ByteVector data;
};

Read read(const SentFrame& frame, uint32_t mtu) {
  const ByteVector& b = frame.bytes;
  BOOST_REQUIRE(b.size() > (b[12] == 8 ? 34u : 62u));
  BOOST_TEST(b.size() - 14 <= mtu);
  BOOST_TEST(!frame.offload.csum_partial);
  const auto u16 = [&](size_t at) { return uint32_t{b[at]} << 8 | b[at + 1]; };
  Read out;
  if (b[12] == 8) {
    BOOST_TEST(naive_checksum(Bytes(b).subspan(14, 20)) == 0);
    BOOST_TEST(u16(16) == b.size() - 14);
    BOOST_TEST((u16(20) & 0xc000) == 0u);  // may be fragmented further
    BOOST_TEST(int{b[15]} == 0xb8);
    BOOST_TEST(int{b[22]} == 33);
    out = {u16(18), (u16(20) & 0x1fff) * size_t{8}, (u16(20) & 0x2000) != 0, b[23], {}};
    out.data.assign(b.begin() + 34, b.end());
    return out;
  }
  BOOST_TEST(u16(18) == b.size() - 54);
  BOOST_TEST(int{b[20]} == 44);
  BOOST_TEST(int{b[21]} == 33);
  BOOST_TEST(int{b[55]} == 0);
  out = {u16(58) << 16 | u16(60), u16(56) & 0xfff8, (u16(56) & 1) != 0, b[54], {}};
  out.data.assign(b.begin() + 62, b.end());
  return out;
}

// The transport bytes of the packet whose fragments are all there is on the link, in order.
ByteVector joined(FakeFlowWorld& world, uint32_t id, int protocol) {
  ByteVector all;
  bool more = true;
  while (more) {
    const Read piece = read(world.link.take(), world.link.link_limits.mtu);
    BOOST_TEST(piece.id == id);
    BOOST_TEST(piece.protocol == protocol);
    BOOST_TEST(piece.offset == all.size());
    BOOST_TEST((!piece.more || piece.data.size() % 8 == 0));
    append(all, piece.data);
    more = piece.more;
  }
  BOOST_TEST(world.link.frames.empty());
  return all;
}

struct Size {
  IpAddress guest;
  uint32_t mtu;
  size_t headers;      // of a whole UDP datagram
  size_t each;         // bytes of the packet in a fragment
  size_t payload_max;  // of UDP
};
const Size kSizes[] = {{kGuestV4, 576, 28, 552, 65507},   {kGuestV4, 1280, 28, 1256, 65507},
                       {kGuestV4, 1500, 28, 1480, 65507}, {kGuestV4, 1507, 28, 1480, 65507},
                       {kGuestV6, 1280, 48, 1232, 65527}, {kGuestV6, 1500, 48, 1448, 65527}};

}  // namespace

BOOST_AUTO_TEST_SUITE(flow_fragmentation)

BOOST_AUTO_TEST_CASE(a_datagram_longer_than_the_mtu_leaves_in_fragments_that_make_it_again) {
  for (const Size& size : kSizes) {
    FakeFlowWorld world;
    world.link.link_limits.mtu = size.mtu;
    world.link.link_limits.checksum_offload = true;  // which a fragment cannot have
    uint32_t id = 0;
    for (const size_t transport :
         {size.mtu - size.headers + 9, 2 * size.each - 1, 2 * size.each, 2 * size.each + 1,
          3 * size.each - 8, 3 * size.each + 8, size.payload_max + 8}) {
      world.link.rest_bytes = transport % 2 == 0 ? ~size_t{0} : 7;
      const uint64_t before = world.counters[Counter::kGuestFragmentsOut];
      const ByteVector payload = pattern(transport - 8);
      BOOST_REQUIRE(world.writer.send_udp(udp_to(size.guest), {53}, {4444}, payload));
      const size_t frames = world.link.frames.size();
      BOOST_TEST(frames == (transport + size.each - 1) / size.each);
      BOOST_TEST(frames == world.writer.frames_for(size.guest.family(), transport));
      BOOST_TEST(world.counters[Counter::kGuestFragmentsOut] - before == frames);
      const ByteVector all = joined(world, ++id, 17);
      BOOST_REQUIRE(all.size() == transport);
      BOOST_TEST(uint16_t{load<Be16>(Bytes(all).subspan(4))} == transport);
      BOOST_TEST(std::equal(payload.begin(), payload.end(), all.begin() + 8));
      IpSpec ip;
      ip.source = udp_to(size.guest).source;
      ip.destination = size.guest;
      BOOST_TEST(transport_checksum(ip, 17, all) == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_fits_the_mtu_stays_whole) {
  for (const Size& size : kSizes) {
    FakeFlowWorld world;
    world.link.link_limits.mtu = size.mtu;
    const size_t most = size.mtu - size.headers;
    BOOST_TEST(world.writer.send_udp(udp_to(size.guest), {1}, {2}, pattern(most)));
    BOOST_TEST(world.link.frames.size() == 1u);
    BOOST_TEST(world.link.take().packet().payload.size() == most);
    BOOST_TEST(world.counters[Counter::kGuestFragmentsOut] == 0u);
    BOOST_TEST(world.counters[Counter::kGuestBytesOut] == size.mtu + 14);
    BOOST_TEST(world.writer.send_udp(udp_to(size.guest), {1}, {2}, pattern(most + 1)));
    BOOST_TEST(world.link.frames.size() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_longer_than_ip_allows) {
  for (const Size& size : kSizes) {
    FakeFlowWorld world;
    world.link.link_limits.mtu = size.mtu;
    BOOST_TEST(!world.writer.send_udp(udp_to(size.guest), {1}, {2}, pattern(size.payload_max + 1)));
    BOOST_TEST(world.link.frames.empty());
  }
}

BOOST_AUTO_TEST_CASE(an_echo_reply_in_fragments_has_its_checksum_over_the_whole) {
  for (const IpAddress& guest : {kGuestV4, kGuestV6}) {
    FakeFlowWorld world;
    IpOut ip = udp_to(guest);
    ip.protocol = guest.is_v4() ? IpProtocol::kIcmp : IpProtocol::kIcmpv6;
    const ByteVector header = {static_cast<uint8_t>(guest.is_v4() ? 0 : 129), 0, 0, 0, 1, 2, 3, 4};
    BOOST_REQUIRE(world.writer.send_ip(ip, header, pattern(3000), 2));
    BOOST_TEST(world.link.frames.size() == 3u);
    const ByteVector all = joined(world, 1, guest.is_v4() ? 1 : 58);
    BOOST_REQUIRE(all.size() == 3008u);
    IpSpec spec;
    spec.source = ip.source;
    spec.destination = guest;
    BOOST_TEST((guest.is_v4() ? naive_checksum(all) : transport_checksum(spec, 58, all)) == 0);
  }
}

BOOST_AUTO_TEST_CASE(without_room_for_all_none_leaves_and_nothing_advances) {
  for (const IpAddress& guest : {kGuestV4, kGuestV6}) {
    for (const size_t room : {size_t{0}, size_t{1}, size_t{5}}) {
      FakeFlowWorld world;
      world.link.room = room;
      BOOST_TEST(!world.writer.send_udp(udp_to(guest), {1}, {2}, pattern(8000)));
      BOOST_TEST(world.link.frames.empty());
      BOOST_TEST(world.counters[Counter::kGuestLinkFull] == 1u);
      BOOST_TEST(world.counters[Counter::kGuestFragmentsOut] == 0u);
      world.link.room = 6;
      BOOST_TEST(world.writer.send_udp(udp_to(guest), {1}, {2}, pattern(8000)));
      BOOST_TEST(joined(world, 1, 17).size() == 8008u);
    }
  }
}

BOOST_AUTO_TEST_CASE(identifications_are_state) {
  FakeFlowWorld world;
  MemoryArchive saved;
  ArchiveWriter out(saved);
  world.writer.send_udp(udp_to(kGuestV4), {1}, {2}, pattern(2000));
  joined(world, 1, 17);
  out(world.writer);
  FakeFlowWorld again;
  ArchiveReader in(saved);
  in(again.writer);
  again.writer.send_udp(udp_to(kGuestV6), {1}, {2}, pattern(2000));
  joined(again, 2, 17);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
