// The in-memory sockets as a backend of the conformance suite.
#pragma once

#include <list>

#include "sim/sim_apps.hh"
#include "sim/sim_sockets.hh"
#include "tests/sim/sockets_under_test.hh"

namespace dashi::conformance {

// One small net: here, and the peer on a host 5 ms away.
struct SimWorld {
  EventQueue queue;
  SimNet net;
  SimSockets sockets;
  SimApps apps;

  SimWorld() : net(queue, spec(), 1, nullptr), sockets(net, {}, 1, nullptr), apps(net) {
    net.attach(sockets, apps);
  }
  static NetSpec spec() {
    NetSpec net = standard_net();
    net.connect_timeout = 5s;
    return net;
  }
};

class SimPeerStream final : public PeerStream {
 public:
  SimPeerStream(SimWorld& world, uint32_t app) : world_(world), app_(app) {}
  ~SimPeerStream() override { world_.apps.close(app_); }
  bool connected() override { return world_.apps.record(app_).connected; }
  void write(Bytes bytes) override { world_.apps.write_manually(app_, bytes); }
  // An abstract stream has no urgent pointer: with SO_OOBINLINE the byte is one of the stream.
  void write_urgent(uint8_t byte) override { world_.apps.write_manually(app_, {&byte, 1}); }
  void pause_reading(bool paused) override { world_.apps.pause_reading(app_, paused); }
  const std::vector<uint8_t>& received() override { return world_.apps.received_by(app_); }
  bool saw_eof() override { return world_.apps.record(app_).eof; }
  bool saw_reset() override { return world_.apps.record(app_).reset; }
  void shutdown_write() override { world_.apps.finish(app_); }
  void close() override { world_.apps.close(app_); }
  void abort() override { world_.apps.abort(app_); }
  Endpoint local() override {
    return world_.net.find(world_.apps.record(app_).connection)->end(Side::kThere).address;
  }

 private:
  SimWorld& world_;
  uint32_t app_;
};

class SimPeerListener final : public PeerListener {
 public:
  SimPeerListener(SimWorld& world, const Endpoint& at) : world_(world), at_(at) {
    world_.apps.listen_manually(at);
  }
  ~SimPeerListener() override { world_.apps.stop_listening(at_); }
  Endpoint endpoint() override { return at_; }
  std::unique_ptr<PeerStream> accept() override {
    const auto app = world_.apps.next_accepted(at_);
    if (!app.has_value()) return nullptr;
    return std::make_unique<SimPeerStream>(world_, *app);
  }

 private:
  SimWorld& world_;
  Endpoint at_;
};

class SimPeerDatagram final : public PeerDatagram {
 public:
  SimPeerDatagram(SimWorld& world, const Endpoint& at) : world_(world), at_(at) {
    world_.apps.bind_manually(at);
  }
  ~SimPeerDatagram() override { world_.apps.unbind(at_); }
  Endpoint endpoint() override { return at_; }
  void send(const Endpoint& to, Bytes bytes) override { world_.apps.send_datagram(at_, to, bytes); }
  const std::vector<PeerReceived>& received() override {
    const auto& all = world_.apps.received_at(at_);
    while (seen_.size() < all.size()) {
      const ReceivedDatagram& one = all[seen_.size()];
      seen_.push_back({one.from, one.bytes, one.ttl, one.tos});
    }
    return seen_;
  }

 private:
  SimWorld& world_;
  Endpoint at_;
  std::vector<PeerReceived> seen_;
};

class SimBackend final : public SocketsUnderTest {
 public:
  Sockets& sockets() override { return world_.sockets; }
  void step(std::vector<SocketEvent>& events) override {
    world_.queue.run_until(world_.queue.now() + 50ms);
    quoted_.clear();
    std::vector<SocketEvent> fresh;
    world_.sockets.take_events(fresh, ~size_t{0});
    for (SocketEvent& event : fresh) {
      quoted_.emplace_back(event.error.quoted.begin(), event.error.quoted.end());
      event.error.quoted = quoted_.back();
      events.push_back(event);
    }
  }
  int patience() override { return 400; }
  IpAddress here(Family family) override {
    return *world_.net.address_of(SimNet::kHereHost, family);
  }
  std::unique_ptr<PeerListener> peer_listen(Family family) override {
    return std::make_unique<SimPeerListener>(world_, fresh_endpoint(family));
  }
  std::unique_ptr<PeerStream> peer_connect(const Endpoint& to) override {
    AppSpec manual;
    manual.kind = AppKind::kManual;
    return std::make_unique<SimPeerStream>(world_, world_.apps.connect(kPeer, to, manual));
  }
  std::unique_ptr<PeerDatagram> peer_datagram(Family family) override {
    return std::make_unique<SimPeerDatagram>(world_, fresh_endpoint(family));
  }
  Endpoint refusing(Family family) override { return {peer(family), Port{4}}; }
  Endpoint unreachable(Family family) override {
    if (family == Family::kIpv4) return {Ipv4Address{{240, 0, 0, 1}}, Port{80}};
    return {Ipv6Address{{0x20, 0x01, 0x0d, 0xb8, 0xdd}}, Port{80}};
  }
  Endpoint silent(Family family) override { return {peer(family), Port{82}}; }
  IpAddress echoing(Family family) override { return peer(family); }
  const char* unsupported(std::string_view, Family) override { return nullptr; }

 private:
  static constexpr uint32_t kPeer = 1;
  IpAddress peer(Family family) { return *world_.net.address_of(kPeer, family); }
  Endpoint fresh_endpoint(Family family) { return {peer(family), Port{next_port_++}}; }

  SimWorld world_;
  std::list<std::vector<uint8_t>> quoted_;
  uint16_t next_port_ = 5000;
};

}  // namespace dashi::conformance
