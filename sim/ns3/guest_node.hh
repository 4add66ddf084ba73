// The guest of an ns-3 world: a node with its own TCP/IP behind a VirtualNetDevice whose Ethernet
// frames go to and come from a SimLink, so that the faults of the guest's link are ours. ARP, NDP and
// DAD are on; the IPv4 address and its default route come by DHCP, those of IPv6 by the Nat's router
// advertisements. Owns its node through ns-3; the link and the simulation outlive it.
//
// ns-3 believes what it parses: a damaged frame may make it read beyond a packet or loop. What a
// stack would drop is dropped here instead, with core/wire's parse().
#pragma once

#include <ns3/node.h>
#include <ns3/virtual-net-device.h>

#include <memory>
#include <vector>

#include "core/flow/topology.hh"
#include "sim/ns3/guest_dhcp.hh"
#include "sim/ns3/simulation.hh"
#include "sim/sim_link.hh"

namespace dashi {

class Ns3Guest {
 public:
  static constexpr MacAddress kMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};

  Ns3Guest(Ns3Simulation& simulation, SimLink& link, const Topology& topology);
  Ns3Guest(const Ns3Guest&) = delete;
  Ns3Guest& operator=(const Ns3Guest&) = delete;

  ns3::Ptr<ns3::Node> node() const { return node_; }
  // Anew if it has one. Not before the queue has run: ns-3's models are not initialised then.
  void ask_for_address(uint32_t transaction);
  const DhcpRecord& lease() const { return dhcp_->record(); }  // of who asked
  // Every family that it has got its address.
  bool configured() const;
  // The node's global address; unspecified until there is one (IPv6: until SLAAC and DAD are done).
  IpAddress address(Family family) const;
  uint64_t damaged_frames() const { return damaged_; }

 private:
  bool send(ns3::Ptr<ns3::Packet> packet, const ns3::Address& source,
            const ns3::Address& destination, uint16_t protocol);
  void receive(const GuestFrame& frame);

  Ns3Simulation& simulation_;
  SimLink& link_;
  Topology topology_;
  ns3::Ptr<ns3::Node> node_;
  ns3::Ptr<ns3::VirtualNetDevice> device_;
  std::unique_ptr<Ns3DhcpClient> dhcp_;
  std::vector<uint8_t> scratch_;  // the frame being sent
  uint64_t damaged_ = 0;
};

}  // namespace dashi
