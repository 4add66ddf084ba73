#include "sim/swarm/draw.hh"

namespace dashi {

namespace {

using K = AppKind;

// Never, or up to `most_ppm`.
Chance maybe(Prng& prng, uint32_t most_ppm) {
  if (prng.below(2) == 0) return Chance::never();
  return Chance::ppm(static_cast<uint32_t>(prng.below(most_ppm + 1)));
}

Duration up_to(Prng& prng, Duration most) { return prng.duration({Duration{}, most}); }
bool one_in(Prng& prng, uint64_t n) { return prng.below(n) == 0; }
uint32_t between32(Prng& prng, uint32_t least, uint32_t most) {
  return static_cast<uint32_t>(prng.between(least, most));
}
// Small more often than large: any number of bits is as likely as any other.
uint64_t some_bytes(Prng& prng, unsigned bits) {
  return prng.below(uint64_t{1} << prng.between(0, bits));
}

void draw_direction(Prng& prng, Duration faults_end, LinkSpec& link) {
  if (one_in(prng, 2)) link.rate_bps = 1'000'000 * prng.between(1, 200);
  if (one_in(prng, 2)) link.delay = up_to(prng, 30ms);
  if (one_in(prng, 3)) link.queue_frames = between32(prng, 20, 200);
  LinkFaults& faults = link.faults;
  faults.loss = maybe(prng, 100'000);
  if (one_in(prng, 3)) {
    faults.bursts = {Chance::ppm(20'000), Chance::percent(30), Chance::never(),
                     Chance::percent(70)};
  }
  faults.duplicate = maybe(prng, 50'000);
  faults.reorder_by_delay = maybe(prng, 50'000);
  faults.reorder_delay = {100us, 40ms};
  faults.reorder_by_distance = maybe(prng, 50'000);
  if (one_in(prng, 3)) faults.jitter = {0us, up_to(prng, 5ms)};
  faults.corrupt_bit = maybe(prng, 20'000);
  faults.corrupt_header = maybe(prng, 10'000);
  faults.corrupt_checksum = maybe(prng, 10'000);
  faults.truncate = maybe(prng, 10'000);
  if (one_in(prng, 5)) {
    faults.blackouts = {{Instant(up_to(prng, faults_end)), up_to(prng, 20s)}};
  }
  if (one_in(prng, 5)) {
    faults.rate_change = maybe(prng, 20'000);
    faults.rate_most = 50'000'000;
    faults.mtu_change = Chance::percent(10);  // often enough for it to come back
  }
}

void draw_link(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-link", 0);
  GuestLinkSpec& link = plan.config.link;
  if (one_in(prng, 2)) {
    link.limits.checksum_offload = true;
    link.limits.gso_bytes_max = one_in(prng, 2) ? 65'535 : between32(prng, 4000, 65'535);
  }
  plan.config.guest.checksum_offload = one_in(prng, 2);
  if (plan.config.guest.checksum_offload) {
    plan.config.guest.tcp.gso_bytes = between32(prng, 3000, 60'000);
  }
  const uint32_t mtu =
      one_in(prng, 2) ? 1500 : between32(prng, 1280, one_in(prng, 3) ? 9000 : 1500);
  link.limits.mtu = plan.config.nat.topology.mtu = plan.config.guest.mtu = mtu;
  if (prng.below(5) != 0) {
    draw_direction(prng, plan.faults_end, link.up);
    draw_direction(prng, plan.faults_end, link.down);
  }
  if (one_in(prng, 3)) link.room_frames = between32(prng, 1, 32);
  if (one_in(prng, 3)) link.back_pressure = maybe(prng, 100'000);
  if (one_in(prng, 3)) link.head_bytes = 128;
  plan.config.draw_batches = one_in(prng, 2);
  if (one_in(prng, 3)) plan.config.turns_late = up_to(prng, 10ms);
}

void draw_sockets(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-sockets", 0);
  SocketFaults& faults = plan.config.socket_faults;
  faults.short_write = maybe(prng, 500'000);
  faults.would_block = maybe(prng, 300'000);
  faults.connect_late = maybe(prng, 300'000);
  if (!one_in(prng, 3)) return;
  plan.whole = false;
  faults.reset = maybe(prng, 10'000);
  faults.connect_fails = maybe(prng, 200'000);
  constexpr SocketError kErrors[] = {SocketError::kRefused,
                                     SocketError::kTimedOut,
                                     SocketError::kHostUnreachable,
                                     SocketError::kAccessDenied,
                                     SocketError::kAddressNotAvailable,
                                     SocketError::kTtlExceeded,
                                     SocketError::kNetworkUnreachable,
                                     SocketError::kOther};
  faults.connect_error = kErrors[prng.below(std::size(kErrors))];
  faults.too_many_sockets = maybe(prng, 50'000);
  faults.no_buffers = maybe(prng, 50'000);
}

void draw_guest(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-guest", 0);
  GuestSpec& guest = plan.config.guest;
  guest.tcp.receive_buffer = 1u << prng.between(10, 19);
  guest.tcp.window_scale = static_cast<uint8_t>(prng.between(0, 9));
  if (one_in(prng, 4)) guest.tcp.window_scale.reset();
  guest.tcp.announce_mss = !one_in(prng, 4);
  if (one_in(prng, 4)) {
    guest.tcp.mss_v4 = guest.tcp.mss_v6 = static_cast<uint16_t>(prng.between(100, 1200));
  }
  guest.tcp.delayed_ack = one_in(prng, 2);
  guest.tcp.time_wait = 60s;
  plan.config.static_addresses = !one_in(prng, 4) ||
                                 !plan.config.link.up.faults.blackouts.empty() ||
                                 !plan.config.link.down.faults.blackouts.empty();
}

void draw_tcp_options(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-tcp-options", 0);
  GuestTcpSpec& guest = plan.config.guest.tcp;
  guest.sack = !one_in(prng, 3);
  guest.timestamps = one_in(prng, 2);
  TcpConfig& nat = plan.config.nat.tcp;
  nat.sack = !one_in(prng, 6);
  nat.timestamps = !one_in(prng, 6);
  if (one_in(prng, 3)) nat.congestion = TcpConfig::Congestion::kNewReno;
  if (one_in(prng, 3)) {  // all numbers wrap soon
    guest.initial_sequence_bits = nat.initial_sequence_bits = ~0u << prng.between(8, 14);
  }
}

void draw_nat(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-nat", 0);
  Config& nat = plan.config.nat;
  // A damaged source address must not make the Nat take another guest for its own.
  nat.topology.guest_mac = plan.config.guest.mac;
  nat.tcp.keep_alive_idle = prng.duration({1min, 5min});
  nat.tcp.window_scale = static_cast<uint8_t>(prng.between(0, 9));
  nat.tcp.window = 1u << prng.between(11, 20);
  if (one_in(prng, 4)) nat.tcp.mss = static_cast<uint16_t>(prng.between(200, 1400));
  nat.tcp.initial_window_segments = between32(prng, 1, 10);
  if (one_in(prng, 3)) nat.tcp.delayed_ack = up_to(prng, 200ms);
  nat.tcp.time_wait = prng.duration({30s, 60s});
  nat.limits = small_limits();
  nat.limits.tcp_reassembly_gaps = between32(prng, 1, 64);
  if (one_in(prng, 3)) nat.limits.tcp_uplink_bytes_total = size_t{1} << prng.between(14, 18);
  nat.udp.filter = static_cast<UdpFilter>(prng.below(3));
  nat.dns.tcp_idle = 5min;  // longer than the link's worst
  nat.dns.resolvers = {{Ipv4Address{{203, 0, 113, 10}}, Port{53}}};
  if (one_in(prng, 3)) {
    nat.dns.resolvers.insert(nat.dns.resolvers.begin(), {Ipv4Address{{203, 0, 113, 40}}, Port{53}});
  }
  if (!one_in(prng, 4)) return;
  plan.whole = false;
  nat.limits.tcp_connections = between32(prng, 2, 12);
  nat.limits.tcp_connects_pending = between32(prng, 1, 6);
  nat.limits.tcp_accepts_pending = between32(prng, 1, 4);
  nat.limits.tcp_time_wait = between32(prng, 1, 4);
  nat.limits.tcp_failures_remembered = between32(prng, 1, 4);
  nat.limits.udp_endpoints = between32(prng, 1, 4);
  nat.limits.echo_ids = between32(prng, 1, 2);
  nat.limits.dns_queries = between32(prng, 1, 3);
  nat.limits.dns_tcp_connections = 1;
  if (one_in(prng, 4)) plan.config.net.open_files = between32(prng, 20, 40);
}

void draw_net(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-net", 0);
  NetSpec& net = plan.config.net;
  net.send_buffer = size_t{1} << prng.between(11, 18);
  net.receive_buffer = size_t{1} << prng.between(11, 18);
  net.connect_timeout = 20s;
  for (HostSpec& host : net.hosts) {
    if (one_in(prng, 2)) host.path.delay = up_to(prng, 100ms);
    if (one_in(prng, 2)) host.path.rate_bps = 1'000'000 * prng.between(1, 500);
    if (one_in(prng, 4)) host.path.hops = static_cast<uint8_t>(prng.between(1, 20));
    host.path.faults.loss = host.path.faults.duplicate = maybe(prng, 30'000);
    host.path.faults.jitter = {0us, up_to(prng, 3ms)};
  }
  if (!one_in(prng, 8)) return;
  plan.whole = false;
  net.hosts[0].path.faults.blackouts = {
      {Instant(up_to(prng, plan.faults_end)), up_to(prng, plan.faults_end)}};
}

// What one end does, of a kind.
AppSpec app(Prng& prng, AppKind kind, unsigned bits) {
  AppSpec spec;
  spec.kind = kind;
  spec.bytes = some_bytes(prng, bits);
  if (kind == K::kSlowReader) {
    spec.bytes = prng.between(100, 4000);
    spec.interval = 1ms + up_to(prng, 100ms);
    if (one_in(prng, 4)) {  // long enough for the window to be probed
      spec.bytes = prng.between(1000, 4000);
      spec.interval = prng.duration({500ms, 5s});
    }
    if (one_in(prng, 2)) spec.receive_buffer = size_t{1} << prng.between(10, 14);
  }
  if (kind == K::kBanner) spec.text = std::string(static_cast<size_t>(prng.between(1, 300)), 'b');
  if (kind == K::kUnreachable) {
    spec.failure.icmp_code = static_cast<uint8_t>(prng.below(2));
    if (one_in(prng, 3)) {
      spec.failure.icmp_code = 13;
      spec.failure.error = SocketError::kAccessDenied;
    }
  }
  return spec;
}

// What the guest does, and what the other end does: only pairs that come to an end by themselves.
struct Pair {
  AppKind guest;
  AppKind far;
};
constexpr Pair kPairs[] = {{K::kSource, K::kSink},
                           {K::kSource, K::kSink},
                           {K::kSink, K::kSource},
                           {K::kSink, K::kSource},
                           {K::kSource, K::kSource},
                           {K::kSource, K::kSource},
                           {K::kEchoClient, K::kEcho},
                           {K::kEcho, K::kEchoClient},
                           {K::kSlowReader, K::kSource},
                           {K::kSource, K::kSlowReader},
                           {K::kSink, K::kAcceptAndClose},
                           {K::kAcceptAndClose, K::kEcho},
                           {K::kAcceptAndClose, K::kSource},
                           {K::kSource, K::kAcceptAndClose},
                           {K::kResetAfter, K::kSource},
                           {K::kSource, K::kResetAfter},
                           {K::kSink, K::kBanner},
                           {K::kSource, K::kBanner},
                           {K::kBanner, K::kSink}};
constexpr AppKind kDead[] = {K::kRefuse, K::kUnreachable, K::kBlackhole};

Exchange draw_exchange(Prng& prng, unsigned bits, Duration span) {
  Exchange exchange;
  const uint64_t way = prng.below(10);
  exchange.way = way < 7 ? Exchange::Way::kOut : way < 9 ? Exchange::Way::kIn : Exchange::Way::kDns;
  exchange.family = one_in(prng, 2) ? Family::kIpv4 : Family::kIpv6;
  exchange.host = between32(prng, 1, 3);
  exchange.after = up_to(prng, span);
  const Pair pair = kPairs[prng.below(std::size(kPairs))];
  exchange.guest = app(prng, pair.guest, bits);
  exchange.far = app(prng, pair.far, bits);
  if (exchange.way == Exchange::Way::kOut && one_in(prng, 10)) {
    exchange.guest = app(prng, K::kSource, bits);
    exchange.far = app(prng, kDead[prng.below(std::size(kDead))], bits);
  }
  return exchange;
}

Errand draw_errand(Prng& prng, size_t exchanges, Duration span) {
  Errand errand;
  errand.family = one_in(prng, 2) ? Family::kIpv4 : Family::kIpv6;
  errand.host = between32(prng, 1, 5);
  errand.after = up_to(prng, span);
  errand.kind =
      static_cast<Errand::Kind>(prng.below(static_cast<uint64_t>(Errand::Kind::kJunk) + 1));
  errand.bytes = static_cast<uint32_t>(some_bytes(prng, 10));
  switch (errand.kind) {
    case Errand::Kind::kPing:
      errand.number = between32(prng, 1, 64);
      break;
    case Errand::Kind::kDatagram: {
      constexpr uint32_t kPorts[] = {4, 7, 9, 19, 53};
      errand.number = kPorts[prng.below(std::size(kPorts))];
      if (one_in(prng, 8)) errand.bytes = 3000;  // in fragments from the host
      break;
    }
    case Errand::Kind::kAbort:
      errand.number = static_cast<uint32_t>(prng.below(exchanges));
      break;
    default:
      errand.number = between32(prng, 1024, 65'000);
      break;
  }
  return errand;
}

void draw_traffic(uint64_t seed, SwarmSize size, Plan& plan) {
  Prng prng(seed, "swarm-traffic", 0);
  const bool tiny = size == SwarmSize::kTiny;
  const uint64_t exchanges = tiny ? prng.between(1, 3) : prng.between(2, 24);
  const uint64_t errands = tiny ? prng.below(3) : prng.below(12);
  const unsigned bits = tiny ? 11 : one_in(prng, 8) ? 16 : 13;
  const Duration span = one_in(prng, 4) ? plan.faults_end : Duration(500ms);
  uint32_t dns = 0;
  for (uint64_t i = 0; i < exchanges; ++i) {
    Exchange exchange = draw_exchange(prng, bits, span);
    const bool enough = exchange.way == Exchange::Way::kDns && ++dns > 4;
    if (!enough) plan.exchanges.push_back(exchange);
  }
  for (uint64_t i = 0; i < errands && !plan.exchanges.empty(); ++i) {
    plan.errands.push_back(draw_errand(prng, plan.exchanges.size(), span));
  }
  if (one_in(prng, 3)) {
    Forward forward;
    forward.protocol = ForwardProtocol::kUdp;
    forward.host = {*plan.config.net.here.addresses.begin(), Port{5353}};
    forward.guest_port = Port{80};
    plan.config.forwards.push_back(forward);
  }
}

// A guest that gives up and calls again at once: the next takes the place of the last in every table.
void draw_redials(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-redials", 0);
  if (!one_in(prng, 2)) return;
  const size_t first_calls = plan.exchanges.size();
  for (size_t i = 0; i < first_calls; ++i) {
    if (plan.exchanges[i].way != Exchange::Way::kOut || !one_in(prng, 3)) continue;
    Errand abort;
    abort.kind = Errand::Kind::kAbort;
    abort.number = static_cast<uint32_t>(i);
    abort.after = plan.exchanges[i].after + up_to(prng, one_in(prng, 2) ? 300ms : 30ms);
    Exchange again = plan.exchanges[i];
    again.after = abort.after + 1ns;
    plan.errands.push_back(abort);
    plan.exchanges.push_back(again);
  }
}

// Hosts that read slowly what more than fills a small window: it closes and opens again and again.
void draw_small_windows(uint64_t seed, Plan& plan) {
  Prng prng(seed, "swarm-small-windows", 0);
  if (!one_in(prng, 4)) return;
  plan.config.nat.tcp.window = 1u << prng.between(11, 13);
  for (Exchange& exchange : plan.exchanges) {
    const bool upload = exchange.guest.kind == K::kSource && exchange.far.kind == K::kSink;
    if (!upload || !one_in(prng, 2)) continue;
    exchange.guest.bytes = prng.between(4000, 30'000);
    exchange.far = app(prng, K::kSlowReader, 0);
    exchange.far.bytes = prng.between(500, 4000);
  }
}

}  // namespace

Plan draw_plan(uint64_t seed, SwarmSize size) {
  Plan plan;
  plan.config.seed = seed;
  plan.config.digests = false;
  plan.config.net = small_net();
  plan.whole = true;
  plan.encore = size == SwarmSize::kDefault;
  Prng prng(seed, "swarm-times", 0);
  plan.faults_end = prng.duration({500ms, 20s});
  plan.bound = 25min;
  plan.settle = 30min;
  draw_link(seed, plan);
  draw_sockets(seed, plan);
  draw_guest(seed, plan);
  draw_nat(seed, plan);
  draw_tcp_options(seed, plan);
  draw_net(seed, plan);
  draw_traffic(seed, size, plan);
  if (size == SwarmSize::kDefault) draw_small_windows(seed, plan);
  draw_redials(seed, plan);
  return plan;
}

}  // namespace dashi
