#include "sim/swarm/performance.hh"

#include <algorithm>

#include "sim/swarm/junk.hh"

namespace dashi {

namespace {

constexpr Duration kConfiguring = 10min;  // at most: the guest asks again and again
constexpr size_t kMostReported = 20;
constexpr uint16_t kEchoPort = 7;  // on the first host: of the encore
constexpr uint64_t kEncoreBytes = 200;

LinkSpec perfect(const LinkSpec& link) {
  LinkSpec spec = link;
  spec.faults = LinkFaults{};
  return spec;
}

std::string bytes_of(uint64_t n, uint64_t of) {
  return std::to_string(n) + " of " + std::to_string(of) + " bytes";
}

// Whether an application of this kind ends its connections in order, whatever comes.
bool orderly(AppKind kind) {
  return kind != AppKind::kResetAfter && kind != AppKind::kRefuse && kind != AppKind::kBlackhole &&
         kind != AppKind::kUnreachable && kind != AppKind::kManual;
}

// Whether a host's end closes without reading: a guest that then says anything hears a RST.
bool closes_early(AppKind kind) {
  return kind == AppKind::kAcceptAndClose || kind == AppKind::kBanner;
}
bool is_silent(const AppSpec& app) {
  const bool writes = app.kind == AppKind::kSource || app.kind == AppKind::kEchoClient;
  return !writes || app.bytes == 0;
}

}  // namespace

Performance::Performance(const Plan& plan)
    : plan_(plan),
      world_(world_for(plan)),
      opened_(plan.exchanges.size()),
      aborted_(plan.exchanges.size()) {}

// --- Running ---

void Performance::open(size_t index) {
  const Exchange& exchange = plan_.exchanges[index];
  const bool v4 = exchange.family == Family::kIpv4;
  switch (exchange.way) {
    case Exchange::Way::kOut: {
      const IpAddress to = *world_.net().address_of(exchange.host, exchange.family);
      opened_[index] = world_.guest().connect({to, service_port(index)}, guest_app(plan_, index));
      return;
    }
    case Exchange::Way::kIn: {
      const IpAddress to = *world_.net().address_of(SimNet::kHereHost, exchange.family);
      opened_[index] =
          world_.apps().connect(exchange.host, {to, forwarded_port(index)}, far_app(plan_, index));
      return;
    }
    case Exchange::Way::kDns: {
      const Topology& topology = plan_.config.nat.topology;
      const IpAddress to = v4 ? IpAddress(topology.gateway_v4) : IpAddress(topology.gateway_v6());
      opened_[index] = world_.guest().connect({to, Port{53}}, guest_app(plan_, index));
      return;
    }
  }
}

void Performance::do_errand(const Errand& errand) {
  TcpGuest& guest = world_.guest();
  const IpAddress* host = world_.net().address_of(errand.host, errand.family);
  const std::vector<uint8_t> payload(errand.bytes, 0x5a);
  switch (errand.kind) {
    case Errand::Kind::kPing:
      guest.ping(*host, errand.bytes, static_cast<uint8_t>(errand.number));
      return;
    case Errand::Kind::kDatagram:
      guest.send_udp(Port{static_cast<uint16_t>(5000 + errand.number % 8)},
                     {*host, Port{static_cast<uint16_t>(errand.number)}}, payload, 64);
      return;
    case Errand::Kind::kResolve:
      guest.resolve(errand.number % 2 == 0 ? "server.example" : "nobody.example",
                    errand.family == Family::kIpv4 ? 1 : 28);
      return;
    case Errand::Kind::kDatagramIn:
      for (size_t i = 0; i < plan_.config.forwards.size(); ++i) {
        if (plan_.config.forwards[i].protocol != ForwardProtocol::kUdp) continue;
        const Endpoint to = world_.forwarded()[i];
        const IpAddress* from = world_.net().address_of(errand.host, to.address.family());
        world_.apps().send_datagram({*from, Port{static_cast<uint16_t>(errand.number)}}, to,
                                    payload);
      }
      return;
    case Errand::Kind::kAbort: {
      const bool ours = plan_.exchanges[errand.number].way != Exchange::Way::kIn;
      if (!ours || !opened_[errand.number].has_value()) return;
      aborted_[errand.number] = true;
      guest.tcp().abort(*opened_[errand.number]);
      return;
    }
    case Errand::Kind::kRestore:
      world_.save_restore_nat();
      return;
    case Errand::Kind::kJunk: {
      const std::vector<uint8_t> frame = junk_frame(plan_.config, errand.number);
      world_.link().send(GuestFrame{frame, Offload{}});
      return;
    }
  }
}

void Performance::schedule_all() {
  EventQueue& queue = world_.queue();
  const Instant begin = world_.now();
  waiting_ = plan_.exchanges.size() + plan_.errands.size();
  for (const Forward& forward : plan_.config.forwards) {
    if (forward.protocol == ForwardProtocol::kUdp) world_.guest().echo_udp_on(forward.guest_port);
  }
  for (size_t i = 0; i < plan_.exchanges.size(); ++i) {
    if (plan_.exchanges[i].way == Exchange::Way::kIn) {
      world_.guest().tcp().listen(guest_port(i), guest_app(plan_, i));
    }
    queue.schedule(begin + plan_.exchanges[i].after, [this, i] {
      --waiting_;
      open(i);
    });
  }
  for (size_t i = 0; i < plan_.errands.size(); ++i) {
    queue.schedule(begin + plan_.errands[i].after, [this, i] {
      --waiting_;
      do_errand(plan_.errands[i]);
    });
  }
}

void Performance::end_faults() {
  if (plan_.faults_end != Duration{}) world_.faults().end();
  world_.link().set_specs(perfect(plan_.config.link.up), perfect(plan_.config.link.down));
  world_.link().set_back_pressure(Chance::never());
  world_.sockets().faults().set_spec(SocketFaults{});
  for (uint32_t host = 1; host <= plan_.config.net.hosts.size(); ++host) {
    PathSpec path = plan_.config.net.hosts[host - 1].path;
    path.faults = LinkFaults{};
    world_.net().set_path(host, path);
  }
}

bool Performance::all_over() {
  if (waiting_ != 0 || !world_.guest().tcp().all_over()) return false;
  for (uint32_t app = 0; app < world_.apps().count(); ++app) {
    const AppRecord& record = world_.apps().record(app);
    if (record.active && !record.closed) return false;
  }
  return true;
}

void Performance::note_frames() {
  const auto note = [this](uint32_t stream, uint64_t offered) {
    uint64_t noted = 0;
    for (const FrameName& frame : frames_) noted += frame.stream == stream ? 1 : 0;
    for (; noted < offered; ++noted) frames_.push_back({stream, noted});
  };
  note(SimLink::kUpStream, world_.link().up().counts().offered);
  note(SimLink::kDownStream, world_.link().down().counts().offered);
}

// Looks now and then, not after every event: nobody minds a few more. What broke is over at once: what
// would follow only hides what came before it.
bool Performance::run_until_over(Instant limit) {
  constexpr int kEventsBetweenLooks = 32;
  EventQueue& queue = world_.queue();
  for (;;) {
    for (int i = 0; i < kEventsBetweenLooks; ++i) {
      const auto next = queue.next_time();
      if (!next.has_value() || *next > limit) return all_over();
      queue.run_one();
      if (notes_frames_) note_frames();
      if (!world_.oracle().violations().empty()) return true;
    }
    if (all_over()) return true;
  }
}

std::vector<std::string> Performance::run_noting_frames() {
  notes_frames_ = true;
  return run();
}

std::vector<std::string> Performance::run() {
  world_.configure(kConfiguring);
  began_ = world_.now();
  schedule_all();
  world_.queue().schedule_after(plan_.faults_end, [this] { end_faults(); });
  const bool over = run_until_over(world_.now() + plan_.faults_end + plan_.bound);
  over_at_ = world_.now();
  frames_until_over_ = world_.link().up().counts().offered + world_.link().down().counts().offered;
  if (!over) {
    report("not over in time:\n" + world_.nat().dump(world_.now()));
  } else if (world_.oracle().violations().empty()) {
    for (const std::string& leak : world_.leaks(plan_.settle)) report(leak);
    for (size_t i = 0; i < plan_.exchanges.size(); ++i) judge(i);
    if (plan_.encore) encore();
  }
  for (const std::string& violation : world_.violations()) report(violation);
  if (broken_.size() > kMostReported) broken_.resize(kMostReported);
  return broken_;
}

// --- Judging ---

Performance::Ends Performance::ends_of(size_t index) {
  Ends ends;
  const Exchange& exchange = plan_.exchanges[index];
  const GuestTcp& guest = world_.guest().tcp();
  if (exchange.way != Exchange::Way::kIn) {
    ends.guest = &guest.record(*opened_[index]);
  } else {
    for (uint32_t flow = 0; flow < guest.count(); ++flow) {
      const GuestFlowRecord& record = guest.record(flow);
      const bool ours = !record.active && record.local.port == guest_port(index);
      if (ours && ends.guest == nullptr) ends.guest = &record;
    }
  }
  if (exchange.way == Exchange::Way::kDns) return ends;
  for (uint32_t app = 0; app < world_.apps().count(); ++app) {
    const AppRecord& record = world_.apps().record(app);
    if (record.spec.pattern == index + 1) ends.far.push_back(&record);
  }
  return ends;
}

void Performance::judge_guest_end(size_t index, const Ends& ends) {
  const std::string name = "connection " + std::to_string(index) + ": ";
  const GuestFlowRecord& guest = *ends.guest;
  const bool dns = plan_.exchanges[index].way == Exchange::Way::kDns;
  const bool aborts = aborted_[index] || guest.app.kind == AppKind::kResetAfter;
  // Without a router it found no way out: every advertisement of ours was lost until later.
  const bool stranded =
      guest.remote.address.is_v6() && world_.guest().router_since() > guest.opened;
  if (guest.timed_out && !stranded) report(name + "the guest gave it up");
  if (!guest.eof && !guest.reset && !guest.icmp && !guest.timed_out && !aborts) {
    report(name + "it ended without a word to the guest");
  }
  if (dns && guest.eof && guest.received == 0) report(name + "the gateway answered nothing");
  if (dns || !guest.eof) return;
  uint64_t most = 0;
  for (const AppRecord* far : ends.far) {
    if (!far->finished) continue;
    if (far->sent == guest.received) return;
    most = std::max(most, far->sent);
  }
  report(name + "the guest was told of the end after " + bytes_of(guest.received, most));
}

void Performance::judge_far_end(size_t index, const Ends& ends, const AppRecord& far) {
  const std::string name = "connection " + std::to_string(index) + ": ";
  if (!far.closed) report(name + "the host's end was never told of an end");
  if (!far.eof) return;
  if (ends.guest == nullptr || !ends.guest->finished) {
    report(name + "the host was told of an end that nobody made");
  } else if (far.received != ends.guest->sent) {
    report(name + "the host was told of the end after " + bytes_of(far.received, ends.guest->sent));
  }
}

bool Performance::must_come_through(size_t index) const {
  const Exchange& exchange = plan_.exchanges[index];
  const AppSpec guest = guest_app(plan_, index);
  if (!plan_.whole || aborted_[index] || !orderly(guest.kind)) return false;
  if (exchange.way == Exchange::Way::kDns) return true;
  return orderly(exchange.far.kind) && (!closes_early(exchange.far.kind) || is_silent(guest));
}

// The header of IPv6 has no checksum: a hop limit may be damaged so that a SYN goes no further.
bool Performance::damaged_hop_limit(size_t index, const Ends& ends) const {
  constexpr uint8_t kTimeExceeded = 3;  // of ICMPv6
  return plan_.exchanges[index].family == Family::kIpv6 &&
         world_.faults_may_damage(SimLink::kUpStream) && ends.guest != nullptr &&
         ends.guest->icmp && ends.guest->icmp_type == kTimeExceeded;
}

void Performance::judge(size_t index) {
  const Ends ends = ends_of(index);
  if (ends.guest != nullptr) judge_guest_end(index, ends);
  for (const AppRecord* far : ends.far) judge_far_end(index, ends, *far);
  if (!must_come_through(index) || damaged_hop_limit(index, ends)) return;
  const Exchange& exchange = plan_.exchanges[index];
  const auto came = [&](const AppRecord* far) {
    return far->closed && !far->reset && (closes_early(exchange.far.kind) || far->eof);
  };
  const bool far_came =
      exchange.way == Exchange::Way::kDns || std::any_of(ends.far.begin(), ends.far.end(), came);
  if (!far_came || ends.guest == nullptr || !ends.guest->eof || ends.guest->reset) {
    report("connection " + std::to_string(index) +
           ": nothing broke it, and it did not come through");
  }
}

// All is over and nothing is left: what is opened now, one after the other, must work.
void Performance::encore() {
  TcpGuest& guest = world_.guest();
  AppSpec app;
  app.kind = AppKind::kEchoClient;
  app.bytes = kEncoreBytes;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const IpAddress to = *world_.net().address_of(1, family);
    const uint32_t flow = guest.connect({to, Port{kEchoPort}}, app);
    run_until_over(world_.now() + plan_.bound);
    const GuestFlowRecord& record = guest.tcp().record(flow);
    if (!record.over() || !record.eof || record.received != kEncoreBytes) {
      report("a connection after all others did not come through");
    }
    const uint32_t ping = guest.ping(to, 56, 64);
    world_.run_for(1s);
    if (!guest.pings()[ping].answered.has_value()) report("a ping after all was not answered");
    world_.run_for(2 * plan_.config.nat.echo.timeout);  // there may be room for one id alone
  }
}

}  // namespace dashi
