#include <optional>

#include "sim/pattern.hh"
#include "sim/world.hh"
#include "tests/guests/guest_run.hh"

namespace dashi::guests {
namespace {

constexpr uint64_t kUpPattern = 1;
constexpr uint64_t kDownPattern = 2;
constexpr Port kServerPort{7777};
constexpr Port kForwardedPort{8080};
constexpr Port kGuestPort{80};
constexpr uint32_t kServerHost = 1;
constexpr Duration kOnTheWay = 5ms;
constexpr Duration kSettle = 10min;  // longer than any timer

WorldConfig config_of(const Plan& plan, Chance loss) {
  WorldConfig config;
  config.link.up.delay = config.link.down.delay = kOnTheWay;
  config.link.up.faults.loss = config.link.down.faults.loss = loss;
  for (HostSpec& host : config.net.hosts) host.path.delay = kOnTheWay;
  if (plan.guest_calls) return config;
  for (const IpAddress& address : config.net.here.addresses) {
    if (address.family() != plan.family) continue;
    Forward forward;
    forward.protocol = ForwardProtocol::kTcp;
    forward.host = {address, kForwardedPort};
    forward.guest_port = kGuestPort;
    config.forwards.push_back(forward);
  }
  return config;
}

AppSpec guest_app(const EndPlan& plan) {
  AppSpec app;
  app.kind = plan.late ? AppKind::kSlowReader : AppKind::kManual;
  app.bytes = uint64_t{1} << 30;
  app.interval = kLate;
  app.pattern = kDownPattern;
  app.checks_pattern = plan.late;
  return app;
}

std::vector<uint8_t> pattern(uint64_t which, uint64_t bytes) {
  std::vector<uint8_t> made(static_cast<size_t>(bytes));
  fill_pattern(which, 0, made);
  return made;
}

// The scripted guest and an in-memory server, both moved by hand after every event.
class NativeRun {
 public:
  NativeRun(const Plan& plan, Chance loss) : plan_(plan), world_(config_of(plan, loss)) {}

  Seen run() {
    DASHI_CHECK(world_.configure(2min));
    world_.guest().ping(world_.config().nat.topology.gateway_v6(), 8, 64);
    world_.run_for(1s);  // the Nat knows the guest's addresses
    begin();
    world_.run_until_done([this] { return move(); }, kLimit);
    Seen seen;
    seen.held = held_;
    seen.troubles = world_.violations();
    for (std::string& leak : world_.leaks(kSettle)) seen.troubles.push_back(std::move(leak));
    move();
    seen.guest = guest_seen();
    seen.server = server_seen();
    return seen;
  }

 private:
  void begin() {
    world_.apps().open_paused(plan_.server.late);
    if (plan_.guest_calls) {
      const Endpoint server{world_.address("server", plan_.family), kServerPort};
      if (!plan_.refused) world_.apps().listen_manually(server);
      listens_at_ = server;
      flow_ = world_.guest().connect(server, guest_app(plan_.guest));
    } else {
      if (!plan_.refused) world_.guest().tcp().listen(kGuestPort, guest_app(plan_.guest));
      AppSpec manual;
      manual.kind = AppKind::kManual;
      app_ = world_.apps().connect(kServerHost, world_.forwarded()[0], manual);
    }
  }

  // Does what either end can do now; true when both are at their end.
  bool move() {
    if (!flow_ && world_.guest().tcp().count() > 0) flow_ = 0;
    if (!app_) app_ = world_.apps().next_accepted(listens_at_);
    const bool guest_over = !flow_ ? plan_.refused && server_over() : move_guest();
    const bool server_over_now = !app_ ? plan_.refused && guest_over : move_server();
    if (flow_ && app_ && (plan_.guest.late || plan_.server.late)) watch_the_late();
    return guest_over && server_over_now;
  }

