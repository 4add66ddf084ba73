#include <boost/test/unit_test.hpp>
#include <map>

#include "core/gateway/dhcpv6_server.hh"
#include "core/wire/search_list.hh"
#include "tests/core/gateway/fixture.hh"

namespace dashi::test {
namespace {

const Ipv6Address kClient = v6("fe80::5054:ff:fe12:3456");
const Ipv6Address kGateway = v6("fe80::5055:aff:fe00:1");
const Ipv6Address kServers = v6("ff02::1:2");
const ByteVector kServerDuid = {0, 3, 0, 1, 0x52, 0x55, 0x0a, 0, 0, 1};
const ByteVector kClientDuid = {0, 1, 0, 1, 0x2a, 0, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56};

constexpr uint8_t kSolicit = 1;
constexpr uint8_t kAdvertise = 2;
constexpr uint8_t kRequest = 3;
constexpr uint8_t kConfirm = 4;
constexpr uint8_t kRenew = 5;
constexpr uint8_t kRebind = 6;
constexpr uint8_t kReply = 7;
constexpr uint8_t kRelease = 8;
constexpr uint8_t kDecline = 9;
constexpr uint8_t kInformationRequest = 11;

// A client's message, byte by byte.
struct ClientMessage6 {
  ByteVector bytes;

  explicit ClientMessage6(uint8_t type) : bytes{type, 0x12, 0x34, 0x56} {}
  ClientMessage6& option(uint16_t code, const ByteVector& data) {
    append_u16(bytes, code);
    append_u16(bytes, data.size());
    append(bytes, data);
    return *this;
  }
  ClientMessage6& client() { return option(1, kClientDuid); }
  ClientMessage6& server() { return option(2, kServerDuid); }
  ClientMessage6& ia_na(uint8_t iaid) {
    return option(3, {0, 0, 0, iaid, 0, 0, 0x0e, 0x10, 0, 0, 0x15, 0x18});
  }
  // With an address: IA_NA { IAADDR }.
  ClientMessage6& ia_na(uint8_t iaid, const Ipv6Address& address) {
    ByteVector ia = {0, 0, 0, iaid, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 24};
    append(ia, address.bytes);
    ia.resize(ia.size() + 8);
    return option(3, ia);
  }
};

struct ServerMessage6 {
  Packet packet;
  uint8_t type;
  std::vector<std::pair<uint16_t, ByteVector>> options;

