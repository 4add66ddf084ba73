// What tcp_socket corrects in ns-3's TCP, held to by connections directly between ns-3 hosts: under
// heavy loss, with tiny buffers, and closed in every order, each ends as it should, and none stays.
#include <boost/test/unit_test.hpp>

#include "sim/ns3/convert.hh"
#include "sim/ns3/ns3_world.hh"
#include "sim/ns3/simulation.hh"
#include "sim/ns3/stream_socket.hh"
#include "sim/ns3/topology.hh"
#include "sim/pattern.hh"

namespace dashi {
namespace {

struct Shape {
  uint64_t up;
  uint64_t down;
  bool half_close;
};

// Closing orders: the server first, the client first, both at once, one after the other's FIN, and a
// connection that carries nothing (whose last ACK of the handshake nobody repeats unasked).
constexpr Shape kShapes[] = {{0, 120'000, false},     {120'000, 0, false}, {90'000, 90'000, false},
                             {60'000, 120'000, true}, {1, 1, false},       {0, 0, false},
                             {3'000, 200'000, true}};

void run_seed(uint64_t seed, uint32_t loss_percent, uint32_t buffer_bytes) {
  BOOST_TEST_CONTEXT("seed " << seed << ", loss " << loss_percent << " %, buffers "
                             << buffer_bytes) {
    Ns3WorldConfig config;
    config.seed = seed;
    config.direct = true;
    config.digests = false;
    config.tcp_buffer_bytes = buffer_bytes;
    config.internet.wan.rate_bps = 10'000'000;
    config.internet.wan.delay = 7ms;
    config.internet.wan.queue_packets = 30;
    config.internet.wan.faults.loss = Chance::percent(loss_percent);
    auto created = Ns3World::create(config);
    BOOST_REQUIRE(created.ok());
    Ns3World& world = **created;
    for (const Shape& shape : kShapes) {
      Ns3Transfer transfer;
      transfer.family = seed % 2 == 0 ? Family::kIpv4 : Family::kIpv6;
      transfer.up_bytes = shape.up;
      transfer.down_bytes = shape.down;
      transfer.answer_after_eof = shape.half_close;
      world.transfer(transfer);
    }
    BOOST_TEST(world.run(world.now() + 900s));
    for (uint32_t task = 0; task < world.tasks(); ++task) {
      const Ns3TaskResult& result = world.result(task);
      BOOST_TEST_CONTEXT("task " << task << ": " << result.error) BOOST_TEST(result.ok);
    }
  }
}

// Two sockets with the WAN between them, moved by hand: the host connects, the remote accepts.
class Wire {
 public:
  Wire(uint64_t seed, const Ns3LinkConfig& wan, uint32_t buffer_bytes)
      : simulation_(queue_, seed),
        topology_(simulation_, {.wan = wan, .lan = {}}, seed),
        events_([this] { accept(); }) {
    queue_.run_until(instant_from_nanoseconds(1'000'000));
    options_.tcp.buffer_bytes = buffer_bytes;
    listener_ = ns3::Create<ListenerState>(events_, options_, FlowId{},
                                           Ns3TcpSocket::create(topology_.remote(), options_.tcp));
    BOOST_REQUIRE(listener_->begin({Ipv4Address{}, Port{80}}));
    near_ = Ns3TcpSocket::create(topology_.host(), options_.tcp);
    near_->TraceConnectWithoutContext("Tx", ns3::MakeCallback(&Wire::sent, this));
    const Endpoint to{Ns3Topology::remote_address(Family::kIpv4), Port{80}};
    BOOST_REQUIRE(near_->Connect(to_ns3(to)) == 0);
    for (int i = 0; i < 200 && far_ == nullptr; ++i) run_for(100ms);
    BOOST_REQUIRE(far_ != nullptr);
  }
  ~Wire() {
    near_->detach();
    far_->detach();
    listener_->close();
  }

  Ns3TcpSocket& near() { return *near_; }
  Ns3TcpSocket& far() { return *far_; }
  void run_for(Duration duration) { queue_.run_until(queue_.now() + duration); }
  void run_until(Duration at) { queue_.run_until(Instant(at)); }
  Instant now() const { return queue_.now(); }
  void pause_reading(bool paused) {
    paused_ = paused;
    read();
  }
  const std::vector<uint8_t>& received() const { return received_; }
  void put(size_t bytes) {
    std::vector<uint8_t> data(bytes);
    fill_pattern(1, sent_, data);
    sent_ += bytes;
    near_->put(ns3::Create<ns3::Packet>(data.data(), static_cast<uint32_t>(bytes)));
  }
  // FINs that were not right behind the last byte.
  size_t misplaced_fins() const { return misplaced_fins_; }
  bool all_right() const {
    return received_.size() == sent_ && !first_unlike(1, 0, received_).has_value();
  }

