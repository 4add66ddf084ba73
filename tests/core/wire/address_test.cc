#include "core/wire/address.hh"

#include <boost/test/unit_test.hpp>

namespace dashi {
namespace {

std::string round_trip_v6(std::string_view text) {
  const auto address = parse_ipv6(text);
  return address ? to_string(*address) : "none";
}

BOOST_AUTO_TEST_SUITE(address)

BOOST_AUTO_TEST_CASE(ipv6_is_written_as_rfc_5952_says) {
  BOOST_TEST(round_trip_v6("::") == "::");
  BOOST_TEST(round_trip_v6("::1") == "::1");
  BOOST_TEST(round_trip_v6("1::") == "1::");
  BOOST_TEST(round_trip_v6("2001:0DB8:0:0:0:0:0:1") == "2001:db8::1");
  BOOST_TEST(round_trip_v6("2001:db8:0:1:1:1:1:1") == "2001:db8:0:1:1:1:1:1");
  BOOST_TEST(round_trip_v6("2001:0:0:1:0:0:0:1") == "2001:0:0:1::1");
  BOOST_TEST(round_trip_v6("2001:db8:0:0:1:0:0:1") == "2001:db8::1:0:0:1");
  BOOST_TEST(round_trip_v6("1:2:3:4:5:6:0:0") == "1:2:3:4:5:6::");
  BOOST_TEST(round_trip_v6("::ffff:10.0.0.1") == "::ffff:10.0.0.1");
  BOOST_TEST(round_trip_v6("64:ff9b::192.0.2.1") == "64:ff9b::c000:201");
  BOOST_TEST(round_trip_v6("1:2:3:4:5:6:1.2.3.4") == "1:2:3:4:5:6:102:304");
  BOOST_TEST(round_trip_v6("::2:3:4:5:6:7:8") == "0:2:3:4:5:6:7:8");
}

BOOST_AUTO_TEST_CASE(what_is_not_an_ipv6_address_gives_nothing) {
  for (const char* text : {"",
                           ":",
                           ":::",
                           "1",
                           "1:2",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1::2::3",
                           "12345::",
                           "g::",
                           "::1 ",
                           " ::1",
                           "1:2:3:4:5:6:7::8",
                           "::1.2.3",
                           "1.2.3.4::",
                           "::1.2.3.4:1",
                           ":1::2",
                           "1::2:",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "fe80::1%eth0"}) {
    BOOST_TEST(!parse_ipv6(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(ipv4_takes_the_whole_text_or_nothing) {
  BOOST_TEST(to_string(*parse_ipv4("10.0.0.255")) == "10.0.0.255");
  for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.", ".1.2.3", "1..2.3",
                           "01.2.3.4", "1.2.3.4 ", "-1.2.3.4", "1.2.3.a"}) {
    BOOST_TEST(!parse_ipv4(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(mac_port_and_prefix_texts) {
  BOOST_TEST(to_string(*parse_mac("52:54:00:AB:cd:0f")) == "52:54:00:ab:cd:0f");
  BOOST_TEST(!parse_mac("52:54:00:ab:cd").has_value());
  BOOST_TEST(!parse_mac("52:54:00:ab:cd:0g").has_value());
  BOOST_TEST(!parse_mac("52x54:00:ab:cd:0f").has_value());
  BOOST_TEST(parse_port("65535")->number == 65535);
  BOOST_TEST(parse_port("0")->number == 0);
  BOOST_TEST(!parse_port("65536").has_value());
  BOOST_TEST(!parse_port("").has_value());
  BOOST_TEST(!parse_port("8o").has_value());
  BOOST_TEST(parse_ipv4_prefix("10.0.0.0/24")->length == 24);
  BOOST_TEST(!parse_ipv4_prefix("10.0.0.0/33").has_value());
  BOOST_TEST(!parse_ipv4_prefix("10.0.0.0").has_value());
  BOOST_TEST(parse_ipv6_prefix("fd00::/128")->length == 128);
  BOOST_TEST(!parse_ipv6_prefix("fd00::/129").has_value());
  BOOST_TEST(to_string(Endpoint{*parse_ip("10.0.0.2"), Port{80}}) == "10.0.0.2:80");
  BOOST_TEST(to_string(Endpoint{*parse_ip("fd00::2"), Port{80}}) == "[fd00::2]:80");
}

BOOST_AUTO_TEST_CASE(prefixes_contain_by_their_bits) {
  const auto prefix = *parse_ipv6_prefix("2001:db8:8000::/33");
  BOOST_TEST(prefix.contains(*parse_ipv6("2001:db8:ffff::1")));
  BOOST_TEST(!prefix.contains(*parse_ipv6("2001:db8:7fff::1")));
  BOOST_TEST(parse_ipv6_prefix("::/0")->contains(*parse_ipv6("ff02::1")));
  BOOST_TEST(parse_ipv6_prefix("::1/128")->contains(*parse_ipv6("::1")));
  BOOST_TEST(!parse_ipv6_prefix("::1/128")->contains(*parse_ipv6("::2")));
}

BOOST_AUTO_TEST_CASE(derived_addresses_follow_rfc_4291) {
  const auto mac = *parse_mac("52:55:0a:00:00:01");
  const auto own = eui64_address(*parse_ipv6("fe80::"), mac);
  BOOST_TEST(to_string(own) == "fe80::5055:aff:fe00:1");
  BOOST_TEST(to_string(own.solicited_node()) == "ff02::1:ff00:1");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
