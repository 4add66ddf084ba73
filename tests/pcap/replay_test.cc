#include "pcap/replay.hh"

#include <boost/test/unit_test.hpp>

#include "pcap/capture_hooks.hh"
#include "pcap/write/file_sink.hh"
#include "sim/world.hh"
#include "tests/pcap/tshark.hh"
#include "tests/support/guest_frames.hh"

namespace dashi::test {
namespace {

WorldConfig world_config() {
  WorldConfig config;
  config.static_addresses = false;
  return config;
}

ReplaySpec replay_spec() {
  ReplaySpec spec;
  spec.gateway = Topology{}.gateway_mac;
  return spec;
}

// A guest's day, captured: addresses, two pings, a small download.
Counters record(const std::string& path) {
  auto sink = std::move(*FileSink::create(path));
  PcapngWriter writer(*sink, {"dashi test", "seed 1", 0});
  std::optional<Capture> capture;
  World world(world_config());
  world.decorate(
      [&](const Env& env) {
        capture.emplace(writer, env);
        return capture->env();
      },
      hooks_for(capture));
  BOOST_REQUIRE(world.configure(10s));
  const IpAddress server = world.address("server", Family::kIpv4);
  world.guest().ping(server, 56, 64);
  world.guest().ping(world.address("server", Family::kIpv6), 56, 64);
  world.run_for(1s);
  capture->flush();
  return world.nat().counters();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(replay)

BOOST_AUTO_TEST_CASE(a_recorded_guest_is_served_again) {
  const ScratchFolder folder;
  const std::string path = folder.file("a.pcapng");
  const Counters recorded = record(path);
  const auto replay = load_replay(path, replay_spec());
  BOOST_REQUIRE(replay.ok());
  BOOST_TEST(replay->frames.size() == recorded[Counter::kGuestFramesIn]);
  BOOST_TEST(replay->others > 0U);  // the answers, and the host's seam
  WorldConfig config = world_config();
  config.scripted = true;
  World world(config);
  schedule_replay(*replay, Instant(1s), world.queue(), world.link());
  world.run_until(Instant(10s));
  const Counters& replayed = world.nat().counters();
  for (const Counter counter :
       {Counter::kGuestFramesIn, Counter::kGuestBytesIn, Counter::kDhcpv4Replies,
        Counter::kEchoRequests, Counter::kEchoReplies, Counter::kArpReplies}) {
    BOOST_TEST(replayed[counter] == recorded[counter], name_of(counter));
    BOOST_TEST(replayed[counter] > 0U, name_of(counter));
  }
}

BOOST_AUTO_TEST_CASE(frames_come_at_their_times_and_never_go_back) {
  const ScratchFolder folder;
  const std::string path = folder.file("a.pcapng");
  {
    auto sink = std::move(*FileSink::create(path));
    PcapngWriter writer(*sink, {"dashi test", "", 0});
    writer.add_interface("guest", "");
    const ByteVector frame =
        udp_frame({Ipv4Address{{10, 0, 0, 2}}, Ipv4Address{{10, 0, 0, 1}}}, 1, 2, pattern(30));
    const Bytes bytes(frame);
    for (const Duration at : {5s, 7s, 6s}) {
      writer.write({.interface = 0,
                    .at = Instant(at),
                    .pieces = {&bytes, 1},
                    .direction = PacketDirection::kInbound,
                    .comment = {}});
    }
  }
  const auto replay = load_replay(path, replay_spec());
  BOOST_REQUIRE(replay.ok());
  BOOST_REQUIRE(replay->frames.size() == 3);
  BOOST_TEST((replay->frames[0].after == 0s));
  BOOST_TEST((replay->frames[1].after == 2s));
  BOOST_TEST((replay->frames[2].after == 2s));
  BOOST_TEST(replay->frames[2].number == 3U);
  BOOST_TEST((replay->guest == IpSpec{}.source_mac));
}

BOOST_AUTO_TEST_CASE(another_guest_can_be_chosen_and_a_cut_frame_is_left_out) {
  const ScratchFolder folder;
  const std::string whole = folder.file("a.pcapng");
  record(whole);
  const std::string cut = folder.file("cut.pcapng");
  output_of("editcap -s 60 " + whole + " " + cut);
  const auto replay = load_replay(cut, replay_spec());
  BOOST_REQUIRE(replay.ok());
  BOOST_TEST(replay->cut > 0U);
  ReplaySpec nobody = replay_spec();
  nobody.guest = MacAddress{{2, 2, 2, 2, 2, 2}};
  const auto none = load_replay(whole, nobody);
  BOOST_REQUIRE(none.ok());
  BOOST_TEST(none->frames.empty());
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_named) {
  const auto replay = load_replay("/nonexistent.pcap", replay_spec());
  BOOST_REQUIRE(!replay.ok());
  BOOST_TEST(replay.error() == "/nonexistent.pcap: No such file or directory");
}

BOOST_AUTO_TEST_CASE(a_frame_of_another_age_is_an_error_and_no_overflow) {
  const ScratchFolder folder;
  auto sink = std::move(*FileSink::create(folder.file("a.pcapng")));
  PcapngWriter writer(*sink, {"dashi test", "seed 1", 0});
  writer.add_interface("guest", "");
  const ByteVector frame = udp_frame(IpSpec{}, 1, 2, text("hello"));
  const Bytes piece(frame);
  for (const Duration at : {Duration(1s), Duration(24h * 365 * 11)}) {
    writer.write({.interface = 0,
                  .at = Instant(at),
                  .pieces = {&piece, 1},
                  .direction = PacketDirection::kInbound,
                  .comment = ""});
  }
  sink->flush();
  const auto replay = load_replay(folder.file("a.pcapng"), replay_spec());
  BOOST_REQUIRE(!replay.ok());
  BOOST_TEST(replay.error() ==
             folder.file("a.pcapng") + ": packet 2: comes more than ten years after the first");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
