#include <boost/test/unit_test.hpp>

#include "tests/core/gateway/ndp_fixture.hh"

namespace dashi::test {
namespace {

struct NeighborFixture : NdpFixture {
  // Checks everything a neighbor advertisement of the gateway's has.
  void check(const Outcome& outcome, const Ipv6Address& from, const Ipv6Address& to,
             const MacAddress& mac, const Ipv6Address& target, uint8_t flags) {
    BOOST_REQUIRE(outcome.answered());
    const Packet packet = outcome.frames[0].packet();
    BOOST_TEST((packet.source_mac == topology.gateway_mac));
    BOOST_TEST((packet.destination_mac == mac));
    BOOST_TEST((packet.ip_header.source == IpAddress(from)));
    BOOST_TEST((packet.ip_header.destination == IpAddress(to)));
    BOOST_TEST(packet.ip_header.ttl == 255);
    ByteVector expected = {136, 0, packet.transport[2], packet.transport[3], flags, 0, 0, 0};
    append(expected, target.bytes);
    append(expected, ByteVector{2, 1});
    append(expected, topology.gateway_mac.bytes);
    BOOST_TEST(ByteVector(packet.transport.begin(), packet.transport.end()) == expected,
               boost::test_tools::per_element());
  }
  static constexpr uint8_t kRouterSolicitedOverride = 0xe0;
  static constexpr uint8_t kRouterOverride = 0xa0;
  static constexpr uint8_t kRouterSolicited = 0xc0;
};

const MacAddress kAllNodesMac{{0x33, 0x33, 0, 0, 0, 1}};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(neighbor, NeighborFixture)

BOOST_AUTO_TEST_CASE(resolves_both_of_the_gateways_addresses) {
  for (const Ipv6Address& target : {kGatewayLinkLocal, kGatewayUla}) {
    for (const Ipv6Address& from : {kGuestLinkLocal, kGuestUla}) {
      check(resolve(from, target), target, from, kGuestMac, target, kRouterSolicitedOverride);
    }
  }
  BOOST_TEST(counters[Counter::kNdpReplies] == 4u);
}

BOOST_AUTO_TEST_CASE(answers_unreachability_detection_with_and_without_a_link_layer_option) {
  for (const ByteVector& options : {ByteVector{}, kSourceOption}) {
    const auto frame =
        solicitation(ndp_spec(kGuestUla, kGatewayLinkLocal), kGatewayLinkLocal, options);
    check(feed(ndp, frame), kGatewayLinkLocal, kGuestUla, kGuestMac, kGatewayLinkLocal,
          kRouterSolicitedOverride);
  }
}

BOOST_AUTO_TEST_CASE(defends_the_gateways_addresses_against_duplicate_address_detection) {
  for (const Ipv6Address& target : {kGatewayLinkLocal, kGatewayUla}) {
    check(detect(target), target, kAllNodes, kAllNodesMac, target, kRouterOverride);
  }
}

BOOST_AUTO_TEST_CASE(contradicts_an_advertisement_of_the_gateways_address_once_in_ten_seconds) {
  const auto claim = advertisement(ndp_spec(kGatewayLinkLocal, kAllNodes), kGatewayLinkLocal, 0x20);
  check(feed(ndp, claim), kGatewayLinkLocal, kAllNodes, kAllNodesMac, kGatewayLinkLocal,
        kRouterOverride);
  at += 9999ms;
  BOOST_TEST(feed(ndp, claim).silent_with(DropReason::kRateLimited));
  at += 1ms;
  BOOST_TEST(feed(ndp, claim).answered());
}

BOOST_AUTO_TEST_CASE(never_answers_duplicate_address_detection_for_anyone_else) {
  for (const char* target : {"fe80::5054:ff:fe12:3456", "fd00:da51::5054:ff:fe12:3456",
                             "fd00:da51::99", "fe80::99", "2001:db8::1"}) {
    BOOST_TEST(detect(v6(target)).silent_with(DropReason::kNdpNotForUs), target);
  }
}

BOOST_AUTO_TEST_CASE(stands_in_for_other_addresses_of_the_prefix_without_override) {
  const Ipv6Address other = v6("fd00:da51::99");
  check(resolve(kGuestUla, other), kGatewayLinkLocal, kGuestUla, kGuestMac, other,
        kRouterSolicited);
}

BOOST_AUTO_TEST_CASE(never_claims_an_address_the_guest_uses) {
  // Privacy addresses and the like: heard as a source, from then on the guest's.
  const Ipv6Address privacy = v6("fd00:da51::1234:5678");
  BOOST_TEST(resolve(kGuestUla, privacy).answered());
  BOOST_TEST(resolve(privacy, kGatewayUla).answered());
  BOOST_TEST(resolve(kGuestUla, privacy).silent_with(DropReason::kNdpNotForUs));
  BOOST_TEST(resolve(kGuestUla, kGuestUla).silent_with(DropReason::kNdpNotForUs));
}

BOOST_AUTO_TEST_CASE(does_not_stand_in_outside_the_prefix) {
  for (const char* target : {"fe80::99", "2001:db8::1", "fd00:da52::1", "::1", "::"}) {
    BOOST_TEST(resolve(kGuestUla, v6(target)).silent_with(DropReason::kNdpNotForUs), target);
  }
}

BOOST_AUTO_TEST_CASE(ignores_the_guests_advertisements_of_its_own_addresses) {
  const auto own = advertisement(ndp_spec(kGuestUla, kAllNodes), kGuestUla, 0x20);
  BOOST_TEST(feed(ndp, own).silent_with(DropReason::kNdpNotForUs));
  BOOST_TEST(guest.uses(kGuestUla));
}

BOOST_AUTO_TEST_CASE(ignores_what_only_routers_send) {
  const IpSpec ip = ndp_spec(kGuestLinkLocal, kAllNodes);
  BOOST_TEST(
      feed(ndp, icmp_frame(ip, 134, 0, 0, ByteVector(8))).silent_with(DropReason::kNdpNotForUs));
  BOOST_TEST(
      feed(ndp, icmp_frame(ip, 137, 0, 0, ByteVector(32))).silent_with(DropReason::kNdpNotForUs));
}

BOOST_AUTO_TEST_CASE(requires_hop_limit_255_and_code_0) {
  for (const uint8_t ttl : {uint8_t{0}, uint8_t{1}, uint8_t{64}, uint8_t{254}}) {
    IpSpec ip = ndp_spec(kGuestUla, kGatewayUla);
    ip.ttl = ttl;
    BOOST_TEST(feed(ndp, solicitation(ip, kGatewayUla, {})).silent_with(DropReason::kNdpInvalid));
    BOOST_TEST(feed(ndp, icmp_frame(ip, 133, 0, 0, {})).silent_with(DropReason::kNdpInvalid));
    BOOST_TEST(feed(ndp, advertisement(ip, kGuestUla, 0)).silent_with(DropReason::kNdpInvalid));
  }
  const IpSpec ip = ndp_spec(kGuestUla, kGatewayUla);
  const ByteVector body(kGatewayUla.bytes.begin(), kGatewayUla.bytes.end());
  for (const uint8_t type : {uint8_t{133}, uint8_t{135}, uint8_t{136}}) {
    BOOST_TEST(feed(ndp, icmp_frame(ip, type, 1, 0, body)).silent_with(DropReason::kNdpInvalid));
  }
}

BOOST_AUTO_TEST_CASE(requires_a_correct_checksum) {
  auto frame = solicitation(ndp_spec(kGuestUla, kGatewayUla), kGatewayUla, kSourceOption);
  frame.back() ^= 1;
  BOOST_TEST(feed(ndp, frame).silent_with(DropReason::kIcmpChecksum));
}

BOOST_AUTO_TEST_CASE(refuses_invalid_solicitations) {
  const auto refused = [&](const IpSpec& ip, const Ipv6Address& target, const ByteVector& options) {
    return feed(ndp, solicitation(ip, target, options)).silent_with(DropReason::kNdpInvalid);
  };
  const IpSpec unicast = ndp_spec(kGuestUla, kGatewayUla);
  BOOST_TEST(refused(unicast, kAllNodes, {}));  // a group as target
  // Duplicate address detection to other than the solicited-node group, or with a link-layer address.
  BOOST_TEST(refused(ndp_spec({}, kGatewayUla), kGatewayUla, {}));
  BOOST_TEST(refused(ndp_spec({}, kAllNodes), kGatewayUla, {}));
  BOOST_TEST(refused(ndp_spec({}, solicited_node(kGatewayUla)), kGatewayUla, kSourceOption));
  // Options: length zero, longer than what is there, half an option.
  BOOST_TEST(refused(unicast, kGatewayUla, {1, 0, 0, 0, 0, 0, 0, 0}));
  BOOST_TEST(refused(unicast, kGatewayUla, {1, 2, 0, 0, 0, 0, 0, 0}));
  BOOST_TEST(refused(unicast, kGatewayUla, {1, 255, 0, 0, 0, 0, 0, 0}));
  BOOST_TEST(refused(unicast, kGatewayUla, {1}));
  BOOST_TEST(refused(unicast, kGatewayUla, {14, 1, 0, 0, 0, 0, 0, 0, 1}));
  // An advertisement that says it was solicited, to a group.
  BOOST_TEST(feed(ndp, advertisement(ndp_spec(kGuestUla, kAllNodes), kGuestUla, 0x60))
                 .silent_with(DropReason::kNdpInvalid));
}

BOOST_AUTO_TEST_CASE(skips_options_it_does_not_know) {
  const ByteVector nonce = {14, 1, 1, 2, 3, 4, 5, 6};  // RFC 3971 5.3.2
  ByteVector both = nonce;
  append(both, kSourceOption);
  const IpSpec ip = ndp_spec(kGuestUla, kGatewayUla);
  BOOST_TEST(feed(ndp, solicitation(ip, kGatewayUla, both)).answered());
  // Enhanced duplicate address detection (RFC 7527) sends one with an unspecified source.
  const IpSpec dad = ndp_spec({}, solicited_node(kGatewayUla));
  BOOST_TEST(feed(ndp, solicitation(dad, kGatewayUla, nonce)).answered());
}

BOOST_AUTO_TEST_CASE(drops_sources_that_are_not_the_guests) {
  for (const char* from : {"2001:db8::1", "fe80::5055:aff:fe00:1", "fd00:da51::1", "::1"}) {
    const auto frame = solicitation(ndp_spec(v6(from), kGatewayUla), kGatewayUla, {});
    BOOST_TEST(feed(ndp, frame).silent_with(DropReason::kSourceAddressInvalid), from);
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_is_answered_or_dropped_once) {
  const IpSpec ip = ndp_spec(kGuestUla, kGatewayUla);
  const ByteVector whole = solicitation(ip, kGatewayUla, kSourceOption);
  const size_t header = 14 + 40;
  size_t answered = 0;
  for (size_t size = 0; size < whole.size() - header; ++size) {
    for (const uint8_t type : {uint8_t{133}, uint8_t{135}, uint8_t{136}}) {
      IpSpec spec = ip;
      spec.protocol = 58;
      ByteVector message(whole.begin() + header,
                         whole.begin() + static_cast<ptrdiff_t>(header + size));
      if (!message.empty()) message[0] = type;
      if (message.size() >= 4) {
        put_u16(message, 2, 0);
        put_u16(message, 2, transport_checksum(spec, 58, message));
      }
      const Outcome outcome = feed(ndp, ethernet_frame(spec, message));
      BOOST_TEST(outcome.is_accounted_for(), "type " << int{type} << " size " << size);
      if (!outcome.frames.empty()) ++answered;
    }
  }
  // The bare router and neighbor solicitations, 8 and 24 bytes; an advertisement is never answered
  // but for the one that claims the gateway's address.
  BOOST_TEST(answered == 3u);
}

BOOST_AUTO_TEST_CASE(counts_an_answer_that_found_no_room_as_a_drop) {
  link.room = 0;
  BOOST_TEST(resolve(kGuestUla, kGatewayUla).silent_with(DropReason::kGuestLinkFull));
  BOOST_TEST(detect(kGatewayUla).silent_with(DropReason::kGuestLinkFull));
  BOOST_TEST(counters[Counter::kNdpReplies] == 0u);
}

BOOST_AUTO_TEST_CASE(wants_ndp_of_any_source_and_nothing_else) {
  const auto wanted = [&](const ByteVector& frame) {
    Packet packet;
    BOOST_REQUIRE(parse(frame, {}, topology.mtu, packet).ok());
    return NdpResponder::wants(packet, topology);
  };
  const IpSpec ip = ndp_spec({}, kAllRouters);
  for (int type = 0; type < 256; ++type) {
    const auto frame = icmp_frame(ip, static_cast<uint8_t>(type), 0, 0, ByteVector(32));
    BOOST_TEST(wanted(frame) == (type >= 133 && type <= 137), type);
  }
  IpSpec ipv4;
  ipv4.source = kGuestV4;
  ipv4.destination = kGatewayV4;
  BOOST_TEST(!wanted(icmp_frame(ipv4, 135, 0, 0, ByteVector(32))));
  BOOST_TEST(!wanted(udp_frame(ip, 135, 135, ByteVector(32, 135))));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
