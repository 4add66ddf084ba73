#include "sim/ns3/topology.hh"

#include <ns3/boolean.h>
#include <ns3/data-rate.h>
#include <ns3/error-model.h>
#include <ns3/icmpv4.h>
#include <ns3/icmpv6-l4-protocol.h>
#include <ns3/ipv4-static-routing-helper.h>
#include <ns3/ipv6-static-routing-helper.h>
#include <ns3/pie-queue-disc.h>
#include <ns3/point-to-point-helper.h>
#include <ns3/pointer.h>
#include <ns3/queue-size.h>
#include <ns3/simulator.h>
#include <ns3/string.h>
#include <ns3/traffic-control-helper.h>

#include "sim/ns3/convert.hh"

namespace dashi {

namespace {

constexpr uint8_t kIcmp = 1;  // the IP protocol number
constexpr uint32_t kHost = 0;
constexpr uint32_t kRouter = 1;
constexpr uint32_t kRemote = 2;

IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { return Ipv4Address{{a, b, c, d}}; }
IpAddress v6(uint8_t subnet, uint8_t host) {
  Ipv6Address address{{0x20, 0x01, 0, 2, 0, 0, 0, subnet}};
  address.bytes[15] = host;
  return address;
}
bool is_v4(Family family) { return family == Family::kIpv4; }

const char* type_name(QueueDisc disc) {
  switch (disc) {
    case QueueDisc::kFifo:
      return "ns3::FifoQueueDisc";
    case QueueDisc::kCodel:
      return "ns3::CoDelQueueDisc";
    case QueueDisc::kFqCodel:
      return "ns3::FqCoDelQueueDisc";
    case QueueDisc::kPie:
      return "ns3::PieQueueDisc";
  }
  return "ns3::FifoQueueDisc";
}

// Our faults decide which packets an ns-3 link loses.
class FaultErrorModel final : public ns3::ErrorModel {
 public:
  static ns3::TypeId GetTypeId() {
    static ns3::TypeId type =
        ns3::TypeId("dashi::FaultErrorModel").SetParent<ns3::ErrorModel>().SetGroupName("Network");
    return type;
  }
  explicit FaultErrorModel(const FrameFaults& faults) : faults_(faults) {}

 private:
  bool DoCorrupt(ns3::Ptr<ns3::Packet> packet) override {
    const Instant now = instant_from_nanoseconds(ns3::Simulator::Now().GetTimeStep());
    return faults_.next(now, packet->GetSize()).lost;
  }
  void DoReset() override {}

