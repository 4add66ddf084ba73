// Where a guest's destination may lead. Denied unless opened: host loopback. Denied always: link-local and
// unspecified addresses and the metadata services of clouds, also in IPv4-mapped (RFC 4291 2.5.5.2), 6to4
// (RFC 3056) and NAT64 (RFC 6052, RFC 8215) form. The gateway's own addresses lead to host loopback on the
// ports that are opened.
#pragma once

#include <vector>

#include "core/base/archive.hh"
#include "core/flow/topology.hh"

namespace dashi {

struct PortRange {
  Port first;
  Port last;
};

struct AddressPolicyConfig {
  bool host_loopback = false;             // gateway addresses -> 127.0.0.1, ::1
  std::vector<PortRange> loopback_ports;  // empty: every port
};

struct Destination {
  enum class Verdict : uint8_t {
    kForward,      // connect to `remote`
    kGateway,      // the gateway itself: served by it, or refused
    kUnreachable,  // on link, and nobody is there
    kDenied,
    kMulticast,
    kBroadcast,
  };
  Verdict verdict = Verdict::kDenied;
  Endpoint remote;  // set for kForward: what the host connects to
};

class AddressPolicy {
 public:
  AddressPolicy(const Topology& topology, const AddressPolicyConfig& config)
      : topology_(topology), config_(config) {}

  // Where TCP or UDP to `destination` leads.
  Destination resolve(const Endpoint& destination) const;
  // The same for protocols without ports: never host loopback.
  Destination resolve(const IpAddress& destination) const;

 private:
  const Topology& topology_;
  const AddressPolicyConfig& config_;
};

}  // namespace dashi
