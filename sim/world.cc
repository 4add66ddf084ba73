#include "sim/world.hh"

#include <algorithm>

#include "core/tcp/connection.hh"
#include "sim/guest_wire.hh"

namespace dashi {

namespace {

class VectorSink final : public Sink {
 public:
  explicit VectorSink(std::vector<uint8_t>& to) : to_(to) {}
  void put(Bytes bytes) override { to_.insert(to_.end(), bytes.begin(), bytes.end()); }

 private:
  std::vector<uint8_t>& to_;
};

class VectorSource final : public Source {
 public:
  explicit VectorSource(Bytes from) : from_(from) {}
  bool get(MutableBytes bytes) override {
    if (bytes.size() > from_.size()) return false;
    copy_bytes(bytes, from_);
    from_ = from_.subspan(bytes.size());
    return true;
  }
  size_t left() const { return from_.size(); }

 private:
  Bytes from_;
};

std::optional<SegmentOracle::Open> open_of(const std::optional<GuestTcpInfo>& info) {
  using State = TcpState;
  const State state = info.has_value() ? info->state : State::kClosed;
  const bool open = state != State::kSynSent && state != State::kSynReceived &&
                    state != State::kTimeWait && state != State::kClosed;
  if (!open) return std::nullopt;
  const bool takes =
      state == State::kEstablished || state == State::kFinWait1 || state == State::kFinWait2;
  return SegmentOracle::Open{info->send_window, info->received, takes};
}

// What the Nat has no duty to: a guest that was sent a damaged ARP reply, or damaged advertisements and options
// of ours, may believe another address than the gateway's, or another MTU than the link's. Nor to segments of
// a super-frame that are longer than that.
bool may_take(const WorldConfig& config, const GuestFrame& frame) {
  const MacAddress& mac = config.nat.topology.gateway_mac;
  const Offload& offload = frame.offload;
  const size_t longest = offload.gso_type == GsoType::kNone
                             ? frame.bytes.size()
                             : size_t{offload.hdr_len} + offload.gso_size;
  const bool whole = longest <= guest::kEthernetHeader + config.link.limits.mtu;
  return whole && frame.bytes.size() >= mac.bytes.size() &&
         std::equal(mac.bytes.begin(), mac.bytes.end(), frame.bytes.begin());
}

}  // namespace

uint64_t World::SimEntropy::next_u64() {
  const uint64_t value = prng_.next_u64();
  if (world_.config_.digests) {
    world_.digest_.record(world_.queue_.now(), DigestKind::kDraw, 0, value, Bytes{});
  }
  return value;
}

void World::DigestTrace::record(const TraceEvent& event) {
  world_.oracle_.observe(event);
  if (!world_.config_.digests) return;
  std::array<uint8_t, 16> numbers{};
  for (size_t i = 0; i < 8; ++i) {
    numbers[i] = static_cast<uint8_t>(event.a >> (8 * i));
    numbers[8 + i] = static_cast<uint8_t>(event.b >> (8 * i));
  }
  const uint64_t argument = static_cast<uint64_t>(event.kind) << 32 | event.code;
  world_.digest_.record(world_.queue_.now(), DigestKind::kTrace, digest_name(event.flow), argument,
                        numbers);
}

FaultPlan World::plan_for(const WorldConfig& config) {
  if (config.given_faults.has_value()) return FaultPlan(*config.given_faults);
  return FaultPlan(config.record_faults);
}

GuestSpec World::guest_for(const WorldConfig& config) {
  GuestSpec guest = config.guest;
  const Topology& topology = config.nat.topology;
  if (config.static_addresses) {
    guest.v4 = Ipv4Prefix{topology.guest_v4, topology.subnet.length};
    guest.gateway_v4 = topology.gateway_v4;
    guest.dns_v4 = topology.gateway_v4;
  }
  guest.ipv6 = guest.ipv6 && topology.ipv6;
  return guest;
}

World::World(const WorldConfig& config)
    : config_(config),
      digest_(config.digest),
      faults_(plan_for(config)),
      oracle_(config.nat.limits),
      segments_(config.nat.tcp.rto_min, config.nat.tcp.rto_max),
      link_(queue_, config.link, config.seed, &faults_),
      net_(queue_, config.net, config.seed, &faults_),
      sockets_(net_, config.socket_faults, config.seed, &faults_),
      apps_(net_),
      entropy_(*this, config.seed),
      trace_(*this),
      driver_(queue_, link_,
              SocketEventSource{[this] { return sockets_.has_events(); },
                                [this](std::vector<SocketEvent>& into, size_t most) {
                                  sockets_.take_events(into, most);
                                }},
              config.digests ? &digest_ : nullptr) {
  net_.attach(sockets_, apps_);
  sockets_.set_wake([this] { driver_.wake(); });
  if (config.draw_batches) driver_.draw_batches(config.seed);
  if (config.turns_late != Duration{}) driver_.draw_lateness(config.seed, config.turns_late);
  driver_.set_before_events([this](const Nat& nat, std::span<const SocketEvent> events) {
    oracle_.before_events(nat, events);
  });
  driver_.set_after_turn([this](const Nat& nat) {
    oracle_.after_turn(nat);
    const size_t total = config_.nat.limits.tcp_uplink_bytes_total;
    const size_t held = nat.flow_counts().tcp_held_bytes;
    const SegmentOracle::Memory memory{total - std::min(total, held + BlockPool::kBlockBytes - 1),
                                       nat.counters()[Counter::kTcpReassemblyFull]};
    segments_.handled({queue_.now(), link_.has_room(), link_.frames_waiting() == 0, memory},
                      [&nat](const Endpoint& guest, const Endpoint& remote) {
                        return open_of(nat.tcp_info(guest, remote));
                      });
  });
  link_.set_oracle([this](const GuestFrame& frame, const Delivery* delivery) {
    if (delivery == nullptr) {
      segments_.sent(queue_.now(), frame);
    } else if (!delivery->lost && !may_take(config_, frame)) {
      segments_.came_otherwise();
    } else if (!delivery->lost) {
      // A script's line may be damaged as it is sent.
      guest::Parsed parsed;
      const bool damaged = delivery->fate.damages() ||
                           (script_ != nullptr && guest::parse_frame(frame, parsed).has_value());
      segments_.came({queue_.now(), damaged, link_.counts().refused}, frame);
    }
  });
  const auto transmit = [this](const GuestFrame& frame) { link_.send(frame); };
  if (config.scripted) {
    script_ = std::make_unique<ScriptedGuest>(queue_, transmit);
    link_.set_receiver([this](const GuestFrame& frame) { script_->receive(frame); });
  } else {
    guest_ = std::make_unique<TcpGuest>(queue_, guest_for(config), config.seed, transmit);
    link_.set_receiver([this](const GuestFrame& frame) { guest_->receive(frame); });
  }
  if (config.digests) observe_all();
  make_nat();
}

World::~World() {
  driver_.drive(nullptr);
  nat_.reset();
}

void World::observe_all() {
  link_.set_digest(&digest_);
  sockets_.set_observer([this](const ObservedCall& call) {
    const uint64_t argument = static_cast<uint64_t>(call.call) << 56 |
                              static_cast<uint64_t>(call.ok) << 48 | (call.value & 0xffffffff);
    digest_.record(queue_.now(), DigestKind::kSocketCall, digest_name(call.id), argument,
                   call.bytes);
  });
  apps_.set_observer([this](uint32_t app, uint64_t what, uint64_t argument) {
    digest_.record(queue_.now(), DigestKind::kApplication, app, what << 56 | argument, Bytes{});
  });
  if (guest_ == nullptr) return;
  guest_->set_observer([this](uint64_t subject, uint64_t what, uint64_t argument) {
    digest_.record(queue_.now(), DigestKind::kApplication, uint64_t{1} << 63 | subject,
                   what << 56 | argument, Bytes{});
  });
}

void World::make_nat() {
  driver_.drive(nullptr);
  nat_.reset();
  oracle_.restart();
  forwarded_.clear();
  nat_ = std::make_unique<Nat>(config_.nat, decorated_.has_value() ? *decorated_ : own_env());
  sockets_.faults().set_spec(SocketFaults{});  // setting up is not part of the run
  for (const Forward& forward : config_.forwards) {
    const auto listening = nat_->add_forward(queue_.now(), forward);
    DASHI_CHECK(listening.ok());
    forwarded_.push_back(*listening);
  }
  sockets_.faults().set_spec(config_.socket_faults);
  driver_.drive(nat_.get());
}

void World::decorate(const std::function<Env(const Env&)>& wrap, DriverHooks hooks) {
  DASHI_CHECK(queue_.events_run() == 0);
  decorated_.emplace(wrap(own_env()));
  driver_.set_hooks(std::move(hooks));
  make_nat();
}

// --- Time ---

bool World::run_until_done(const std::function<bool()>& done, Duration limit) {
  const Instant until = queue_.now() + limit;
  while (!done()) {
    const auto next = queue_.next_time();
    if (!next.has_value() || *next > until) {
      queue_.run_until(until);
      return done();
    }
    queue_.run_one();
  }
  return true;
}

bool World::configure(Duration limit) {
  guest_->start();
  return run_until_done([this] { return guest_->configured(); }, limit);
}

IpAddress World::address(const char* host, Family family) const {
  for (uint32_t index = 1; index <= config_.net.hosts.size(); ++index) {
    if (config_.net.hosts[index - 1].name != host) continue;
    const IpAddress* address = net_.address_of(index, family);
    DASHI_CHECK(address != nullptr);
    return *address;
  }
  DASHI_CHECK(false);
}

// --- The Nat as data ---

std::vector<uint8_t> World::save_nat() const {
  std::vector<uint8_t> saved;
  VectorSink sink(saved);
  nat_->save(sink);
  return saved;
}

void World::save_restore_nat() {
  const std::vector<uint8_t> saved = save_nat();
  driver_.drive(nullptr);
  sockets_.begin_handover();
  nat_.reset();
  VectorSource source(saved);
  auto restored =
      Nat::restore(source, config_.nat, decorated_.has_value() ? *decorated_ : own_env());
  DASHI_CHECK(restored.ok());
  DASHI_CHECK(source.left() == 0);
  nat_ = std::move(restored.value());
  DASHI_CHECK(sockets_.end_handover() == 0);
  segments_.came_otherwise();  // what the link had refused is asked for anew
  driver_.drive(nat_.get());
}

}  // namespace dashi
