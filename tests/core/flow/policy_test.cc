#include "core/flow/address_policy.hh"

#include <boost/test/unit_test.hpp>

namespace dashi::test {
namespace {

using Verdict = Destination::Verdict;

struct World {
  Topology topology;
  AddressPolicyConfig config;
  AddressPolicy policy{topology, config};

  Verdict of(std::string_view address) const {
    return policy.resolve(parse_ip(address).value()).verdict;
  }
  Destination to(std::string_view address, uint16_t port) const {
    return policy.resolve(Endpoint{parse_ip(address).value(), {port}});
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(flow_policy)

BOOST_AUTO_TEST_CASE(lets_ordinary_addresses_through_unchanged) {
  World world;
  for (const char* a :
       {"198.51.100.7", "8.8.8.8", "192.168.1.1", "172.16.0.1", "100.64.0.1", "100.100.100.201",
        "192.0.0.193", "168.63.129.17", "10.0.1.1", "2001:db8::1", "fd01::1", "2606:4700::1111"}) {
    BOOST_TEST((world.of(a) == Verdict::kForward));
    const Destination to = world.to(a, 443);
    BOOST_TEST((to.verdict == Verdict::kForward));
    BOOST_TEST((to.remote == Endpoint{parse_ip(a).value(), {443}}));
  }
}

BOOST_AUTO_TEST_CASE(denies_what_means_the_host_or_its_link_in_every_disguise) {
  World world;
  for (const char* a : {
           "127.0.0.1",
           "127.255.255.254",
           "0.0.0.0",
           "0.1.2.3",
           "169.254.169.254",
           "169.254.1.1",
           "240.0.0.1",
           "::",
           "::1",
           "fe80::1",
           "febf::1",
           "fec0::1",
           "::ffff:127.0.0.1",        // IPv4-mapped
           "::ffff:169.254.169.254",  //
           "::ffff:0.0.0.0",          //
           "::127.0.0.1",             // IPv4-compatible
           "::ffff:0:127.0.0.1",      // IPv4-translated
           "2002:7f00:1::1",          // 6to4 of 127.0.0.1
           "2002:a9fe:a9fe::1",       // 6to4 of the metadata service
           "64:ff9b::127.0.0.1",      // NAT64
           "64:ff9b::a9fe:a9fe",      //
           "64:ff9b::224.0.0.1",      //
           "64:ff9b::0.0.0.0",        //
           "64:ff9b:1::127.0.0.1",    // NAT64 of local use, RFC 8215, behind 96 bits
           "64:ff9b:1:5:6::a9fe:a9fe",
           "64:ff9b:1:7f00:0:100::",  // behind 48
           "64:ff9b:1:a9fe:a9:fe00::",
           "64:ff9b:1:a9fe:a9:fe12:3456:789a",  // whatever follows: RFC 6052 has it ignored
           "64:ff9b:1:007f:0:1::",              // behind 56
           "64:ff9b:1:33a9:fe:a9fe::",
           "64:ff9b:1:0:7f:0:100:0",  // behind 64
           "64:ff9b:1:1234:a9:fea9:fe00:0",
           "64:ff9b:1::",
           "64:ff9b:1::240.0.0.1",
           "168.63.129.16",  // metadata services of clouds
           "100.100.100.200",
           "192.0.0.192",
           "::ffff:168.63.129.16",
           "2002:a83f:8110::1",
           "2002:6464:64c8::1",
           "2002:c000:c0::1",
           "64:ff9b::100.100.100.200",
           "64:ff9b::192.0.0.192",
           "64:ff9b:1::168.63.129.16",
           "64:ff9b:1:6464:64:c800::",  // behind 48
           "fd00:ec2::254",
           "fd20:ce::254",
       }) {
    BOOST_TEST((world.of(a) == Verdict::kDenied), a << " is not denied");
  }
}

BOOST_AUTO_TEST_CASE(denies_no_disguise_of_an_ordinary_address) {
  World world;
  for (const char* a :
       {"::ffff:198.51.100.7", "2002:c633:6407::1", "64:ff9b::198.51.100.7",
        "64:ff9b:1::198.51.100.7", "64:ff9b:1:c633:64:700::", "64:ff9b:1:c6:33:6407::",
        "64:ff9b:1:0:c6:3364:700:0", "64:ff9c::127.0.0.1"}) {
    BOOST_TEST((world.of(a) == Verdict::kForward), a << " is denied");
  }
}

BOOST_AUTO_TEST_CASE(knows_groups_the_link_and_itself) {
  World world;
  for (const char* a : {"224.0.0.251", "239.255.255.250", "ff02::fb", "ff0e::1"}) {
    BOOST_TEST((world.of(a) == Verdict::kMulticast));
  }
  BOOST_TEST((world.of("255.255.255.255") == Verdict::kBroadcast));
  BOOST_TEST((world.of("10.0.0.255") == Verdict::kBroadcast));
  BOOST_TEST((world.of("10.0.0.9") == Verdict::kUnreachable));
  BOOST_TEST((world.of("fd00:da51::9") == Verdict::kUnreachable));
  BOOST_TEST((world.of("10.0.0.1") == Verdict::kGateway));
  BOOST_TEST((world.of("fd00:da51::1") == Verdict::kGateway));
  BOOST_TEST((world.of("fe80::5055:aff:fe00:1") == Verdict::kGateway));  // though it is link-local
}

BOOST_AUTO_TEST_CASE(leads_the_gateways_opened_ports_to_host_loopback) {
  World world;
  BOOST_TEST((world.to("10.0.0.1", 80).verdict == Verdict::kGateway));
  world.config.host_loopback = true;
  world.config.loopback_ports = {{{80}, {90}}, {{443}, {443}}};
  for (const uint16_t port : {uint16_t{80}, uint16_t{85}, uint16_t{90}, uint16_t{443}}) {
    const Destination v4 = world.to("10.0.0.1", port);
    BOOST_TEST((v4.verdict == Verdict::kForward));
    BOOST_TEST((v4.remote == Endpoint{parse_ip("127.0.0.1").value(), {port}}));
    const Destination v6 = world.to("fd00:da51::1", port);
    BOOST_TEST((v6.remote == Endpoint{parse_ip("::1").value(), {port}}));
  }
  for (const uint16_t port : {uint16_t{79}, uint16_t{91}, uint16_t{442}}) {
    BOOST_TEST((world.to("10.0.0.1", port).verdict == Verdict::kGateway));
  }
  BOOST_TEST((world.of("10.0.0.1") == Verdict::kGateway));  // without a port: never
  BOOST_TEST((world.to("127.0.0.1", 80).verdict == Verdict::kDenied));
  world.config.loopback_ports.clear();
  BOOST_TEST((world.to("10.0.0.1", 12345).verdict == Verdict::kForward));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
