// Datagrams on their way into the guest link: its room, its MTU, its offloads, and who goes first.
#include "core/udp/udp_proxy.hh"
#include "tests/core/udp/fixture.hh"

namespace dashi {
namespace {

using test::Arrival;
using test::at;
using test::ByteVector;
using test::IpSpec;
using test::pattern;

const Endpoint kGuest = at("10.0.0.2", 5000);
const Endpoint kRemote = at("192.0.2.1", 7000);

BOOST_FIXTURE_TEST_SUITE(udp_guest_link, test::UdpFixture)

BOOST_AUTO_TEST_CASE(a_coalesced_row_is_cut_for_a_guest_that_cannot) {
  guest_sends(kGuest, kRemote, {1});
  Arrival arrival;
  arrival.remote = kRemote;
  arrival.payload = pattern(2500);
  arrival.segment_size = 1000;
  arrives(0, arrival);
  const ByteVector all = pattern(2500);
  expect_datagram(kRemote, kGuest, ByteVector(all.begin(), all.begin() + 1000));
  expect_datagram(kRemote, kGuest, ByteVector(all.begin() + 1000, all.begin() + 2000));
  expect_datagram(kRemote, kGuest, ByteVector(all.begin() + 2000, all.end()));
  BOOST_TEST(world.counters[Counter::kUdpIn] == 3u);
}

BOOST_AUTO_TEST_CASE(a_coalesced_row_stays_one_frame_for_a_guest_that_can) {
  world.link.link_limits.udp_gso = true;
  world.link.rest_bytes = 700;
  guest_sends(kGuest, kRemote, {1});
  Arrival arrival;
  arrival.remote = kRemote;
  arrival.payload = pattern(2500);
  arrival.segment_size = 1000;
  arrives(0, arrival);
  BOOST_REQUIRE(world.link.frames.size() == 1u);
  const auto frame = world.link.take();
  const Packet p = frame.packet();
  BOOST_TEST((frame.offload.gso_type == GsoType::kUdp));
  BOOST_TEST(frame.offload.gso_size == 1000);
  BOOST_TEST(frame.offload.csum_partial);
  BOOST_TEST(ByteVector(p.payload.begin(), p.payload.end()) == pattern(2500),
             boost::test_tools::per_element());
  // The partial checksum, completed, is the whole one.
  const size_t start = frame.offload.csum_start;
  const uint16_t completed = test::naive_checksum(Bytes(frame.bytes).subspan(start));
  ByteVector whole(frame.bytes.begin() + static_cast<ptrdiff_t>(start), frame.bytes.end());
  test::put_u16(whole, 6, 0);
  IpSpec spec;
  spec.source = kRemote.address;
  spec.destination = kGuest.address;
  BOOST_TEST(completed == test::transport_checksum(spec, 17, whole));
  BOOST_TEST(world.counters[Counter::kUdpIn] == 3u);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_guests_mtu_comes_in_fragments) {
  guest_sends(kGuest, kRemote, {1});
  arrives(0, kRemote, pattern(1472));
  BOOST_TEST(world.link.frames.size() == 1u);
  arrives(0, kRemote, pattern(1473));
  BOOST_TEST(world.link.frames.size() == 3u);
  arrives(0, kRemote, pattern(65508));  // which IPv6 could carry
  BOOST_TEST(world.link.frames.size() == 3u);
  BOOST_TEST(world.drops(DropReason::kUdpTooLong) == 1u);
  BOOST_TEST(world.counters[Counter::kUdpIn] == 2u);
}

BOOST_AUTO_TEST_CASE(a_coalesced_row_of_long_datagrams_comes_in_fragments_too) {
  world.link.link_limits.udp_gso = true;
  guest_sends(kGuest, kRemote, {1});
  Arrival arrival;
  arrival.remote = kRemote;
  arrival.payload = pattern(5000);
  arrival.segment_size = 2000;
  arrives(0, arrival);
  BOOST_TEST(world.link.frames.size() == 5u);
  BOOST_TEST(world.counters[Counter::kUdpIn] == 3u);
  BOOST_TEST(world.counters[Counter::kGuestFragmentsOut] == 4u);
}

BOOST_AUTO_TEST_CASE(long_datagrams_are_taken_as_far_as_there_is_room_for_them) {
  guest_sends(kGuest, kRemote, {1});
  // One of six frames is known by now.
  arrives(0, kRemote, pattern(8000));
  BOOST_TEST(world.link.frames.size() == 6u);
  world.link.frames.clear();
  world.link.room = 13;
  for (int i = 0; i < 4; ++i) socket(0).incoming.push_back({kRemote, pattern(8000), {}, 0, 0, 0});
  readable(0);
  // The third finds one frame left: it is lost whole, and the fourth waits in its socket.
  BOOST_TEST(world.link.frames.size() == 12u);
  BOOST_TEST(world.drops(DropReason::kGuestLinkFull) == 1u);
  BOOST_TEST(world.counters[Counter::kUdpIn] == 3u);
  BOOST_TEST((proxy.next_deadline() > now));
  world.link.room = 6;
  proxy.handle_guest_writable(now);
  proxy.flush(now);
  BOOST_TEST(world.link.frames.size() == 18u);
  BOOST_TEST(world.all_drops() == 1u);
}

BOOST_AUTO_TEST_CASE(a_full_guest_link_leaves_datagrams_in_the_socket) {
  guest_sends(kGuest, kRemote, {1});
  world.link.room = 2;
  for (uint8_t i = 0; i < 40; ++i) socket(0).incoming.push_back({kRemote, {i}, {}, 0, 0, 0});
  readable(0);
  BOOST_TEST(world.link.frames.size() == 2u);
  BOOST_TEST(socket(0).incoming.size() == 38u);
  BOOST_TEST((proxy.next_deadline() > now));
  world.link.room = 100;
  proxy.flush(now);
  BOOST_TEST(world.link.frames.size() == 2u);  // nobody said that there is room
  proxy.handle_guest_writable(now);
  BOOST_TEST((proxy.next_deadline() <= now));
  proxy.flush(now);
  BOOST_REQUIRE(world.link.frames.size() == 40u);
  for (uint8_t i = 0; i < 40; ++i) expect_datagram(kRemote, kGuest, {i});
  BOOST_TEST(world.counters[Counter::kGuestLinkFull] == 0u);
}

BOOST_AUTO_TEST_CASE(a_row_that_finds_little_room_waits_for_the_rest_of_it) {
  guest_sends(kGuest, kRemote, {1});
  const ByteVector all = pattern(4500);
  const auto part = [&](ptrdiff_t i) {
    return ByteVector(all.begin() + i * 1000,
                      all.begin() + std::min<ptrdiff_t>(4500, i * 1000 + 1000));
  };
  Arrival row;
  row.remote = kRemote;
  row.payload = all;
  row.segment_size = 1000;
  row.ttl = 50;
  socket(0).incoming = {row, {kRemote, {8}, {}, 0, 0, 0}, row, {kRemote, {9}, {}, 0, 0, 0}};
  world.link.room = 4;  // and four datagrams are taken for it
  readable(0);
  BOOST_TEST(world.link.frames.size() == 4u);
  BOOST_TEST((proxy.next_deadline() > now));
  // Not a byte more without room, and nothing is forgotten over the wait.
  proxy.handle_guest_writable(now);
  BOOST_TEST((proxy.next_deadline() <= now));
  proxy.flush(now);
  BOOST_TEST(world.link.frames.size() == 4u);
  world.link.room = 3;
  proxy.handle_guest_writable(now);
  proxy.flush(now);
  BOOST_TEST(world.link.frames.size() == 7u);
  world.link.room = ~size_t{0};
  proxy.handle_guest_writable(now);
  proxy.flush(now);
  BOOST_REQUIRE(world.link.frames.size() == 12u);
  BOOST_TEST(world.link.frames[4].packet().ip_header.ttl == 49);
  for (ptrdiff_t i = 0; i < 5; ++i) expect_datagram(kRemote, kGuest, part(i));
  expect_datagram(kRemote, kGuest, {8});
  for (ptrdiff_t i = 0; i < 5; ++i) expect_datagram(kRemote, kGuest, part(i));
  expect_datagram(kRemote, kGuest, {9});
  BOOST_TEST(world.counters[Counter::kUdpIn] == 12u);
  BOOST_TEST(world.counters[Counter::kGuestLinkFull] == 0u);
  BOOST_TEST(world.all_drops() == 0u);
}

BOOST_AUTO_TEST_CASE(a_link_that_takes_partial_checksums_gets_them) {
  guest_sends(kGuest, kRemote, {1});
  arrives(0, kRemote, pattern(700));
  const auto summed = world.link.take();
  BOOST_TEST(!summed.offload.csum_partial);
  world.link.link_limits.checksum_offload = true;
  arrives(0, kRemote, pattern(700));
  auto partial = world.link.take();
  BOOST_REQUIRE(partial.offload.csum_partial);
  BOOST_TEST(partial.offload.csum_start == 34);
  BOOST_TEST(partial.offload.csum_offset == 6);
  // Completed as the link would, it is the same frame.
  const size_t start = partial.offload.csum_start;
  test::put_u16(partial.bytes, start + 6,
                test::naive_checksum(Bytes(partial.bytes).subspan(start)));
  BOOST_TEST((partial.bytes == summed.bytes));
}

BOOST_AUTO_TEST_CASE(busy_mappings_take_turns) {
  guest_sends(kGuest, kRemote, {1});
  guest_sends(at("10.0.0.2", 5001), kRemote, {1});
  for (uint8_t i = 0; i < 30; ++i) socket(0).incoming.push_back({kRemote, {0, i}, {}, 0, 0, 0});
  for (uint8_t i = 0; i < 3; ++i) socket(1).incoming.push_back({kRemote, {1, i}, {}, 0, 0, 0});
  event(0, SocketEvent::Kind::kReadable, {});
  event(1, SocketEvent::Kind::kReadable, {});
  proxy.flush(now);
  BOOST_REQUIRE(world.link.frames.size() == 33u);
  // The second comes after one batch of the first, not after all of it.
  BOOST_TEST(world.link.frames[16].packet().payload[0] == 1);
  BOOST_TEST(world.link.frames[19].packet().payload[0] == 0);
}

BOOST_AUTO_TEST_CASE(one_turn_delivers_a_bounded_number) {
  guest_sends(kGuest, kRemote, {1});
  for (uint16_t i = 0; i < 1000; ++i) socket(0).incoming.push_back({kRemote, {1}, {}, 0, 0, 0});
  readable(0);
  const size_t first = world.link.frames.size();
  BOOST_TEST(first < 1000u);
  BOOST_TEST((proxy.next_deadline() <= now));
  int turns = 1;
  while (proxy.next_deadline() <= now && turns < 100) {
    proxy.flush(now);
    ++turns;
  }
  BOOST_TEST(world.link.frames.size() == 1000u);
  BOOST_TEST(turns > 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
