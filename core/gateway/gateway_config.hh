// What the gateway tells guests about their network by DHCP and router advertisements.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hh"
#include "core/base/time.hh"
#include "core/wire/address.hh"

namespace dashi {

struct GatewayConfig {
  Duration dhcp_lease = 24h;         // option 51; T1 and T2 are 1/2 and 7/8 (RFC 2131 4.4.5)
  std::string hostname;              // option 12; empty: not sent
  std::string domain;                // option 15; empty: not sent
  std::vector<std::string> search;   // option 119, DHCPv6 24, DNSSL
  std::vector<Ipv4Address> dns_v4;   // option 6; empty: the gateway
  std::vector<Ipv6Address> dns_v6;   // RDNSS, DHCPv6 23; empty: the gateway's link-local
  bool host_has_ipv6_route = false;  // false: the RA's router lifetime is 0
  Duration ra_interval = 200s;       // unsolicited RAs (RFC 4861 6.2.1 MaxRtrAdvInterval 600 s)
  Duration router_lifetime = 1800s;  // RFC 4861 6.2.1 AdvDefaultLifetime
};

enum class GatewayConfigError : uint8_t {
  kNameNotValid,       // host name, domain or search list: not a domain name (RFC 1035 2.3.1 sizes)
  kSearchListTooLong,  // does not fit a router advertisement beside the rest
  kTooManyDnsServers,  // more than kGatewayDnsServersMax of a family
  kDnsServerNotUsable,        // unspecified or multicast
  kLeaseOutOfRange,           // below 60 s or above 2^32 - 2 s, the longest that is not for ever
  kRaIntervalOutOfRange,      // outside 4 s to 1800 s (RFC 4861 6.2.1)
  kRouterLifetimeOutOfRange,  // not 0, and below ra_interval or above 9000 s (RFC 4861 6.2.1)
};

inline constexpr size_t kGatewayDnsServersMax = 8;    // of each family
inline constexpr size_t kGatewaySearchListMax = 512;  // bytes, encoded without compression

const char* message_of(GatewayConfigError error);

// What a driver checks before it makes a Nat. The services themselves bear any configuration, by
// leaving out what does not fit.
Result<Done, GatewayConfigError> validate(const GatewayConfig& config);

}  // namespace dashi
