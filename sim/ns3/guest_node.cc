#include "sim/ns3/guest_node.hh"

#include <ns3/ipv4.h>
#include <ns3/ipv6.h>
#include <ns3/mac48-address.h>
#include <ns3/node-container.h>

#include "core/wire/arp.hh"
#include "core/wire/packet.hh"
#include "sim/ns3/convert.hh"

namespace dashi {

namespace {

constexpr size_t kEthernetHeader = 14;

// What is left must be what ns-3 survives: ARP of Ethernet and IPv4, and the transports whose
// checksum parse() has verified. (A damaged IPv6 Next Header makes ns-3 crash over its answer.)
bool digestible(const Packet& packet) {
  if (packet.ether_type == EtherType::kArp) return parse_arp(packet.ip).has_value();
  const bool v4 = packet.ether_type == EtherType::kIpv4;
  switch (packet.ip_header.protocol) {
    case IpProtocol::kTcp:
    case IpProtocol::kUdp:
      return true;
    case IpProtocol::kIcmp:
      return v4;
    case IpProtocol::kIcmpv6:
      return !v4;
    default:
      return false;
  }
}

ns3::Mac48Address mac_to_ns3(const MacAddress& mac) {
  ns3::Mac48Address address;
  address.CopyFrom(mac.bytes.data());
  return address;
}

}  // namespace

Ns3Guest::Ns3Guest(Ns3Simulation& simulation, SimLink& link, const Topology& topology)
    : simulation_(simulation), link_(link), topology_(topology) {
  DASHI_CHECK(link.limits().gso_bytes_max == 0 && !link.limits().checksum_offload);
  ns3::NodeContainer nodes;
  nodes.Create(1);
  node_ = nodes.Get(0);
  simulation.install_internet(nodes);
  device_ = ns3::CreateObject<ns3::VirtualNetDevice>();
  device_->SetAddress(mac_to_ns3(kMac));
  device_->SetMtu(static_cast<uint16_t>(topology.mtu));
  device_->SetNeedsArp(true);
  device_->SetIsPointToPoint(false);
  device_->SetSendCallback(ns3::MakeCallback(&Ns3Guest::send, this));
  node_->AddDevice(device_);
  const auto ipv4 = node_->GetObject<ns3::Ipv4>();
  ipv4->SetUp(ipv4->AddInterface(device_));
  if (topology.ipv6) {
    const auto ipv6 = node_->GetObject<ns3::Ipv6>();
    ipv6->SetUp(ipv6->AddInterface(device_));
  }
  link.set_receiver([this](const GuestFrame& frame) { receive(frame); });
}

void Ns3Guest::ask_for_address(uint32_t transaction) {
  dhcp_.reset();  // its port is the next one's
  dhcp_ = std::make_unique<Ns3DhcpClient>(simulation_.queue(), device_, kMac, transaction);
}

bool Ns3Guest::configured() const {
  return dhcp_ != nullptr && dhcp_->record().bound &&
         (!topology_.ipv6 || !address(Family::kIpv6).is_unspecified());
}

IpAddress Ns3Guest::address(Family family) const {
  if (family == Family::kIpv4) {
    return dhcp_ != nullptr && dhcp_->record().bound ? dhcp_->record().address : Ipv4Address{};
  }
  const auto ipv6 = node_->GetObject<ns3::Ipv6>();
  const int32_t interface = ipv6->GetInterfaceForDevice(device_);
  if (interface < 0) return Ipv6Address{};
  const auto index = static_cast<uint32_t>(interface);
  for (uint32_t i = 0; i < ipv6->GetNAddresses(index); ++i) {
    const ns3::Ipv6InterfaceAddress address = ipv6->GetAddress(index, i);
    if (address.GetScope() == ns3::Ipv6InterfaceAddress::GLOBAL &&
        address.GetState() == ns3::Ipv6InterfaceAddress::PREFERRED) {
      return from_ns3(address.GetAddress());
    }
  }
  return Ipv6Address{};
}

// VirtualNetDevice hands over what lies above Ethernet; the header is ours to write.
bool Ns3Guest::send(ns3::Ptr<ns3::Packet> packet, const ns3::Address& source,
                    const ns3::Address& destination, uint16_t protocol) {
  scratch_.resize(kEthernetHeader + packet->GetSize());
  ns3::Mac48Address::ConvertFrom(destination).CopyTo(scratch_.data());
  ns3::Mac48Address::ConvertFrom(source).CopyTo(scratch_.data() + 6);
  scratch_[12] = static_cast<uint8_t>(protocol >> 8);
  scratch_[13] = static_cast<uint8_t>(protocol);
  packet->CopyData(scratch_.data() + kEthernetHeader, packet->GetSize());
  GuestFrame frame;
  frame.bytes = scratch_;
  link_.send(frame);
  return true;
}

void Ns3Guest::receive(const GuestFrame& frame) {
  Packet parsed;
  if (!parse(frame.bytes, frame.offload, topology_.mtu, parsed).ok() || !digestible(parsed)) {
    ++damaged_;
    return;
  }
  const MacAddress& to = parsed.destination_mac;
  ns3::NetDevice::PacketType type = ns3::NetDevice::PACKET_OTHERHOST;
  if (to == kMac) type = ns3::NetDevice::PACKET_HOST;
  if (to.is_multicast()) type = ns3::NetDevice::PACKET_MULTICAST;
  if (to.is_broadcast()) type = ns3::NetDevice::PACKET_BROADCAST;
  const auto packet =
      ns3::Create<ns3::Packet>(parsed.ip.data(), static_cast<uint32_t>(parsed.ip.size()));
  const ContextScope scope(simulation_.simulator(), node_->GetId());
  device_->Receive(packet, static_cast<uint16_t>(parsed.ether_type), mac_to_ns3(parsed.source_mac),
                   mac_to_ns3(to), type);
}

}  // namespace dashi
