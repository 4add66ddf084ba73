#include "core/flow/guest.hh"

#include <boost/test/unit_test.hpp>

#include "tests/support/fake_env.hh"

namespace dashi::test {
namespace {

const MacAddress kOne{{0x02, 0, 0, 0, 0, 1}};
const MacAddress kTwo{{0x02, 0, 0, 0, 0, 2}};

IpAddress v6(uint16_t host) {
  Ipv6Address a{{0xfd, 0x00, 0xda, 0x51}};
  a.bytes[14] = static_cast<uint8_t>(host >> 8 | 0x80);
  a.bytes[15] = static_cast<uint8_t>(host);
  return a;
}

const Instant kStart = instant_from_nanoseconds(1'000'000'000);

}  // namespace

BOOST_AUTO_TEST_SUITE(flow_guest)

BOOST_AUTO_TEST_CASE(takes_the_first_unicast_mac_and_no_other) {
  Topology topology;
  Guest guest(topology, 16);
  BOOST_TEST((guest.mac() == MacAddress::broadcast()));
  for (const MacAddress& bad : {MacAddress::broadcast(), MacAddress{}, topology.gateway_mac,
                                MacAddress{{0x33, 0x33, 0, 0, 0, 1}}}) {
    BOOST_TEST((guest.check_mac(bad).error() == DropReason::kSourceMacInvalid));
  }
  BOOST_TEST(!guest.known());
  BOOST_TEST(guest.check_mac(kOne).ok());
  BOOST_TEST((guest.check_mac(kTwo).error() == DropReason::kSourceMacSpoofed));
  BOOST_TEST((guest.mac() == kOne));
  guest.restart();
  BOOST_TEST(guest.check_mac(kTwo).ok());
}

BOOST_AUTO_TEST_CASE(takes_only_the_configured_mac) {
  Topology topology;
  topology.guest_mac = kOne;
  Guest guest(topology, 16);
  BOOST_TEST((guest.check_mac(kTwo).error() == DropReason::kSourceMacSpoofed));
  BOOST_TEST(guest.check_mac(kOne).ok());
  guest.restart();
  BOOST_TEST((guest.mac() == kOne));
}

BOOST_AUTO_TEST_CASE(takes_any_host_of_the_subnet_but_the_gateway) {
  Topology topology;
  Guest guest(topology, 16);
  const auto ok = [&](std::string_view a) {
    return guest.check_source(kStart, parse_ip(a).value()).ok();
  };
  for (const char* a : {"10.0.0.2", "10.0.0.3", "10.0.0.254"}) BOOST_TEST(ok(a));
  for (const char* a : {"10.0.0.1", "10.0.0.0", "10.0.0.255", "10.0.1.2", "0.0.0.0", "127.0.0.1",
                        "255.255.255.255", "224.0.0.1", "8.8.8.8"}) {
    BOOST_TEST(!ok(a), a << " is taken");
  }
}

BOOST_AUTO_TEST_CASE(takes_link_local_and_prefix_addresses_over_ipv6) {
  Topology topology;
  Guest guest(topology, 16);
  const auto ok = [&](std::string_view a) {
    return guest.check_source(kStart, parse_ip(a).value()).ok();
  };
  for (const char* a : {"fe80::2", "fd00:da51::2", "fd00:da51::ffff:1"}) BOOST_TEST(ok(a));
  for (const char* a : {"::", "::1", "ff02::1", "fd00:da51::1", "2001:db8::2", "fd00:da52::2",
                        "fe80::5055:aff:fe00:1", "::ffff:10.0.0.2"}) {
    BOOST_TEST(!ok(a), a << " is taken");
  }
}

BOOST_AUTO_TEST_CASE(bounds_ipv6_addresses_and_forgets_only_idle_ones) {
  Topology topology;
  Guest guest(topology, 16);
  for (uint16_t i = 0; i < 16; ++i) {
    BOOST_TEST(guest.check_source(kStart + i * 1s, v6(i)).ok());
  }
  const Instant later = kStart + 4min;
  BOOST_TEST((guest.check_source(later, v6(99)).error() == DropReason::kTooManyGuestAddresses));
  BOOST_TEST(guest.check_source(later, v6(0)).ok());  // in use again
  BOOST_TEST(guest.check_source(kStart + 5min + 1s, v6(99)).ok());
  BOOST_TEST(!guest.uses(v6(1).v6()));  // the longest unused gave way
  BOOST_TEST(guest.uses(v6(0).v6()));
  BOOST_TEST(guest.uses(v6(99).v6()));
}

BOOST_AUTO_TEST_CASE(names_the_prefix_address_used_last_as_target_of_forwards) {
  Topology topology;
  Guest guest(topology, 16);
  BOOST_TEST(!guest.forward_target_v6().has_value());
  BOOST_TEST(guest.check_source(kStart, parse_ip("fe80::2").value()).ok());
  BOOST_TEST(!guest.forward_target_v6().has_value());
  BOOST_TEST(guest.check_source(kStart + 1s, v6(1)).ok());
  BOOST_TEST(guest.check_source(kStart + 2s, v6(2)).ok());
  BOOST_TEST(guest.check_source(kStart + 3s, parse_ip("fe80::2").value()).ok());
  BOOST_TEST((guest.forward_target_v6().value() == v6(2).v6()));
  BOOST_TEST(guest.check_source(kStart + 4s, v6(1)).ok());
  BOOST_TEST((guest.forward_target_v6().value() == v6(1).v6()));
}

BOOST_AUTO_TEST_CASE(is_the_same_after_an_archive) {
  Topology topology;
  Guest guest(topology, 16);
  BOOST_TEST(guest.check_mac(kOne).ok());
  for (uint16_t i = 0; i < 16; ++i) {
    BOOST_TEST(guest.check_source(kStart + i * 1s, v6(i)).ok());
  }
  MemoryArchive archive;
  ArchiveWriter writer(archive);
  writer(guest);
  Guest other(topology, 16);
  ArchiveReader reader(archive);
  reader(other);
  BOOST_REQUIRE(reader.ok());
  BOOST_TEST((other.mac() == kOne));
  BOOST_TEST(other.uses(v6(7).v6()));
  BOOST_TEST((other.forward_target_v6().value() == v6(15).v6()));
  BOOST_TEST(!other.check_source(kStart + 1min, v6(99)).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
