#include <boost/test/unit_test.hpp>

#include "core/gateway/gateway_config.hh"
#include "tests/core/gateway/fixture.hh"

namespace dashi::test {
namespace {

using Error = GatewayConfigError;

// The error, or nothing if the configuration is good.
std::optional<Error> error_of(const GatewayConfig& config) {
  const auto result = validate(config);
  if (result.ok()) return std::nullopt;
  return result.error();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gateway_config)

BOOST_AUTO_TEST_CASE(defaults_are_valid) { BOOST_TEST(!error_of({}).has_value()); }

BOOST_AUTO_TEST_CASE(names_must_be_domain_names) {
  for (const char* bad : {".", "a..b", ".a", "a..", "a.."}) {
    GatewayConfig config;
    config.hostname = bad;
    BOOST_TEST((error_of(config) == Error::kNameNotValid), bad);
    config.hostname.clear();
    config.domain = bad;
    BOOST_TEST((error_of(config) == Error::kNameNotValid), bad);
    config.domain.clear();
    config.search = {"ok.example", bad};
    BOOST_TEST((error_of(config) == Error::kNameNotValid), bad);
  }
  GatewayConfig config;
  config.search = {""};
  BOOST_TEST((error_of(config) == Error::kNameNotValid));
  config.search = {"example.", "corp.example"};
  config.domain = "example";
  config.hostname = "guest";
  BOOST_TEST(!error_of(config).has_value());
}

BOOST_AUTO_TEST_CASE(the_search_list_has_a_bound_in_bytes) {
  GatewayConfig config;
  config.search.assign(8, std::string(62, 'a'));  // 64 bytes each
  BOOST_TEST(!error_of(config).has_value());
  config.search.emplace_back("b");
  BOOST_TEST((error_of(config) == Error::kSearchListTooLong));
}

BOOST_AUTO_TEST_CASE(dns_servers_are_few_and_unicast) {
  GatewayConfig config;
  config.dns_v4.assign(8, v4("192.0.2.53"));
  config.dns_v6.assign(8, v6("2001:db8::53"));
  BOOST_TEST(!error_of(config).has_value());
  config.dns_v6.push_back(v6("2001:db8::53"));
  BOOST_TEST((error_of(config) == Error::kTooManyDnsServers));
  config.dns_v6 = {v6("ff02::fb")};
  BOOST_TEST((error_of(config) == Error::kDnsServerNotUsable));
  config.dns_v6.clear();
  config.dns_v4 = {Ipv4Address{}};
  BOOST_TEST((error_of(config) == Error::kDnsServerNotUsable));
}

BOOST_AUTO_TEST_CASE(times_have_their_ranges) {
  const auto with = [](auto change) {
    GatewayConfig config;
    change(config);
    return error_of(config);
  };
  const auto lease = [&](Duration d) { return with([d](GatewayConfig& c) { c.dhcp_lease = d; }); };
  BOOST_TEST(!lease(60s).has_value());
  BOOST_TEST((lease(59s) == Error::kLeaseOutOfRange));
  BOOST_TEST(!lease(std::chrono::seconds(0xfffffffe)).has_value());
  BOOST_TEST((lease(std::chrono::seconds(0xffffffff)) == Error::kLeaseOutOfRange));
  const auto interval = [&](Duration d) {
    return with([d](GatewayConfig& c) { c.ra_interval = d; });
  };
  BOOST_TEST(!interval(4s).has_value());
  BOOST_TEST(!interval(1800s).has_value());
  BOOST_TEST((interval(3s) == Error::kRaIntervalOutOfRange));
  BOOST_TEST((interval(1801s) == Error::kRaIntervalOutOfRange));
  const auto lifetime = [&](Duration d) {
    return with([d](GatewayConfig& c) { c.router_lifetime = d; });
  };
  BOOST_TEST(!lifetime(0s).has_value());
  BOOST_TEST(!lifetime(9000s).has_value());
  BOOST_TEST((lifetime(199s) == Error::kRouterLifetimeOutOfRange));
  BOOST_TEST((lifetime(9001s) == Error::kRouterLifetimeOutOfRange));
}

BOOST_AUTO_TEST_CASE(every_error_has_its_own_words) {
  std::vector<std::string> said;
  for (const Error error :
       {Error::kNameNotValid, Error::kSearchListTooLong, Error::kTooManyDnsServers,
        Error::kDnsServerNotUsable, Error::kLeaseOutOfRange, Error::kRaIntervalOutOfRange,
        Error::kRouterLifetimeOutOfRange}) {
    const std::string message = message_of(error);
    BOOST_TEST(std::count(said.begin(), said.end(), message) == 0);
    said.push_back(message);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
