// State as data: saving, restoring, restarting, dumping.
#include "tests/core/udp/fixture.hh"

namespace dashi {
namespace {

using test::at;
using test::MemoryArchive;

const Endpoint kGuest = at("10.0.0.2", 5000);
const Endpoint kRemote = at("192.0.2.1", 7000);
const Endpoint kServer = at("10.0.0.2", 53);
const Endpoint kPeer = at("127.0.0.1", 50001);

struct Fixture : test::UdpFixture {
  Fixture() {
    BOOST_REQUIRE(proxy.add_forward(at("127.0.0.1", 5353), kServer).ok());
    guest_sends(kGuest, kRemote, {1});
    guest_sends(at("10.0.0.2", 5001), kRemote, {1});
    guest_sends(at("fd00:da51::2", 5002), at("2001:db8::1", 53), {1});
    arrives(0, kPeer, {1});
    world.link.frames.clear();
  }
  void save(MemoryArchive& into) {
    ArchiveWriter writer(into);
    proxy.save(writer);
  }
};

BOOST_FIXTURE_TEST_SUITE(udp_state, Fixture)

BOOST_AUTO_TEST_CASE(saved_and_restored_everything_goes_on) {
  world.link.room = 0;
  arrives(1, kRemote, {7});
  MemoryArchive saved;
  save(saved);
  UdpProxy again(config, world.context, world.policy, world.errors, SipKey{9, 9});
  ArchiveReader reader(saved);
  BOOST_REQUIRE(again.restore(reader));
  BOOST_TEST(saved.read == saved.bytes.size());
  BOOST_TEST(again.size() == 3u);
  BOOST_TEST(again.forwards() == 1u);
  BOOST_TEST(again.forward_peers() == 1u);
  BOOST_TEST((again.next_deadline() == proxy.next_deadline()));
  std::string before;
  std::string after;
  proxy.dump(before, now);
  again.dump(after, now);
  BOOST_TEST(before == after);
  MemoryArchive saved_again;
  ArchiveWriter writer(saved_again);
  again.save(writer);
  BOOST_TEST(saved_again.bytes == saved.bytes);
  // What was waiting for the link is still waiting, and then delivered.
  world.link.room = 5;
  again.flush(now);
  BOOST_TEST(world.link.frames.empty());
  again.handle_guest_writable(now);
  again.flush(now);
  expect_datagram(kRemote, kGuest, {7});
  // A remote of the forward is still known by its name.
  const test::ParsedFrame answer(
      test::udp_frame(UdpFixture::spec(kServer, at("10.0.0.1", 50001)), 53, 50001, {8}));
  again.handle_packet(now, answer.packet);
  again.finish_batch(now);
  BOOST_TEST((socket(0).sent.back().remote == kPeer));
  // The DNS mapping dies first, the others later.
  again.handle_timers(now + 10s);
  BOOST_TEST(again.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_waits_for_the_guest_link_is_state) {
  const auto row = test::pattern(3500);
  world.link.room = 2;
  test::Arrival arrival;
  arrival.remote = kRemote;
  arrival.payload = row;
  arrival.segment_size = 1000;
  arrives(1, arrival);
  BOOST_TEST(world.link.frames.size() == 2u);
  MemoryArchive saved;
  save(saved);
  UdpProxy again(config, world.context, world.policy, world.errors, SipKey{9, 9});
  ArchiveReader reader(saved);
  BOOST_REQUIRE(again.restore(reader));
  MemoryArchive saved_again;
  ArchiveWriter writer(saved_again);
  again.save(writer);
  BOOST_TEST(saved_again.bytes == saved.bytes);
  world.link.frames.clear();
  world.link.room = ~size_t{0};
  again.handle_guest_writable(now);
  BOOST_TEST((again.next_deadline() <= now));
  again.flush(now);
  expect_datagram(kRemote, kGuest, {row.begin() + 2000, row.begin() + 3000});
  expect_datagram(kRemote, kGuest, {row.begin() + 3000, row.end()});
  // A restart of the link forgets it: it was for a guest that is gone.
  proxy.restart_link(now);
  proxy.flush(now);
  BOOST_TEST(world.link.frames.empty());
}

BOOST_AUTO_TEST_CASE(what_was_saved_in_part_is_refused_whole) {
  MemoryArchive saved;
  save(saved);
  for (size_t n = 0; n < saved.bytes.size(); n += 5) {
    MemoryArchive cut;
    cut.bytes.assign(saved.bytes.begin(), saved.bytes.begin() + static_cast<ptrdiff_t>(n));
    UdpProxy again(config, world.context, world.policy, world.errors, SipKey{});
    ArchiveReader reader(cut);
    BOOST_TEST(!again.restore(reader), n);
  }
}

BOOST_AUTO_TEST_CASE(rubbish_is_refused_without_harm) {
  MemoryArchive saved;
  save(saved);
  for (size_t n = 0; n < saved.bytes.size(); ++n) {
    MemoryArchive bad;
    bad.bytes = saved.bytes;
    bad.bytes[n] ^= 0xff;
    UdpProxy again(config, world.context, world.policy, world.errors, SipKey{});
    ArchiveReader reader(bad);
    if (!again.restore(reader)) continue;
    // Taken for good: then it must also work.
    std::string dump;
    again.dump(dump, now);
    again.handle_guest_writable(now);
    again.flush(now);
    again.handle_timers(now + 1h);
  }
  BOOST_TEST(proxy.size() == 3u);
}

BOOST_AUTO_TEST_CASE(without_its_sockets_nothing_is_restored) {
  MemoryArchive saved;
  save(saved);
  world.sockets.adopts = false;
  UdpProxy again(config, world.context, world.policy, world.errors, SipKey{});
  ArchiveReader reader(saved);
  BOOST_TEST(!again.restore(reader));
}

BOOST_AUTO_TEST_CASE(a_restart_forgets_the_guest_and_keeps_the_forwards) {
  SocketEvent old;
  old.id = socket(1).id;
  old.kind = SocketEvent::Kind::kReadable;
  proxy.restart_link(now);
  BOOST_TEST(proxy.size() == 0u);
  BOOST_TEST(proxy.forward_peers() == 0u);
  BOOST_TEST(proxy.forwards() == 1u);
  BOOST_TEST(world.sockets.open_count() == 1u);
  guest_sends(kGuest, kRemote, {1});
  proxy.handle_socket(now, old);
  BOOST_TEST(world.counters[Counter::kSocketEventsStale] == 1u);
  arrives(0, kPeer, {1});
  expect_datagram(at("10.0.0.1", 50001), kServer, {1});
}

BOOST_AUTO_TEST_CASE(the_dump_has_one_line_a_flow) {
  std::string dump;
  proxy.dump(dump, now + 1500ms);
  BOOST_TEST(std::count(dump.begin(), dump.end(), '\n') == 5);
  BOOST_TEST(dump.find("udp 10.0.0.2:5000 from 0.0.0.0:30000 -> 192.0.2.1:7000 contacts 1 sent 1 "
                       "received 0 idle 1500ms\n") != std::string::npos);
  BOOST_TEST(dump.find("udp-forward 127.0.0.1:5353 -> 10.0.0.2:53\n") != std::string::npos);
  BOOST_TEST(dump.find("udp-peer 127.0.0.1:50001 as 10.0.0.1:50001 -> 10.0.0.2:53 unanswered") !=
             std::string::npos);
  BOOST_TEST(dump.find(" dns\n") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
