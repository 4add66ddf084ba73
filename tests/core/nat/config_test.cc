#include "core/nat/config.hh"

#include <boost/test/unit_test.hpp>
#include <cstring>

namespace dashi {
namespace {

bool says(const Config& config, const char* word) {
  const auto valid = validate(config);
  return !valid.ok() && std::strstr(valid.error(), word) != nullptr;
}

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(the_defaults_are_valid) { BOOST_TEST(validate(Config{}).ok()); }

BOOST_AUTO_TEST_CASE(what_no_nat_can_be_made_of_is_said_whoever_checks_it) {
  Config config;
  config.topology.subnet.length = 31;
  BOOST_TEST(says(config, "subnet"));
  config = {};
  config.gateway.domain = "two..dots";
  BOOST_TEST(says(config, "name"));
  config = {};
  config.dns.records = {{"two..dots", {}}};
  BOOST_TEST(says(config, "DNS record"));
  config.dns.records = {{"one", {Ipv4Address{{1, 2, 3, 4}}}}, {"two", {}}};
  config.limits.dns_records = 2;
  BOOST_TEST(validate(config).ok());
  config.limits.dns_records = 1;
  BOOST_TEST(says(config, "limit"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
