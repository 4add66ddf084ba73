// What the gateway tells guests about their network by DHCP and router advertisements.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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

}  // namespace dashi
