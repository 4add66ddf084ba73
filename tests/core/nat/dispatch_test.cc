#include "tests/core/nat/nat_bench.hh"

namespace dashi::test {
namespace {

ByteVector other_protocol(IpSpec ip, uint8_t protocol) {
  ip.protocol = protocol;
  return ethernet_frame(ip, pattern(20));
}

ByteVector ping(const IpSpec& ip) {
  return icmp_frame(ip, ip.source.is_v4() ? 8 : 128, 0, 0x00010001, text("ping"));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(nat_dispatch, NatBench)

BOOST_AUTO_TEST_CASE(hears_only_what_is_addressed_to_it_by_the_guest) {
  IpSpec ip = v4("10.0.0.2", "10.0.0.1");
  ip.destination_mac = MacAddress{{0x02, 1, 2, 3, 4, 5}};
  dropped(ping(ip), DropReason::kNotForUs);
  ip = v4("10.0.0.2", "10.0.0.1");
  ip.source_mac = MacAddress{{0x02, 1, 2, 3, 4, 5}};
  dropped(ping(ip), DropReason::kSourceMacSpoofed);
  ip.source_mac = MacAddress::broadcast();
  dropped(ping(ip), DropReason::kSourceMacInvalid);
  ip.source_mac = Topology{}.gateway_mac;
  dropped(ping(ip), DropReason::kSourceMacInvalid);
  BOOST_TEST(feed(ping(v4("10.0.0.2", "10.0.0.1"))) == 0u);
  BOOST_TEST(link.frames.size() == 1u);
}

BOOST_AUTO_TEST_CASE(takes_another_mac_after_the_link_restarted) {
  IpSpec ip = v4("10.0.0.2", "10.0.0.1");
  ip.source_mac = MacAddress{{0x02, 1, 2, 3, 4, 5}};
  nat->restart_link(now);
  BOOST_TEST(feed(ping(ip)) == 0u);
  BOOST_REQUIRE(link.frames.size() == 1u);
  BOOST_TEST((link.take().packet().destination_mac == ip.source_mac));
  dropped(ping(v4("10.0.0.2", "10.0.0.1")), DropReason::kSourceMacSpoofed);
}

BOOST_AUTO_TEST_CASE(refuses_sources_that_are_not_the_guests) {
  const auto refused = [&](const IpSpec& ip) {
    dropped(ping(ip), DropReason::kSourceAddressInvalid);
    dropped(tcp_frame(ip, {4444, 80, 1000, 0, kTcpSyn, 64240, {}}, {}),
            DropReason::kSourceAddressInvalid);
  };
  for (const char* source :
       {"10.0.0.1", "10.0.0.255", "10.0.0.0", "8.8.8.8", "127.0.0.1", "0.0.0.0", "224.0.0.1"}) {
    refused(v4(source, "198.51.100.7"));
  }
  for (const char* source : {"2001:db8::2", "fd00:da51::1", "::1", "ff02::1"}) {
    refused(v6(source, "2001:db8::7"));
  }
  BOOST_TEST(link.frames.empty());
  BOOST_TEST(sockets.echoes.empty());
  BOOST_TEST(sockets.streams.empty());
}

BOOST_AUTO_TEST_CASE(knows_sixteen_ipv6_addresses_at_once_and_answers_the_one_used) {
  const auto from = [&](uint8_t host) {
    IpSpec ip = v6("fd00:da51::ff00", "fd00:da51::1");
    Ipv6Address a = ip.source.v6();
    a.bytes[15] = host;
    ip.source = a;
    return ip;
  };
  for (uint8_t i = 1; i <= 16; ++i) {
    BOOST_TEST(feed(ping(from(i))) == 0u);
    BOOST_TEST((link.take().packet().ip_header.destination == from(i).source));
  }
  dropped(ping(from(17)), DropReason::kTooManyGuestAddresses);
}

BOOST_AUTO_TEST_CASE(answers_a_last_hop_with_time_exceeded_but_serves_itself) {
  IpSpec ip = v4("10.0.0.2", "198.51.100.7");
  ip.ttl = 1;
  dropped(ping(ip), DropReason::kTtlExpired);
  icmp(11, 0);
  TcpSpec tcp;
  tcp.source = 4444;
  tcp.destination = 80;
  tcp.flags = kTcpSyn;
  dropped(tcp_frame(ip, tcp, {}), DropReason::kTtlExpired);
  icmp(11, 0);
  dropped(udp_frame(ip, 4444, 33434, {}), DropReason::kTtlExpired);
  BOOST_TEST((icmp(11, 0).ip_header.source == parse_ip("10.0.0.1").value()));
  BOOST_TEST(sockets.streams.empty());
  IpSpec six = v6("fd00:da51::2", "2001:db8::7");
  six.ttl = 1;
  dropped(ping(six), DropReason::kTtlExpired);
  icmp(3, 0);
  ip = v4("10.0.0.2", "10.0.0.1");
  ip.ttl = 1;
  BOOST_TEST(feed(ping(ip)) == 0u);
  icmp(0, 0);
}

BOOST_AUTO_TEST_CASE(refuses_protocols_it_does_not_speak) {
  for (const uint8_t protocol : {uint8_t{47}, uint8_t{50}, uint8_t{132}, uint8_t{255}}) {
    dropped(other_protocol(v4("10.0.0.2", "198.51.100.7"), protocol), DropReason::kUnknownProtocol);
    icmp(3, 2);
    dropped(other_protocol(v6("fd00:da51::2", "2001:db8::7"), protocol),
            DropReason::kUnknownProtocol);
    const Packet packet = icmp(4, 1);
    BOOST_TEST(uint32_t{load<Be32>(packet.transport.subspan(4))} == 6u);
  }
  dropped(other_protocol(v6("fd00:da51::2", "2001:db8::7"), 59), DropReason::kUnknownProtocol);
  BOOST_TEST(link.frames.empty());  // No Next Header is no protocol to complain about
}

BOOST_AUTO_TEST_CASE(points_at_the_header_that_named_an_unknown_protocol) {
  IpSpec ip = v6("fd00:da51::2", "2001:db8::7");
  ip.protocol = 60;  // destination options of eight bytes, then protocol 47
  ByteVector transport = {47, 0, 1, 4, 0, 0, 0, 0};
  append(transport, pattern(20));
  dropped(ethernet_frame(ip, transport), DropReason::kUnknownProtocol);
  BOOST_TEST(uint32_t{load<Be32>(icmp(4, 1).transport.subspan(4))} == 40u);
}

BOOST_AUTO_TEST_CASE(lets_no_group_or_broadcast_out) {
  TcpSpec tcp;
  tcp.source = 4444;
  tcp.destination = 80;
  tcp.flags = kTcpSyn;
  const auto refused = [&](const IpSpec& ip, DropReason why) {
    dropped(udp_frame(ip, 5353, 5353, text("q")), why);
    dropped(tcp_frame(ip, tcp, {}), why);
  };
  for (const char* group : {"224.0.0.251", "239.255.255.250", "232.1.1.1"}) {
    refused(v4("10.0.0.2", group), DropReason::kMulticast);
    dropped(other_protocol(v4("10.0.0.2", group), 2), DropReason::kMulticast);
  }
  refused(v6("fd00:da51::2", "ff02::fb"), DropReason::kMulticast);
  refused(v4("10.0.0.2", "255.255.255.255"), DropReason::kBroadcast);
  refused(v4("10.0.0.2", "10.0.0.255"), DropReason::kBroadcast);
  IpSpec ip = v4("10.0.0.2", "198.51.100.7");
  ip.destination_mac = MacAddress::broadcast();
  refused(ip, DropReason::kBroadcast);
  BOOST_TEST(sockets.streams.empty());
  BOOST_TEST(link.frames.empty());
}

BOOST_AUTO_TEST_CASE(drops_port_zero) {
  TcpSpec tcp;
  tcp.source = 4444;
  tcp.flags = kTcpSyn;
  dropped(tcp_frame(v4("10.0.0.2", "198.51.100.7"), tcp, {}), DropReason::kTcpMalformed);
  dropped(udp_frame(v4("10.0.0.2", "198.51.100.7"), 4444, 0, {}), DropReason::kUdpMalformed);
}

BOOST_AUTO_TEST_CASE(denies_the_hosts_own_addresses_to_every_protocol) {  // scenario 25
  for (const char* to : {"127.0.0.1", "0.0.0.0", "169.254.1.1", "169.254.169.254"}) {
    TcpSpec tcp;
    tcp.source = 4444;
    tcp.destination = 80;
    tcp.flags = kTcpSyn;
    dropped(tcp_frame(v4("10.0.0.2", to), tcp, {}), DropReason::kDestinationDenied);
    dropped(udp_frame(v4("10.0.0.2", to), 4444, 80, {}), DropReason::kDestinationDenied);
    dropped(ping(v4("10.0.0.2", to)), DropReason::kDestinationDenied);
  }
  for (const char* to : {"::1", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1",
                         "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
                         "fd00:ec2::254", "fd20:ce::254"}) {
    TcpSpec tcp;
    tcp.source = 4444;
    tcp.destination = 80;
    tcp.flags = kTcpSyn;
    dropped(tcp_frame(v6("fd00:da51::2", to), tcp, {}), DropReason::kDestinationDenied);
    dropped(udp_frame(v6("fd00:da51::2", to), 4444, 80, {}), DropReason::kDestinationDenied);
    dropped(ping(v6("fd00:da51::2", to)), DropReason::kDestinationDenied);
  }
  BOOST_TEST(sockets.streams.empty());
  BOOST_TEST(sockets.datagrams.size() == 1u);  // of the bench's first frame
  BOOST_TEST(sockets.echoes.empty());
}

BOOST_AUTO_TEST_CASE(hears_no_ipv6_where_it_is_turned_off) {
  Config config;
  config.topology.ipv6 = false;
  NatBench bench(config);
  bench.dropped(ping(v6("fd00:da51::2", "2001:db8::7")), DropReason::kIpv6Disabled);
}

BOOST_AUTO_TEST_CASE(drops_unknown_ethertypes_and_runts) {
  ByteVector frame = ping(v4("10.0.0.2", "10.0.0.1"));
  frame[12] = 0x81;  // a VLAN tag
  frame[13] = 0x00;
  dropped(frame, DropReason::kUnknownEtherType);
  dropped(ByteVector(13, 0), DropReason::kFrameTooShort);
  dropped({}, DropReason::kFrameTooShort);
  dropped(udp_frame(v4("10.0.0.2", "198.51.100.7"), 1, 2, pattern(1500)),
          DropReason::kFrameTooLong);
}

BOOST_AUTO_TEST_CASE(survives_frames_that_crashed_another_nat) {  // facts 2.2
  // ICMPv6 without a byte of message
  IpSpec ip = v6("fd00:da51::2", "2001:db8::7");
  ip.protocol = 58;
  dropped(ethernet_frame(ip, {}), DropReason::kIcmpMalformed);
  ip = v4("10.0.0.2", "198.51.100.7");
  ip.protocol = 1;
  dropped(ethernet_frame(ip, {}), DropReason::kIcmpMalformed);
  // a DHCPv6 Information-Request whose client id fills the reply
  for (size_t n = 1380; n <= 1440; ++n) {
    ByteVector message = {11, 1, 2, 3, 0, 1};
    append_u16(message, n);
    append(message, pattern(n));
    if (message.size() + 48 > 1500) break;
    IpSpec to = v6("fe80::2", "ff02::1:2");
    to.destination_mac = MacAddress{{0x33, 0x33, 0, 1, 0, 2}};
    BOOST_TEST(feed(udp_frame(to, 546, 547, message)) <= 1u);
    for (; !link.frames.empty(); link.frames.pop_front()) {
      BOOST_TEST(link.frames.front().bytes.size() <= 1514u);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
