#include <boost/test/unit_test.hpp>

#include "core/wire/search_list.hh"
#include "tests/core/gateway/ndp_fixture.hh"

namespace dashi::test {
namespace {

struct RouterFixture : NdpFixture {
  static bool is_advertisement(const SentFrame& frame) {
    const Packet packet = frame.packet();
    return packet.ip_header.protocol == IpProtocol::kIcmpv6 && packet.transport[0] == 134;
  }
  static uint16_t lifetime(const SentFrame& frame) {
    return load<RouterAdvertisement>(frame.packet().transport).router_lifetime;
  }
  static bool is_multicast(const SentFrame& frame) {
    return frame.packet().ip_header.destination == IpAddress(kAllNodes);
  }
  // Runs the responder's timers to `until` and gives when it advertised.
  std::vector<Instant> run(Instant until) {
    std::vector<Instant> times;
    while (ndp.next_deadline() <= until) {
      at = std::max(at, ndp.next_deadline());
      ndp.handle_timers(at);
      const Outcome outcome = taken();
      for (const SentFrame& frame : outcome.frames) {
        BOOST_TEST(is_advertisement(frame));
        BOOST_TEST(is_multicast(frame));
        times.push_back(at);
      }
    }
    at = until;
    return times;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(router, RouterFixture)

BOOST_AUTO_TEST_CASE(advertises_prefix_mtu_dns_and_itself) {
  config.search = {"corp.example", "example"};
  config.host_has_ipv6_route = true;
  NdpResponder router(config, context);
  const Outcome outcome =
      feed(router, icmp_frame(ndp_spec(kGuestLinkLocal, kAllRouters), 133, 0, 0, kSourceOption));
  BOOST_REQUIRE(outcome.answered());
  const Packet packet = outcome.frames[0].packet();
  BOOST_TEST(packet.ip_header.ttl == 255);
  BOOST_TEST((packet.ip_header.source == IpAddress(kGatewayLinkLocal)));
  BOOST_TEST((packet.ip_header.destination == IpAddress(kGuestLinkLocal)));
  BOOST_TEST((packet.destination_mac == kGuestMac));
  const uint8_t sum0 = packet.transport[2];
  const uint8_t sum1 = packet.transport[3];
  ByteVector expected = {
      134,  0, sum0, sum1, 64,   0x40, 0x07, 0x08,  // O=1, 1800 s
      0,    0, 0x75, 0x30, 0,    0,    0x03, 0xe8,  // 30 s, 1 s
      1,    1, 0x52, 0x55, 0x0a, 0,    0,    1,     // source link-layer
      5,    1, 0,    0,    0,    0,    0x05, 0xdc,  // MTU 1500
      3,    4, 64,   0xc0, 0,    0x27, 0x8d, 0,    0, 0x09, 0x3a, 0x80, 0, 0, 0, 0,  //
      0xfd, 0, 0xda, 0x51, 0,    0,    0,    0,    0, 0,    0,    0,    0, 0, 0, 0,
      25,   3, 0,    0,    0,    0,    0x02, 0x58};  // RDNSS, 600 s
  append(expected, kGatewayLinkLocal.bytes);
  append(expected, ByteVector{31, 4, 0, 0, 0, 0, 0x02, 0x58});  // DNSSL, 600 s
  append(expected, text(std::string_view("\4corp\7example\0\7example\0", 23)));
  expected.push_back(0);  // padding
  BOOST_TEST(ByteVector(packet.transport.begin(), packet.transport.end()) == expected,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(announces_configured_dns_servers) {
  config.dns_v6 = {v6("2001:db8::53"), v6("fd00:da51::53")};
  NdpResponder router(config, context);
  const Outcome outcome =
      feed(router, icmp_frame(ndp_spec(kGuestLinkLocal, kAllRouters), 133, 0, 0, {}));
  BOOST_REQUIRE(outcome.answered());
  const Packet packet = outcome.frames[0].packet();
  NdpOptions options(packet.transport.subspan(sizeof(RouterAdvertisement)));
  size_t found = 0;
  while (const auto option = options.next()) {
    if (option->type != NdpOptionType::kRdnss) continue;
    ++found;
    BOOST_REQUIRE(option->bytes.size() == 40u);
    BOOST_TEST((load<Ipv6Address>(option->bytes.subspan(8)) == config.dns_v6[0]));
    BOOST_TEST((load<Ipv6Address>(option->bytes.subspan(24)) == config.dns_v6[1]));
  }
  BOOST_TEST(found == 1u);
}

BOOST_AUTO_TEST_CASE(advertises_from_the_start_thrice_and_then_at_random_intervals) {
  BOOST_TEST((ndp.next_deadline() <= at));
  const std::vector<Instant> times = run(at + 4h);
  BOOST_REQUIRE(times.size() > 70u);  // 4 h in intervals of at most 200 s
  BOOST_TEST((times[1] - times[0] <= 16s));
  BOOST_TEST((times[2] - times[1] <= 16s));
  bool varies = false;
  for (size_t i = 3; i < times.size(); ++i) {
    const Duration gap = times[i] - times[i - 1];
    BOOST_TEST((gap >= 66s && gap <= 200s));
    if (i > 3 && gap != times[i - 1] - times[i - 2]) varies = true;
  }
  BOOST_TEST(varies);
  BOOST_TEST(counters[Counter::kRouterAdvertisements] == times.size());
}

BOOST_AUTO_TEST_CASE(keeps_short_intervals_within_their_bounds) {
  config.ra_interval = 4s;
  const std::vector<Instant> times = run(at + 10min);
  for (size_t i = 1; i < times.size(); ++i) {
    const Duration gap = times[i] - times[i - 1];
    BOOST_TEST((gap >= 3s && gap <= 4s));
  }
}

BOOST_AUTO_TEST_CASE(does_nothing_before_its_deadline) {
  run(at);
  at = ndp.next_deadline() - 1ns;
  ndp.handle_timers(at);
  BOOST_TEST(taken().frames.empty());
}

BOOST_AUTO_TEST_CASE(answers_a_solicitation_without_source_by_multicast_every_three_seconds) {
  const Outcome first = solicit_router({}, {});
  BOOST_REQUIRE(first.answered());
  BOOST_TEST(is_multicast(first.frames[0]));
  BOOST_TEST((first.frames[0].packet().destination_mac == MacAddress{{0x33, 0x33, 0, 0, 0, 1}}));
  const Instant began = at;
  at += 1s;
  for (int i = 0; i < 5; ++i) {  // not now, and not a drop: soon
    const Outcome again = solicit_router({}, {});
    BOOST_TEST(again.frames.empty());
    BOOST_TEST(again.drops.empty());
  }
  BOOST_TEST((ndp.next_deadline() == began + 3s));
  at = began + 3s;
  ndp.handle_timers(at);
  BOOST_TEST(taken().frames.size() == 1u);
}

BOOST_AUTO_TEST_CASE(answers_a_solicitation_with_source_at_once_but_not_without_bound) {
  size_t answered = 0;
  for (int i = 0; i < 100; ++i) {
    const Outcome outcome = solicit_router(kGuestLinkLocal, kSourceOption);
    BOOST_TEST(outcome.is_accounted_for());
    if (outcome.frames.empty()) {
      BOOST_TEST(outcome.silent_with(DropReason::kRateLimited));
      continue;
    }
    ++answered;
    BOOST_TEST(!is_multicast(outcome.frames[0]));
  }
  BOOST_TEST(answered == 10u);
  at += 1s;
  BOOST_TEST(solicit_router(kGuestLinkLocal, {}).answered());
}

BOOST_AUTO_TEST_CASE(refuses_invalid_solicitations) {
  BOOST_TEST(solicit_router({}, kSourceOption).silent_with(DropReason::kNdpInvalid));
  BOOST_TEST(solicit_router(kGuestLinkLocal, {1, 0}).silent_with(DropReason::kNdpInvalid));
  BOOST_TEST(solicit_router(v6("2001:db8::9"), {}).silent_with(DropReason::kSourceAddressInvalid));
}

BOOST_AUTO_TEST_CASE(router_lifetime_follows_the_host) {
  BOOST_TEST(lifetime(solicit_router(kGuestLinkLocal, {}).frames.at(0)) == 0);
  run(at + 1h);
  ndp.set_host_ipv6(at, true);
  BOOST_TEST((ndp.next_deadline() <= at + 3s));  // told soon
  at = std::max(at, ndp.next_deadline());
  ndp.handle_timers(at);
  const Outcome told = taken();
  BOOST_REQUIRE(told.frames.size() == 1u);
  BOOST_TEST(lifetime(told.frames[0]) == 1800);
  BOOST_TEST(is_multicast(told.frames[0]));
  BOOST_TEST((ndp.next_deadline() <= at + 16s));  // and again, in case that was lost
  // Gone again: not before the least delay between multicasts.
  const Instant last = at;
  at += 1s;
  ndp.set_host_ipv6(at, false);
  BOOST_TEST((ndp.next_deadline() == last + 3s));
  at = last + 3s;
  ndp.handle_timers(at);
  BOOST_TEST(lifetime(taken().frames.at(0)) == 0);
}

BOOST_AUTO_TEST_CASE(no_news_of_the_host_changes_nothing) {
  run(at + 1h);
  const Instant next = ndp.next_deadline();
  ndp.set_host_ipv6(at, false);
  BOOST_TEST((ndp.next_deadline() == next));
}

BOOST_AUTO_TEST_CASE(an_advertisement_that_found_no_room_is_tried_again_without_spinning) {
  link.room = 0;
  ndp.handle_timers(at);
  BOOST_TEST((ndp.next_deadline() == at + 3s));
  link.room = ~size_t{0};
  const std::vector<Instant> times = run(at + 1min);
  BOOST_REQUIRE(times.size() >= 3u);
  BOOST_TEST((times[2] - times[1] <= 16s));  // still as at the start
  link.room = 0;
  BOOST_TEST(solicit_router(kGuestLinkLocal, {}).silent_with(DropReason::kGuestLinkFull));
}

BOOST_AUTO_TEST_CASE(begins_anew_when_the_link_restarts) {
  run(at + 1h);
  ndp.set_host_ipv6(at, true);
  ndp.restart_link(at);
  BOOST_TEST((ndp.next_deadline() == at));
  ndp.handle_timers(at);
  BOOST_TEST(lifetime(taken().frames.at(0)) == 1800);
}

BOOST_AUTO_TEST_CASE(says_nothing_without_ipv6) {
  topology.ipv6 = false;
  NdpResponder none(config, context);
  BOOST_TEST((none.next_deadline() == kNever));
  none.handle_timers(at);
  BOOST_TEST(taken().frames.empty());
}

BOOST_AUTO_TEST_CASE(a_configuration_beyond_bounds_still_fits_the_least_mtu) {
  topology.mtu = 1280;
  link.link_limits.mtu = 1280;
  config.search.assign(100, std::string(63, 'a') + "." + std::string(63, 'b'));
  config.dns_v6.assign(100, kGatewayUla);
  NdpResponder router(config, context);
  const Outcome outcome =
      feed(router, icmp_frame(ndp_spec(kGuestLinkLocal, kAllRouters), 133, 0, 0, {}));
  BOOST_REQUIRE(outcome.answered());
  const Packet packet = outcome.frames[0].packet();
  BOOST_TEST(packet.ip.size() <= 1280u);
  NdpOptions options(packet.transport.subspan(sizeof(RouterAdvertisement)));
  size_t names = 0;
  while (const auto option = options.next()) {
    if (option->type != NdpOptionType::kDnssl) continue;
    names = decode_search_list(option->bytes.subspan(8)).value().size();
  }
  BOOST_TEST(!options.malformed());
  BOOST_TEST(names > 3u);
}

BOOST_AUTO_TEST_CASE(goes_on_after_save_and_restore) {
  ndp.set_host_ipv6(at, true);
  run(at + 30s);
  MemoryArchive archive;
  ArchiveWriter saver(archive);
  ndp.save(saver);
  NdpResponder other(config, context);
  ArchiveReader reader(archive);
  BOOST_REQUIRE(other.restore(reader));
  BOOST_TEST(archive.read == archive.bytes.size());
  BOOST_TEST((other.next_deadline() == ndp.next_deadline()));
  at = other.next_deadline();
  other.handle_timers(at);
  BOOST_TEST(lifetime(taken().frames.at(0)) == 1800);
  MemoryArchive truncated;
  truncated.bytes.assign(archive.bytes.begin(), archive.bytes.end() - 1);
  ArchiveReader fails(truncated);
  BOOST_TEST(!other.restore(fails));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
