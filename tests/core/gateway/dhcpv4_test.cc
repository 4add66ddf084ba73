#include <boost/test/unit_test.hpp>

#include "tests/core/gateway/dhcpv4_fixture.hh"

namespace dashi::test {
namespace {

ClientMessage selecting(const Ipv4Address& wanted) {
  ClientMessage message(kRequest);
  return message.address(54, kGatewayV4).address(50, wanted);
}

ClientMessage renewing(const Ipv4Address& client) {
  ClientMessage message(kRequest);
  message.client = client;
  return message;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(dhcpv4, Dhcpv4Fixture)

BOOST_AUTO_TEST_CASE(offers_the_guests_address_with_all_it_needs) {
  const ServerMessage offer = reply_to(ClientMessage(kDiscover));
  BOOST_TEST(offer.type() == kOffer);
  BOOST_TEST((offer.header.your == kGuestV4));
  BOOST_TEST(offer.header.client.is_unspecified());
  BOOST_TEST((offer.header.client_mac == kClientMac));
  BOOST_TEST((offer.address(54) == kGatewayV4));
  BOOST_TEST((offer.address(1) == v4("255.255.255.0")));
  BOOST_TEST((offer.address(3) == kGatewayV4));
  BOOST_TEST((offer.address(6) == kGatewayV4));
  BOOST_TEST(offer.u32(51) == 86400u);
  BOOST_TEST(offer.u32(58) == 43200u);
  BOOST_TEST(offer.u32(59) == 75600u);
  BOOST_TEST((offer.options.at(26) == ByteVector{0x05, 0xdc}));
  BOOST_TEST(!offer.has(12));
  BOOST_TEST(!offer.has(15));
  BOOST_TEST(!offer.has(61));
  BOOST_TEST(!offer.has(119));
  BOOST_TEST(offer.packet.payload.size() == 300u);
  BOOST_TEST(counters[Counter::kDhcpv4Replies] == 1u);
}

BOOST_AUTO_TEST_CASE(offers_to_all_or_to_the_client_as_its_broadcast_flag_says) {
  ClientMessage discover(kDiscover);
  BOOST_TEST(reply_to(discover).is_unicast_to(kGuestV4));
  discover.flags = kBroadcastFlag;
  const ServerMessage offer = reply_to(discover);
  BOOST_TEST(offer.is_broadcast());
  BOOST_TEST(uint16_t{offer.header.flags} == kBroadcastFlag);
}

BOOST_AUTO_TEST_CASE(acknowledges_the_address_it_offered) {
  const ServerMessage ack = reply_to(selecting(kGuestV4));
  BOOST_TEST(ack.type() == kAck);
  BOOST_TEST((ack.header.your == kGuestV4));
  BOOST_TEST(ack.header.client.is_unspecified());
  BOOST_TEST(ack.is_unicast_to(kGuestV4));
  BOOST_TEST(ack.u32(51) == 86400u);
  ClientMessage to_all = selecting(kGuestV4);
  to_all.flags = kBroadcastFlag;
  BOOST_TEST(reply_to(to_all).is_broadcast());
}

BOOST_AUTO_TEST_CASE(refuses_any_other_address_to_all_without_a_lease) {
  const ClientMessage init_reboot = ClientMessage(kRequest).address(50, v4("10.0.0.99"));
  for (const ClientMessage& message : {selecting(v4("10.0.0.99")), init_reboot,
                                       renewing(v4("10.0.0.99")), renewing(v4("192.168.1.5"))}) {
    const ServerMessage nak = reply_to(message);
    BOOST_TEST(nak.type() == kNak);
    BOOST_TEST(nak.is_broadcast());
    BOOST_TEST((nak.address(54) == kGatewayV4));
    BOOST_TEST(nak.header.your.is_unspecified());
    BOOST_TEST(nak.header.client.is_unspecified());
    BOOST_TEST(nak.order == (std::vector<uint8_t>{53, 54}), boost::test_tools::per_element());
    BOOST_TEST(nak.packet.payload.size() == 300u);
  }
}

BOOST_AUTO_TEST_CASE(confirms_the_address_after_a_reboot) {
  const ServerMessage ack = reply_to(ClientMessage(kRequest).address(50, kGuestV4));
  BOOST_TEST(ack.type() == kAck);
  BOOST_TEST(ack.is_unicast_to(kGuestV4));
}

BOOST_AUTO_TEST_CASE(renews_to_the_clients_address_whatever_its_broadcast_flag) {
  ClientMessage message = renewing(kGuestV4);
  message.flags = kBroadcastFlag;
  // Renewing is unicast to the server, rebinding broadcast; the answer is the same.
  for (const Ipv4Address& to : {kGatewayV4, v4("255.255.255.255"), v4("10.0.0.255")}) {
    const Outcome outcome = tell(message.bytes(), kGuestV4, to);
    BOOST_REQUIRE(outcome.answered());
    const ServerMessage ack(outcome.frames[0]);
    BOOST_TEST(ack.type() == kAck);
    BOOST_TEST(ack.is_unicast_to(kGuestV4));
    BOOST_TEST((ack.header.client == kGuestV4));
    BOOST_TEST((ack.header.your == kGuestV4));
    BOOST_TEST(ack.u32(51) == 86400u);
  }
}

BOOST_AUTO_TEST_CASE(refuses_a_guest_that_rebinds_from_another_network) {
  const Ipv4Address old = v4("192.168.1.5");
  const Outcome outcome = tell(renewing(old).bytes(), old, v4("255.255.255.255"));
  BOOST_REQUIRE(outcome.answered());
  BOOST_TEST(ServerMessage(outcome.frames[0]).type() == kNak);
}

BOOST_AUTO_TEST_CASE(informs_an_address_the_guest_gave_itself_without_a_lease) {
  ClientMessage inform(kInform);
  inform.client = v4("10.0.0.77");
  const Outcome outcome = tell(inform.bytes(), inform.client, v4("255.255.255.255"));
  BOOST_REQUIRE(outcome.answered());
  const ServerMessage ack(outcome.frames[0]);
  BOOST_TEST(ack.type() == kAck);
  BOOST_TEST(ack.is_unicast_to(v4("10.0.0.77")));
  BOOST_TEST(ack.header.your.is_unspecified());
  BOOST_TEST((ack.header.client == v4("10.0.0.77")));
  for (const uint8_t lease : {uint8_t{51}, uint8_t{58}, uint8_t{59}}) BOOST_TEST(!ack.has(lease));
  for (const uint8_t code : {uint8_t{1}, uint8_t{3}, uint8_t{6}, uint8_t{54}}) {
    BOOST_TEST(ack.has(code));
  }
  // Without ciaddr, its source address will do; with neither, or with one from elsewhere, nothing.
  inform.client = {};
  BOOST_TEST(tell(inform.bytes(), v4("10.0.0.77"), kGatewayV4).answered());
  BOOST_TEST(tell(inform).silent_with(DropReason::kDhcpv4NotForUs));
  for (const char* elsewhere : {"10.0.1.1", "10.0.0.1", "10.0.0.255", "127.0.0.1"}) {
    inform.client = v4(elsewhere);
    BOOST_TEST(tell(inform).silent_with(DropReason::kDhcpv4NotForUs), elsewhere);
  }
}

BOOST_AUTO_TEST_CASE(counts_release_and_decline_without_an_answer_and_offers_again) {
  ClientMessage release(kRelease);
  release.client = kGuestV4;
  release.address(54, kGatewayV4);
  Outcome outcome = tell(release);
  BOOST_TEST((outcome.frames.empty() && outcome.drops.empty()));
  BOOST_TEST(counters[Counter::kDhcpv4Releases] == 1u);
  const ClientMessage decline =
      ClientMessage(kDecline).address(54, kGatewayV4).address(50, kGuestV4);
  outcome = tell(decline);
  BOOST_TEST((outcome.frames.empty() && outcome.drops.empty()));
  BOOST_TEST(counters[Counter::kDhcpv4Declines] == 1u);
  BOOST_TEST((reply_to(ClientMessage(kDiscover)).header.your == kGuestV4));
  // Of an address that was never given: not for us.
  release.client = v4("10.0.0.99");
  BOOST_TEST(tell(release).silent_with(DropReason::kDhcpv4NotForUs));
  BOOST_TEST(tell(ClientMessage(kDecline)).silent_with(DropReason::kDhcpv4NotForUs));
}

BOOST_AUTO_TEST_CASE(is_silent_to_other_servers_and_relays) {
  const ClientMessage other =
      ClientMessage(kRequest).address(54, v4("10.0.0.254")).address(50, kGuestV4);
  BOOST_TEST(tell(other).silent_with(DropReason::kDhcpv4NotForUs));
  for (const uint8_t type : {kDiscover, kRequest, kInform, kRelease, kDecline}) {
    ClientMessage relayed(type);
    relayed.client = kGuestV4;
    relayed.relay = v4("10.0.0.3");
    BOOST_TEST(tell(relayed).silent_with(DropReason::kDhcpv4NotForUs));
  }
}

BOOST_AUTO_TEST_CASE(is_silent_to_messages_that_only_servers_send_or_nobody_knows) {
  for (const uint8_t type : {kOffer, kAck, kNak, uint8_t{9}, uint8_t{255}}) {
    BOOST_TEST(tell(ClientMessage(type)).silent_with(DropReason::kDhcpv4NotForUs));
  }
  BOOST_TEST(tell(ClientMessage(kRequest)).silent_with(DropReason::kDhcpv4Malformed));
}

BOOST_AUTO_TEST_CASE(tells_all_that_is_configured) {
  config.hostname = "guest";
  config.domain = "corp.example";
  config.search = {"corp.example", "lab.corp.example", "example"};
  config.dns_v4 = {v4("192.0.2.53"), v4("192.0.2.54")};
  config.dhcp_lease = 1h;
  topology.mtu = 9000;
  const ServerMessage offer = reply_to(ClientMessage(kDiscover));
  BOOST_TEST((offer.options.at(12) == text("guest")));
  BOOST_TEST((offer.options.at(15) == text("corp.example")));
  BOOST_TEST((offer.options.at(6) == ByteVector{192, 0, 2, 53, 192, 0, 2, 54}));
  BOOST_TEST((offer.options.at(26) == ByteVector{0x23, 0x28}));
  BOOST_TEST(offer.u32(51) == 3600u);
  BOOST_TEST(offer.u32(58) == 1800u);
  BOOST_TEST(offer.u32(59) == 3150u);
  BOOST_TEST((offer.address(28) == v4("10.0.0.255")));
  // RFC 3397 2: with pointers to what was said before.
  ByteVector search = text(std::string_view("\4corp\7example\0\3lab", 18));
  append(search, ByteVector{0xc0, 0, 0xc0, 5});
  BOOST_TEST(offer.options.at(119) == search, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(follows_the_order_of_the_parameter_list) {
  config.domain = "example";
  const ServerMessage offer = reply_to(
      ClientMessage(kDiscover).option(55, {15, 3, 6, 3, 77, 51, 0, 255, 26}).option(61, {1, 2}));
  // The mask comes before the router; what was not asked for follows.
  const std::vector<uint8_t> expected = {53, 54, 51, 15, 1, 3, 6, 26, 58, 59, 28, 61};
  BOOST_TEST(offer.order == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(echoes_client_identifiers_of_every_length_in_every_reply) {
  for (size_t size = 1; size <= 255; ++size) {
    ByteVector id = pattern(size);
    for (ClientMessage message :
         {ClientMessage(kDiscover), selecting(kGuestV4), selecting(v4("10.0.0.99"))}) {
      const ServerMessage reply = reply_to(message.option(61, id));
      BOOST_TEST((reply.options.at(61) == id), size);
      BOOST_TEST(reply.packet.ip.size() <= 576u);
      if (reply.type() == kNak) continue;
      for (const uint8_t code : {uint8_t{1}, uint8_t{3}, uint8_t{6}, uint8_t{51}}) {
        BOOST_TEST(reply.has(code), size);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(never_exceeds_what_the_client_accepts) {
  config.hostname = std::string(63, 'h');
  config.domain = std::string(63, 'd') + "." + std::string(63, 'e');
  for (char c = 'a'; c < 'i'; ++c) config.search.push_back(std::string(60, c));
  config.dns_v4.assign(20, v4("192.0.2.53"));
  for (const int accepted : {0, 1, 575, 576, 577, 600, 700, 800, 1000, 1400, 1500, 65535}) {
    for (const size_t id : {size_t{1}, size_t{128}, size_t{255}}) {
      ClientMessage message(kDiscover);
      message.option(57,
                     {static_cast<uint8_t>(accepted >> 8), static_cast<uint8_t>(accepted & 255)});
      const ServerMessage offer = reply_to(message.option(61, pattern(id)));
      const size_t bound = std::clamp<size_t>(static_cast<size_t>(accepted), 576, 1500);
      BOOST_TEST(offer.packet.ip.size() <= bound);
      BOOST_TEST(offer.options.at(61).size() == id);
      for (const uint8_t code : {uint8_t{1}, uint8_t{3}, uint8_t{6}, uint8_t{51}, uint8_t{54}}) {
        BOOST_TEST(offer.has(code));
      }
      // DNS servers come in fours of bytes however few fit.
      BOOST_TEST(offer.options.at(6).size() % 4 == 0u);
      if (accepted >= 1400) BOOST_TEST(offer.has(119));
    }
  }
}

BOOST_AUTO_TEST_CASE(names_as_many_dns_servers_as_fit) {
  config.dns_v4.assign(8, v4("192.0.2.53"));
  size_t least = 8;
  for (size_t id = 200; id <= 255; ++id) {
    const ServerMessage offer = reply_to(ClientMessage(kDiscover).option(61, pattern(id)));
    const ByteVector& servers = offer.options.at(6);
    BOOST_REQUIRE(servers.size() % 4 == 0u);
    for (size_t i = 0; i < servers.size(); i += 4) BOOST_TEST(servers[i + 3] == 53);
    least = std::min(least, servers.size() / 4);
  }
  BOOST_TEST(least == 5u);
}

BOOST_AUTO_TEST_CASE(reads_options_without_an_end_and_among_pads) {
  ClientMessage open = selecting(kGuestV4);
  open.end = false;
  BOOST_TEST(reply_to(open).type() == kAck);
  ClientMessage padded(kRequest);
  padded.options = {0, 0, 0, 53, 1, 3, 0, 50, 4, 10, 0, 0, 2, 0};
  BOOST_TEST(reply_to(padded).type() == kAck);
  // What follows END is not read, whatever it is.
  ClientMessage rubbish = selecting(kGuestV4);
  append(rubbish.options, ByteVector{255, 50, 200, 1, 2});
  BOOST_TEST(reply_to(rubbish).type() == kAck);
}

BOOST_AUTO_TEST_CASE(takes_the_first_of_repeated_options) {
  const ClientMessage twice = selecting(kGuestV4).address(50, v4("10.0.0.99")).option(53, {1});
  BOOST_TEST(reply_to(twice).type() == kAck);
}

BOOST_AUTO_TEST_CASE(drops_what_is_no_request_of_an_ethernet_client) {
  const auto malformed = [&](const ClientMessage& message) {
    return tell(message).silent_with(DropReason::kDhcpv4Malformed);
  };
  ClientMessage message(kDiscover);
  message.op = 2;
  BOOST_TEST(malformed(message));
  message = ClientMessage(kDiscover);
  message.hardware_type = 6;
  BOOST_TEST(malformed(message));
  for (const uint8_t length : {uint8_t{0}, uint8_t{5}, uint8_t{7}, uint8_t{16}, uint8_t{255}}) {
    message = ClientMessage(kDiscover);
    message.hardware_length = length;
    BOOST_TEST(malformed(message));
  }
  message = ClientMessage(kDiscover);
  message.cookie ^= 1;
  BOOST_TEST(malformed(message));
  for (const MacAddress& mac : {MacAddress{}, MacAddress::broadcast()}) {
    message = ClientMessage(kDiscover);
    message.mac = mac;
    BOOST_TEST(malformed(message));
  }
  message = ClientMessage(kDiscover);
  message.options.clear();  // BOOTP
  BOOST_TEST(malformed(message));
}

BOOST_AUTO_TEST_CASE(drops_options_of_the_wrong_length) {
  for (const uint8_t code : {uint8_t{50}, uint8_t{53}, uint8_t{54}, uint8_t{57}}) {
    for (size_t size = 0; size <= 255; ++size) {
      if (size == (code == 53 ? 1u : code == 57 ? 2u : 4u)) continue;
      ClientMessage message(kDiscover);
      BOOST_TEST(
          tell(message.option(code, ByteVector(size))).silent_with(DropReason::kDhcpv4Malformed),
          int{code} << " of " << size);
    }
  }
}

BOOST_AUTO_TEST_CASE(bears_any_option_length_at_the_packets_end) {
  for (int code = 0; code < 256; ++code) {
    for (const int length : {0, 1, 255}) {
      for (const size_t present : {size_t{0}, size_t{1}, size_t{254}, size_t{255}}) {
        ClientMessage message(kDiscover);
        message.end = false;
        message.options.push_back(static_cast<uint8_t>(code));
        message.options.push_back(static_cast<uint8_t>(length));
        append(message.options, pattern(present));
        BOOST_TEST(tell(message).is_accounted_for(), code << " " << length << " " << present);
      }
    }
    ClientMessage cut(kDiscover);  // a code without its length
    cut.end = false;
    cut.options.push_back(static_cast<uint8_t>(code));
    BOOST_TEST((tell(cut).answered() == (code == 0 || code == 255)), code);
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_of_every_request_is_answered_or_dropped_once) {
  ClientMessage inform(kInform);
  inform.client = kGuestV4;
  ClientMessage discover(kDiscover);
  discover.option(61, pattern(40)).option(55, {1, 3, 6, 15, 26}).option(57, {0x05, 0xdc});
  ClientMessage request = selecting(kGuestV4);
  request.option(12, text("guest")).option(61, pattern(7)).option(55, {1, 3, 6});
  for (const ClientMessage& message : {discover, request, renewing(kGuestV4), inform}) {
    const ByteVector whole = message.bytes();
    for (size_t size = 0; size < whole.size(); ++size) {
      const ByteVector cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      const Outcome outcome = tell(cut, {}, v4("255.255.255.255"));
      BOOST_TEST(outcome.is_accounted_for(), size);
      if (size < 243) BOOST_TEST(outcome.silent_with(DropReason::kDhcpv4Malformed), size);
    }
  }
}

BOOST_AUTO_TEST_CASE(counts_an_answer_that_found_no_room_as_a_drop) {
  link.room = 0;
  BOOST_TEST(tell(ClientMessage(kDiscover)).silent_with(DropReason::kGuestLinkFull));
  BOOST_TEST(counters[Counter::kDhcpv4Replies] == 0u);
}

BOOST_AUTO_TEST_CASE(wants_port_67_of_the_gateway_and_of_all) {
  const auto wanted = [&](const char* to, uint16_t port) {
    IpSpec ip;
    ip.source = Ipv4Address{};
    ip.destination = v4(to);
    const ByteVector frame = udp_frame(ip, 68, port, ByteVector(10));
    Packet packet;
    BOOST_REQUIRE(parse(frame, {}, topology.mtu, packet).ok());
    return Dhcpv4Server::wants(packet, topology);
  };
  BOOST_TEST(wanted("255.255.255.255", 67));
  BOOST_TEST(wanted("10.0.0.255", 67));
  BOOST_TEST(wanted("10.0.0.1", 67));
  BOOST_TEST(!wanted("10.0.0.1", 68));
  BOOST_TEST(!wanted("10.0.0.2", 67));
  BOOST_TEST(!wanted("8.8.8.8", 67));
  BOOST_TEST(!wanted("224.0.0.1", 67));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
