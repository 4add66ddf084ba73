#include <boost/test/unit_test.hpp>

#include "core/gateway/arp_responder.hh"
#include "tests/core/gateway/fixture.hh"

namespace dashi::test {

struct ArpFixture : GatewayFixture {
  ArpResponder arp{context};

  static ByteVector arp_frame(const MacAddress& from, const ArpPacket& packet) {
    ByteVector frame;
    append(frame, MacAddress::broadcast().bytes);
    append(frame, from.bytes);
    append_u16(frame, 0x0806);
    std::array<uint8_t, sizeof(ArpPacket)> raw{};
    store(MutableBytes(raw), packet);
    append(frame, raw);
    return frame;
  }
  static ArpPacket request(Ipv4Address sender, Ipv4Address target) {
    ArpPacket packet;
    packet.operation = kArpRequest;
    packet.sender_mac = kGuestMac;
    packet.sender_ip = sender;
    packet.target_ip = target;
    return packet;
  }
  Outcome ask(Ipv4Address sender, Ipv4Address target) {
    return feed(arp, arp_frame(kGuestMac, request(sender, target)));
  }
};

// Whole frames, written out: 14 bytes of Ethernet, 28 of ARP.
const ByteVector kAskForGateway = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12,
                                   0x34, 0x56, 0x08, 0x06,                                   //
                                   0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,           //
                                   0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10,   0,    0,    2,  //
                                   0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 10,   0,    0,    1};
const ByteVector kGatewayAnswers = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x52, 0x55, 0x0a, 0x00,
                                    0x00, 0x01, 0x08, 0x06,                                   //
                                    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,           //
                                    0x52, 0x55, 0x0a, 0x00, 0x00, 0x01, 10,   0,    0,    1,  //
                                    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10,   0,    0,    2};

BOOST_FIXTURE_TEST_SUITE(arp, ArpFixture)

BOOST_AUTO_TEST_CASE(resolves_the_gateway) {
  const Outcome outcome = feed(arp, kAskForGateway);
  BOOST_REQUIRE(outcome.frames.size() == 1u);
  BOOST_TEST(outcome.frames[0].bytes == kGatewayAnswers, boost::test_tools::per_element());
  BOOST_TEST(outcome.drops.empty());
  BOOST_TEST(counters[Counter::kArpReplies] == 1u);
}