 private:
  void sent(ns3::Ptr<const ns3::Packet> packet, const ns3::TcpHeader& header,
            ns3::Ptr<const ns3::TcpSocketBase> /*socket*/) {
    if ((header.GetFlags() & ns3::TcpHeader::FIN) == 0) return;
    const uint32_t end = header.GetSequenceNumber().GetValue() + packet->GetSize();
    if (end != 1 + sent_) ++misplaced_fins_;  // ns-3 begins at sequence number 0
  }
  void accept() {
    std::vector<SocketEvent> told;
    events_.take(told, ~size_t{0});
    Endpoint from;
    far_ = listener_->accept_socket(from);
    far_->observe([this] { read(); });
  }
  void read() {
    while (!paused_ && far_->readable_bytes() > 0) {
      const auto packet = far_->take(far_->readable_bytes());
      const size_t before = received_.size();
      received_.resize(before + packet->GetSize());
      packet->CopyData(received_.data() + before, packet->GetSize());
    }
    if (far_->at_eof()) far_->finish();
  }

  EventQueue queue_;
  HostTcpOptions options_;
  Ns3Simulation simulation_;
  Ns3Topology topology_;
  SocketEvents events_;
  ns3::Ptr<ListenerState> listener_;
  ns3::Ptr<Ns3TcpSocket> near_;
  ns3::Ptr<Ns3TcpSocket> far_;
  bool paused_ = false;
  std::vector<uint8_t> received_;
  uint64_t sent_ = 0;
  size_t misplaced_fins_ = 0;
};

BOOST_AUTO_TEST_SUITE(ns3_tcp_socket)

BOOST_AUTO_TEST_CASE(a_window_shut_with_nothing_to_send_is_probed_once_there_is) {
  constexpr uint32_t kBuffer = 16 << 10;
  Ns3LinkConfig wan;
  wan.faults.blackouts.push_back({Instant(10s), 2s});
  Wire wire(1, wan, kBuffer);
  wire.pause_reading(true);
  wire.put(kBuffer);  // fills the window exactly
  wire.run_until(9s);
  BOOST_TEST(wire.far().readable_bytes() == kBuffer);
  wire.put(1000);
  wire.run_until(11s);
  wire.pause_reading(false);  // and the segment that says so is lost
  wire.run_until(60s);
  BOOST_TEST(wire.all_right());
}

BOOST_AUTO_TEST_CASE(a_fin_sent_at_any_moment_of_recovery_ends_the_stream_where_it_ends) {
  Ns3LinkConfig wan;
  wan.rate_bps = 4'000'000;
  wan.faults.loss = Chance::percent(20);
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Wire wire(seed, wan, 4u << 20);
      wire.put(seed % 2 == 0 ? 60'000 : 14'000);
      wire.run_for(Duration(static_cast<int64_t>(seed) * 17'000'000));
      wire.near().finish();
      wire.run_for(300s);
      BOOST_TEST(wire.all_right());
      BOOST_TEST(wire.far().at_eof());
      BOOST_TEST(wire.misplaced_fins() == 0u);
      // Also who lost the last ACK is told again, and both are closed in peace.
      BOOST_TEST((wire.near().closed() && wire.far().closed()));
      BOOST_TEST((!wire.near().failure() && !wire.far().failure()));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_closing_order_ends_under_heavy_loss) {
  for (uint64_t seed = 1; seed <= 12; ++seed) run_seed(seed, 8, 4u << 20);
}

BOOST_AUTO_TEST_CASE(every_closing_order_ends_with_tiny_buffers) {
  for (uint64_t seed = 1; seed <= 8; ++seed) run_seed(seed, 3, 16u << 10);
}

BOOST_AUTO_TEST_CASE(windows_that_shut_open_again_under_loss) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Ns3WorldConfig config;
    config.seed = seed;
    config.direct = true;
    config.tcp_buffer_bytes = 32 << 10;
    config.internet.wan.faults.loss = Chance::percent(10);
    auto created = Ns3World::create(config);
    BOOST_REQUIRE(created.ok());
    Ns3World& world = **created;
    Ns3Transfer transfer;
    transfer.up_bytes = 150'000;
    transfer.server_reads_late = 30s;
    const auto up = world.transfer(transfer);
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_TEST(world.run(world.now() + 900s));
      BOOST_TEST_CONTEXT(world.result(up).error) BOOST_TEST(world.result(up).ok);
    }
  }
}

BOOST_AUTO_TEST_CASE(cubic_works_as_well) {
  Ns3WorldConfig config;
  config.direct = true;
  config.congestion = TcpCongestion::kCubic;
  auto created = Ns3World::create(config);
  BOOST_REQUIRE(created.ok());
  const auto down = (*created)->download(Family::kIpv4, 1 << 20);
  BOOST_TEST((*created)->run((*created)->now() + 60s));
  BOOST_TEST((*created)->result(down).ok);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
