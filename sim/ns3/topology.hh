// The internet of an ns-3 world: the host whose sockets the Nat uses, a router behind the WAN link,
// and a remote node with the servers; both families, static routes, addresses of the documentation
// and benchmarking prefixes (ns-3 does not forward 2001:db8::/32).
//
//   host 198.51.100.2  ==WAN==  198.51.100.1 router 203.0.113.1  --LAN--  203.0.113.2 remote
//        2001:2:0:1::2          2001:2:0:1::1       2001:2:0:2::1         2001:2:0:2::2
//
// The router answers as routers do with time exceeded. Somebody on the way says that unreachable()
// cannot be reached; what is sent to silent() is lost without a word. Owns the nodes through ns-3; the simulation outlives it.
#pragma once

#include <ns3/ipv4-l3-protocol.h>
#include <ns3/ipv6-l3-protocol.h>
#include <ns3/net-device-container.h>
#include <ns3/node-container.h>
#include <ns3/node.h>

#include "core/wire/address.hh"
#include "sim/link/faults.hh"
#include "sim/ns3/ns3_world_config.hh"
#include "sim/ns3/simulation.hh"

namespace dashi {

class Ns3Topology {
 public:
  // Addresses that lead nowhere: the router says so, or nobody says anything.
  static IpAddress unreachable(Family family);
  static IpAddress silent(Family family);
  static IpAddress host_address(Family family);
  static IpAddress router_address(Family family);  // on the WAN side
  static IpAddress remote_address(Family family);

  // `config` has passed validate().
  Ns3Topology(Ns3Simulation& simulation, const Ns3TopologyConfig& config, uint64_t seed);

  ns3::Ptr<ns3::Node> host() const { return nodes_.Get(0); }
  ns3::Ptr<ns3::Node> router() const { return nodes_.Get(1); }
  ns3::Ptr<ns3::Node> remote() const { return nodes_.Get(2); }

 private:
  ns3::NetDeviceContainer connect(Ns3Simulation& simulation, uint32_t a, uint32_t b,
                                  const Ns3LinkConfig& link);
  void lose(const ns3::NetDeviceContainer& devices, const Ns3LinkConfig& link, uint64_t seed,
            uint64_t entity);
  void add_address(const ns3::Ptr<ns3::NetDevice>& device, const char* v4, const char* v6);
  void add_routes();
  void answer_no_route();

  ns3::NodeContainer nodes_;
};

}  // namespace dashi
