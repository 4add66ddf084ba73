#include "sim/ns3/ns3_world.hh"

#include <ns3/point-to-point-net-device.h>
#include <ns3/queue-disc.h>
#include <ns3/traffic-control-layer.h>

#include <utility>

#include "sim/ns3/world_parts.hh"

namespace dashi {

namespace {

constexpr size_t kPppHeader = 2;  // bytes ns-3's point-to-point devices put before IP
constexpr uint16_t kEchoPort = 7;
constexpr uint16_t kDnsPort = 53;
constexpr uint32_t kTimestamps = 12;  // bytes of options in every segment

class VectorSink final : public Sink {
 public:
  void put(Bytes bytes) override { saved.insert(saved.end(), bytes.begin(), bytes.end()); }
  std::vector<uint8_t> saved;
};

class VectorSource final : public Source {
 public:
  explicit VectorSource(Bytes bytes) : left_(bytes) {}
  bool get(MutableBytes bytes) override {
    if (left_.size() < bytes.size()) return false;
    copy_bytes(bytes, left_);
    left_ = left_.subspan(bytes.size());
    return true;
  }

 private:
  Bytes left_;
};

}  // namespace

void Ns3World::Impl::DigestTrace::record(const TraceEvent& event) {
  world_.oracle.observe(event);
  if (!world_.config.digests) return;
  const uint64_t what = static_cast<uint64_t>(event.kind) << 56 |
                        static_cast<uint64_t>(event.code) << 24 | (event.b & 0xffffff);
  world_.digest.record(world_.queue.now(), DigestKind::kTrace, digest_name(event.flow),
                       what ^ event.a << 8, event.bytes);
}

Ns3World::Impl::Impl(const Ns3WorldConfig& world_config)
    : config(world_config),
      digest(world_config.digest),
      entropy(world_config.seed),
      transactions(world_config.seed, "dhcp", 0),
      trace(*this),
      oracle(world_config.nat.limits),
      simulation(queue, world_config.seed),
      topology(simulation, world_config.internet, world_config.seed) {
  watch_wan();
  const auto echo_at = [](const IpAddress& any) { return Endpoint{any, Port{kEchoPort}}; };
  udp_echo_v4 = std::make_unique<UdpEchoServer>(topology.remote(), echo_at(Ipv4Address{}));
  udp_echo_v6 = std::make_unique<UdpEchoServer>(topology.remote(), echo_at(Ipv6Address{}));
  const Endpoint resolver{Ns3Topology::remote_address(Family::kIpv4), Port{kDnsPort}};
  const Endpoint any{Ipv4Address{}, resolver.port};
  names = std::make_unique<NameServer>(
      topology.remote(), any,
      std::vector<DnsTableEntry>{
          {"server.example",
           {Ns3Topology::remote_address(Family::kIpv4), Ns3Topology::remote_address(Family::kIpv6)},
           ""}});
  if (config.direct) return;
  if (config.nat.dns.resolvers.empty()) config.nat.dns.resolvers = {resolver};
  config.nat.gateway.host_has_ipv6_route = true;
  // The Nat learns the guest's MAC from its first frame; a damaged one must not decide it.
  const LinkFaults& up = config.guest_link.up.faults;
  const bool damages = !up.corrupt_bit.is_never() || !up.corrupt_header.is_never();
  if (damages && !config.nat.topology.guest_mac) config.nat.topology.guest_mac = Ns3Guest::kMac;
  link = std::make_unique<SimLink>(queue, config.guest_link, config.seed, nullptr);
  if (config.digests) link->set_digest(&digest);
  guest = std::make_unique<Ns3Guest>(simulation, *link, config.nat.topology);
  sockets = std::make_unique<Ns3Sockets>(topology.host(), tcp_options(Family::kIpv6));
  SocketEventSource source;
  source.any = [this] { return sockets->has_events(); };
  source.take = [this](std::vector<SocketEvent>& into, size_t most) {
    sockets->take_events(into, most);
  };
  driver = std::make_unique<NatDriver>(queue, *link, std::move(source),
                                       config.digests ? &digest : nullptr);
  if (config.draw_batches) driver->draw_batches(config.seed);
  driver->set_before_events([this](const Nat& told, std::span<const SocketEvent> events) {
    oracle.before_events(told, events);
  });
  driver->set_after_turn([this](const Nat& turned) { oracle.after_turn(turned); });
  sockets->set_wake([this] { driver->wake(); });
  make_nat();
}

// Whatever holds on to ns-3 goes before ns-3 does.
Ns3World::Impl::~Impl() {
  tasks.clear();
  if (driver != nullptr) driver->drive(nullptr);
  nat.reset();
  sockets.reset();
  hub_v4.reset();
  hub_v6.reset();
  udp_echo_v4.reset();
  udp_echo_v6.reset();
  names.reset();
}

void Ns3World::Impl::make_nat() {
  driver->drive(nullptr);
  nat.reset();
  oracle.restart();
  nat = std::make_unique<Nat>(config.nat, decorated ? *decorated : own_env());
  driver->drive(nat.get());
}

HostTcpOptions Ns3World::Impl::tcp_options(Family family) const {
  const uint32_t headers = family == Family::kIpv4 ? 40 : 60;
  HostTcpOptions options;
  options.tcp.segment_size = 1500 - headers - kTimestamps;
  options.tcp.buffer_bytes = config.tcp_buffer_bytes;
  options.tcp.congestion = config.congestion;
  return options;
}

ns3::Ptr<ns3::Node> Ns3World::Impl::client_node() const {
  return config.direct ? topology.host() : guest->node();
}

EchoHub& Ns3World::Impl::client_hub(Family family) {
  auto& hub = family == Family::kIpv4 ? hub_v4 : hub_v6;
  if (hub == nullptr) hub = std::make_unique<EchoHub>(client_node(), family);
  return *hub;
}

// Until the guest has its addresses, and kBoot at least. Empty, or what is missing.
std::optional<std::string> Ns3World::Impl::boot() {
  const Instant begun = queue.now();
  if (!config.direct) {
    queue.schedule_after(
        0ns, [this] { guest->ask_for_address(static_cast<uint32_t>(transactions.next_u64())); });
  }
  queue.run_until(begun + kBoot);
  if (config.direct) return std::nullopt;
  while (!guest->configured() && queue.now() < begun + kBootLimit) {
    queue.run_until(queue.now() + 1s);
  }
  if (guest->configured()) return std::nullopt;
  return std::string("the guest got no IPv") + (guest->lease().bound ? "6" : "4") +
         " address from the Nat within " + std::to_string(kBootLimit.count() / 1'000'000'000) +
         " s: is its link too lossy or too slow?";
}

// --- The WAN, watched ---

void Ns3World::Impl::watch_wan() {
  const std::array<ns3::Ptr<ns3::Node>, 2> nodes{topology.host(), topology.router()};
  for (uint32_t where = 0; where < nodes.size(); ++where) {
    const auto node = nodes.at(where);
    // The first device of each is its end of the WAN.
    ns3::Ptr<ns3::NetDevice> device;
    for (uint32_t i = 0; i < node->GetNDevices() && device == nullptr; ++i) {
      const auto candidate = node->GetDevice(i);
      if (candidate->GetInstanceTypeId() == ns3::PointToPointNetDevice::GetTypeId()) {
        device = candidate;
      }
    }
    DASHI_CHECK(device != nullptr);
    device->TraceConnectWithoutContext(
        "PhyRxEnd",
        ns3::Callback<void, ns3::Ptr<const ns3::Packet>>(
            [this, where](ns3::Ptr<const ns3::Packet> packet) { packet_arrived(where, packet); }));
    device->TraceConnectWithoutContext("PhyRxDrop", ns3::MakeCallback(&Impl::packet_lost, this));
    const auto control = node->GetObject<ns3::TrafficControlLayer>();
    const auto disc = control->GetRootQueueDiscOnDevice(device);
    DASHI_CHECK(disc != nullptr);
    disc->TraceConnectWithoutContext("Drop", ns3::MakeCallback(&Impl::packet_dropped, this));
  }
}

void Ns3World::Impl::packet_arrived(uint32_t where, ns3::Ptr<const ns3::Packet> packet) {
  ++wan.packets;
  wan.bytes += packet->GetSize();
  if (!config.digests && !wan_observer) return;
  scratch.resize(packet->GetSize());
  packet->CopyData(scratch.data(), packet->GetSize());
  if (config.digests) {
    digest.record(queue.now(), DigestKind::kApplication, uint64_t{1} << 62 | where, 0, scratch);
  }
  if (wan_observer && scratch.size() > kPppHeader) {
    wan_observer(queue.now(), where == 0, Bytes(scratch).subspan(kPppHeader));
  }
}

void Ns3World::Impl::packet_lost(ns3::Ptr<const ns3::Packet> /*packet*/) { ++wan.lost; }

void Ns3World::Impl::packet_dropped(ns3::Ptr<const ns3::QueueDiscItem> /*item*/) { ++wan.dropped; }

// --- The world ---

Result<Done, std::string> validate(const Ns3WorldConfig& config) {
  auto internet = validate(config.internet);
  if (!internet.ok()) return internet.error();
  if (config.tcp_buffer_bytes < 16'384 || config.tcp_buffer_bytes > (64u << 20)) {
    return std::string("TCP buffers must be 16 KiB to 64 MiB");
  }
  if (config.direct) return Done{};
  const auto nat = validate(config.nat);
  if (!nat.ok()) return std::string(nat.error());
  const LinkLimits& limits = config.guest_link.limits;
  if (limits.gso_bytes_max != 0 || limits.checksum_offload || limits.udp_gso) {
    return std::string(
        "an ns-3 guest has no offloads: gso_bytes_max, checksum_offload and udp_gso "
        "must be off");
  }
  if (limits.mtu != config.nat.topology.mtu) {
    return "the guest link's MTU (" + std::to_string(limits.mtu) + ") and the Nat's (" +
           std::to_string(config.nat.topology.mtu) + ") differ";
  }
  return Done{};
}

Ns3World::Ns3World(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ns3World::~Ns3World() = default;

Result<std::unique_ptr<Ns3World>, std::string> Ns3World::create(const Ns3WorldConfig& config) {
  const auto valid = validate(config);
  if (!valid.ok()) return valid.error();
  if (Ns3Simulation::live()) {
    return std::string(
        "another ns-3 world is alive in this process, and ns-3 allows one: close it "
        "first, or run this one in a process of its own");
  }
  std::unique_ptr<Ns3World> world(new Ns3World(std::make_unique<Impl>(config)));
  const auto missing = world->impl_->boot();
  if (missing) return *missing;
  return world;
}

Instant Ns3World::now() const { return impl_->queue.now(); }
size_t Ns3World::tasks() const { return impl_->tasks.size(); }
bool Ns3World::all_done() const { return impl_->tasks_open == 0; }

bool Ns3World::run(Instant until) {
  if (all_done() || until <= now()) return all_done();
  impl_->queue.run_until(until);  // stopped by the last task that ends
  return all_done();
}

bool Ns3World::run_some(Instant until, bool whatever, uint64_t events) {
  EventQueue& queue = impl_->queue;
  for (; events != 0; --events) {
    if (!whatever && all_done()) return false;
    const auto next = queue.next_time();
    if (!next.has_value() || *next > until) {
      if (until != kNever) queue.run_until(until);
      return false;
    }
    queue.run_one();
  }
  return whatever || !all_done();
}

void Ns3World::run_for(Duration duration) {
  const Instant until = now() + duration;
  while (now() < until) impl_->queue.run_until(until);
}

const Ns3TaskResult& Ns3World::result(TaskId task) const {
  DASHI_CHECK(task < impl_->tasks.size());
  return impl_->tasks[task]->result;
}

Hash128 Ns3World::digest_value() const { return impl_->digest.value(); }
Digest& Ns3World::digest() { return impl_->digest; }
Nat* Ns3World::nat() { return impl_->nat.get(); }
Counters Ns3World::counters() const {
  return impl_->nat == nullptr ? Counters{} : impl_->nat->counters();
}
FlowCounts Ns3World::flow_counts() const {
  return impl_->nat == nullptr ? FlowCounts{} : impl_->nat->flow_counts();
}
Ns3LinkCounts Ns3World::wan() const { return impl_->wan; }
GuestLinkCounts Ns3World::guest_link() const {
  return impl_->link == nullptr ? GuestLinkCounts{} : impl_->link->counts();
}
std::string Ns3World::dump() const {
  return impl_->nat == nullptr ? std::string() : impl_->nat->dump(now());
}
size_t Ns3World::host_sockets() const {
  return impl_->sockets == nullptr ? 0 : impl_->sockets->open_count();
}
uint64_t Ns3World::damaged_frames() const {
  return impl_->guest == nullptr ? 0 : impl_->guest->damaged_frames();
}
IpAddress Ns3World::guest_address(Family family) const {
  return impl_->guest == nullptr ? Ns3Topology::host_address(family)
                                 : impl_->guest->address(family);
}
const DhcpRecord& Ns3World::lease() const {
  DASHI_CHECK(impl_->guest != nullptr);
  return impl_->guest->lease();
}
uint64_t Ns3World::events_run() const { return impl_->queue.events_run(); }
std::vector<std::string> Ns3World::violations() const {
  std::vector<std::string> found = impl_->oracle.violations();
  if (impl_->driver != nullptr && impl_->driver->livelocked()) {
    found.push_back("turn after turn in one instant");
  }
  if (guest_link().oversized != 0) found.push_back("frames longer than the link allows");
  return found;
}

bool Ns3World::decorate(const std::function<Env(const Env&)>& wrap, DriverHooks hooks) {
  if (impl_->config.direct) return false;
  DASHI_CHECK(impl_->tasks.empty());
  impl_->decorated.emplace(wrap(impl_->own_env()));
  impl_->driver->set_hooks(std::move(hooks));
  impl_->make_nat();
  return !impl_->boot();
}

bool Ns3World::save_and_restore_nat() {
  Impl& world = *impl_;
  DASHI_CHECK(world.nat != nullptr);
  VectorSink sink;
  world.nat->save(sink);
  world.driver->drive(nullptr);
  world.sockets->set_keep(true);
  world.nat.reset();
  world.sockets->set_keep(false);
  VectorSource source(sink.saved);
  auto restored =
      Nat::restore(source, world.config.nat, world.decorated ? *world.decorated : world.own_env());
  if (!restored.ok()) return false;
  world.nat = std::move(restored.value());
  world.sockets->drop_kept();
  world.driver->drive(world.nat.get());
  return true;
}

void Ns3World::observe_wan(std::function<void(Instant, bool, Bytes)> observer) {
  impl_->wan_observer = std::move(observer);
}

}  // namespace dashi
