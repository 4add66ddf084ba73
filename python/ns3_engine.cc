#include "python/ns3_engine.hh"

#include <algorithm>

namespace dashi::python {
namespace {

constexpr uint64_t kUnboundedBps = 10'000'000'000;  // what ns-3's links take for "without bound"

Ns3WorldConfig world_config(const EngineConfig& config) {
  Ns3WorldConfig world;
  world.seed = config.seed;
  world.direct = config.direct;
  if (config.cubic) world.congestion = TcpCongestion::kCubic;
  const LinkValues& wan = config.wan;
  if (wan.mtu != 0) throw ConfigError("wan.mtu: engine 'ns3' has 1,500 bytes there");
  if (wan.jitter_ns != 0 || wan.duplicate > 0 || wan.reorder > 0 || wan.corrupt > 0) {
    throw ConfigError("wan: of all faults, engine 'ns3' has only loss there");
  }
  world.internet.wan.rate_bps = wan.rate_bps == 0 ? kUnboundedBps : wan.rate_bps;
  world.internet.wan.delay = Duration(wan.delay_ns);
  world.internet.wan.faults.loss = chance_of(wan.loss);
  if (wan.queue_frames != 0) world.internet.wan.queue_packets = wan.queue_frames;
  const LinkValues& link = config.guest_link;
  for (LinkSpec* spec : {&world.guest_link.up, &world.guest_link.down}) {
    spec->rate_bps = link.rate_bps;
    spec->delay = Duration(link.delay_ns);
    spec->queue_frames = link.queue_frames;
    spec->faults = faults_of(link);
  }
  if (link.mtu != 0) {
    world.guest_link.limits.mtu = link.mtu;
    world.nat.topology.mtu = link.mtu;
  }
  if (const auto sound = validate(world); !sound.ok()) throw ConfigError(sound.error());
  return world;
}

}  // namespace

Ns3Engine::Ns3Engine(const EngineConfig& config) : config_(config) {
  auto world = Ns3World::create(world_config(config));
  if (!world.ok()) throw WorldError(world.error());
  world_ = std::move(*world);
}

Ns3Engine::~Ns3Engine() = default;

void Ns3Engine::capture(const std::string& path) {
  if (begun_ || capture_ != nullptr) throw WorldError(kCaptureLate);
  capture_ = std::make_unique<WorldCapture>(path, config_.seed);
}

// The Nat is made here, in the same way with a capture and without: its digest does not tell.
void Ns3Engine::begin() {
  if (begun_) return;
  begun_ = true;
  const auto wrap = [this](const Env& env) { return capture_ ? capture_->wrap(env) : env; };
  if (!config_.direct && !world_->decorate(wrap, capture_ ? capture_->hooks() : DriverHooks{})) {
    throw WorldError("the guest got no addresses");
  }
  if (capture_ == nullptr) return;
  world_->observe_wan([this](Instant at, bool inward, Bytes packet) {
    capture_->add_wan_packet(at, inward, packet);
  });
}

void Ns3Engine::flush_capture() {
  if (capture_ != nullptr) capture_->flush();
}

uint32_t Ns3Engine::add(Ns3World::TaskId task, uint64_t bytes) {
  verbs_.push_back({task, bytes});
  return static_cast<uint32_t>(verbs_.size() - 1);
}

uint32_t Ns3Engine::download(uint64_t bytes, Family family) {
  begin();
  return add(world_->download(family, bytes), bytes);
}

uint32_t Ns3Engine::upload(uint64_t bytes, Family family) {
  begin();
  return add(world_->upload(family, bytes), bytes);
}

Ns3Probes Ns3Engine::probes(const EchoesSpec& spec) const {
  if (config_.direct && spec.to == "gateway") throw ConfigError("direct: there is no gateway");
  Ns3Probes probes;
  probes.family = spec.family;
  probes.count = spec.count;
  probes.payload_bytes = spec.payload_bytes;
  probes.interval = Duration(spec.interval_ns);
  probes.to_gateway = spec.to == "gateway";
  return probes;
}

uint32_t Ns3Engine::ping(const EchoesSpec& spec) {
  const Ns3Probes asked = probes(spec);
  begin();
  return add(world_->ping(asked), 0);
}

uint32_t Ns3Engine::udp_echo(const EchoesSpec& spec) {
  if (spec.to != "server") throw ConfigError("udp_echo: only the server has the echo service");
  begin();
  return add(world_->udp_echo(probes(spec)), 0);
}

uint32_t Ns3Engine::resolve(const std::string& name, Family family) {
  if (config_.direct) throw ConfigError("direct: there is no gateway");
  begin();
  return add(world_->resolve(name, family), 0);
}

uint32_t Ns3Engine::dhcp() {
  if (config_.direct) throw ConfigError("direct: there is no gateway");
  begin();
  verbs_.push_back({std::nullopt, 0});
  return static_cast<uint32_t>(verbs_.size() - 1);
}

RunEnd Ns3Engine::run_slice(Instant until, bool whatever, uint64_t events) {
  begin();
  if (world_->run_some(until, whatever, events)) return RunEnd::kSlice;
  return !whatever && world_->all_done() ? RunEnd::kDone : RunEnd::kTime;
}

const Counters& Ns3Engine::counters() {
  counters_ = world_->counters();
  return counters_;
}

VerbResult Ns3Engine::result(uint32_t index) {
  const Verb& verb = verbs_.at(index);
  if (!verb.task.has_value()) return lease_result(world_->lease());
  const Ns3TaskResult& task = world_->result(*verb.task);
  VerbResult result;
  result.done = task.done;
  result.error = task.error;
  if (task.done && !task.ok && result.error.empty()) result.error = "not everything arrived";
  if (task.answered > 0) result.error.clear();  // some echoes were lost
  result.start_ns = nanoseconds(task.started);
  if (task.finished != kNever) result.end_ns = nanoseconds(task.finished);
  result.size = verb.bytes;
  result.received = std::max(task.up_bytes, task.down_bytes);
  result.sent = task.sent;
  result.answered = task.answered;
  for (const IpAddress& address : task.addresses) result.addresses.push_back(to_string(address));
  for (const Duration rtt : task.round_trips) result.rtt_ns.push_back(rtt.count());
  return result;
}

}  // namespace dashi::python