  explicit ServerMessage6(const SentFrame& frame) : packet(frame.packet()) {
    BOOST_REQUIRE((packet.ip_header.protocol == IpProtocol::kUdp));
    BOOST_TEST((packet.source_port == Port{547}));
    BOOST_TEST((packet.destination_port == Port{546}));
    BOOST_TEST((packet.ip_header.source == IpAddress(kGateway)));
    BOOST_TEST((packet.destination_mac == kGuestMac));
    BOOST_TEST(packet.ip.size() <= 1280u);
    BOOST_REQUIRE(packet.payload.size() >= 4u);
    type = packet.payload[0];
    const ByteVector id(packet.payload.begin() + 1, packet.payload.begin() + 4);
    BOOST_TEST(id == (ByteVector{0x12, 0x34, 0x56}), boost::test_tools::per_element());
    Bytes rest = packet.payload.subspan(4);
    while (!rest.empty()) {  // no use of the walk under test
      BOOST_REQUIRE(rest.size() >= 4u);
      const auto code = static_cast<uint16_t>(rest[0] << 8 | rest[1]);
      const auto length = static_cast<size_t>(rest[2] << 8 | rest[3]);
      BOOST_REQUIRE(rest.size() >= 4 + length);
      const Bytes data = rest.subspan(4, length);
      options.emplace_back(code, ByteVector(data.begin(), data.end()));
      rest = rest.subspan(4 + length);
    }
  }
  // The only option of that code, or nothing.
  std::optional<ByteVector> option(uint16_t code) const {
    std::optional<ByteVector> found;
    for (const auto& [each, data] : options) {
      if (each != code) continue;
      BOOST_TEST(!found.has_value());
      found = data;
    }
    return found;
  }
};

struct Dhcpv6Fixture : GatewayFixture {
  Outcome tell(const ByteVector& payload, const Ipv6Address& from, const Ipv6Address& to) {
    Dhcpv6Server server(config, context);
    IpSpec ip;
    ip.source = from;
    ip.destination = to;
    return feed(server, udp_frame(ip, 546, 547, payload));
  }
  Outcome tell(const ClientMessage6& message) { return tell(message.bytes, kClient, kServers); }
  ServerMessage6 reply_to(const ClientMessage6& message) {
    const Outcome outcome = tell(message);
    BOOST_REQUIRE(outcome.answered());
    return ServerMessage6(outcome.frames[0]);
  }
  // Every IA of the reply is bare but for this status; gives how many there are.
  static size_t check_ias(const ServerMessage6& reply, uint16_t address, uint16_t prefix) {
    size_t count = 0;
    for (const auto& [code, data] : reply.options) {
      if (code != 3 && code != 4 && code != 25) continue;
      ++count;
      ByteVector expected(data.begin(), data.begin() + 4);
      if (code != 4) append(expected, ByteVector(8));
      append(expected, ByteVector{0, 13, 0, 2});
      append_u16(expected, code == 25 ? prefix : address);
      BOOST_TEST(data == expected, boost::test_tools::per_element());
    }
    return count;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(dhcpv6, Dhcpv6Fixture)

BOOST_AUTO_TEST_CASE(answers_an_information_request) {
  config.search = {"corp.example"};
  const ServerMessage6 reply = reply_to(
      ClientMessage6(kInformationRequest).client().option(6, {0, 23, 0, 24}).option(8, {0, 0}));
  BOOST_TEST(reply.type == kReply);
  BOOST_TEST((reply.packet.ip_header.destination == IpAddress(kClient)));
  BOOST_TEST((reply.option(1) == kClientDuid));
  BOOST_TEST((reply.option(2) == kServerDuid));
  BOOST_TEST((reply.option(23) == ByteVector(kGateway.bytes.begin(), kGateway.bytes.end())));
  BOOST_TEST((reply.option(24) == text(std::string_view("\4corp\7example\0", 14))));
  BOOST_TEST((reply.option(32) == ByteVector{0, 1, 0x51, 0x80}));
  BOOST_TEST(reply.options.size() == 5u);
  BOOST_TEST(counters[Counter::kDhcpv6Replies] == 1u);
}

BOOST_AUTO_TEST_CASE(answers_an_information_request_without_client_identifier) {
  const ServerMessage6 reply = reply_to(ClientMessage6(kInformationRequest));
  BOOST_TEST(!reply.option(1).has_value());
  BOOST_TEST(reply.option(23).has_value());
  BOOST_TEST(!reply.option(24).has_value());
}

BOOST_AUTO_TEST_CASE(answers_to_the_address_that_asked) {
  const Ipv6Address ula = v6("fd00:da51::77");
  const Outcome outcome = tell(ClientMessage6(kInformationRequest).client().bytes, ula, kServers);
  BOOST_REQUIRE(outcome.answered());
  BOOST_TEST((outcome.frames[0].packet().ip_header.destination == IpAddress(ula)));
}

BOOST_AUTO_TEST_CASE(announces_configured_dns_servers) {
  config.dns_v6 = {v6("2001:db8::53"), v6("2001:db8::54")};
  ByteVector expected(config.dns_v6[0].bytes.begin(), config.dns_v6[0].bytes.end());
  append(expected, config.dns_v6[1].bytes);
  BOOST_TEST((reply_to(ClientMessage6(kInformationRequest)).option(23) == expected));
}

BOOST_AUTO_TEST_CASE(echoes_client_identifiers_of_all_lengths_at_the_least_mtu) {
  topology.mtu = 1280;
  link.link_limits.mtu = 1280;
  config.dns_v6.assign(20, kGateway);
  config.search.assign(40, std::string(60, 'x'));
  for (size_t size = 0; size <= 1220; ++size) {
    const Outcome outcome = tell(ClientMessage6(kInformationRequest).option(1, pattern(size)));
    if (size < 3 || size > 130) {  // RFC 8415 11.1
      BOOST_TEST(outcome.silent_with(DropReason::kDhcpv6Malformed), size);
      continue;
    }
    BOOST_REQUIRE(outcome.answered());
    const ServerMessage6 reply(outcome.frames[0]);
    BOOST_TEST((reply.option(1) == pattern(size)), size);
    BOOST_TEST(reply.option(23)->size() == 8 * 16u);
    BOOST_TEST(decode_search_list(*reply.option(24)).value().size() == 8u);
  }
}

BOOST_AUTO_TEST_CASE(advertises_no_addresses_and_no_prefixes_but_configuration) {
  ClientMessage6 solicit(kSolicit);
  solicit.client()
      .ia_na(7)
      .option(4, {0, 0, 0, 9})
      .option(25, {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0});
  const ServerMessage6 advertise = reply_to(solicit);
  BOOST_TEST(advertise.type == kAdvertise);
  BOOST_TEST(check_ias(advertise, 2, 6) == 3u);
  BOOST_TEST((advertise.option(1) == kClientDuid));
  BOOST_TEST((advertise.option(2) == kServerDuid));
  BOOST_TEST(advertise.option(23).has_value());
  BOOST_TEST(!advertise.option(32).has_value());
  const ByteVector ia = advertise.option(3).value();
  BOOST_TEST((ByteVector(ia.begin(), ia.begin() + 4) == ByteVector{0, 0, 0, 7}));
}

BOOST_AUTO_TEST_CASE(gives_no_addresses_and_knows_no_bindings) {
  ServerMessage6 reply = reply_to(ClientMessage6(kRequest).client().server().ia_na(1));
  BOOST_TEST(reply.type == kReply);
  BOOST_TEST(check_ias(reply, 2, 6) == 1u);
  reply = reply_to(ClientMessage6(kRenew).client().server().ia_na(1).ia_na(2));
  BOOST_TEST(check_ias(reply, 3, 3) == 2u);
  BOOST_TEST(!reply.option(13).has_value());
  for (const uint8_t type : {kRelease, kDecline}) {
    reply = reply_to(ClientMessage6(type).client().server().ia_na(1));
    BOOST_TEST(reply.type == kReply);
    BOOST_TEST(check_ias(reply, 3, 3) == 1u);
    BOOST_TEST((reply.option(13) == ByteVector{0, 0}));
  }
  BOOST_TEST(
      tell(ClientMessage6(kRebind).client().ia_na(1)).silent_with(DropReason::kDhcpv6NotForUs));
}

BOOST_AUTO_TEST_CASE(confirms_addresses_of_the_prefix_only) {
  const auto confirm = [&] { return ClientMessage6(kConfirm).client(); };
  const Ipv6Address ours = v6("fd00:da51::9");
  const Ipv6Address other = v6("2001:db8::9");
  BOOST_TEST((reply_to(confirm().ia_na(1, ours)).option(13) == ByteVector{0, 0}));
  BOOST_TEST((reply_to(confirm().ia_na(1, ours).ia_na(2, other)).option(13) == ByteVector{0, 4}));
  BOOST_TEST(tell(confirm().ia_na(1)).silent_with(DropReason::kDhcpv6NotForUs));
  BOOST_TEST(tell(confirm()).silent_with(DropReason::kDhcpv6NotForUs));
}

BOOST_AUTO_TEST_CASE(fits_any_number_of_identity_associations) {
  ClientMessage6 solicit(kSolicit);
  solicit.client();
  for (uint8_t i = 0; i < 88; ++i) solicit.ia_na(i);
  const size_t echoed = check_ias(reply_to(solicit), 2, 6);
  BOOST_TEST(echoed > 40u);
  BOOST_TEST(echoed < 88u);
}

BOOST_AUTO_TEST_CASE(requires_multicast) {
  for (const uint8_t type : {kInformationRequest, kSolicit, kConfirm, kRebind}) {
    const Outcome outcome = tell(ClientMessage6(type).client().bytes, kClient, kGateway);
    BOOST_TEST(outcome.silent_with(DropReason::kDhcpv6NotForUs), int{type});
  }
  for (const uint8_t type : {kRequest, kRenew, kRelease, kDecline}) {
    const auto message = ClientMessage6(type).client().server().ia_na(1);
    const Outcome outcome = tell(message.bytes, kClient, kGateway);
    BOOST_REQUIRE(outcome.answered());
    const ServerMessage6 reply(outcome.frames[0]);
    BOOST_TEST(reply.type == kReply);
    BOOST_TEST((reply.option(13) == ByteVector{0, 5}));
    BOOST_TEST(reply.options.size() == 3u);  // the identifiers beside it, and nothing else
  }
}

BOOST_AUTO_TEST_CASE(requires_the_identifiers_each_message_must_have) {
  const auto malformed = [&](const ClientMessage6& message) {
    return tell(message).silent_with(DropReason::kDhcpv6Malformed);
  };
  for (const uint8_t type : {kSolicit, kConfirm, kRebind}) {
    BOOST_TEST(malformed(ClientMessage6(type)));
    BOOST_TEST(malformed(ClientMessage6(type).client().server()));
  }
  for (const uint8_t type : {kRequest, kRenew, kRelease, kDecline}) {
    BOOST_TEST(malformed(ClientMessage6(type).client()));
    BOOST_TEST(malformed(ClientMessage6(type).server()));
  }
  BOOST_TEST(malformed(ClientMessage6(kInformationRequest).client().ia_na(1)));
  BOOST_TEST(malformed(ClientMessage6(kInformationRequest).client().client()));
  BOOST_TEST(malformed(ClientMessage6(kSolicit).client().option(3, ByteVector(11))));
  BOOST_TEST(malformed(ClientMessage6(kSolicit).client().option(4, ByteVector(3))));
}

BOOST_AUTO_TEST_CASE(is_silent_to_other_servers_and_to_what_only_servers_and_relays_send) {
  const ByteVector other = {0, 3, 0, 1, 1, 2, 3, 4, 5, 6};
  BOOST_TEST(tell(ClientMessage6(kRequest).client().option(2, other))
                 .silent_with(DropReason::kDhcpv6NotForUs));
  BOOST_TEST(tell(ClientMessage6(kInformationRequest).option(2, other))
                 .silent_with(DropReason::kDhcpv6NotForUs));
  BOOST_TEST(tell(ClientMessage6(kInformationRequest).server()).answered());
  for (const uint8_t type : {uint8_t{0}, kAdvertise, kReply, uint8_t{10}, uint8_t{255}}) {
    BOOST_TEST(tell(ClientMessage6(type).client()).silent_with(DropReason::kDhcpv6NotForUs));
  }
}

BOOST_AUTO_TEST_CASE(drops_sources_that_are_not_the_guests) {
  const ByteVector message = ClientMessage6(kInformationRequest).client().bytes;
  for (const char* from : {"::", "2001:db8::1", "fe80::5055:aff:fe00:1", "fd00:da51::1"}) {
    BOOST_TEST(tell(message, v6(from), kServers).silent_with(DropReason::kSourceAddressInvalid),
               from);
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_is_answered_or_dropped_once) {
  const std::vector<ClientMessage6> messages = {
      ClientMessage6(kInformationRequest).client().option(6, {0, 23, 0, 24}).option(8, {0, 0}),
      ClientMessage6(kSolicit).client().ia_na(1),
      ClientMessage6(kRequest).client().server().ia_na(1),
      ClientMessage6(kConfirm).client().ia_na(1, v6("fd00:da51::9"))};
  for (const ClientMessage6& message : messages) {
    for (size_t size = 0; size <= message.bytes.size(); ++size) {
      const ByteVector cut(message.bytes.begin(),
                           message.bytes.begin() + static_cast<ptrdiff_t>(size));
      const Outcome outcome = tell(cut, kClient, kServers);
      BOOST_TEST(outcome.is_accounted_for(), size);
      if (size < 4) BOOST_TEST(outcome.silent_with(DropReason::kDhcpv6Malformed), size);
    }
  }
}

BOOST_AUTO_TEST_CASE(bears_any_option_length_at_the_packets_end) {
  for (uint16_t code = 0; code < 40; ++code) {
    for (const size_t length : {0u, 1u, 255u, 65535u}) {
      for (const size_t present : {0u, 1u, 254u, 255u}) {
        ClientMessage6 message(kInformationRequest);
        append_u16(message.bytes, code);
        append_u16(message.bytes, length);
        append(message.bytes, pattern(present));
        const Outcome outcome = tell(message);
        BOOST_TEST(outcome.is_accounted_for());
        if (length > present) BOOST_TEST(outcome.silent_with(DropReason::kDhcpv6Malformed));
      }
    }
  }
  // The same inside an IA, where only Confirm looks.
  for (const uint8_t length : {uint8_t{0}, uint8_t{1}, uint8_t{15}, uint8_t{255}}) {
    ByteVector ia(12);
    append(ia, ByteVector{0, 5, 0, length});
    append(ia, pattern(15));
    BOOST_TEST(tell(ClientMessage6(kConfirm).client().option(3, ia))
                   .silent_with(DropReason::kDhcpv6NotForUs));
  }
}

BOOST_AUTO_TEST_CASE(counts_an_answer_that_found_no_room_as_a_drop) {
  link.room = 0;
  BOOST_TEST(tell(ClientMessage6(kInformationRequest)).silent_with(DropReason::kGuestLinkFull));
  BOOST_TEST(counters[Counter::kDhcpv6Replies] == 0u);
}

BOOST_AUTO_TEST_CASE(wants_port_547_of_the_gateway_and_of_all_servers) {
  const auto wanted = [&](const char* to, uint16_t port) {
    IpSpec ip;
    ip.source = kClient;
    ip.destination = v6(to);
    const ByteVector frame = udp_frame(ip, 546, port, ByteVector(10));
    Packet packet;
    BOOST_REQUIRE(parse(frame, {}, topology.mtu, packet).ok());
    return Dhcpv6Server::wants(packet, topology);
  };
  BOOST_TEST(wanted("ff02::1:2", 547));
  BOOST_TEST(wanted("fe80::5055:aff:fe00:1", 547));
  BOOST_TEST(wanted("fd00:da51::1", 547));
  BOOST_TEST(!wanted("ff02::1:2", 546));
  BOOST_TEST(!wanted("ff02::1:3", 547));
  BOOST_TEST(!wanted("2001:db8::1", 547));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
