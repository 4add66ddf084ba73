// ns-3 on our queue gives what ns-3 on its own simulator gives, to the bit.
#include <ns3/boolean.h>
#include <ns3/data-rate.h>
#include <ns3/default-simulator-impl.h>
#include <ns3/error-model.h>
#include <ns3/global-value.h>
#include <ns3/inet-socket-address.h>
#include <ns3/internet-stack-helper.h>
#include <ns3/ipv4-address-generator.h>
#include <ns3/ipv4-address-helper.h>
#include <ns3/node-container.h>
#include <ns3/point-to-point-helper.h>
#include <ns3/pointer.h>
#include <ns3/simulator.h>
#include <ns3/socket-factory.h>
#include <ns3/tcp-socket-factory.h>
#include <ns3/uinteger.h>

#include <boost/test/unit_test.hpp>
#include <vector>

#include "sim/event_queue.hh"
#include "sim/ns3/simulator_impl.hh"

namespace dashi {
namespace {

// What a run of ns-3 came to: every frame that arrived anywhere, with its time and its bytes.
struct Outcome {
  uint64_t hash = 14695981039346656037ULL;
  uint64_t frames = 0;
  uint64_t bytes_received = 0;
  int64_t end_ns = 0;
  uint64_t events = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;

  void mix(uint64_t value) {
    for (unsigned i = 0; i < 64; i += 8) hash = (hash ^ (value >> i & 0xff)) * 1099511628211ULL;
  }
  void arrived(ns3::Ptr<const ns3::Packet> packet) {
    ++frames;
    mix(static_cast<uint64_t>(ns3::Simulator::Now().GetTimeStep()));
    std::vector<uint8_t> data(packet->GetSize());
    packet->CopyData(data.data(), packet->GetSize());
    for (uint8_t byte : data) mix(byte);
  }
};

Outcome* g_outcome = nullptr;
void on_arrival(ns3::Ptr<const ns3::Packet> packet) { g_outcome->arrived(packet); }
void on_readable(ns3::Ptr<ns3::Socket> socket) {
  while (ns3::Ptr<ns3::Packet> packet = socket->Recv()) {
    if (packet->GetSize() == 0) break;
    g_outcome->bytes_received += packet->GetSize();
  }
}
void on_accepted(ns3::Ptr<ns3::Socket> socket, const ns3::Address&) {
  socket->SetRecvCallback(ns3::MakeCallback(&on_readable));
}
void on_writable(ns3::Ptr<ns3::Socket> socket, uint32_t room) {
  if (room >= 1000) socket->Send(ns3::Create<ns3::Packet>(1000));
}

void connect(ns3::Ptr<ns3::Socket> socket, ns3::Address to) { socket->Connect(to); }

// Five TCP flows over one lossy bottleneck, with cancelled timers, losses and equal instants enough.
void build() {
  ns3::Ipv4AddressGenerator::Reset();
  ns3::GlobalValue::Bind("ChecksumEnabled", ns3::BooleanValue(true));
  ns3::NodeContainer nodes;
  nodes.Create(2);
  ns3::PointToPointHelper link;
  link.SetDeviceAttribute("DataRate", ns3::DataRateValue(ns3::DataRate(10'000'000)));
  link.SetChannelAttribute("Delay", ns3::TimeValue(ns3::MilliSeconds(10)));
  const ns3::NetDeviceContainer devices = link.Install(nodes);
  ns3::InternetStackHelper stack;
  stack.Install(nodes);
  stack.AssignStreams(nodes, 100);
  ns3::Ipv4AddressHelper addresses("192.0.2.0", "255.255.255.0");
  const ns3::Ipv4InterfaceContainer interfaces = addresses.Assign(devices);
  for (uint32_t i = 0; i < 2; ++i) {
    auto loss = ns3::CreateObject<ns3::RateErrorModel>();
    loss->SetUnit(ns3::RateErrorModel::ERROR_UNIT_PACKET);
    loss->SetRate(0.01);
    loss->AssignStreams(200 + i);
    devices.Get(i)->SetAttribute("ReceiveErrorModel", ns3::PointerValue(loss));
    devices.Get(i)->TraceConnectWithoutContext("MacRx", ns3::MakeCallback(&on_arrival));
  }
  for (uint16_t port = 1; port <= 5; ++port) {
    auto server = ns3::Socket::CreateSocket(nodes.Get(1), ns3::TcpSocketFactory::GetTypeId());
    server->Bind(ns3::InetSocketAddress(ns3::Ipv4Address::GetAny(), port));
    server->Listen();
    server->SetAcceptCallback(
        ns3::MakeNullCallback<bool, ns3::Ptr<ns3::Socket>, const ns3::Address&>(),
        ns3::MakeCallback(&on_accepted));
    auto client = ns3::Socket::CreateSocket(nodes.Get(0), ns3::TcpSocketFactory::GetTypeId());
    client->SetSendCallback(ns3::MakeCallback(&on_writable));
    const ns3::Address server_address = ns3::InetSocketAddress(interfaces.GetAddress(1), port);
    ns3::Simulator::Schedule(ns3::MilliSeconds(1), &connect, client, server_address);
  }
  ns3::Simulator::Stop(ns3::Seconds(5));
}

Outcome run_workload() {
  Outcome outcome;
  g_outcome = &outcome;
  build();
  ns3::Simulator::Run();
  outcome.end_ns = ns3::Simulator::Now().GetTimeStep();
  outcome.events = ns3::Simulator::GetEventCount();
  ns3::Simulator::Destroy();
  g_outcome = nullptr;
  return outcome;
}

Outcome run_on_our_queue() {
  EventQueue queue;
  ns3::Simulator::SetImplementation(ns3::CreateObject<QueueSimulator>(queue));
  return run_workload();
}

Outcome run_on_its_own() {
  ns3::Simulator::SetImplementation(ns3::CreateObject<ns3::DefaultSimulatorImpl>());
  ns3::ObjectFactory scheduler("ns3::MapScheduler");
  ns3::Simulator::SetScheduler(scheduler);
  return run_workload();
}

BOOST_AUTO_TEST_SUITE(ns3_simulator)

BOOST_AUTO_TEST_CASE(our_queue_gives_what_its_own_simulator_gives) {
  const Outcome own = run_on_its_own();
  const Outcome ours = run_on_our_queue();
  BOOST_TEST(own.frames > 3000u);
  BOOST_TEST(own.bytes_received > 1'000'000u);
  BOOST_TEST(ours.frames == own.frames);
  BOOST_TEST(ours.bytes_received == own.bytes_received);
  BOOST_TEST(ours.end_ns == own.end_ns);
  BOOST_TEST(ours.events == own.events);
  BOOST_TEST(ours.hash == own.hash);
  BOOST_TEST((run_on_our_queue() == ours));
}

int g_ran = 0;
void count() { ++g_ran; }

BOOST_AUTO_TEST_CASE(events_expire_cancel_and_say_what_is_left) {
  EventQueue queue;
  ns3::Simulator::SetImplementation(ns3::CreateObject<QueueSimulator>(queue));
  g_ran = 0;
  const ns3::EventId first = ns3::Simulator::Schedule(ns3::NanoSeconds(5), &count);
  const ns3::EventId second = ns3::Simulator::Schedule(ns3::NanoSeconds(5), &count);
  ns3::Simulator::Schedule(ns3::NanoSeconds(9), &count);
  BOOST_TEST(first.IsRunning());
  BOOST_TEST(ns3::Simulator::GetDelayLeft(second).GetTimeStep() == 5);
  ns3::Simulator::Cancel(second);
  BOOST_TEST(second.IsExpired());
  queue.run_until(instant_from_nanoseconds(5));
  BOOST_TEST(g_ran == 1);
  BOOST_TEST(first.IsExpired());
  BOOST_TEST(ns3::Simulator::Now().GetTimeStep() == 5);
  queue.run();
  BOOST_TEST(g_ran == 2);
  const ns3::EventId at_end = ns3::Simulator::ScheduleDestroy(&count);
  BOOST_TEST(at_end.IsRunning());
  ns3::Simulator::Destroy();
  BOOST_TEST(g_ran == 3);
}

BOOST_AUTO_TEST_CASE(a_native_event_and_an_ns3_event_of_one_instant_run_in_the_order_scheduled) {
  EventQueue queue;
  ns3::Simulator::SetImplementation(ns3::CreateObject<QueueSimulator>(queue));
  g_ran = 0;
  int seen_between = -1;
  ns3::Simulator::Schedule(ns3::NanoSeconds(7), &count);
  queue.schedule(instant_from_nanoseconds(7), [&] { seen_between = g_ran; });
  ns3::Simulator::Schedule(ns3::NanoSeconds(7), &count);
  queue.run();
  BOOST_TEST(seen_between == 1);
  BOOST_TEST(g_ran == 2);
  ns3::Simulator::Destroy();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
