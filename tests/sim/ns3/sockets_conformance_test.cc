// The sockets conformance suite over ns-3's sockets: the sockets under test on the host node, the
// peer on the remote node, with ns-3's TCP at both ends of a WAN link.
#include "tests/sim/sockets_conformance.hh"

#include <ns3/udp-socket-factory.h>

#include <limits>

#include "sim/ns3/convert.hh"
#include "sim/ns3/packet_tags.hh"
#include "sim/ns3/simulation.hh"
#include "sim/ns3/sockets.hh"
#include "sim/ns3/topology.hh"

namespace dashi {
namespace {

using conformance::PeerDatagram;
using conformance::PeerListener;
using conformance::PeerReceived;
using conformance::PeerStream;

class PeerConnection final : public PeerStream {
 public:
  explicit PeerConnection(ns3::Ptr<Ns3TcpSocket> socket) : socket_(std::move(socket)) {
    ns3::Address address;
    socket_->GetSockName(address);
    local_ = from_ns3(address);
    socket_->observe([this] { look(); });
    look();
  }
  ~PeerConnection() override { socket_->detach(); }

  bool connected() override { return socket_->connected(); }
  void write(Bytes bytes) override {
    unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
    look();
  }
  void write_urgent(uint8_t byte) override { write(Bytes(&byte, 1)); }  // the case is skipped
  void pause_reading(bool paused) override {
    paused_ = paused;
    look();
  }
  const std::vector<uint8_t>& received() override { return received_; }
  bool saw_eof() override { return socket_->at_eof(); }
  bool saw_reset() override {
    return socket_->failure() && socket_->failure()->error == SocketError::kReset;
  }
  void shutdown_write() override {
    fin_wanted_ = true;
    look();
  }
  void close() override { shutdown_write(); }
  void abort() override { socket_->abort(); }
  Endpoint local() override { return local_; }

 private:
  void look() {
    if (socket_->failure()) return;
    while (!paused_ && socket_->readable_bytes() > 0) {
      const auto packet = socket_->take(socket_->readable_bytes());
      const size_t before = received_.size();
      received_.resize(before + packet->GetSize());
      packet->CopyData(received_.data() + before, packet->GetSize());
    }
    while (socket_->connected() && !unsent_.empty() && socket_->GetTxAvailable() > 0) {
      const auto n =
          static_cast<uint32_t>(std::min<size_t>(unsent_.size(), socket_->GetTxAvailable()));
      socket_->put(ns3::Create<ns3::Packet>(unsent_.data(), n));
      unsent_.erase(unsent_.begin(), unsent_.begin() + n);
    }
    if (fin_wanted_ && unsent_.empty() && socket_->connected()) socket_->finish();
  }

  ns3::Ptr<Ns3TcpSocket> socket_;
  Endpoint local_;
  std::vector<uint8_t> unsent_;
  std::vector<uint8_t> received_;
  bool paused_ = false;
  bool fin_wanted_ = false;
};

class PeerTcpListener final : public PeerListener {
 public:
  PeerTcpListener(const ns3::Ptr<ns3::Node>& node, const HostTcpOptions& options, Family family)
      : family_(family), events_([] {}) {
    state_ = ns3::Create<ListenerState>(events_, options, FlowId{},
                                        Ns3TcpSocket::create(node, options.tcp));
    BOOST_REQUIRE(state_->begin({conformance::any(family), Port{0}}));
  }
  ~PeerTcpListener() override { state_->close(); }
  Endpoint endpoint() override {
    return {Ns3Topology::remote_address(family_), state_->local().port};
  }
  std::unique_ptr<PeerStream> accept() override {
    Endpoint from;
    const auto socket = state_->accept_socket(from);
    return socket == nullptr ? nullptr : std::make_unique<PeerConnection>(socket);
  }

