// All that a Nat is told once, at construction. Each room brings its own part.
#pragma once

#include <string>

#include "core/dns/dns_config.hh"
#include "core/flow/address_policy.hh"
#include "core/flow/limits.hh"
#include "core/flow/topology.hh"
#include "core/gateway/gateway_config.hh"
#include "core/icmp/echo_config.hh"
#include "core/tcp/tcp_config.hh"
#include "core/udp/udp_config.hh"

namespace dashi {

struct Config {
  Topology topology;
  Limits limits;
  AddressPolicyConfig policy;
  GatewayConfig gateway;
  TcpConfig tcp;
  UdpConfig udp;
  EchoConfig echo;
  DnsConfig dns;
};

// Whether a Nat may be made of it; the error is a sentence for people. What a guest, a network or a
// resolv.conf may say is checked where it arrives.
Result<Done, const char*> validate(const Config& config);

enum class ForwardProtocol : uint8_t { kTcp, kUdp };

// A port of the host that leads to one of the guest's. The guest's address is topology.guest_v4 or,
// for IPv6, the address of the prefix last used by the guest, unless `guest` names one.
struct Forward {
  ForwardProtocol protocol{};
  Endpoint host;  // where the host listens; port 0 lets it choose
  Port guest_port;
  std::optional<IpAddress> guest;  // absent: as above
};

struct FlowCounts {
  uint32_t tcp = 0;
  uint32_t tcp_time_wait = 0;
  uint32_t udp = 0;
  uint32_t echo = 0;
  uint32_t dns = 0;
  size_t tcp_held_bytes = 0;  // of memory, for what hosts have yet to take
};

}  // namespace dashi
