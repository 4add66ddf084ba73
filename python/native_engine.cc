#include "python/native_engine.hh"

namespace dashi::python {
namespace {

constexpr Port kEchoPort{7};
constexpr Port kFirstTransferPort{20000};
constexpr Port kFirstProbePort{40000};
constexpr Duration kConfigureLimit = 120s;
constexpr Duration kAnswerLimit = 10s;  // after the last request, an echo or a name counts as lost
constexpr Duration kAskAgain = 3s;      // a stub resolver's patience
constexpr uint32_t kAsksMax = 3;
constexpr size_t kProbeNumberBytes = 4;  // of a UDP probe's payload: which it is

LinkSpec link_spec(const LinkValues& values) {
  LinkSpec spec;
  spec.rate_bps = values.rate_bps;
  spec.delay = Duration(values.delay_ns);
  spec.queue_frames = values.queue_frames;
  spec.faults = faults_of(values);
  return spec;
}

WorldConfig world_config(const EngineConfig& config) {
  if (config.direct) throw ConfigError("direct: only engine 'ns3' has hosts without the NAT");
  if (config.cubic) throw ConfigError("congestion: only engine 'ns3' has a choice");
  if (config.wan.queue_frames != 0)
    throw ConfigError("wan.queue: engine 'native' has no queue there");
  if (config.wan.corrupt > 0) throw ConfigError("wan.corrupt: engine 'native' has no frames there");
  WorldConfig world;
  world.seed = config.seed;
  world.static_addresses = false;
  if (config.guest_link.mtu != 0) {
    world.link.limits.mtu = config.guest_link.mtu;
    world.guest.mtu = config.guest_link.mtu;
    world.nat.topology.mtu = config.guest_link.mtu;
  }
  if (const auto sound = validate(world.nat); !sound.ok()) {
    throw ConfigError(std::string("guest_link: ") + sound.error());
  }
  world.link.up = link_spec(config.guest_link);
  world.link.down = link_spec(config.guest_link);
  for (HostSpec& host : world.net.hosts) {
    host.path.delay = Duration(config.wan.delay_ns);
    host.path.rate_bps = config.wan.rate_bps;
    host.path.faults = faults_of(config.wan);
    if (config.wan.mtu != 0) host.path.mtu = config.wan.mtu;
  }
  return world;
}

std::string error_of(const GuestFlowRecord& flow) {
  if (flow.refused) return "refused";
  if (flow.reset) return "reset";
  if (flow.timed_out) return "timed out";
  if (flow.icmp && !flow.connected) return "unreachable";
  if (flow.wrong_at.has_value()) return "wrong byte at offset " + std::to_string(*flow.wrong_at);
  return {};
}

}  // namespace

NativeEngine::NativeEngine(const EngineConfig& config)
    : world_(std::make_unique<World>(world_config(config))), seed_(config.seed) {}

NativeEngine::~NativeEngine() = default;

void NativeEngine::capture(const std::string& path) {
  if (begun_ || capture_ != nullptr) throw WorldError(kCaptureLate);
  capture_ = std::make_unique<WorldCapture>(path, seed_);
}

// The Nat is made here, in the same way with a capture and without: its digest does not tell.
void NativeEngine::begin() {
  if (begun_) return;
  begun_ = true;
  world_->decorate([this](const Env& env) { return capture_ ? capture_->wrap(env) : env; },
                   capture_ ? capture_->hooks() : DriverHooks{});
  const Endpoint resolver{world_->address("server", Family::kIpv4), Port{53}};
  world_->nat().set_resolvers(world_->now(), {&resolver, 1});
}

void NativeEngine::flush_capture() {
  if (capture_ != nullptr) capture_->flush();
}

// --- Verbs ---

uint32_t NativeEngine::add(Verb verb) {
  verbs_.push_back(std::move(verb));
  const auto index = static_cast<uint32_t>(verbs_.size() - 1);
  if (configured_) start(index);
  return index;
}

uint32_t NativeEngine::download(uint64_t bytes, Family family) {
  Verb verb;
  verb.kind = Kind::kDownload;
  verb.bytes = bytes;
  verb.family = family;
  return add(std::move(verb));
}

uint32_t NativeEngine::upload(uint64_t bytes, Family family) {
  Verb verb;
  verb.kind = Kind::kUpload;
  verb.bytes = bytes;
  verb.family = family;
  return add(std::move(verb));
}

uint32_t NativeEngine::ping(const EchoesSpec& spec) {
  Verb verb;
  verb.kind = Kind::kPing;
  verb.echoes = spec;
  return add(std::move(verb));
}

uint32_t NativeEngine::udp_echo(const EchoesSpec& spec) {
  if (spec.to != "server") throw ConfigError("udp_echo: only the server has the echo service");
  Verb verb;
  verb.kind = Kind::kUdpEcho;
  verb.echoes = spec;
  return add(std::move(verb));
}

uint32_t NativeEngine::resolve(const std::string& name, Family family) {
  Verb verb;
  verb.kind = Kind::kResolve;
  verb.name = name;
  verb.family = family;
  return add(std::move(verb));
}

uint32_t NativeEngine::dhcp() {
  Verb verb;
  verb.kind = Kind::kDhcp;
  return add(std::move(verb));
}

IpAddress NativeEngine::target(const Verb& verb) const {
  const Family family = verb.echoes.family;
  if (verb.echoes.to == "server") return world_->address("server", family);
  const Topology& topology = world_->config().nat.topology;
  return family == Family::kIpv4 ? IpAddress(topology.gateway_v4)
                                 : IpAddress(topology.gateway_v6());
}

void NativeEngine::start(uint32_t index) {
  Verb& verb = verbs_[index];
  verb.started = true;
  verb.start = world_->now();
  switch (verb.kind) {
    case Kind::kDownload:
    case Kind::kUpload:
      start_transfer(index);
      break;
    case Kind::kPing:
    case Kind::kUdpEcho:
      verb.local = Port{static_cast<uint16_t>(kFirstProbePort.number + index)};
      send_echo(index);
      break;
    case Kind::kResolve:
      ask(index);
      break;
    case Kind::kDhcp:
      break;  // done when the guest was configured
  }
}

// Each transfer has a service of its own, and a pattern by which both ends know it.
void NativeEngine::start_transfer(uint32_t index) {
  Verb& verb = verbs_[index];
  const bool down = verb.kind == Kind::kDownload;
  AppSpec source;
  source.kind = AppKind::kSource;
  source.bytes = verb.bytes;
  source.pattern = index + 1;
  AppSpec sink;
  sink.kind = AppKind::kSink;
  sink.pattern = index + 1;
  sink.checks_pattern = true;
  const IpAddress server = world_->address("server", verb.family);
  ServiceSpec service;
  service.port = Port{static_cast<uint16_t>(kFirstTransferPort.number + index)};
  service.app = down ? source : sink;
  world_->net().add_service(world_->net().host_of(server), service);
  verb.flow = world_->guest().connect({server, service.port}, down ? sink : source);
}

void NativeEngine::send_echo(uint32_t index) {
  Verb& verb = verbs_[index];
  const uint32_t number = verb.sent++;
  verb.last_sent = world_->now();
  verb.sent_at.push_back(world_->now());
  if (verb.kind == Kind::kPing) {
    verb.pings.push_back(world_->guest().ping(target(verb), verb.echoes.payload_bytes, 64));
  } else {
    std::vector<uint8_t> payload(std::max<size_t>(verb.echoes.payload_bytes, kProbeNumberBytes));
    store(MutableBytes(payload), Be32(number));
    world_->guest().send_udp(verb.local, {target(verb), kEchoPort}, payload, 64);
  }
  if (verb.sent == verb.echoes.count) return;
  world_->queue().schedule_after(Duration(verb.echoes.interval_ns),
                                 [this, index] { send_echo(index); });
}

void NativeEngine::ask(uint32_t index) {
  Verb& verb = verbs_[index];
  ++verb.queries_sent;
  verb.last_sent = world_->now();
  verb.query = world_->guest().resolve(verb.name, verb.family == Family::kIpv4 ? 1 : 28);
  if (verb.queries_sent == kAsksMax) return;
  world_->queue().schedule_after(kAskAgain, [this, index] {
    const Verb& asked = verbs_[index];
    if (!world_->guest().resolutions()[asked.query].answered.has_value()) ask(index);
  });
}

// --- Running ---

// Looked at after every event: says no as soon as it can.
bool NativeEngine::all_answered(const Verb& verb) {
  if (verb.kind == Kind::kUdpEcho && world_->guest().datagrams().size() < verb.sent) return false;
  for (const uint32_t ping : verb.pings) {
    const PingRecord& record = world_->guest().pings()[ping];
    if (!record.answered.has_value() && !record.icmp_error) return false;
  }
  if (verb.kind == Kind::kPing) return true;
  VerbResult seen;
  echo_result(verb, seen);
  return seen.answered == verb.sent;
}

bool NativeEngine::is_done(Verb& verb) {
  if (verb.done || !verb.started) return verb.done;
  const bool waited = world_->now() >= verb.last_sent + kAnswerLimit;
  switch (verb.kind) {
    case Kind::kDownload:
    case Kind::kUpload:
      verb.done = world_->guest().tcp().record(verb.flow).over();
      break;
    case Kind::kPing:
    case Kind::kUdpEcho:
      verb.done = verb.sent == verb.echoes.count && (waited || all_answered(verb));
      break;
    case Kind::kResolve:
      verb.done = waited || world_->guest().resolutions()[verb.query].answered.has_value();
      break;
    case Kind::kDhcp:
      verb.done = true;
      break;
  }
  return verb.done;
}

bool NativeEngine::all_done() {
  while (done_before_ < verbs_.size() && is_done(verbs_[done_before_])) ++done_before_;
  return done_before_ == verbs_.size();
}

// Whether the guest has its addresses; the first time, what was asked for begins.
bool NativeEngine::ready() {
  if (configured_) return true;
  if (!started_) {
    started_ = true;
    world_->guest().start();
  }
  configured_ = world_->guest().configured();
  for (uint32_t i = 0; configured_ && i < verbs_.size(); ++i) start(i);
  if (!configured_ && world_->now() > Instant(kConfigureLimit)) {
    throw WorldError("the guest got no addresses within 120 s of virtual time");
  }
  return configured_;
}

RunEnd NativeEngine::run_slice(Instant until, bool whatever, uint64_t events) {
  begin();
  EventQueue& queue = world_->queue();
  for (uint64_t i = 0; i < events; ++i) {
    if (ready() && !whatever && all_done()) return RunEnd::kDone;
    auto next = queue.next_time();
    if (configured_ && !whatever && !all_done() && (!next.has_value() || *next > until)) {
      // Nothing else happens: what waits for an answer has waited in vain.
      const Instant patience = verbs_[done_before_].last_sent + kAnswerLimit;
      if (patience <= until && patience > queue.now()) {
        queue.run_until(patience);
        continue;
      }
    }
    if (!next.has_value() || *next > until) {
      if (until != kNever) queue.run_until(until);
      return !whatever && configured_ && all_done() ? RunEnd::kDone : RunEnd::kTime;
    }
    queue.run_one();
  }
  return RunEnd::kSlice;
}

// --- Results ---

void NativeEngine::transfer_result(const Verb& verb, uint32_t index, VerbResult& result) {
  const GuestFlowRecord& flow = world_->guest().tcp().record(verb.flow);
  result.size = verb.bytes;
  result.error = error_of(flow);
  if (verb.done) result.end_ns = nanoseconds(flow.ended);
  if (verb.kind == Kind::kDownload) {
    result.received = flow.wrong_at.value_or(flow.received);
  } else {
    for (uint32_t app = 0; app < world_->apps().count(); ++app) {
      const AppRecord& record = world_->apps().record(app);
      if (record.spec.pattern != index + 1 || record.active) continue;
      result.received = record.wrong_at.value_or(record.received);
    }
  }
  if (verb.done && result.error.empty() && result.received != verb.bytes) {
    result.error = "ended after " + std::to_string(result.received) + " bytes";
  }
}

void NativeEngine::echo_result(const Verb& verb, VerbResult& result) {
  result.sent = verb.sent;
  const auto answered = [&](Instant sent, Instant at) {
    ++result.answered;
    result.rtt_ns.push_back((at - sent).count());
    result.end_ns = std::max(result.end_ns, nanoseconds(at));
  };
  if (verb.kind == Kind::kPing) {
    for (const uint32_t ping : verb.pings) {
      const PingRecord& record = world_->guest().pings()[ping];
      if (record.icmp_error) result.error = "unreachable";
      if (record.answered.has_value() && !record.payload_right)
        result.error = "a reply's payload is wrong";
      if (record.answered.has_value()) answered(record.sent, *record.answered);
    }
    return;
  }
  std::vector<bool> seen(verb.sent, false);
  for (const GuestDatagram& datagram : world_->guest().datagrams()) {
    if (datagram.to.port != verb.local || datagram.bytes.size() < kProbeNumberBytes) continue;
    const uint32_t number = load<Be32>(Bytes(datagram.bytes));
    if (number >= verb.sent || seen[number]) continue;
    seen[number] = true;
    answered(verb.sent_at[number], datagram.at);
  }
}

void NativeEngine::resolve_result(const Verb& verb, VerbResult& result) {
  const ResolveRecord& record = world_->guest().resolutions()[verb.query];
  if (record.answered.has_value()) {
    result.end_ns = nanoseconds(*record.answered);
    for (const IpAddress& address : record.answer.addresses) {
      result.addresses.push_back(to_string(address));
    }
    if (record.answer.rcode == 3) result.error = "no such name";
    if (record.answer.rcode == 2) result.error = "the server failed";
    if (record.answer.rcode != 0 && result.error.empty()) {
      result.error = "DNS error " + std::to_string(record.answer.rcode);
    }
    if (record.answer.rcode == 0 && result.addresses.empty()) {
      result.error = "the name has no address of this family";
    }
  } else if (verb.done) {
    result.error = "no answer";
  }
}

VerbResult NativeEngine::result(uint32_t index) {
  VerbResult result;
  Verb& verb = verbs_.at(index);
  result.size = verb.bytes;
  if (!verb.started) return result;
  result.done = is_done(verb);
  result.start_ns = nanoseconds(verb.start);
  switch (verb.kind) {
    case Kind::kDownload:
    case Kind::kUpload:
      transfer_result(verb, index, result);
      break;
    case Kind::kPing:
    case Kind::kUdpEcho:
      echo_result(verb, result);
      if (verb.done && result.answered == 0 && result.error.empty()) result.error = "no reply";
      break;
    case Kind::kResolve:
      resolve_result(verb, result);
      break;
    case Kind::kDhcp:
      if (verb.done) result = lease_result(world_->guest().dhcp());
      break;
  }
  return result;
}

}  // namespace dashi::python
