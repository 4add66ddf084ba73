#include "core/flow/topology.hh"

#include <boost/test/unit_test.hpp>

namespace dashi::test {
namespace {

Result<Topology, TopologyError> topology_of(std::string_view prefix) {
  return topology_for(parse_ipv4_prefix(prefix).value(), Topology{});
}

TopologyError error_of(std::string_view prefix) {
  const auto result = topology_of(prefix);
  BOOST_REQUIRE_MESSAGE(!result.ok(), prefix << " was taken");
  return result.error();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(flow_topology)

BOOST_AUTO_TEST_CASE(is_valid_by_default) {
  BOOST_TEST(validate(Topology{}).ok());
  const Topology topology;
  BOOST_TEST(to_string(topology.gateway_link_local()) == "fe80::5055:aff:fe00:1");
  BOOST_TEST(to_string(topology.gateway_v6()) == "fd00:da51::1");
}

BOOST_AUTO_TEST_CASE(gives_gateway_and_guest_the_first_two_hosts) {
  for (const auto& [prefix, gateway, guest] :
       {std::tuple{"192.168.7.0/24", "192.168.7.1", "192.168.7.2"},
        {"10.1.2.252/30", "10.1.2.253", "10.1.2.254"},
        {"172.16.240.0/20", "172.16.240.1", "172.16.240.2"},
        {"172.16.255.0/20", "172.16.255.0", "172.16.240.2"},  // the address names the gateway
        {"10.0.0.2/24", "10.0.0.2", "10.0.0.1"}}) {
    const auto result = topology_of(prefix);
    BOOST_REQUIRE_MESSAGE(result.ok(), prefix);
    BOOST_TEST(to_string(result->gateway_v4) == gateway);
    BOOST_TEST(to_string(result->guest_v4) == guest);
    BOOST_TEST(validate(result.value()).ok());
  }
}

BOOST_AUTO_TEST_CASE(says_clearly_what_does_not_fit) {
  BOOST_TEST((error_of("10.0.0.0/31") == TopologyError::kSubnetTooSmall));
  BOOST_TEST((error_of("10.0.0.0/32") == TopologyError::kSubnetTooSmall));
  for (const char* prefix : {"127.0.0.0/24", "169.254.0.0/16", "224.0.0.0/8", "0.0.0.0/8",
                             "0.0.0.0/0", "240.0.0.0/8", "126.0.0.0/7"}) {
    BOOST_TEST((error_of(prefix) == TopologyError::kSubnetNotUsable));
  }
  BOOST_TEST((error_of("10.0.0.255/24") == TopologyError::kGatewayNotInSubnet));
  for (const TopologyError error :
       {TopologyError::kSubnetTooSmall, TopologyError::kSubnetNotUsable,
        TopologyError::kGatewayNotInSubnet, TopologyError::kPrefixNotUsable,
        TopologyError::kMtuOutOfRange}) {
    BOOST_TEST(std::string_view(message_of(error)) != "unknown");
  }
}

BOOST_AUTO_TEST_CASE(takes_only_a_unicast_64_as_prefix_and_a_sane_mtu) {
  for (const char* prefix : {"fd00::/48", "fe80::/64", "ff02::/64", "::/64", "fd00::1/64"}) {
    Topology topology;
    topology.prefix_v6 = parse_ipv6_prefix(prefix).value();
    BOOST_TEST((validate(topology).error() == TopologyError::kPrefixNotUsable));
    topology.ipv6 = false;
    BOOST_TEST(validate(topology).ok());
  }
  for (const uint32_t mtu : {1279u, 65522u, 0u}) {
    Topology topology;
    topology.mtu = mtu;
    BOOST_TEST((validate(topology).error() == TopologyError::kMtuOutOfRange));
  }
  Topology small;
  small.mtu = 576;
  small.ipv6 = false;
  BOOST_TEST(validate(small).ok());
}

BOOST_AUTO_TEST_CASE(knows_its_own_and_its_link) {
  const Topology topology;
  BOOST_TEST(topology.is_gateway(parse_ip("10.0.0.1").value()));
  BOOST_TEST(topology.is_gateway(parse_ip("fd00:da51::1").value()));
  BOOST_TEST(topology.is_gateway(topology.gateway_link_local()));
  BOOST_TEST(!topology.is_gateway(parse_ip("10.0.0.2").value()));
  BOOST_TEST(topology.is_on_link(parse_ip("10.0.0.200").value()));
  BOOST_TEST(topology.is_on_link(parse_ip("fe80::1").value()));
  BOOST_TEST(topology.is_on_link(parse_ip("fd00:da51::77").value()));
  BOOST_TEST(!topology.is_on_link(parse_ip("10.0.1.1").value()));
  BOOST_TEST(!topology.is_on_link(parse_ip("fd00:da52::1").value()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
