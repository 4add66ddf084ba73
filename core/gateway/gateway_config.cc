#include "core/gateway/gateway_config.hh"

#include <algorithm>

#include "core/wire/search_list.hh"

namespace dashi {
namespace {

template <typename Address>
bool usable(const Address& address) {
  return !address.is_unspecified() && !address.is_multicast();
}

// Bytes of the name on the wire, its terminating zero included.
size_t encoded_size(const std::string& name) { return name.size() + (name.back() == '.' ? 1 : 2); }

}  // namespace

const char* message_of(GatewayConfigError error) {
  switch (error) {
    case GatewayConfigError::kNameNotValid:
      return "not a domain name: labels of 1 to 63 characters, at most 253 in all";
    case GatewayConfigError::kSearchListTooLong:
      return "the search list is too long: at most 512 bytes";
    case GatewayConfigError::kTooManyDnsServers:
      return "too many DNS servers: at most 8 of each family";
    case GatewayConfigError::kDnsServerNotUsable:
      return "a DNS server must be a unicast address";
    case GatewayConfigError::kLeaseOutOfRange:
      return "the DHCP lease is out of range: at least 60 s";
    case GatewayConfigError::kRaIntervalOutOfRange:
      return "the router advertisement interval is out of range: 4 s to 1800 s";
    case GatewayConfigError::kRouterLifetimeOutOfRange:
      return "the router lifetime is out of range: 0, or from the advertisement interval to 9000 s";
  }
  return "unknown";
}

Result<Done, GatewayConfigError> validate(const GatewayConfig& config) {
  for (const std::string* name : {&config.hostname, &config.domain}) {
    if (!name->empty() && !is_domain_name(*name)) return GatewayConfigError::kNameNotValid;
  }
  size_t search_bytes = 0;
  for (const std::string& name : config.search) {
    if (!is_domain_name(name)) return GatewayConfigError::kNameNotValid;
    search_bytes += encoded_size(name);
  }
  if (search_bytes > kGatewaySearchListMax) return GatewayConfigError::kSearchListTooLong;
  if (config.dns_v4.size() > kGatewayDnsServersMax ||
      config.dns_v6.size() > kGatewayDnsServersMax) {
    return GatewayConfigError::kTooManyDnsServers;
  }
  if (!std::all_of(config.dns_v4.begin(), config.dns_v4.end(), usable<Ipv4Address>) ||
      !std::all_of(config.dns_v6.begin(), config.dns_v6.end(), usable<Ipv6Address>)) {
    return GatewayConfigError::kDnsServerNotUsable;
  }
  constexpr auto kLeaseMax = std::chrono::seconds(0xfffffffe);
  if (config.dhcp_lease < 60s || config.dhcp_lease > kLeaseMax) {
    return GatewayConfigError::kLeaseOutOfRange;
  }
  if (config.ra_interval < 4s || config.ra_interval > 1800s) {
    return GatewayConfigError::kRaIntervalOutOfRange;
  }
  const bool lifetime_ok =
      config.router_lifetime == Duration(0) ||
      (config.router_lifetime >= config.ra_interval && config.router_lifetime <= 9000s);
  if (!lifetime_ok) return GatewayConfigError::kRouterLifetimeOutOfRange;
  return Done{};
}

}  // namespace dashi
