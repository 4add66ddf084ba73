// What may be chosen about UDP.
#pragma once

#include <cstdint>

#include "core/base/time.hh"

namespace dashi {

// Whose datagrams may come in on a guest endpoint's mapping (RFC 4787 5).
enum class UdpFilter : uint8_t {
  kEndpointIndependent,
  kAddressDependent,
  kAddressAndPortDependent,
};

struct UdpConfig {
  UdpFilter filter = UdpFilter::kAddressDependent;
  Duration timeout = 5min;     // RFC 4787 REQ-5, refreshed by both directions
  Duration dns_timeout = 10s;  // for a guest endpoint that only ever talked to port 53
};

}  // namespace dashi
