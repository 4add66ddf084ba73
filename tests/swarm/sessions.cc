#include "tests/swarm/sessions.hh"

namespace dashi {

namespace {

AppSpec app(AppKind kind, uint64_t bytes) {
  AppSpec spec;
  spec.kind = kind;
  spec.bytes = bytes;
  return spec;
}

AppSpec slow_reader(uint64_t bytes, Duration interval, size_t buffer) {
  AppSpec spec = app(AppKind::kSlowReader, bytes);
  spec.interval = interval;
  spec.receive_buffer = buffer;
  return spec;
}

Plan plain(Family family) {
  Plan plan;
  plan.config.digests = false;
  plan.config.guest.ipv6 = family == Family::kIpv6;
  // Long enough for every FIN that comes again (RFC 9293 3.6.1).
  plan.config.guest.tcp.time_wait = 60s;
  // A damaged source address must not make the Nat take another guest for its own.
  plan.config.nat.topology.guest_mac = plan.config.guest.mac;
  plan.config.nat.tcp.keep_alive_idle = 5min;  // finds a peer whose RST was lost
  plan.config.nat.limits = small_limits();
  plan.config.link.up.delay = plan.config.link.down.delay = 1ms;
  plan.config.net = small_net();
  plan.bound = 15min;
  plan.settle = 30min;
  plan.whole = true;
  return plan;
}

Plan one(Family family, Exchange::Way way, const AppSpec& guest, const AppSpec& far) {
  Plan plan = plain(family);
  Exchange exchange;
  exchange.way = way;
  exchange.family = family;
  exchange.guest = guest;
  exchange.far = far;
  plan.exchanges.push_back(exchange);
  return plan;
}

// A window of a few segments each way, and readers slower than writers.
Plan zero_window(Family family, bool down) {
  const AppSpec slow = slow_reader(3000, 30ms, 4096);
  const AppSpec source = app(AppKind::kSource, 16'000);
  Plan plan = one(family, Exchange::Way::kOut, down ? slow : source, down ? source : slow);
  plan.config.guest.tcp.receive_buffer = 4096;
  plan.config.nat.tcp.window = 4096;
  plan.config.net.send_buffer = 4096;
  return plan;
}

// A guest with SACK and timestamps.
Plan modern(Family family, Exchange::Way way, const AppSpec& guest, const AppSpec& far) {
  Plan plan = one(family, way, guest, far);
  plan.config.guest.tcp.sack = true;
  plan.config.guest.tcp.timestamps = true;
  return plan;
}

}  // namespace

std::vector<Session> reference_sessions() {
  using enum Exchange::Way;
  using K = AppKind;
  std::vector<Session> sessions;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const std::string suffix = family == Family::kIpv4 ? "-v4" : "-v6";
    const auto add = [&](const char* name, Exchange::Way way, const AppSpec& guest,
                         const AppSpec& far) {
      sessions.push_back({name + suffix, one(family, way, guest, far)});
    };
    add("open-and-close", kOut, app(K::kAcceptAndClose, 0), app(K::kEcho, 0));
    add("bulk-down", kOut, app(K::kSink, 0), app(K::kSource, 20'000));
    add("bulk-up", kOut, app(K::kSource, 20'000), app(K::kSink, 0));
    add("bulk-both-ways", kOut, app(K::kSource, 15'000), app(K::kSource, 15'000));
    add("half-closed-by-guest", kOut, app(K::kEchoClient, 4000), app(K::kEcho, 0));
    add("half-closed-by-host", kOut, app(K::kSource, 20'000), app(K::kSource, 100));
    add("closed-at-once-by-host", kOut, app(K::kSink, 0), app(K::kAcceptAndClose, 0));
    add("aborted-by-guest", kOut, app(K::kResetAfter, 3000), app(K::kSource, 20'000));
    add("aborted-by-host", kOut, app(K::kSource, 20'000), app(K::kResetAfter, 3000));
    add("refused", kOut, app(K::kSink, 0), app(K::kRefuse, 0));
    add("unreachable", kOut, app(K::kSink, 0), app(K::kUnreachable, 0));
    add("forward-echo", kIn, app(K::kEcho, 0), app(K::kEchoClient, 6000));
    add("forward-both-ways", kIn, app(K::kSource, 12'000), app(K::kSource, 12'000));
    add("forward-aborted", kIn, app(K::kResetAfter, 3000), app(K::kSource, 12'000));
    add("dns-over-tcp", kDns, {}, {});
    sessions.push_back(
        {"sack-down" + suffix, modern(family, kOut, app(K::kSink, 0), app(K::kSource, 24'000))});
    sessions.push_back(
        {"sack-up" + suffix, modern(family, kOut, app(K::kSource, 20'000), app(K::kSink, 0))});
    sessions.push_back({"sack-forward" + suffix,
                        modern(family, kIn, app(K::kEcho, 0), app(K::kEchoClient, 6000))});
    sessions.push_back({"zero-window-down" + suffix, zero_window(family, true)});
    sessions.push_back({"zero-window-up" + suffix, zero_window(family, false)});
  }
  return sessions;
}

}  // namespace dashi