 private:
  Family family_;
  SocketEvents events_;
  ns3::Ptr<ListenerState> state_;
};

class PeerUdp final : public PeerDatagram {
 public:
  PeerUdp(const ns3::Ptr<ns3::Node>& node, Family family)
      : family_(family),
        socket_(ns3::Socket::CreateSocket(node, ns3::UdpSocketFactory::GetTypeId())) {
    BOOST_REQUIRE(socket_->Bind(to_ns3(Endpoint{conformance::any(family), Port{0}})) == 0);
    ns3::Address address;
    socket_->GetSockName(address);
    port_ = from_ns3(address).port;
    socket_->SetRecvPktInfo(true);
    socket_->SetIpRecvTos(true);
    socket_->SetIpv6RecvTclass(true);
    socket_->SetRecvCallback(ns3::MakeCallback(&PeerUdp::readable, this));
  }
  ~PeerUdp() override {
    socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
    socket_->Close();
  }
  Endpoint endpoint() override { return {Ns3Topology::remote_address(family_), port_}; }
  void send(const Endpoint& to, Bytes bytes) override {
    socket_->SendTo(ns3::Create<ns3::Packet>(bytes.data(), static_cast<uint32_t>(bytes.size())), 0,
                    to_ns3(to));
  }
  const std::vector<PeerReceived>& received() override { return received_; }

 private:
  void readable(ns3::Ptr<ns3::Socket>) {
    ns3::Address from;
    while (auto packet = socket_->RecvFrom(std::numeric_limits<uint32_t>::max(), 0, from)) {
      PeerReceived one;
      one.from = from_ns3(from);
      one.bytes.resize(packet->GetSize());
      packet->CopyData(one.bytes.data(), packet->GetSize());
      const HeaderMarks marks = marks_of(*packet, family_);
      one.ttl = marks.ttl;
      one.tos = marks.tos;
      received_.push_back(std::move(one));
    }
  }

  Family family_;
  ns3::Ptr<ns3::Socket> socket_;
  Port port_;
  std::vector<PeerReceived> received_;
};

class Ns3Fixture final : public conformance::SocketsUnderTest {
 public:
  Ns3Fixture() : simulation_(queue_, 1), topology_(simulation_, Ns3TopologyConfig{}, 1) {
    sockets_ = std::make_unique<Ns3Sockets>(topology_.host(), options_);
    queue_.run_until(instant_from_nanoseconds(1'000'000));  // ns-3 initialises its models at 0
  }

  Sockets& sockets() override { return *sockets_; }
  void step(std::vector<SocketEvent>& events) override {
    queue_.run_until(queue_.now() + 50ms);
    sockets_->take_events(events, ~size_t{0});
  }
  int patience() override { return 3000; }
  IpAddress here(Family family) override { return Ns3Topology::host_address(family); }
  std::unique_ptr<PeerListener> peer_listen(Family family) override {
    return std::make_unique<PeerTcpListener>(topology_.remote(), options_, family);
  }
  std::unique_ptr<PeerStream> peer_connect(const Endpoint& to) override {
    const auto socket = Ns3TcpSocket::create(topology_.remote(), options_.tcp);
    BOOST_REQUIRE(socket->Connect(to_ns3(to)) == 0);
    return std::make_unique<PeerConnection>(socket);
  }
  std::unique_ptr<PeerDatagram> peer_datagram(Family family) override {
    return std::make_unique<PeerUdp>(topology_.remote(), family);
  }
  Endpoint refusing(Family family) override {
    return {Ns3Topology::remote_address(family), Port{9}};
  }
  Endpoint unreachable(Family family) override {
    return {Ns3Topology::unreachable(family), Port{80}};
  }
  Endpoint silent(Family family) override { return {Ns3Topology::silent(family), Port{80}}; }
  IpAddress echoing(Family family) override { return Ns3Topology::remote_address(family); }
  const char* unsupported(std::string_view case_name, Family) override {
    return case_name == "an_urgent_byte_is_in_its_place_and_consume_goes_across_it"
               ? "ns-3's TCP has no urgent pointer"
               : nullptr;
  }

 private:
  EventQueue queue_;
  HostTcpOptions options_;
  Ns3Simulation simulation_;
  Ns3Topology topology_;
  std::unique_ptr<Ns3Sockets> sockets_;
};

const bool registered = conformance::add_backend(
    "ns3", [] { return std::unique_ptr<conformance::SocketsUnderTest>(new Ns3Fixture); });

}  // namespace
}  // namespace dashi
