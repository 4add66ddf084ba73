// DHCPv4 for a node of an ns-3 world: sim/dhcp_client over ns-3's UDP, and its lease as address, mask
// and default route of one interface. ns-3 brings a client, but takes a reply with options it does not
// know (DNS servers, MTU) for malformed. Owns its socket; the node and the queue outlive it.
#pragma once

#include <ns3/net-device.h>
#include <ns3/socket.h>

#include "sim/dhcp_client.hh"

namespace dashi {

class Ns3DhcpClient {
 public:
  // Takes whatever IPv4 address the device has away, and asks for one.
  Ns3DhcpClient(EventQueue& queue, ns3::Ptr<ns3::NetDevice> device, const MacAddress& mac,
                uint32_t transaction);
  ~Ns3DhcpClient();
  Ns3DhcpClient(const Ns3DhcpClient&) = delete;
  Ns3DhcpClient& operator=(const Ns3DhcpClient&) = delete;

  const DhcpRecord& record() const { return client_.record(); }

 private:
  void unconfigure();
  void configure();
  void send(Bytes message);
  void readable(ns3::Ptr<ns3::Socket> socket);

  ns3::Ptr<ns3::NetDevice> device_;
  ns3::Ptr<ns3::Socket> socket_;
  DhcpClient client_;
};

}  // namespace dashi
