#include "tests/swarm/small_world.hh"

#include <algorithm>
#include <cstring>

#include "core/wire/describe.hh"
#include "sim/pattern.hh"
#include "sim/swarm/plan.hh"

namespace dashi {

namespace {

constexpr uint64_t kPattern = 1;
constexpr Port kServicePort{1000};
constexpr Port kForwardedPort{2000};
constexpr Port kGuestPort{3000};
constexpr uint32_t kServer = 1;    // the first host of small_net()
constexpr Duration kLongest = 2h;  // until all is over: a keep-alive finds who went silently
constexpr uint32_t kMostSteps = 20'000;
constexpr uint32_t kMostIdleTimers = 10'000;

using Kind = SmallEvent::Kind;
using Frames = std::vector<std::vector<uint8_t>>;

AppSpec app_of(AppKind kind, AppKind other) {
  AppSpec app;
  app.kind = kind;
  app.bytes = SmallWorld::kBytes;
  app.pattern = kPattern;
  app.checks_pattern = other == AppKind::kSource || other == AppKind::kManual;
  return app;
}

// No table is larger than one connection needs, and what an old SYN may open beside it: a world is made
// for every step.
Limits tiny_limits() {
  Limits limits = small_limits();
  limits.tcp_connections = limits.tcp_connects_pending = limits.tcp_accepts_pending = 4;
  limits.tcp_time_wait = limits.tcp_failures_remembered = 4;
  limits.tcp_forwards = limits.udp_forwards = 1;
  limits.udp_endpoints = limits.udp_contacts = limits.echo_ids = 1;
  limits.dns_queries = limits.dns_tcp_connections = limits.dns_records = 1;
  limits.reassemblies = 1;
  return limits;
}

Config config_of() {
  Config config;
  config.topology.ipv6 = false;
  config.topology.guest_mac = GuestSpec{}.mac;
  config.limits = tiny_limits();
  config.tcp.keep_alive_idle = 5min;
  return config;
}

NetSpec net_of(const SmallSession& session) {
  NetSpec net = small_net();
  net.hosts.resize(kServer);
  net.hosts[0].services.clear();
  net.hosts[0].path.delay = Duration{};
  net.dns_table.clear();
  ServiceSpec service;
  service.port = kServicePort;
  service.app = app_of(session.far, session.guest);
  net.hosts[0].services.push_back(service);
  return net;
}

GuestSpec guest_of(const Config& config) {
  GuestSpec guest;
  guest.v4 = Ipv4Prefix{config.topology.guest_v4, config.topology.subnet.length};
  guest.gateway_v4 = config.topology.gateway_v4;
  guest.dns_v4 = config.topology.gateway_v4;
  guest.ipv6 = false;
  guest.tcp.time_wait = 60s;
  return guest;
}

std::vector<uint8_t> bytes_to_write() {
  std::vector<uint8_t> bytes(SmallWorld::kBytes);
  fill_pattern(kPattern, 0, bytes);
  return bytes;
}

void put_u64(std::vector<uint8_t>& into, uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) into.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

class BytesSink final : public Sink {
 public:
  explicit BytesSink(std::vector<uint8_t>& to) : to_(to) {}
  void put(Bytes bytes) override { to_.insert(to_.end(), bytes.begin(), bytes.end()); }

