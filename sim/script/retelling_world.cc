// What of a world's configuration a script can say, and what it cannot.
#include <algorithm>

#include "sim/script/retelling.hh"

namespace dashi::script {
namespace {

constexpr uint32_t kIpv6More = 20;  // a script's MTU counts as if all packets were IPv4's
constexpr uint16_t kDnsPort = 53;
constexpr uint32_t kFirstPathStream = 1000;

std::string span_of(Duration time) {
  if (time.count() % 1000 != 0) return std::to_string(time.count()) + "ns";
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  if (us % 1'000'000 == 0) return std::to_string(us / 1'000'000) + "s";
  if (us % 1000 == 0) return std::to_string(us / 1000) + "ms";
  return std::to_string(us) + "us";
}

// The options that make `value` what it is, if it is not what a script has without them.
class Options {
 public:
  template <typename T>
  void number(const char* name, const T& value, const T& usual) {
    if (value != usual) add(name, std::to_string(value));
  }
  void time(const char* name, Duration value, Duration usual) {
    if (value != usual) add(name, span_of(value));
  }
  void add(const char* name, const std::string& value) {
    text_ += std::string("--") + name + "=" + value + "\n";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

bool Retelling::asks_gateway() const {
  return std::any_of(flows_.begin(), flows_.end(),
                     [](const auto& flow) { return flow.first.second.port.number == kDnsPort; });
}

std::string Retelling::options() const {
  const WorldConfig& world = world_.config();
  const TcpConfig& tcp = world.nat.tcp;
  const TcpConfig usual;
  const bool v6 = family_ == Family::kIpv6;
  Options options;
  options.add("ip_version", v6 ? "ipv6" : "ipv4");
  options.add("seed", std::to_string(world.seed));
  options.number("mtu", world.nat.topology.mtu - (v6 ? kIpv6More : 0), 1500u);
  if (!several()) {
    options.add("guest_port", std::to_string(flows_.begin()->first.first.port.number));
    if (!listeners_.empty()) {
      options.add("bind_port", std::to_string(listeners_.begin()->first.number));
    }
  }
  options.number("tcp_mss", tcp.mss, usual.mss);
  options.number("tcp_window", tcp.window, usual.window);
  options.number("tcp_window_scale", tcp.window_scale, usual.window_scale);
  options.number("tcp_initial_sequence_bits", tcp.initial_sequence_bits, 0u);
  options.number("tcp_initial_window", tcp.initial_window_segments, usual.initial_window_segments);
  options.number("tcp_sack", int{tcp.sack}, 1);
  options.number("tcp_timestamps", int{tcp.timestamps}, 1);
  options.number("tcp_cubic", int{tcp.congestion == TcpConfig::Congestion::kCubic}, 1);
  options.time("delayed_ack", tcp.delayed_ack, usual.delayed_ack);
  options.time("time_wait", tcp.time_wait, usual.time_wait);
  options.time("keep_alive_idle", tcp.keep_alive_idle, usual.keep_alive_idle);
  options.number("send_buffer", world.net.send_buffer, NetSpec{}.send_buffer);
  size_t receives = world.net.receive_buffer;
  for (const ServiceSpec& service : world.net.hosts[0].services) {
    if (listeners_.count(service.port) != 0 && service.app.receive_buffer != 0)
      receives = service.app.receive_buffer;
  }
  options.number("receive_buffer", receives, NetSpec{}.receive_buffer);
  const PathSpec& path = world.net.hosts[0].path;
  options.time("path_delay", path.delay, {});
  options.number("path_rate", path.rate_bps, uint64_t{0});
  options.number("path_hops", path.hops, PathSpec{}.hops);
  if (world.link.limits.checksum_offload) {
    options.add("link_gso", std::to_string(world.link.limits.gso_bytes_max));
  }
  // Of the net of the swarm's worlds one server answers and one is silent.
  for (const Endpoint& resolver : world.nat.dns.resolvers) {
    const std::vector<IpAddress>& near = world.net.hosts[0].addresses;
    const bool answers = std::find(near.begin(), near.end(), resolver.address) != near.end();
    if (asks_gateway()) options.add("resolver", answers ? "ok" : "silent");
  }
  const Limits& limits = world.nat.limits;
  options.number("limit_tcp_connections", limits.tcp_connections, 64u);
  options.number("limit_tcp_time_wait", limits.tcp_time_wait, 64u);
  options.number("limit_tcp_reassembly_gaps", limits.tcp_reassembly_gaps, 64u);
  if (limits.tcp_uplink_bytes_total < tcp.window) {
    options.add("limit_tcp_uplink_bytes_total", std::to_string(limits.tcp_uplink_bytes_total));
  }
  return options.text();
}

std::vector<std::string> Retelling::untold() const {
  std::vector<std::string> untold;
  const auto say = [&](bool is_so, const char* what) {
    if (is_so) untold.emplace_back(what);
  };
  const WorldConfig& world = world_.config();
  say(others_ != 0, "frames that are not TCP's");
  const auto of_other_family = [this](const auto& flow) {
    return flow.first.first.address.family() != family_;
  };
  say(std::any_of(flows_.begin(), flows_.end(), of_other_family),
      "that the guest has addresses of both families");
  say(elsewhere_, "a flow to another host");
  say(world.link.room_frames != 0, "the link's bounded room");
  say(world.draw_batches, "the order in which the NAT was told of what came at once");
  const auto answers_by_icmp = [this](const ServiceSpec& service) {
    const auto leads_there = [&](const auto& flow) {
      return flow.first.second.port == service.port;
    };
    return service.app.kind == AppKind::kUnreachable &&
           std::any_of(flows_.begin(), flows_.end(), leads_there);
  };
  const std::vector<ServiceSpec>& services = world.net.hosts[0].services;
  say(std::any_of(services.begin(), services.end(), answers_by_icmp), "a network that says no");
  const PathSpec& path = world.net.hosts[0].path;
  say(asks_gateway() && path.delay != Duration{}, "the way to the DNS servers");
  bool paths = false;
  bool pressure = false;
  for (const FaultDecision& decision : world.given_faults.value_or(std::vector<FaultDecision>{})) {
    paths = paths || (decision.stream >= kFirstPathStream &&
                      decision.stream < link_changes_of(SimLink::kUpStream));
    pressure = pressure || decision.stream == SimLink::kReserveStream;
  }
  say(paths, "faults of the path");
  say(pressure, "a guest that took no frames for a while");
  return untold;
}

}  // namespace dashi::script