  FrameFaults faults_;
};

// ns-3's routers drop in silence what they have no route for; RFC 1812 5.2.7.1 has them say so. (IPv6:
// only a node that does not forward says so.)
void say_no_route(const ns3::Ipv4Header& header, ns3::Ptr<const ns3::Packet> packet,
                  ns3::Ipv4L3Protocol::DropReason reason, ns3::Ptr<ns3::Ipv4> ipv4,
                  uint32_t /*interface*/) {
  if (reason != ns3::Ipv4L3Protocol::DROP_NO_ROUTE &&
      reason != ns3::Ipv4L3Protocol::DROP_ROUTE_ERROR) {
    return;
  }
  if (header.GetProtocol() == kIcmp) {
    uint8_t type = 0;
    packet->CopyData(&type, 1);
    constexpr uint8_t kEchoRequest = 8;
    if (type != kEchoRequest) return;  // no error about an error (RFC 1812 4.3.2.7)
  }
  if (ipv4->GetInterfaceForAddress(header.GetSource()) >= 0) return;
  ns3::Icmpv4DestinationUnreachable unreachable;
  unreachable.SetHeader(header);
  unreachable.SetData(packet);
  ns3::Icmpv4Header icmp;
  icmp.SetType(ns3::Icmpv4Header::ICMPV4_DEST_UNREACH);
  icmp.SetCode(ns3::Icmpv4DestinationUnreachable::ICMPV4_NET_UNREACHABLE);
  icmp.EnableChecksum();
  auto answer = ns3::Create<ns3::Packet>();
  answer->AddHeader(unreachable);
  answer->AddHeader(icmp);
  const auto from = to_ns3(Ns3Topology::router_address(Family::kIpv4).v4());
  ipv4->Send(answer, from, header.GetSource(), kIcmp, nullptr);
}

}  // namespace

IpAddress Ns3Topology::unreachable(Family family) {
  return is_v4(family) ? v4(198, 18, 0, 1) : v6(2, 0x99);
}
IpAddress Ns3Topology::silent(Family family) {
  return is_v4(family) ? v4(203, 0, 113, 99) : v6(0xdd, 1);
}
IpAddress Ns3Topology::host_address(Family family) {
  return is_v4(family) ? v4(198, 51, 100, 2) : v6(1, 2);
}
IpAddress Ns3Topology::router_address(Family family) {
  return is_v4(family) ? v4(198, 51, 100, 1) : v6(1, 1);
}
IpAddress Ns3Topology::remote_address(Family family) {
  return is_v4(family) ? v4(203, 0, 113, 2) : v6(2, 2);
}

Ns3Topology::Ns3Topology(Ns3Simulation& simulation, const Ns3TopologyConfig& config,
                         uint64_t seed) {
  nodes_.Create(3);
  simulation.install_internet(nodes_);
  for (uint32_t i = 0; i < nodes_.GetN(); ++i) {
    // Addresses are given and unique: no second of waiting for each.
    nodes_.Get(i)->GetObject<ns3::Icmpv6L4Protocol>()->SetAttribute("DAD",
                                                                    ns3::BooleanValue(false));
  }
  const auto wan = connect(simulation, kHost, kRouter, config.wan);
  const auto lan = connect(simulation, kRouter, kRemote, config.lan);
  lose(wan, config.wan, seed, 0);
  lose(lan, config.lan, seed, 2);
  add_address(wan.Get(0), "198.51.100.2", "2001:2:0:1::2");
  add_address(wan.Get(1), "198.51.100.1", "2001:2:0:1::1");
  add_address(lan.Get(0), "203.0.113.1", "2001:2:0:2::1");
  add_address(lan.Get(1), "203.0.113.2", "2001:2:0:2::2");
  add_routes();
  answer_no_route();
}

ns3::NetDeviceContainer Ns3Topology::connect(Ns3Simulation& simulation, uint32_t a, uint32_t b,
                                             const Ns3LinkConfig& link) {
  ns3::PointToPointHelper helper;
  helper.SetDeviceAttribute("DataRate", ns3::DataRateValue(ns3::DataRate(link.rate_bps)));
  helper.SetChannelAttribute("Delay", ns3::TimeValue(to_ns3(link.delay)));
  // The queue disc is the queue; the device holds only what keeps it busy.
  helper.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize", ns3::StringValue("2p"));
  const auto devices = helper.Install(nodes_.Get(a), nodes_.Get(b));
  ns3::TrafficControlHelper control;
  control.SetRootQueueDisc(type_name(link.queue_disc), "MaxSize",
                           ns3::QueueSizeValue(ns3::QueueSize(ns3::PACKETS, link.queue_packets)));
  const auto discs = control.Install(devices);
  for (uint32_t i = 0; i < discs.GetN(); ++i) {
    // The only one that draws.
    const auto pie = discs.Get(i)->GetObject<ns3::PieQueueDisc>();
    if (pie != nullptr) simulation.use_streams(pie->AssignStreams(simulation.next_stream()));
  }
  return devices;
}

void Ns3Topology::lose(const ns3::NetDeviceContainer& devices, const Ns3LinkConfig& link,
                       uint64_t seed, uint64_t entity) {
  for (uint32_t i = 0; i < devices.GetN(); ++i) {
    const Prng prng(seed, "ns3 link", entity + i);
    const FrameFaults faults(link.faults, prng, nullptr, static_cast<uint32_t>(entity + i));
    devices.Get(i)->SetAttribute("ReceiveErrorModel",
                                 ns3::PointerValue(ns3::CreateObject<FaultErrorModel>(faults)));
  }
}

void Ns3Topology::add_address(const ns3::Ptr<ns3::NetDevice>& device, const char* v4_text,
                              const char* v6_text) {
  const auto ipv4 = device->GetNode()->GetObject<ns3::Ipv4>();
  const uint32_t interface4 = ipv4->AddInterface(device);
  ipv4->AddAddress(interface4, ns3::Ipv4InterfaceAddress(ns3::Ipv4Address(v4_text),
                                                         ns3::Ipv4Mask("255.255.255.0")));
  ipv4->SetUp(interface4);
  const auto ipv6 = device->GetNode()->GetObject<ns3::Ipv6>();
  const uint32_t interface6 = ipv6->AddInterface(device);
  ns3::Ipv6InterfaceAddress address6(ns3::Ipv6Address(v6_text), ns3::Ipv6Prefix(64));
  address6.SetState(ns3::Ipv6InterfaceAddress::PREFERRED);
  ipv6->AddAddress(interface6, address6);
  ipv6->SetUp(interface6);
}

void Ns3Topology::add_routes() {
  const ns3::Ipv4StaticRoutingHelper routing4;
  const ns3::Ipv6StaticRoutingHelper routing6;
  const auto default_route = [&](uint32_t node, const char* v4_next, const char* v6_next) {
    routing4.GetStaticRouting(nodes_.Get(node)->GetObject<ns3::Ipv4>())
        ->SetDefaultRoute(ns3::Ipv4Address(v4_next), 1);
    routing6.GetStaticRouting(nodes_.Get(node)->GetObject<ns3::Ipv6>())
        ->SetDefaultRoute(ns3::Ipv6Address(v6_next), 1);
  };
  default_route(kHost, "198.51.100.1", "2001:2:0:1::1");
  default_route(kRemote, "203.0.113.1", "2001:2:0:2::1");
  const auto ipv6 = nodes_.Get(kRouter)->GetObject<ns3::Ipv6>();
  ipv6->SetForwarding(1, true);
  ipv6->SetForwarding(2, true);
  nodes_.Get(kRemote)->GetObject<ns3::Ipv4>()->SetAttribute("IpForward", ns3::BooleanValue(false));
  nodes_.Get(kHost)->GetObject<ns3::Ipv4>()->SetAttribute("IpForward", ns3::BooleanValue(false));
}

void Ns3Topology::answer_no_route() {
  nodes_.Get(kRouter)->GetObject<ns3::Ipv4L3Protocol>()->TraceConnectWithoutContext(
      "Drop", ns3::MakeCallback(&say_no_route));
}

}  // namespace dashi
