// A DHCPv4 client's messages byte by byte, and the server's replies taken apart.
#pragma once

#include <map>

#include "core/gateway/dhcpv4_server.hh"
#include "tests/core/gateway/fixture.hh"

namespace dashi::test {

inline const MacAddress kClientMac{{0x00, 0x15, 0x5d, 0x12, 0x34, 0x56}};

struct ClientMessage {
  uint8_t op = 1;
  uint8_t hardware_type = 1;
  uint8_t hardware_length = 6;
  uint16_t flags = 0;
  Ipv4Address client;  // ciaddr
  Ipv4Address relay;   // giaddr
  MacAddress mac = kClientMac;
  uint32_t cookie = 0x63825363;
  ByteVector options;  // 53 included, END added by bytes()
  bool end = true;

  explicit ClientMessage(uint8_t type) : options{53, 1, type} {}

  ClientMessage& option(uint8_t code, const ByteVector& data) {
    options.push_back(code);
    options.push_back(static_cast<uint8_t>(data.size()));
    append(options, data);
    return *this;
  }
  ClientMessage& address(uint8_t code, const Ipv4Address& a) {
    return option(code, ByteVector(a.bytes.begin(), a.bytes.end()));
  }
  ByteVector bytes() const {
    ByteVector out = {op, hardware_type, hardware_length, 0, 0x12, 0x34, 0x56, 0x78, 0, 0};
    append_u16(out, flags);
    append(out, client.bytes);
    append_u32(out, 0);  // yiaddr
    append_u32(out, 0);  // siaddr
    append(out, relay.bytes);
    append(out, mac.bytes);
    out.resize(out.size() + 10 + 64 + 128);
    append_u32(out, cookie);
    append(out, options);
    if (end) out.push_back(255);
    return out;
  }
};

// A reply of the server's.
struct ServerMessage {
  Packet packet;
  Dhcpv4Header header;
  std::vector<uint8_t> order;  // of the options
  std::map<uint8_t, ByteVector> options;

  explicit ServerMessage(const SentFrame& frame) : packet(frame.packet()) {
    BOOST_REQUIRE((packet.ip_header.protocol == IpProtocol::kUdp));
    BOOST_TEST((packet.source_port == Port{67}));
    BOOST_TEST((packet.destination_port == Port{68}));
    BOOST_TEST((packet.ip_header.source == IpAddress(kGatewayV4)));
    BOOST_REQUIRE(packet.payload.size() >= 300u);
    header = load<Dhcpv4Header>(packet.payload);
    BOOST_TEST(header.op == 2);
    BOOST_TEST(uint32_t{header.xid} == 0x12345678u);
    BOOST_TEST(uint32_t{header.cookie} == 0x63825363u);
    Dhcpv4Options walk(packet.payload.subspan(sizeof(header)));
    size_t bytes = sizeof(header);
    while (const auto option = walk.next()) {
      const auto code = static_cast<uint8_t>(option->code);
      order.push_back(code);
      append(options[code], option->data);  // RFC 3396: instances are one value
      bytes += 2 + option->data.size();
    }
    BOOST_REQUIRE(!walk.malformed());
    BOOST_REQUIRE(bytes < packet.payload.size());
    BOOST_TEST(packet.payload[bytes] == 255);
    for (size_t i = bytes + 1; i < packet.payload.size(); ++i) BOOST_TEST(packet.payload[i] == 0);
  }

  bool has(uint8_t code) const { return options.count(code) != 0; }
  uint8_t type() const { return options.at(53).at(0); }
  Ipv4Address address(uint8_t code) const { return load<Ipv4Address>(options.at(code)); }
  uint32_t u32(uint8_t code) const { return load<Be32>(options.at(code)); }
  bool is_broadcast() const {
    return packet.destination_mac.is_broadcast() &&
           packet.ip_header.destination.v4().is_broadcast();
  }
  bool is_unicast_to(const Ipv4Address& to) const {
    return packet.destination_mac == kClientMac && packet.ip_header.destination == IpAddress(to);
  }
};

struct Dhcpv4Fixture : GatewayFixture {
  // With whatever `config` says by now.
  Outcome tell(const ByteVector& payload, const Ipv4Address& source, const Ipv4Address& to) {
    Dhcpv4Server server(config, context);
    IpSpec ip;
    ip.source = source;
    ip.destination = to;
    return feed(server, udp_frame(ip, 68, 67, payload));
  }
  Outcome tell(const ClientMessage& message) {
    return tell(message.bytes(), {}, v4("255.255.255.255"));
  }
  ServerMessage reply_to(const ClientMessage& message) {
    const Outcome outcome = tell(message);
    BOOST_REQUIRE(outcome.answered());
    return ServerMessage(outcome.frames[0]);
  }
};

inline constexpr uint8_t kDiscover = 1;
inline constexpr uint8_t kOffer = 2;
inline constexpr uint8_t kRequest = 3;
inline constexpr uint8_t kDecline = 4;
inline constexpr uint8_t kAck = 5;
inline constexpr uint8_t kNak = 6;
inline constexpr uint8_t kRelease = 7;
inline constexpr uint8_t kInform = 8;
inline constexpr uint16_t kBroadcastFlag = 0x8000;

}  // namespace dashi::test