BOOST_AUTO_TEST_CASE(answers_a_frame_padded_to_the_ethernet_minimum) {
  ByteVector frame = kAskForGateway;
  frame.resize(60);
  const Outcome outcome = feed(arp, frame);
  BOOST_REQUIRE(outcome.frames.size() == 1u);
  BOOST_TEST(outcome.frames[0].bytes == kGatewayAnswers, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(defends_the_gateways_address_against_probes) {
  const Outcome outcome = ask({}, kGatewayV4);
  BOOST_REQUIRE(outcome.frames.size() == 1u);
  const ArpPacket reply = parse_arp(Bytes(outcome.frames[0].bytes).subspan(14)).value();
  BOOST_TEST((reply.operation == kArpReply));
  BOOST_TEST((reply.sender_ip == kGatewayV4));
  BOOST_TEST((reply.sender_mac == topology.gateway_mac));
  BOOST_TEST((reply.target_mac == kGuestMac));
  BOOST_TEST(reply.target_ip.is_unspecified());
}

BOOST_AUTO_TEST_CASE(contradicts_a_guest_that_claims_the_gateways_address_once_in_ten_seconds) {
  const Outcome first = ask(kGatewayV4, kGatewayV4);
  BOOST_REQUIRE(first.frames.size() == 1u);
  const ArpPacket said = parse_arp(Bytes(first.frames[0].bytes).subspan(14)).value();
  BOOST_TEST((load<MacAddress>(first.frames[0].bytes) == MacAddress::broadcast()));
  BOOST_TEST(said.is_announcement());
  BOOST_TEST((said.sender_mac == topology.gateway_mac));
  BOOST_TEST((said.sender_ip == kGatewayV4));
  at += 9999ms;
  BOOST_TEST(ask(kGatewayV4, kGuestV4).silent_with(DropReason::kRateLimited));
  at += 1ms;
  BOOST_TEST(ask(kGatewayV4, kGuestV4).frames.size() == 1u);
}

BOOST_AUTO_TEST_CASE(leaves_probes_and_announcements_of_the_guests_own_addresses_alone) {
  BOOST_TEST(ask({}, kGuestV4).silent_with(DropReason::kArpNotForUs));
  BOOST_TEST(ask(kGuestV4, kGuestV4).silent_with(DropReason::kArpNotForUs));
  // An address the guest chose itself: probed, announced, then in use.
  const Ipv4Address chosen = v4("10.0.0.77");
  BOOST_TEST(ask({}, chosen).silent_with(DropReason::kArpNotForUs));
  BOOST_TEST(ask(chosen, chosen).silent_with(DropReason::kArpNotForUs));
  BOOST_TEST(ask(chosen, kGatewayV4).frames.size() == 1u);
  BOOST_TEST(ask(kGuestV4, chosen).silent_with(DropReason::kArpNotForUs));
  // The address that DHCP gives is never the gateway's to claim, whoever asks.
  BOOST_TEST(ask(chosen, kGuestV4).silent_with(DropReason::kArpNotForUs));
}

BOOST_AUTO_TEST_CASE(stands_in_for_other_hosts_of_the_subnet_but_not_for_probes) {
  const Ipv4Address other = v4("10.0.0.9");
  const Outcome outcome = ask(kGuestV4, other);
  BOOST_REQUIRE(outcome.frames.size() == 1u);
  const ArpPacket reply = parse_arp(Bytes(outcome.frames[0].bytes).subspan(14)).value();
  BOOST_TEST((reply.sender_ip == other));
  BOOST_TEST((reply.sender_mac == topology.gateway_mac));
  BOOST_TEST(ask({}, other).silent_with(DropReason::kArpNotForUs));
}

BOOST_AUTO_TEST_CASE(does_not_stand_in_for_what_is_no_host_of_the_subnet) {
  for (const char* target : {"10.0.0.0", "10.0.0.255", "10.0.1.9", "192.168.0.1", "0.0.0.0",
                             "255.255.255.255", "224.0.0.1"}) {
    BOOST_TEST(ask(kGuestV4, v4(target)).silent_with(DropReason::kArpNotForUs), target);
  }
}

BOOST_AUTO_TEST_CASE(ignores_senders_from_elsewhere) {
  for (const char* sender : {"10.0.1.2", "169.254.1.1", "10.0.0.255", "127.0.0.1", "224.0.0.1"}) {
    BOOST_TEST(ask(v4(sender), kGatewayV4).silent_with(DropReason::kSourceAddressInvalid), sender);
  }
}

BOOST_AUTO_TEST_CASE(ignores_replies) {
  ArpPacket reply = request(kGuestV4, kGatewayV4);
  reply.operation = kArpReply;
  BOOST_TEST(feed(arp, arp_frame(kGuestMac, reply)).silent_with(DropReason::kArpNotForUs));
}

BOOST_AUTO_TEST_CASE(drops_a_sender_that_is_not_the_frames_own) {
  ArpPacket spoofed = request(kGuestV4, kGatewayV4);
  spoofed.sender_mac.bytes[5] ^= 1;
  BOOST_TEST(feed(arp, arp_frame(kGuestMac, spoofed)).silent_with(DropReason::kSourceMacSpoofed));
}

BOOST_AUTO_TEST_CASE(drops_malformed_packets_at_every_length_and_in_every_fixed_field) {
  for (size_t size = 14; size < kAskForGateway.size(); ++size) {
    ByteVector frame = kAskForGateway;
    frame.resize(size);
    BOOST_TEST(feed(arp, frame).silent_with(DropReason::kArpMalformed), size);
  }
  // Hardware and protocol type, their lengths, the operation: 8 bytes, any other value is malformed,
  // but for the operation "reply".
  for (size_t i = 14; i < 22; ++i) {
    for (int value = 0; value < 256; ++value) {
      ByteVector frame = kAskForGateway;
      if (frame[i] == value || (i == 21 && value == 2)) continue;
      frame[i] = static_cast<uint8_t>(value);
      BOOST_TEST(feed(arp, frame).silent_with(DropReason::kArpMalformed), i);
    }
  }
  for (const uint8_t first : {uint8_t{0x01}, uint8_t{0xff}}) {  // a group as sender
    ByteVector frame = kAskForGateway;
    frame[22] = first;
    BOOST_TEST(feed(arp, frame).silent_with(DropReason::kArpMalformed));
  }
}

BOOST_AUTO_TEST_CASE(counts_an_answer_that_found_no_room_as_a_drop) {
  link.room = 0;
  BOOST_TEST(feed(arp, kAskForGateway).silent_with(DropReason::kGuestLinkFull));
  BOOST_TEST(counters[Counter::kArpReplies] == 0u);
}

BOOST_AUTO_TEST_CASE(forgets_the_guest_when_the_link_restarts) {
  const Ipv4Address chosen = v4("10.0.0.77");
  BOOST_TEST(ask(chosen, kGatewayV4).frames.size() == 1u);
  arp.restart_link(at);
  BOOST_TEST(ask(kGuestV4, chosen).frames.size() == 1u);
}

BOOST_AUTO_TEST_CASE(goes_on_after_save_and_restore) {
  const Ipv4Address chosen = v4("10.0.0.77");
  BOOST_TEST(ask(chosen, kGatewayV4).frames.size() == 1u);
  BOOST_TEST(ask(kGatewayV4, kGatewayV4).frames.size() == 1u);
  MemoryArchive archive;
  ArchiveWriter saver(archive);
  arp.save(saver);
  ArpResponder other(context);
  ArchiveReader reader(archive);
  BOOST_REQUIRE(other.restore(reader));
  BOOST_TEST(archive.read == archive.bytes.size());
  const ByteVector own = arp_frame(kGuestMac, request(kGuestV4, chosen));
  BOOST_TEST(feed(other, own).silent_with(DropReason::kArpNotForUs));
  const ByteVector claim = arp_frame(kGuestMac, request(kGatewayV4, kGatewayV4));
  BOOST_TEST(feed(other, claim).silent_with(DropReason::kRateLimited));
  MemoryArchive truncated;
  truncated.bytes.assign(archive.bytes.begin(), archive.bytes.end() - 1);
  ArchiveReader fails(truncated);
  BOOST_TEST(!other.restore(fails));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