  bool move_guest() {
    GuestTcp& tcp = world_.guest().tcp();
    const GuestFlowRecord& flow = tcp.record(*flow_);
    if (flow.over() || !flow.connected) return flow.over();
    const EndPlan& plan = plan_.guest;
    if (plan.aborts_at != 0 && flow.received >= plan.aborts_at) {
      guest_aborted_ = true;
      tcp.abort(*flow_);
      return true;
    }
    if (!guest_sent_ && (!plan.answers || flow.eof)) {
      guest_sent_ = true;
      tcp.write(*flow_, pattern(kUpPattern, plan.sends));
    }
    if (!flow.finished && guest_sent_ && (plan.finishes || flow.eof)) tcp.finish(*flow_);
    return flow.over();
  }

  bool server_over() const {
    if (!app_) return false;
    const AppRecord& app = world_.apps().record(*app_);
    return app.closed || app.reset || app.failed;
  }

  bool move_server() {
    SimApps& apps = world_.apps();
    const AppRecord& app = apps.record(*app_);
    if (server_over() || !app.connected) return server_over();
    const EndPlan& plan = plan_.server;
    if (plan.aborts_at != 0 && app.received >= plan.aborts_at) {
      server_aborted_ = true;
      apps.abort(*app_);
      return true;
    }
    if (!server_sent_ && (!plan.answers || app.eof)) {
      server_sent_ = true;
      apps.write_manually(*app_, pattern(kDownPattern, plan.sends));
    }
    if (!app.finished && server_sent_ && (plan.finishes || app.eof)) apps.finish(*app_);
    if (app.eof && app.finished) apps.close(*app_);
    return server_over();
  }

  // Shortly before the late reader reads, has everything got through to it already?
  void watch_the_late() {
    if (watching_) return;
    watching_ = true;
    world_.queue().schedule_after(kLate * 9 / 10, [this] {
      const Counters& counters = world_.nat().counters();
      held_ = plan_.guest.late ? counters[Counter::kTcpBytesDown] < plan_.server.sends
                               : counters[Counter::kTcpBytesUp] < plan_.guest.sends;
    });
    if (plan_.server.late) {
      world_.queue().schedule_after(kLate, [this] { world_.apps().pause_reading(*app_, false); });
    }
  }

  EndSeen guest_seen() const {
    EndSeen seen;
    seen.end = "none";
    if (!flow_) return seen;
    const GuestTcp& tcp = world_.guest().tcp();
    const GuestFlowRecord& flow = tcp.record(*flow_);
    seen.received = flow.received;
    seen.right = plan_.guest.late ? !flow.wrong_at.has_value()
                                  : !first_unlike(kDownPattern, 0, tcp.received_by(*flow_));
    seen.end = guest_aborted_   ? "aborted"
               : flow.refused   ? "refused"
               : flow.reset     ? "reset"
               : flow.timed_out ? "timed-out"
               : flow.eof       ? "eof"
                                : "open";
    return seen;
  }

  EndSeen server_seen() const {
    EndSeen seen;
    seen.end = "none";
    if (!app_) return seen;
    const AppRecord& app = world_.apps().record(*app_);
    seen.received = app.received;
    seen.right = !first_unlike(kUpPattern, 0, world_.apps().received_by(*app_));
    seen.end = server_aborted_ ? "aborted"
               : app.failed    ? "refused"
               : app.reset     ? "reset"
               : app.eof       ? "eof"
                               : "open";
    return seen;
  }

  Plan plan_;
  mutable World world_;
  Endpoint listens_at_;
  std::optional<uint32_t> flow_;  // of the guest's TCP
  std::optional<uint32_t> app_;   // the server's end
  bool guest_sent_ = false;
  bool server_sent_ = false;
  bool guest_aborted_ = false;
  bool server_aborted_ = false;
  bool watching_ = false;
  bool held_ = false;
};

}  // namespace

Seen run_native(const Plan& plan, Chance loss) { return NativeRun(plan, loss).run(); }

}  // namespace dashi::guests
