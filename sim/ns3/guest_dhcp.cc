#include "sim/ns3/guest_dhcp.hh"

#include <ns3/inet-socket-address.h>
#include <ns3/ipv4-routing-table-entry.h>
#include <ns3/ipv4-static-routing-helper.h>
#include <ns3/ipv4.h>
#include <ns3/udp-socket-factory.h>

#include <limits>
#include <utility>

#include "sim/ns3/convert.hh"

namespace dashi {

Ns3DhcpClient::Ns3DhcpClient(EventQueue& queue, ns3::Ptr<ns3::NetDevice> device,
                             const MacAddress& mac, uint32_t transaction)
    : device_(std::move(device)),
      socket_(ns3::Socket::CreateSocket(device_->GetNode(), ns3::UdpSocketFactory::GetTypeId())),
      client_(
          queue, {.mac = mac, .replies_by_broadcast = true},
          [this](Bytes message) { send(message); }, [this] { configure(); }) {
  unconfigure();
  socket_->SetAllowBroadcast(true);
  socket_->BindToNetDevice(device_);
  const int bound =
      socket_->Bind(ns3::InetSocketAddress(ns3::Ipv4Address::GetAny(), DhcpClient::kClientPort));
  DASHI_CHECK(bound == 0);
  socket_->SetRecvCallback(ns3::MakeCallback(&Ns3DhcpClient::readable, this));
  client_.start(transaction);
}

Ns3DhcpClient::~Ns3DhcpClient() {
  socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
  socket_->Close();
}

// ns-3 sends nothing over an interface without an address, a broadcast from 0.0.0.0 neither: the
// interface has that as its address until it has a lease.
void Ns3DhcpClient::unconfigure() {
  const auto ipv4 = device_->GetNode()->GetObject<ns3::Ipv4>();
  const auto interface = static_cast<uint32_t>(ipv4->GetInterfaceForDevice(device_));
  while (ipv4->GetNAddresses(interface) != 0) ipv4->RemoveAddress(interface, 0);
  ipv4->AddAddress(interface,
                   ns3::Ipv4InterfaceAddress(ns3::Ipv4Address::GetAny(), ns3::Ipv4Mask::GetZero()));
  const auto routing = ns3::Ipv4StaticRoutingHelper().GetStaticRouting(ipv4);
  for (uint32_t i = routing->GetNRoutes(); i-- != 0;) {
    if (routing->GetRoute(i).IsDefault()) routing->RemoveRoute(i);
  }
}

void Ns3DhcpClient::configure() {
  const DhcpRecord& lease = record();
  const auto ipv4 = device_->GetNode()->GetObject<ns3::Ipv4>();
  const auto interface = static_cast<uint32_t>(ipv4->GetInterfaceForDevice(device_));
  ipv4->RemoveAddress(interface, 0);
  const Ipv4Prefix prefix{lease.address, lease.prefix_length};
  ipv4->AddAddress(interface,
                   ns3::Ipv4InterfaceAddress(to_ns3(lease.address), ns3::Ipv4Mask(prefix.mask())));
  ns3::Ipv4StaticRoutingHelper().GetStaticRouting(ipv4)->SetDefaultRoute(to_ns3(lease.gateway()),
                                                                         interface);
}

void Ns3DhcpClient::send(Bytes message) {
  const auto packet =
      ns3::Create<ns3::Packet>(message.data(), static_cast<uint32_t>(message.size()));
  socket_->SendTo(
      packet, 0, ns3::InetSocketAddress(ns3::Ipv4Address::GetBroadcast(), DhcpClient::kServerPort));
}

// Closing a socket within its own callback is left to the destructor: a bound client hears no more.
void Ns3DhcpClient::readable(ns3::Ptr<ns3::Socket> socket) {
  ns3::Address from;
  while (const auto packet = socket->RecvFrom(std::numeric_limits<uint32_t>::max(), 0, from)) {
    std::vector<uint8_t> message(packet->GetSize());
    packet->CopyData(message.data(), packet->GetSize());
    client_.receive(message);
  }
}

}  // namespace dashi
