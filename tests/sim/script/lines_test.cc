// The lines that packetdrill does not have: messages, variables, mishaps, commands.
#include <boost/test/unit_test.hpp>

#include "sim/script/message_forms.hh"
#include "sim/script/message_wire.hh"
#include "sim/script/parser.hh"
#include "sim/script/runner.hh"

using namespace dashi;
using namespace dashi::script;

namespace {

Outcome outcome_over(Family family, const std::string& text) {
  const auto script = parse(text);
  BOOST_TEST_REQUIRE(script.ok(), (script.ok() ? "" : script.error().message));
  RunOptions options;
  options.family = family;
  return run(*script, options);
}

void expect_pass(const std::string& text) {
  const Outcome outcome = outcome_over(Family::kIpv4, text);
  BOOST_TEST((outcome.kind == Outcome::Kind::kPass), outcome.reason << "\n" << outcome.transcript);
}

void expect_differs(const std::string& text, uint32_t line, const std::string& reason) {
  const Outcome outcome = outcome_over(Family::kIpv4, text);
  BOOST_TEST((outcome.kind == Outcome::Kind::kDiffers));
  BOOST_TEST(outcome.where.line == line);
  BOOST_TEST(outcome.reason == reason);
}

void expect_error(const std::string& text, uint32_t line, uint32_t column,
                  const std::string& message) {
  const auto script = parse(text);
  BOOST_TEST_REQUIRE(!script.ok());
  BOOST_TEST(script.error().where.line == line);
  BOOST_TEST(script.error().where.column == column);
  BOOST_TEST(script.error().message == message);
}

const std::string kWho = "0 < arp who-has gateway tell guest\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(script_lines)

BOOST_AUTO_TEST_CASE(a_message_is_met_by_what_it_says_and_more) {
  expect_pass(kWho + "+0 > arp reply gateway is-at 52:55:0a:00:00:01\n");
  expect_differs(kWho + "+0 > arp reply gateway is-at 52:55:0a:00:00:02\n", 2,
                 "expected arp reply 10.0.0.1 is-at 52:55:0a:00:00:02, but at 0.000000 came arp "
                 "reply 10.0.0.1 is-at 52:55:0a:00:00:01 to 10.0.0.2 target-mac 02:00:00:00:00:02 "
                 "hardware 1: is-at is 52:55:0a:00:00:01");
  expect_differs(kWho + "+0 > dhcp offer\n", 2,
                 "expected dhcp offer, but at 0.000000 came arp reply 10.0.0.1 is-at "
                 "52:55:0a:00:00:01 to 10.0.0.2 target-mac 02:00:00:00:00:02 hardware 1: it is "
                 "something else");
}

BOOST_AUTO_TEST_CASE(both_mac_addresses_of_a_line_are_compared) {
  const std::string nat = "52:55:0a:00:00:01", guest = "02:00:00:00:00:02";
  const auto ends_so = [](const std::string& text, const std::string& how) {
    const Outcome outcome = outcome_over(Family::kIpv4, text);
    BOOST_TEST((outcome.kind == Outcome::Kind::kDiffers));
    BOOST_TEST(outcome.reason.substr(outcome.reason.rfind(": ") + 2) == how);
  };
  const std::pair<std::string, std::string> kinds[] = {
      {kWho, "arp reply gateway\n"},
      {"0 < dhcp discover\n", "dhcp offer\n"},
      {"0 < dns query A a.example\n", "dns reply A a.example\n"},
      {"0 < udp (4)\n", "icmp unreachable port_unreachable\n"},
      {"0 < S 0:0(0) win 1 <mss 1000>\n", "R. 0:0(0) ack 1\n"}};
  for (const auto& [said, answer] : kinds) {
    expect_pass(said + "+0 > mac " + nat + " > " + guest + " " + answer);
    ends_so(said + "+0 > mac " + guest + " > " + guest + " " + answer, "it is sent from " + nat);
    ends_so(said + "+0 > mac " + nat + " > " + nat + " " + answer, "it is sent to " + guest);
  }
}

BOOST_AUTO_TEST_CASE(a_message_says_what_must_not_be_there) {
  const std::string discover = "0 < dhcp discover\n+0 > dhcp offer without ";
  expect_pass(discover + "domain\n");
  const Outcome outcome = outcome_over(Family::kIpv4, discover + "domain,lease-time\n");
  BOOST_TEST(outcome.reason.substr(outcome.reason.rfind(':')) == ": it has lease-time");
}

BOOST_AUTO_TEST_CASE(a_word_no_message_has_is_an_error_where_it_stands) {
  expect_error("0 < arp what-is 10.0.0.1\n", 1, 9, "no such message of arp: what-is");
  expect_error("0 < arp who-has 10.0.0.1 tel 10.0.0.2\n", 1, 26, "no such field of arp: tel");
  expect_error("0 < arp who-has 10.0.0 tell 10.0.0.2\n", 1, 17, "not a value of target: 10.0.0");
  expect_error("0 < dns query A", 1, 16, "expected the name before the end of the script");
  expect_error("\n0 < gateway:1 > nobody:2 udp (4)\n", 2, 17, "no such place: nobody");
}

BOOST_AUTO_TEST_CASE(a_dns_type_or_rcode_is_a_name_that_exists_or_a_number) {
  expect_error("0 < dns query BOGUS a.example\n", 1, 15, "not a value of type: BOGUS");
  expect_error("0 < dns query TYPE65536 a.example\n", 1, 15, "not a value of type: TYPE65536");
  expect_error("0 < dns query A a.example rcode banana\n", 1, 33, "not a value of rcode: banana");
  expect_error("0 > dns reply A a.example rcode 4096\n", 1, 33, "not a value of rcode: 4096");
  for (const char* type : {"A", "ns", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "SVCB",
                           "HTTPS", "TYPE65", "65", "999"}) {
    const std::string query = std::string("0 < dns query ") + type + " a.example id 4\n";
    expect_pass(query + "+0 > dns reply " + type + " a.example id 4 rcode 2\n");
    const Outcome other =
        outcome_over(Family::kIpv4, query + "+0 > dns reply LOC a.example id 4\n");
    BOOST_TEST((other.reason.find(": type is ") != std::string::npos), other.reason);
  }
  for (const char* rcode :
       {"noerror", "formerr", "servfail", "nxdomain", "notimp",   "refused",  "yxdomain",
        "yxrrset", "nxrrset", "notauth",  "notzone",  "12",       "badvers",  "badkey",
        "badtime", "badmode", "badname",  "badalg",   "badtrunc", "badcookie"}) {
    MessageSpec reply{"dns", "reply", {}};
    add(reply, "type", "a");
    add(reply, "name", "a.example");
    add(reply, "rcode", rcode);
    const auto read = read_dns(dns_payload(reply));
    BOOST_TEST_REQUIRE(read.has_value());
    BOOST_TEST(*find(*read, "rcode") == rcode);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_a_line_too) {
  expect_pass("0 > nothing\n");
  expect_differs("0 < udp (4)\n+.5 > nothing\n", 2,
                 "expected nothing, but at 0.000000 came icmp unreachable port_unreachable");
}

BOOST_AUTO_TEST_CASE(a_variable_is_what_came_and_is_said_again) {
  const std::string query = "--resolver=silent\n0 dns add a.example 10.9.9.9\n";
  expect_pass(query +
              "+0 < dns query A a.example id 7\n+0 > dns reply A a.example answer $address\n"
              "+0 < dns query A a.example id 8\n+0 > dns reply A a.example answer $address\n");
  expect_pass(
      "0 < icmp echo_request id 7 seq 1 (0)\n+0 > icmp echo_reply id $id seq $s (0)\n"
      "+0 < icmp echo_request id $id seq $s+1 (0)\n+0 > icmp echo_reply id 7 seq 2 (0)\n");
  expect_differs("0 < icmp echo_request id 7 seq 1 (0)\n+0 > icmp echo_reply id $x seq $x (0)\n", 2,
                 "expected icmp echo_reply id 7 seq 7 (0), but at 0.000000 came icmp echo_reply id "
                 "7 seq 1 (0): it is something else");
  expect_differs("0 < icmp echo_request id $id seq 1 (0)\n", 1, "no line before has seen $id");
}

BOOST_AUTO_TEST_CASE(the_wire_cuts_pads_and_fragments) {
  expect_pass("0 < udp (3000) frag 1000\n+0 > icmp unreachable port_unreachable\n");
  expect_pass("0 < udp (8) cut 20\n+0 expect ipv4_malformed == 1\n");
  expect_pass("0 < udp (8) cut 0 corrupt frag 8 segment 4\n+0 expect frame_too_short == 1\n");
  expect_error("0 < arp who-has gateway segment 4\n", 1, 25, "segment is for TCP and UDP");
  expect_pass("0 < udp (8) pad 9\n+0 > icmp unreachable port_unreachable\n");
}

BOOST_AUTO_TEST_CASE(a_raw_packet_is_sent_as_it_is_written) {
  expect_pass("0 < ip proto 47 length 20\n+0 > icmp unreachable protocol_unreachable\n");
  expect_pass("0 < ip proto 17 ihl 4 length 20\n+0 expect ipv4_malformed == 1\n");
  expect_pass("0 < ether type 0x88cc\n+0 expect unknown_ethertype == 1\n");
}

BOOST_AUTO_TEST_CASE(counters_are_compared_in_every_way) {
  expect_pass("0 expect arp-replies <= 0\n+0 expect guest_frames_in > 0\n");
  expect_differs("0 expect arp_replies >= 1\n", 1, "arp_replies is 0, not >= 1");
  expect_error("0 expect arp_replies = 1\n", 1, 3, "not a comparison: =");
  expect_error("0 expect arp_replies\n", 1, 3, "expect is written: expect COUNTER == NUMBER");
  expect_error("0 expect arps == 1\n", 1, 3, "no such counter: arps");
}

BOOST_AUTO_TEST_CASE(a_user_commands_the_nat) {
  expect_pass(
      "0 forward add tcp:80:8080\n+0 forward add tcp:80:81 = EADDRINUSE\n"
      "+0 forward remove tcp:80\n+0 forward add tcp:80:81\n");
  expect_differs("0 forward add tcp:80\n+0 forward add tcp:80\n", 2, "the forward gave EADDRINUSE");
  expect_error("0 link broken\n", 1, 3, "link is full, free or restart");
  expect_error("0 forward add sctp:1\n", 1, 3, "forward is written: forward add tcp:80:80");
  expect_error("0 > udp (4) cut 9\n", 1, 13, "cut is for packets of the guest's ('<') only");
  expect_pass("0 link full\n" + kWho + "+0 > nothing\n+1 link free\n" + kWho +
              "+0 expect guest_link_full >= 1\n");
}

BOOST_AUTO_TEST_SUITE_END()
