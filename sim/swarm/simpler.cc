#include "sim/swarm/simpler.hh"

#include <algorithm>

namespace dashi {

namespace {

using Way = Exchange::Way;

template <typename T>
bool set(T& field, const T& value) {
  if (field == value) return false;
  field = value;
  return true;
}

// --- Faults that are drawn ---

template <LinkSpec GuestLinkSpec::*Direction, Chance LinkFaults::*Fault>
bool never(Plan& plan) {
  return set((plan.config.link.*Direction).faults.*Fault, Chance::never());
}

template <Chance SocketFaults::*Fault>
bool never_of_calls(Plan& plan) {
  return set(plan.config.socket_faults.*Fault, Chance::never());
}

template <LinkSpec GuestLinkSpec::*Direction>
bool no_bursts(Plan& plan) {
  LinkFaults& faults = (plan.config.link.*Direction).faults;
  const bool had = !faults.bursts.good_to_bad.is_never();
  faults.bursts = GilbertElliott{};
  return had;
}

template <LinkSpec GuestLinkSpec::*Direction>
bool no_jitter(Plan& plan) {
  return set((plan.config.link.*Direction).faults.jitter, DurationRange{});
}

template <LinkSpec GuestLinkSpec::*Direction>
bool no_blackouts(Plan& plan) {
  std::vector<Blackout>& blackouts = (plan.config.link.*Direction).faults.blackouts;
  const bool had = !blackouts.empty();
  blackouts.clear();
  return had;
}

template <LinkSpec GuestLinkSpec::*Direction>
bool no_rate(Plan& plan) {
  LinkSpec& link = plan.config.link.*Direction;
  const bool changed = set(link.rate_bps, uint64_t{0});
  return set(link.queue_frames, uint32_t{0}) || changed;
}

template <LinkSpec GuestLinkSpec::*Direction>
bool no_delay(Plan& plan) {
  return set((plan.config.link.*Direction).delay, Duration{});
}

// --- The rest of the world ---

template <typename Change>
bool of_every_host(Plan& plan, const Change& change) {
  bool changed = false;
  for (HostSpec& host : plan.config.net.hosts) changed = change(host.path) || changed;
  return changed;
}

bool plain_paths(Plan& plan) {
  return of_every_host(plan, [](PathSpec& path) {
    const bool faulty = !path.faults.loss.is_never() || !path.faults.duplicate.is_never() ||
                        !path.faults.jitter.is_zero() || !path.faults.blackouts.empty();
    path.faults = LinkFaults{};
    const bool limited = set(path.rate_bps, uint64_t{0});
    return set(path.hops, uint8_t{1}) || limited || faulty;
  });
}

bool no_path_delay(Plan& plan) {
  return of_every_host(plan, [](PathSpec& path) { return set(path.delay, Duration{}); });
}

bool usual_mtu(Plan& plan) {
  constexpr uint32_t kUsual = 1500;
  plan.config.nat.topology.mtu = plan.config.guest.mtu = kUsual;
  return set(plan.config.link.limits.mtu, kUsual);
}

bool no_link_offload(Plan& plan) {
  plan.config.link.limits.gso_bytes_max = 0;
  return set(plan.config.link.limits.checksum_offload, false);
}

bool no_guest_offload(Plan& plan) {
  plan.config.guest.tcp.gso_bytes = 0;
  return set(plan.config.guest.checksum_offload, false);
}

bool all_over_ipv4(Plan& plan) {
  bool changed = false;
  for (Exchange& exchange : plan.exchanges) {
    changed = set(exchange.family, Family::kIpv4) || changed;
  }
  for (Errand& errand : plan.errands) changed = set(errand.family, Family::kIpv4) || changed;
  return changed;
}

bool no_ipv6(Plan& plan) {
  const auto is_v6 = [](const auto& one) { return one.family == Family::kIpv6; };
  if (plan.encore || std::any_of(plan.exchanges.begin(), plan.exchanges.end(), is_v6)) return false;
  if (std::any_of(plan.errands.begin(), plan.errands.end(), is_v6)) return false;
  plan.config.guest.ipv6 = false;
  return set(plan.config.nat.topology.ipv6, false);
}

bool one_host(Plan& plan) {
  bool changed = false;
  for (Exchange& exchange : plan.exchanges) changed = set(exchange.host, 1u) || changed;
  return changed;
}

bool called_by_the_guest(Plan& plan) {
  bool changed = false;
  for (Exchange& exchange : plan.exchanges) {
    if (exchange.way == Way::kIn) changed = set(exchange.way, Way::kOut) || changed;
  }
  return changed;
}

// Not the usual one: what follows the first flight follows sooner.
bool small_first_flight(Plan& plan) { return set(plan.config.nat.tcp.initial_window_segments, 2u); }

bool no_wraps(Plan& plan) {
  plan.config.guest.tcp.initial_sequence_bits = 0;
  return set(plan.config.nat.tcp.initial_sequence_bits, 0u);
}

// Where numbers have to wrap, few bytes do it.
bool early_wraps(Plan& plan) {
  constexpr uint32_t kSoon = ~0u << 8;
  if (plan.config.nat.tcp.initial_sequence_bits == 0) return false;
  plan.config.guest.tcp.initial_sequence_bits = kSoon;
  return set(plan.config.nat.tcp.initial_sequence_bits, kSoon);
}

bool no_udp_forwards(Plan& plan) {
  const bool had = !plan.config.forwards.empty();
  plan.config.forwards.clear();
  return had;
}

bool one_resolver(Plan& plan) {
  std::vector<Endpoint>& resolvers = plan.config.nat.dns.resolvers;
  if (resolvers.size() < 2) return false;
  resolvers.erase(resolvers.begin());
  return true;
}

bool usual_limits(Plan& plan) {
  const Limits usual = small_limits();
  Limits& limits = plan.config.nat.limits;
  const bool plain = limits.tcp_connections == usual.tcp_connections &&
                     limits.tcp_uplink_bytes_total == usual.tcp_uplink_bytes_total &&
                     limits.tcp_reassembly_gaps == usual.tcp_reassembly_gaps;
  limits = usual;
  return set(plan.config.net.open_files, NetSpec{}.open_files) || !plain;
}

// What an end does is no more than to read and to close in order.
template <AppSpec Exchange::*End>
bool only_reads(Plan& plan) {
  bool changed = false;
  for (Exchange& exchange : plan.exchanges) {
    AppSpec& app = exchange.*End;
    const bool dead = app.kind == AppKind::kRefuse || app.kind == AppKind::kUnreachable ||
                      app.kind == AppKind::kBlackhole;
    if (exchange.way == Way::kDns || dead || app.kind == AppKind::kSink) continue;
    app = AppSpec{};
    app.kind = AppKind::kSink;
    changed = true;
  }
  return changed;
}

// Who only reads waits for the other's end, which must then come by itself.
bool waits_for_ever(const Exchange& exchange) {
  const auto ends_it = [](AppKind kind) {
    return kind != AppKind::kSink && kind != AppKind::kEcho && kind != AppKind::kSlowReader &&
           kind != AppKind::kResetAfter;
  };
  return exchange.way != Way::kDns && !ends_it(exchange.guest.kind) && !ends_it(exchange.far.kind);
}
template <AppSpec Exchange::*End>
bool only_reads_if_the_other_ends(Plan& plan) {
  return only_reads<End>(plan) &&
         std::none_of(plan.exchanges.begin(), plan.exchanges.end(), waits_for_ever);
}

template <AppSpec Exchange::*End>
bool usual_receive_buffer(Plan& plan) {
  bool changed = false;
  for (Exchange& exchange : plan.exchanges) {
    changed = set((exchange.*End).receive_buffer, size_t{0}) || changed;
  }
  return changed;
}

constexpr auto kUp = &GuestLinkSpec::up;
constexpr auto kDown = &GuestLinkSpec::down;

constexpr SimplerStep kSteps[] = {
    [](Plan& p) { return set(p.encore, false); },
    [](Plan& p) { return set(p.config.static_addresses, true); },
    all_over_ipv4,
    no_ipv6,
    called_by_the_guest,
    one_host,
    plain_paths,
    no_path_delay,
    no_blackouts<kUp>,
    no_blackouts<kDown>,
    no_bursts<kUp>,
    no_bursts<kDown>,
    no_jitter<kUp>,
    no_jitter<kDown>,
    never<kUp, &LinkFaults::rate_change>,
    never<kDown, &LinkFaults::rate_change>,
    never<kUp, &LinkFaults::mtu_change>,
    never<kDown, &LinkFaults::mtu_change>,
    never<kUp, &LinkFaults::truncate>,
    never<kDown, &LinkFaults::truncate>,
    never<kUp, &LinkFaults::corrupt_bit>,
    never<kDown, &LinkFaults::corrupt_bit>,
    never<kUp, &LinkFaults::corrupt_header>,
    never<kDown, &LinkFaults::corrupt_header>,
    never<kUp, &LinkFaults::corrupt_checksum>,
    never<kDown, &LinkFaults::corrupt_checksum>,
    never<kUp, &LinkFaults::reorder_by_distance>,
    never<kDown, &LinkFaults::reorder_by_distance>,
    never<kUp, &LinkFaults::reorder_by_delay>,
    never<kDown, &LinkFaults::reorder_by_delay>,
    never<kUp, &LinkFaults::duplicate>,
    never<kDown, &LinkFaults::duplicate>,
    never<kUp, &LinkFaults::loss>,
    never<kDown, &LinkFaults::loss>,
    never_of_calls<&SocketFaults::short_write>,
    never_of_calls<&SocketFaults::would_block>,
    never_of_calls<&SocketFaults::reset>,
    never_of_calls<&SocketFaults::connect_late>,
    never_of_calls<&SocketFaults::connect_fails>,
    never_of_calls<&SocketFaults::too_many_sockets>,
    never_of_calls<&SocketFaults::no_buffers>,
    no_rate<kUp>,
    no_rate<kDown>,
    no_delay<kUp>,
    no_delay<kDown>,
    [](Plan& p) { return set(p.config.link.back_pressure, Chance::never()); },
    [](Plan& p) { return set(p.config.link.room_frames, 0u); },
    [](Plan& p) { return set(p.config.link.head_bytes, size_t{0}); },
    [](Plan& p) { return set(p.config.draw_batches, false); },
    [](Plan& p) { return set(p.config.turns_late, Duration{}); },
    no_wraps,
    early_wraps,
    no_link_offload,
    no_guest_offload,
    usual_mtu,
    [](Plan& p) { return set(p.config.guest.tcp.sack, false); },
    [](Plan& p) { return set(p.config.nat.tcp.sack, true); },
    [](Plan& p) { return set(p.config.guest.tcp.timestamps, false); },
    [](Plan& p) { return set(p.config.nat.tcp.timestamps, true); },
    [](Plan& p) { return set(p.config.guest.tcp.window_scale, std::optional<uint8_t>{}); },
    [](Plan& p) { return set(p.config.nat.tcp.window_scale, TcpConfig{}.window_scale); },
    [](Plan& p) { return set(p.config.guest.tcp.announce_mss, true); },
    [](Plan& p) { return set(p.config.guest.tcp.mss_v4, uint16_t{0}); },
    [](Plan& p) { return set(p.config.guest.tcp.mss_v6, uint16_t{0}); },
    [](Plan& p) { return set(p.config.nat.tcp.mss, uint16_t{0}); },
    [](Plan& p) { return set(p.config.guest.tcp.delayed_ack, true); },
    [](Plan& p) { return set(p.config.guest.tcp.receive_buffer, GuestTcpSpec{}.receive_buffer); },
    [](Plan& p) { return set(p.config.nat.tcp.congestion, TcpConfig{}.congestion); },
    small_first_flight,
    [](Plan& p) { return set(p.config.nat.tcp.window, TcpConfig{}.window); },
    [](Plan& p) { return set(p.config.nat.tcp.delayed_ack, TcpConfig{}.delayed_ack); },
    [](Plan& p) { return set(p.config.nat.tcp.time_wait, TcpConfig{}.time_wait); },
    [](Plan& p) { return set(p.config.nat.tcp.keep_alive_idle, Duration(5min)); },
    [](Plan& p) { return set(p.config.nat.udp.filter, UdpConfig{}.filter); },
    [](Plan& p) { return set(p.config.net.send_buffer, NetSpec{}.send_buffer); },
    [](Plan& p) { return set(p.config.net.receive_buffer, NetSpec{}.receive_buffer); },
    usual_receive_buffer<&Exchange::guest>,
    usual_receive_buffer<&Exchange::far>,
    usual_limits,
    no_udp_forwards,
    one_resolver,
    only_reads_if_the_other_ends<&Exchange::guest>,
    only_reads_if_the_other_ends<&Exchange::far>,
};

}  // namespace

std::span<const SimplerStep> simpler_steps() { return kSteps; }

Plan without_exchange(const Plan& plan, size_t index) {
  Plan rest = plan;
  rest.exchanges.erase(rest.exchanges.begin() + static_cast<std::ptrdiff_t>(index));
  const auto of_it = [index](const Errand& errand) {
    return errand.kind == Errand::Kind::kAbort && errand.number == index;
  };
  rest.errands.erase(std::remove_if(rest.errands.begin(), rest.errands.end(), of_it),
                     rest.errands.end());
  for (Errand& errand : rest.errands) {
    if (errand.kind == Errand::Kind::kAbort && errand.number > index) --errand.number;
  }
  return rest;
}

}  // namespace dashi
