#include "core/flow/icmp_error.hh"

#include "tests/support/fake_env.hh"

namespace dashi::test {
namespace {

const Instant kNow = instant_from_nanoseconds(1'000'000'000);

IpSpec v4_spec() {
  IpSpec ip;
  ip.source = parse_ip("10.0.0.2").value();
  ip.destination = parse_ip("198.51.100.7").value();
  return ip;
}

IpSpec v6_spec() {
  IpSpec ip;
  ip.source = parse_ip("fd00:da51::2").value();
  ip.destination = parse_ip("2001:db8::7").value();
  return ip;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(flow_icmp_error)

BOOST_AUTO_TEST_CASE(has_a_code_for_each_report_in_both_families) {
  const std::vector<std::tuple<IcmpReport, int, int, int, int>> table = {
      {IcmpReport::kNetworkUnreachable, 3, 0, 1, 0}, {IcmpReport::kHostUnreachable, 3, 1, 1, 3},
      {IcmpReport::kPortUnreachable, 3, 3, 1, 4},    {IcmpReport::kProtocolUnreachable, 3, 2, 4, 1},
      {IcmpReport::kAdminProhibited, 3, 13, 1, 1},   {IcmpReport::kTimeExceeded, 11, 0, 3, 0},
      {IcmpReport::kPacketTooBig, 3, 4, 2, 0}};
  for (const auto& [what, type4, code4, type6, code6] : table) {
    for (const bool v4 : {true, false}) {
      FakeFlowWorld world;
      const ParsedFrame about(udp_frame(v4 ? v4_spec() : v6_spec(), 5000, 7, text("quote me")));
      world.errors.report(kNow, what, about.packet, 1400);
      const SentFrame frame = world.link.take();
      const Packet packet = frame.packet();  // its checksum is right, or it would not parse
      BOOST_TEST((packet.ip_header.source == (v4 ? IpAddress(world.topology.gateway_v4)
                                                 : IpAddress(world.topology.gateway_v6()))));
      BOOST_TEST((packet.ip_header.destination == about.packet.ip_header.source));
      const Bytes icmp = packet.transport;
      BOOST_TEST(int{icmp[0]} == (v4 ? type4 : type6));
      BOOST_TEST(int{icmp[1]} == (v4 ? code4 : code6));
      const uint32_t rest = load<Be32>(icmp.subspan(4));
      if (what == IcmpReport::kPacketTooBig) {
        BOOST_TEST(rest == 1400u);
      } else if (what == IcmpReport::kProtocolUnreachable && !v4) {
        BOOST_TEST(rest == 6u);  // the Next Header byte (RFC 4443 3.4)
      } else {
        BOOST_TEST(rest == 0u);
      }
      const Bytes quoted = icmp.subspan(8);
      BOOST_TEST(ByteVector(quoted.begin(), quoted.end()) ==
                     ByteVector(about.packet.ip.begin(), about.packet.ip.end()),
                 boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(quotes_no_more_than_its_family_allows) {
  for (const bool v4 : {true, false}) {
    FakeFlowWorld world;
    const ParsedFrame about(udp_frame(v4 ? v4_spec() : v6_spec(), 5000, 7, pattern(1400)));
    world.errors.report(kNow, IcmpReport::kPortUnreachable, about.packet, 0);
    BOOST_TEST(world.link.take().packet().ip.size() == (v4 ? 576u : 1280u));
  }
}

BOOST_AUTO_TEST_CASE(says_nothing_about_errors_groups_and_nobody) {
  FakeFlowWorld world;
  const auto report = [&](ByteVector frame) {
    const ParsedFrame about(std::move(frame));
    world.errors.report(kNow, IcmpReport::kTimeExceeded, about.packet, 0);
  };
  for (const uint8_t type : {uint8_t{3}, uint8_t{4}, uint8_t{5}, uint8_t{11}, uint8_t{12}}) {
    report(icmp_frame(v4_spec(), type, 0, 0, pattern(28)));
  }
  for (const uint8_t type : {uint8_t{1}, uint8_t{2}, uint8_t{3}, uint8_t{4}, uint8_t{100}}) {
    report(icmp_frame(v6_spec(), type, 0, 0, pattern(48)));
  }
  IpSpec group = v4_spec();
  group.destination = parse_ip("224.0.0.251").value();
  report(udp_frame(group, 5353, 5353, {}));
  IpSpec group_mac = v4_spec();
  group_mac.destination_mac = MacAddress::broadcast();
  report(udp_frame(group_mac, 1, 2, {}));
  IpSpec nobody = v6_spec();
  nobody.source = Ipv6Address{};
  report(udp_frame(nobody, 1, 2, {}));
  BOOST_TEST(world.link.frames.empty());
  report(icmp_frame(v4_spec(), 8, 0, 0, {}));  // about echo it does speak
  report(icmp_frame(v6_spec(), 128, 0, 0, {}));
  BOOST_TEST(world.link.frames.size() == 2u);
}

BOOST_AUTO_TEST_CASE(limits_its_rate_and_counts_what_it_withheld) {
  FakeFlowWorld world;
  const ParsedFrame about(udp_frame(v4_spec(), 5000, 7, {}));
  for (int i = 0; i < 50; ++i) {
    world.errors.report(kNow, IcmpReport::kPortUnreachable, about.packet, 0);
  }
  BOOST_TEST(world.link.frames.size() == 20u);
  BOOST_TEST(world.counters[Counter::kIcmpErrorsSent] == 20u);
  BOOST_TEST(world.counters[Counter::kIcmpErrorsLimited] == 30u);
  for (int i = 0; i < 50; ++i) {
    world.errors.report(kNow + 1s, IcmpReport::kPortUnreachable, about.packet, 0);
  }
  BOOST_TEST(world.link.frames.size() == 40u);
}

BOOST_AUTO_TEST_CASE(speaks_from_its_link_local_address_to_a_link_local_guest) {
  FakeFlowWorld world;
  IpSpec ip = v6_spec();
  ip.source = parse_ip("fe80::2").value();
  const ParsedFrame about(udp_frame(ip, 5000, 7, {}));
  world.errors.report(kNow, IcmpReport::kPortUnreachable, about.packet, 0);
  BOOST_TEST((world.link.take().packet().ip_header.source ==
              IpAddress(world.topology.gateway_link_local())));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