 private:
  std::vector<uint8_t>& to_;
};

// A number for each frame that has no equal before it.
void offer(const Frames& frames, Kind deliver, Kind drop, std::vector<SmallEvent>& into) {
  for (size_t i = 0; i < frames.size(); ++i) {
    if (std::find(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(i), frames[i]) !=
        frames.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;
    }
    into.push_back({deliver, static_cast<uint8_t>(i)});
    into.push_back({drop, static_cast<uint8_t>(i)});
  }
}

std::vector<uint8_t> take_out(Frames& frames, size_t index) {
  std::vector<uint8_t> frame = std::move(frames[index]);
  frames.erase(frames.begin() + static_cast<std::ptrdiff_t>(index));
  return frame;
}

}  // namespace

// --- The wire ---

std::span<const FrameSlot> SmallWorld::Wire::reserve(size_t frames, size_t bytes_each) {
  reserved_.assign(frames, std::vector<uint8_t>(bytes_each));
  slots_.clear();
  for (std::vector<uint8_t>& frame : reserved_) slots_.push_back(FrameSlot{frame, {}});
  return slots_;
}

void SmallWorld::Wire::commit(std::span<const Filled> filled) {
  for (size_t i = 0; i < filled.size(); ++i) {
    reserved_[i].resize(filled[i].bytes);
    down.push_back(std::move(reserved_[i]));
    ++sent;
  }
  reserved_.clear();
}

// --- Made, and brought to where the choosing begins ---

SmallWorld::SmallWorld(const SmallSession& session)
    : session_(session),
      config_(config_of()),
      net_(host_clock_, net_of(session), 1, nullptr),
      sockets_(net_, SocketFaults{}, 1, nullptr),
      apps_(net_),
      wire_(config_.topology.mtu),
      ears_(config_.limits),
      guest_(clock_, guest_of(config_), 1,
             [this](const GuestFrame& frame) {
               wire_.up.emplace_back(frame.bytes.begin(), frame.bytes.end());
               ++wire_.sent;
             }),
      told_guest_(DigestOptions{}),
      told_host_(DigestOptions{}) {
  net_.attach(sockets_, apps_);
  sockets_.set_observer([this](const ObservedCall& call) {
    ++calls_;
    told_host_.record(Instant{}, DigestKind::kSocketCall,
                      static_cast<uint64_t>(call.call) << 8 | static_cast<uint64_t>(call.ok),
                      call.value, call.bytes);
  });
  nat_ = std::make_unique<Nat>(config_, Env{wire_, sockets_, luck_, ears_});
  prepare();
}

// Both ends know each other's addresses, and what is to be open is open.
void SmallWorld::prepare() {
  if (session_.forwarded) {
    const Endpoint here{*net_.address_of(SimNet::kHereHost, Family::kIpv4), kForwardedPort};
    const auto listening =
        nat_->add_forward(clock_.now(), Forward{ForwardProtocol::kTcp, here, kGuestPort, {}});
    DASHI_CHECK(listening.ok());
    guest_.tcp().listen(kGuestPort, app_of(session_.guest, session_.far));
  }
  guest_.start();
  guest_.ping(IpAddress(config_.topology.gateway_v4), 8, 64);
  while (!wire_.up.empty() || !wire_.down.empty()) quiet_step();
  if (session_.open) {
    open();
    while (!wire_.up.empty() || !wire_.down.empty() || !host_clock_.empty()) quiet_step();
  } else {
    open();
  }
  for (const SmallMove what : session_.moves) move(what);
}

void SmallWorld::open() {
  if (session_.forwarded) {
    const Endpoint here{*net_.address_of(SimNet::kHereHost, Family::kIpv4), kForwardedPort};
    apps_.connect(kServer, here, app_of(session_.far, session_.guest));
  } else {
    const Endpoint server{*net_.address_of(kServer, Family::kIpv4), kServicePort};
    guest_.connect(server, app_of(session_.guest, session_.far));
  }
}

void SmallWorld::move(SmallMove what) {
  switch (what) {
    case SmallMove::kGuestWrites:
      guest_.tcp().write(0, bytes_to_write());
      return;
    case SmallMove::kGuestFinishes:
      guest_.tcp().finish(0);
      return;
    case SmallMove::kGuestAborts:
      aborted_ = true;
      guest_.tcp().abort(0);
      return;
    case SmallMove::kHostWrites:
      apps_.write_manually(0, bytes_to_write());
      return;
    case SmallMove::kHostFinishes:
      apps_.finish(0);
      return;
    case SmallMove::kHostAborts:
      aborted_ = true;
      apps_.abort(0);
      return;
    case SmallMove::kResult:
      hear_result();
      return;
  }
}

// --- What may come next ---

std::optional<Instant> SmallWorld::next_timer() const {
  std::optional<Instant> next = clock_.next_time();
  const std::optional<Instant> nat = nat_->next_deadline();
  if (nat.has_value() && *nat != kNever && (!next.has_value() || *nat < *next)) next = nat;
  return next;
}

std::vector<SmallEvent> SmallWorld::next() const {
  std::vector<SmallEvent> events;
  offer(wire_.up, Kind::kDeliverUp, Kind::kDropUp, events);
  offer(wire_.down, Kind::kDeliverDown, Kind::kDropDown, events);
  if (!host_clock_.empty() || sockets_.has_events()) events.push_back({Kind::kResult, 0});
  if (next_timer().has_value()) events.push_back({Kind::kTimer, 0});
  return events;
}

void SmallWorld::take(const SmallEvent& event) {
  switch (event.kind) {
    case Kind::kDeliverUp:
      deliver_up(event.frame);
      break;
    case Kind::kDeliverDown:
      deliver_down(event.frame);
      break;
    case Kind::kDropUp:
      take_out(wire_.up, event.frame);
      break;
    case Kind::kDropDown:
      take_out(wire_.down, event.frame);
      break;
    case Kind::kResult:
      hear_result();
      break;
    case Kind::kTimer:
      ++timers_taken_;
      fire_timer();
      break;
  }
  answer_ends();
}

// A turn of the one loop, and more while the Nat has work left.
void SmallWorld::turn(std::span<const GuestFrame> frames, std::span<const SocketEvent> events) {
  const Instant now = clock_.now();
  nat_->handle_frames(now, frames);
  nat_->handle_sockets(now, events);
  for (int turns = 0; turns < 100; ++turns) {
    nat_->handle_timers(now);
    nat_->flush(now);
    ears_.oracle.after_turn(*nat_);
    const std::optional<Instant> deadline = nat_->next_deadline();
    if (!deadline.has_value() || *deadline > now) return;
  }
  broken_.push_back("turn after turn in one instant");
}

void SmallWorld::deliver_up(size_t index) {
  const std::vector<uint8_t> frame = take_out(wire_.up, index);
  const GuestFrame arrived{frame, Offload{}};
  turn({&arrived, 1}, {});
}

void SmallWorld::deliver_down(size_t index) {
  const std::vector<uint8_t> frame = take_out(wire_.down, index);
  told_guest_.record(clock_.now(), DigestKind::kFrameDown, 0, 0, frame);
  guest_.receive(GuestFrame{frame, Offload{}});
}

// The host's net goes on until it has something to say.
void SmallWorld::hear_result() {
  told_host_.record(Instant{}, DigestKind::kSocketEvent, 0, 0, Bytes{});
  while (!sockets_.has_events() && host_clock_.run_one()) {
  }
  std::vector<SocketEvent> events;
  sockets_.take_events(events, ~size_t{0});
  if (!events.empty()) turn({}, events);
}

uint64_t SmallWorld::doings() const {
  uint64_t states = 0;
  for (uint32_t flow = 0; flow < guest_.tcp().count(); ++flow) {
    states += static_cast<uint64_t>(guest_.tcp().record(flow).state);
  }
  return (wire_.sent + ears_.fired + calls_) * 64 + states;
}

// Timers that find nothing to do, as one whose deadline was moved, are passed over.
void SmallWorld::fire_timer() {
  const uint64_t before = doings();
  for (uint32_t idle = 0; idle < kMostIdleTimers && doings() == before; ++idle) {
    const std::optional<Instant> at = next_timer();
    if (!at.has_value()) return;
    const bool guests = clock_.next_time() == at;
    if (guests) {
      clock_.run_one();
    } else {
      clock_.run_until(*at);
      turn({}, {});
    }
  }
}

Hash128 SmallWorld::state() const {
  std::vector<uint8_t> bytes;
  bytes.reserve(size_t{8} << 10);
  BytesSink sink(bytes);
  nat_->save(sink);
  put_u64(bytes, static_cast<uint64_t>(nanoseconds(clock_.now())));
  put_u64(bytes, luck_.drawn);
  for (const Digest* digest : {&told_guest_, &told_host_}) {
    const Hash128 value = digest->value();
    put_u64(bytes, value.high);
    put_u64(bytes, value.low);
  }
  for (const Frames* frames : {&wire_.up, &wire_.down}) {
    Frames sorted = *frames;
    std::sort(sorted.begin(), sorted.end());
    put_u64(bytes, sorted.size());
    for (const std::vector<uint8_t>& frame : sorted) {
      put_u64(bytes, frame.size());
      bytes.insert(bytes.end(), frame.begin(), frame.end());
    }
  }
  Digest digest(DigestOptions{});
  digest.record(Instant{}, DigestKind::kApplication, 0, 0, bytes);
  return digest.value();
}

// --- To the end ---

bool SmallWorld::quiet_step() {
  if (!wire_.up.empty()) {
    deliver_up(0);
  } else if (!wire_.down.empty()) {
    deliver_down(0);
  } else if (!host_clock_.empty() || sockets_.has_events()) {
    hear_result();
  } else if (next_timer().has_value()) {
    fire_timer();
  } else {
    return false;
  }
  answer_ends();
  return true;
}

// Who moves by hand ends what the other end has ended.
void SmallWorld::answer_ends() {
  for (uint32_t flow = 0; flow < guest_.tcp().count(); ++flow) {
    const GuestFlowRecord& record = guest_.tcp().record(flow);
    if (record.eof && !record.finished) guest_.tcp().finish(flow);
  }
  for (uint32_t app = 0; app < apps_.count(); ++app) {
    const AppRecord& record = apps_.record(app);
    if (record.eof && !record.finished) apps_.finish(app);
    if (record.eof && record.finished) apps_.close(app);
  }
}

bool SmallWorld::over() const {
  const FlowCounts counts = nat_->flow_counts();
  if (counts.tcp + counts.tcp_time_wait != 0 || !guest_.tcp().all_over()) return false;
  for (uint32_t app = 0; app < apps_.count(); ++app) {
    if (!apps_.record(app).closed) return false;
  }
  return wire_.up.empty() && wire_.down.empty() && host_clock_.empty() && !sockets_.has_events();
}

bool SmallWorld::end_quietly() {
  const Instant latest = clock_.now() + kLongest;
  for (uint32_t steps = 0; !over(); ++steps) {
    if (steps > kMostSteps || clock_.now() > latest || !quiet_step()) return false;
  }
  return true;
}

// --- Judged ---

void SmallWorld::judge_guest(const GuestFlowRecord& guest, std::vector<std::string>& found) const {
  if (guest.timed_out) found.push_back("the guest gave it up");
  if (!guest.eof && !guest.reset && !guest.icmp && !guest.timed_out && !aborted_) {
    found.push_back("it ended without a word to the guest");
  }
  if (!guest.eof) return;
  for (uint32_t app = 0; app < apps_.count(); ++app) {
    const AppRecord& far = apps_.record(app);
    if (far.finished && far.sent == guest.received) return;
  }
  found.push_back("the guest was told of the end after " + std::to_string(guest.received) +
                  " bytes");
}

void SmallWorld::judge_far(const AppRecord& far, std::vector<std::string>& found) const {
  if (!far.eof) return;
  for (uint32_t flow = 0; flow < guest_.tcp().count(); ++flow) {
    const GuestFlowRecord& guest = guest_.tcp().record(flow);
    if (guest.finished && guest.sent == far.received) return;
  }
  found.push_back("the host was told of the end after " + std::to_string(far.received) + " bytes");
}

void SmallWorld::judge_left(std::vector<std::string>& found) const {
  const FlowCounts counts = nat_->flow_counts();
  const auto expect = [&found](const char* what, uint64_t count, uint64_t due) {
    if (count != due) found.push_back(std::string(what) + ": " + std::to_string(count));
  };
  expect("TCP flows left", counts.tcp, 0);
  expect("TIME-WAIT records left", counts.tcp_time_wait, 0);
  expect("sockets left", sockets_.open_sockets(), session_.forwarded ? 1 : 0);
  expect("frames left", wire_.up.size() + wire_.down.size(), 0);
}

bool SmallWorld::must_come_through() const {
  const AppKind far = session_.far;
  const bool answers =
      far != AppKind::kRefuse && far != AppKind::kUnreachable && far != AppKind::kBlackhole;
  const bool may_give_up = !session_.open && timers_taken_ > config_.tcp.syn_retries;
  return answers && !aborted_ && !may_give_up;
}

void SmallWorld::judge_whole(std::vector<std::string>& found) const {
  const GuestTcp& guest = guest_.tcp();
  const bool guest_came =
      guest.count() != 0 && guest.record(0).eof && !guest.record(0).reset && !guest.record(0).icmp;
  bool far_came = false;
  for (uint32_t app = 0; app < apps_.count(); ++app) {
    far_came |= apps_.record(app).eof && !apps_.record(app).reset;
  }
  if (!guest_came || !far_came) found.push_back("nothing broke it, and it did not come through");
}

std::vector<std::string> SmallWorld::broken() const {
  const bool ended = over();
  std::vector<std::string> found = broken_;
  for (const std::string& violation : ears_.oracle.violations()) found.push_back(violation);
  if (sockets_.counts().closed_over_unread != 0) found.push_back("closed over unread bytes");
  for (uint32_t app = 0; app < apps_.count(); ++app) {
    const AppRecord& far = apps_.record(app);
    if (far.wrong_at.has_value()) found.push_back("a server got a wrong byte");
    if (ended) judge_far(far, found);
    if (ended && !far.closed) found.push_back("the host's end was never told of an end");
  }
  for (uint32_t flow = 0; flow < guest_.tcp().count(); ++flow) {
    const GuestFlowRecord& guest = guest_.tcp().record(flow);
    const bool wrong = guest.wrong_at.has_value() ||
                       first_unlike(kPattern, 0, guest_.tcp().received_by(flow)).has_value();
    if (wrong) found.push_back("the guest got a wrong byte");
    if (guest.beyond_window != 0) found.push_back("a segment beyond the window");
    if (ended) judge_guest(guest, found);
  }
  if (ended) judge_left(found);
  if (ended && must_come_through()) judge_whole(found);
  return found;
}

std::string SmallWorld::describe(const SmallEvent& event) const {
  switch (event.kind) {
    case Kind::kDeliverUp:
      return "deliver  " + dashi::describe(wire_.up[event.frame], Offload{});
    case Kind::kDeliverDown:
      return "deliver  " + dashi::describe(wire_.down[event.frame], Offload{});
    case Kind::kDropUp:
      return "drop     " + dashi::describe(wire_.up[event.frame], Offload{});
    case Kind::kDropDown:
      return "drop     " + dashi::describe(wire_.down[event.frame], Offload{});
    case Kind::kResult:
      return "the next result of a socket";
    case Kind::kTimer:
      return "the next timer";
  }
  return {};
}

}  // namespace dashi
