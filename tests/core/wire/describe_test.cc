#include "core/wire/describe.hh"

#include <boost/test/unit_test.hpp>
#include <random>

#include "tests/support/guest_frames.hh"

namespace dashi {
namespace {

using test::ByteVector;
using test::IpSpec;

IpSpec between(std::string_view source, std::string_view destination) {
  IpSpec ip;
  ip.source = *parse_ip(source);
  ip.destination = *parse_ip(destination);
  return ip;
}

std::string line(const ByteVector& frame) { return describe(frame, Offload{}); }

BOOST_AUTO_TEST_SUITE(describing)

BOOST_AUTO_TEST_CASE(tcp_with_its_options) {
  test::TcpSpec tcp;
  tcp.source = 40000;
  tcp.destination = 80;
  tcp.sequence = 7;
  tcp.flags = kTcpSyn;
  tcp.options = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7};
  BOOST_TEST(line(test::tcp_frame(between("10.0.0.2", "192.0.2.7"), tcp, {})) ==
             "IP 10.0.0.2:40000 > 192.0.2.7:80 ttl 64 TCP [S] seq 7 win 65535 "
             "<mss 1460,sackOK,TS val 9 ecr 0,wscale 7> len 0");
  tcp.flags = kTcpAck | kTcpPsh | kTcpFin;
  tcp.acknowledgment = 99;
  tcp.options = {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 3};
  BOOST_TEST(line(test::tcp_frame(between("fd00::2", "2001:db8::7"), tcp, test::pattern(5))) ==
             "IP6 [fd00::2]:40000 > [2001:db8::7]:80 ttl 64 TCP [FP.] seq 7 ack 99 win 65535 "
             "<sack 1:3> len 5");
}

BOOST_AUTO_TEST_CASE(udp_and_echo) {
  IpSpec ip = between("10.0.0.2", "192.0.2.7");
  ip.dont_fragment = false;
  ip.tos = 0xb8;
  BOOST_TEST(line(test::udp_frame(ip, 5000, 53, test::pattern(9))) ==
             "IP 10.0.0.2:5000 > 192.0.2.7:53 ttl 64 tos 0x00b8 may-fragment UDP len 9");
  BOOST_TEST(line(test::icmp_frame(between("10.0.0.2", "10.0.0.1"), 8, 0, 0x00070003, {1, 2})) ==
             "IP 10.0.0.2 > 10.0.0.1 ttl 64 ICMP echo-request id 7 seq 3 len 2");
  BOOST_TEST(line(test::icmp_frame(between("fd00::2", "fd00::1"), 129, 0, 0x00070003, {})) ==
             "IP6 fd00::2 > fd00::1 ttl 64 ICMP6 echo-reply id 7 seq 3 len 0");
}

BOOST_AUTO_TEST_CASE(icmp_errors_say_what_they_are_about) {
  const ByteVector inner = test::udp_frame(between("10.0.0.2", "192.0.2.7"), 5000, 7, {});
  const ByteVector quoted(inner.begin() + 14, inner.end());
  BOOST_TEST(line(test::icmp_frame(between("192.0.2.7", "10.0.0.2"), 3, 3, 0, quoted)) ==
             "IP 192.0.2.7 > 10.0.0.2 ttl 64 ICMP port-unreachable about 10.0.0.2:5000 > "
             "192.0.2.7:7 UDP");
  BOOST_TEST(line(test::icmp_frame(between("2001:db8::1", "fd00::2"), 2, 0, 1280, {})) ==
             "IP6 2001:db8::1 > fd00::2 ttl 64 ICMP6 packet-too-big mtu 1280");
}

BOOST_AUTO_TEST_CASE(neighbour_discovery_by_name) {
  IpSpec ip = between("fe80::5", "ff02::1:ff00:1");
  ip.ttl = 255;
  ByteVector target;
  test::append(target, parse_ipv6("fe80::1")->bytes);
  BOOST_TEST(line(test::icmp_frame(ip, 135, 0, 0, target)) ==
             "IP6 fe80::5 > ff02::1:ff00:1 ttl 255 ICMP6 neighbor-solicitation who-has fe80::1");
  BOOST_TEST(line(test::icmp_frame(ip, 133, 0, 0, {})) ==
             "IP6 fe80::5 > ff02::1:ff00:1 ttl 255 ICMP6 router-solicitation");
}

BOOST_AUTO_TEST_CASE(arp_both_ways) {
  ByteVector frame(12, 0xff);
  const ByteVector request = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0,
                              1,    10,   0, 0, 2, 0, 0, 0, 0, 0, 0,    10,   0, 0, 1};
  test::append(frame, request);
  BOOST_TEST(line(frame) == "ARP who-has 10.0.0.1 tell 10.0.0.2");
  frame[21] = 2;
  BOOST_TEST(line(frame) == "ARP 10.0.0.2 is-at 52:54:00:00:00:01");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_stands_at_the_end) {
  ByteVector frame = test::udp_frame(between("10.0.0.2", "192.0.2.7"), 5000, 53, {1});
  frame.back() ^= 1;
  BOOST_TEST(line(frame) == "IP 10.0.0.2:5000 > 192.0.2.7:53 ttl 64 UDP len 1 [udp-checksum]");
  BOOST_TEST(line({1, 2, 3}) == "frame of 3 bytes [frame-too-short]");
  frame[12] = 0x81;
  frame[13] = 0x00;
  BOOST_TEST(line(frame) ==
             "52:54:00:12:34:56 > 52:55:0a:00:00:01 ethertype 0x8100 len 43 "
             "[unknown-ethertype]");
}

BOOST_AUTO_TEST_CASE(any_bytes_at_all_are_described) {
  const unsigned seed = 4711;
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 draw(seed);
  const ByteVector valid =
      test::icmp_frame(between("2001:db8::1", "fd00::2"), 1, 4, 0, test::pattern(60));
  size_t longest = 0;
  for (int i = 0; i < 20000; ++i) {
    ByteVector frame = valid;
    for (int flips = 0; flips < 4; ++flips)
      frame[draw() % frame.size()] = static_cast<uint8_t>(draw());
    frame.resize(draw() % (frame.size() + 1));
    frame.shrink_to_fit();
    Offload offload;
    offload.csum_trusted = draw() % 2 == 0;  // else few get past the checksum
    longest = std::max(longest, describe(frame, offload).size());
  }
  BOOST_TEST(longest > 50u);
  BOOST_TEST(longest < 400u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
