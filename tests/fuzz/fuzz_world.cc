#include "tests/fuzz/fuzz_world.hh"

#include <cstring>

#include "core/nat/fragments.hh"
#include "tests/fuzz/failure.hh"
#include "tests/support/memory_archive.hh"

namespace dashi::fuzz {
namespace {

constexpr size_t kFramesMax = 64;               // of a reservation
constexpr size_t kLinkBytes = size_t{1} << 20;  // of all slots
constexpr size_t kTurnsWithoutTime = 2000;
constexpr uint16_t kDnsPort = 53;

// What a link lends: one of each rubbish, for all worlds, because to fill it takes longer than most runs.
MutableBytes memory_of(uint8_t rubbish) {
  static std::vector<uint8_t> memories[2];
  std::vector<uint8_t>& memory = memories[rubbish & 1];
  if (memory.empty()) memory.assign(kLinkBytes, rubbish);
  return memory;
}

}  // namespace

Config small_config(uint8_t bits) {
  Config config;
  Limits& limits = config.limits;
  limits.tcp_connections = 16;
  limits.tcp_connects_pending = 8;
  limits.tcp_accepts_pending = 8;
  limits.tcp_time_wait = 8;
  limits.tcp_forwards = 4;
  limits.tcp_reassembly_gaps = 8;
  limits.tcp_uplink_bytes_each = 64 * 1024;
  limits.tcp_uplink_bytes_total = 128 * 1024;
  limits.tcp_failures_remembered = 8;
  limits.udp_endpoints = 16;
  limits.udp_contacts = 32;
  limits.udp_forwards = 4;
  limits.echo_ids = 8;
  limits.guest_addresses_v6 = 4;
  limits.reassemblies = 2;
  limits.dns_queries = 8;
  limits.dns_tcp_connections = 4;
  limits.dns_records = 8;
  config.tcp.window = 64 * 1024;
  config.tcp.window_scale = 2;
  config.dns.resolvers = {{Ipv4Address{{192, 0, 2, 53}}, Port{kDnsPort}},
                          {Ipv4Address{{192, 0, 2, 54}}, Port{kDnsPort}}};
  config.dns.records = {{"own.test", {Ipv4Address{{10, 0, 0, 1}}}}};
  config.gateway.search = {"example.org"};
  if ((bits & 1) != 0) config.tcp.sack = false;
  if ((bits & 2) != 0) config.tcp.timestamps = false;
  if ((bits & 4) != 0) config.tcp.congestion = TcpConfig::Congestion::kNewReno;
  if ((bits & 8) != 0) config.topology.ipv6 = false;
  if ((bits & 8) != 0) config.topology.mtu = 576;
  if ((bits & 16) != 0) config.udp.filter = UdpFilter::kAddressAndPortDependent;
  if ((bits & 32) != 0) config.tcp.window_scale = 0;
  return config;
}

LinkLimits link_limits(uint8_t bits, const Config& config) {
  LinkLimits limits;
  limits.mtu = config.topology.mtu;
  if ((bits & 64) != 0) limits.gso_bytes_max = 65535;
  if ((bits & 64) != 0) limits.udp_gso = true;
  limits.checksum_offload = (bits & (64 | 128)) != 0;
  return limits;
}

uint64_t FuzzWorld::FixedEntropy::next_u64() {  // splitmix64
  state_ += 0x9e3779b97f4a7c15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void FuzzWorld::Watch::record(const TraceEvent& event) {
  if (world_.sockets.handing_over) return;  // of the Nat that is replaced, about its end
  world_.oracle_.observe(event);
  world_.drops_traced_ += event.kind == TraceEvent::Kind::kDrop ? 1 : 0;
  world_.log_.digest.record(world_.now(), DigestKind::kTrace, static_cast<uint64_t>(event.kind),
                            event.code, {});
}

std::span<const FrameSlot> FuzzWorld::Link::reserve(size_t frames, size_t bytes_each) {
  const size_t given = std::min({frames, world_.room_, kFramesMax});
  MutableBytes free = memory_of(world_.kind_.rubbish);
  slots_.clear();
  for (size_t i = 0; i < given && bytes_each <= free.size(); ++i) {
    slots_.push_back({free.first(bytes_each), {}});
    free = free.subspan(bytes_each);
  }
  return slots_;
}

void FuzzWorld::Link::commit(std::span<const Filled> filled) {
  expect(filled.size() <= slots_.size(), "more was committed than reserved");
  for (size_t i = 0; i < filled.size(); ++i) {
    const MutableBytes slot = slots_[i].head;
    expect(filled[i].bytes <= slot.size(), "a frame is longer than its slot");
    const MutableBytes frame = slot.first(filled[i].bytes);
    world_.look_at(frame, filled[i].offload);
    std::memset(frame.data(), world_.kind_.rubbish, frame.size());
  }
  if (world_.room_ != ~size_t{0}) world_.room_ -= filled.size();
  slots_.clear();
}

FuzzWorld::FuzzWorld(const Config& config, const LinkLimits& limits, const RunKind& kind)
    : config_(config),
      limits_(limits),
      kind_(kind),
      log_(kind.digest),
      oracle_(config.limits),
      nat_(std::make_unique<Nat>(config, env())) {
  log_.now = instant_from_nanoseconds(1'000'000'000);
}

FuzzWorld::~FuzzWorld() { sockets.ending = true; }

uint64_t FuzzWorld::drops() const {
  uint64_t sum = 0;
  for (uint64_t n : nat_->counters().drops) sum += n;
  return sum;
}

void FuzzWorld::look_at(Bytes frame, const Offload& offload) {
  ++sent_;
  log_.digest.record(now(), DigestKind::kFrameSent, offload.gso_size, 0, frame);
  Packet packet;
  const auto parsed = parse(frame, offload, limits_.mtu, packet);
  if (!parsed && !Fragments::is_fragment(parsed.error())) {
    fail("a frame to the guest does not parse: " + std::string(name_of(parsed.error())));
  }
  if (!parsed) return;
  if (packet.ether_type != EtherType::kArp && packet.ip_header.protocol == IpProtocol::kTcp) {
    look_at_tcp(packet);
  }
  if (ear != nullptr) ear->hear(packet);
}

// What was received at offset n goes to the guest at sequence number first + n.
void FuzzWorld::look_at_tcp(const Packet& packet) {
  if (packet.source_port.number == kDnsPort) return;
  const auto found = std::find_if(opened_.begin(), opened_.end(), [&](const Opened& o) {
    return o.guest == packet.destination() && o.remote == packet.source();
  });
  if (packet.tcp.syn()) {
    const Opened opened{packet.destination(), packet.source(), packet.tcp.sequence + 1};
    if (found == opened_.end()) {
      opened_.push_back(opened);
    } else {
      *found = opened;
    }
    return;
  }
  if (packet.payload.empty()) return;
  expect(found != opened_.end(), "data on a connection that never opened");
  const uint32_t at = packet.tcp.sequence - found->first;
  for (size_t i = 0; i < packet.payload.size(); ++i) {
    expect(packet.payload[i] == stream_byte(at + i), "the guest was sent a byte not received");
  }
}

void FuzzWorld::check_accounts() {
  const Counters& counters = nat_->counters();
  expect(counters[Counter::kGuestFramesIn] == fed_, "not every frame that came in was counted");
  expect(counters[Counter::kGuestFramesOut] == sent_, "not every frame that went out was counted");
  expect(drops() == drops_traced_, "a drop was counted and not traced, or traced and not counted");
  oracle_.after_turn(*nat_);
  if (!oracle_.violations().empty()) fail(oracle_.violations().front());
}

void FuzzWorld::turn() {
  std::vector<GuestFrame> frames;
  for (const Frame& frame : frames_) frames.push_back({frame.bytes, frame.offload});
  fed_ += frames.size();
  const Instant at = now();
  if (!frames.empty()) nat_->handle_frames(at, frames);
  frames_.clear();
  for (size_t turns = 0;; ++turns) {
    while (!sockets.events.empty()) {
      const SocketEvent event = sockets.events.front();
      sockets.events.pop_front();
      nat_->handle_sockets(at, {&event, 1});
    }
    if (room_came_) nat_->handle_guest_writable(at);
    room_came_ = false;
    nat_->handle_timers(at);
    nat_->flush(at);
    const bool more = nat_->next_deadline() == at || !sockets.events.empty();
    if (!more) break;
    expect(turns < kTurnsWithoutTime, "work does not end");
  }
  check_accounts();
}

void FuzzWorld::turn_of_one(const Frame& frame) {
  Packet packet;
  const auto parsed = parse(frame.bytes, frame.offload, config_.topology.mtu, packet);
  const bool fragment = !parsed && Fragments::is_fragment(parsed.error());
  const uint64_t before = drops();
  const GuestFrame view{frame.bytes, frame.offload};
  nat_->handle_frames(now(), {&view, 1});
  ++fed_;
  const uint64_t dropped = drops() - before;
  // A fragment may wait for others, and may end those that waited.
  if (!fragment) expect(dropped <= 1, "a frame was dropped twice");
  if (!fragment && !parsed) expect(dropped == 1, "a malformed frame was not dropped");
  turn();
}

void FuzzWorld::advance(Duration by) {
  log_.now += by;
  turn();
}

void FuzzWorld::advance_to_deadline() {
  const auto next = nat_->next_deadline();
  if (next.has_value()) log_.now = std::max(log_.now, *next);
  turn();
}

void FuzzWorld::restore() {
  if (!kind_.restores) return;
  test::MemoryArchive saved;
  nat_->save(saved);
  sockets.handing_over = true;
  auto restored = Nat::restore(saved, config_, env());
  expect(restored.ok(), "what was saved could not be restored");
  expect(saved.read == saved.bytes.size(), "a restore read less than was saved");
  nat_ = std::move(*restored);
  sockets.handing_over = false;
  test::MemoryArchive again;
  nat_->save(again);
  expect(saved.bytes == again.bytes, "a restored Nat saves another state");
}

void FuzzWorld::adopt(Source& source) {
  sockets.adopts_anything = true;
  auto restored = Nat::restore(source, config_, env());
  if (!restored.ok()) return;
  nat_ = std::move(*restored);
  (void)nat_->dump(now());
  (void)nat_->flow_counts();
  test::MemoryArchive saved;
  nat_->save(saved);
  expect(Nat::restore(saved, config_, env()).ok(),
         "what was restored cannot be saved and restored");
  expect(nat_->audit().empty(), "a state was taken that no Nat can be in");
}

void FuzzWorld::make_room(size_t frames) {
  room_ = frames;
  room_came_ = frames != 0;
}

namespace {

Digest run(Bytes input, void (*program)(FuzzWorld& world, Input& input), const RunKind& kind) {
  Input left(input);
  const uint8_t bits = left.u8();
  const Config config = small_config(bits);
  FuzzWorld world(config, link_limits(bits, config), kind);
  program(world, left);
  return std::move(world.digest());
}

}  // namespace

void run_twice(Bytes input, void (*program)(FuzzWorld& world, Input& input)) {
  const auto first = [&](const DigestOptions& options) {
    return run(input, program, {true, 0x5a, options});
  };
  const auto second = [&](const DigestOptions& options) {
    return run(input, program, {false, 0xa5, options});
  };
  if (first(DigestOptions{}).value() == second(DigestOptions{}).value()) return;
  const auto difference = find_difference(first, second);
  fail("two runs of one input differ: " +
       (difference ? to_string(*difference) : std::string("but not again")));
}

}  // namespace dashi::fuzz

// What freed memory is held back from reuse is one input's, and few frames of a stack name the place: a
// Nat is made and destroyed for every run, and with ASan's defaults that was most of its time. The
// environment's ASAN_OPTIONS go before these.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:malloc_context_size=3";
}
