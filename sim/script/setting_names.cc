#include "sim/script/setting_names.hh"

#include <charconv>

namespace dashi::script {
namespace {

std::optional<uint64_t> number(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// 100ms, 20us, 5s
std::optional<Duration> duration(const std::string& text) {
  const size_t unit = text.find_first_not_of("0123456789");
  if (unit == std::string::npos) return std::nullopt;
  const std::optional<uint64_t> value = number(text.substr(0, unit));
  if (!value || *value > 1'000'000'000) return std::nullopt;
  const auto n = static_cast<int64_t>(*value);
  const std::string name = text.substr(unit);
  if (name == "s") return Duration(n * 1'000'000'000);
  if (name == "ms") return Duration(n * 1'000'000);
  if (name == "us") return Duration(n * 1'000);
  if (name == "ns") return Duration(n);
  return std::nullopt;
}

struct LimitName {
  const char* name;
  uint32_t Limits::*limit;
};
constexpr LimitName kLimits[] = {{"limit_tcp_connections", &Limits::tcp_connections},
                                 {"limit_tcp_connects_pending", &Limits::tcp_connects_pending},
                                 {"limit_tcp_accepts_pending", &Limits::tcp_accepts_pending},
                                 {"limit_tcp_time_wait", &Limits::tcp_time_wait},
                                 {"limit_tcp_reassembly_gaps", &Limits::tcp_reassembly_gaps},
                                 {"limit_udp_endpoints", &Limits::udp_endpoints},
                                 {"limit_echo_ids", &Limits::echo_ids},
                                 {"limit_guest_addresses_v6", &Limits::guest_addresses_v6},
                                 {"limit_reassemblies", &Limits::reassemblies},
                                 {"limit_dns_queries", &Limits::dns_queries},
                                 {"limit_dns_tcp_connections", &Limits::dns_tcp_connections}};

struct TimeName {
  const char* name;
  Duration& (*of)(WorldConfig&);
};
constexpr TimeName kTimes[] = {
    {"udp_timeout", [](WorldConfig& world) -> Duration& { return world.nat.udp.timeout; }},
    {"udp_dns_timeout", [](WorldConfig& world) -> Duration& { return world.nat.udp.dns_timeout; }},
    {"echo_timeout", [](WorldConfig& world) -> Duration& { return world.nat.echo.timeout; }},
    {"dns_try_timeout", [](WorldConfig& world) -> Duration& { return world.nat.dns.try_timeout; }},
    {"dns_tcp_idle", [](WorldConfig& world) -> Duration& { return world.nat.dns.tcp_idle; }},
    {"dhcp_lease", [](WorldConfig& world) -> Duration& { return world.nat.gateway.dhcp_lease; }},
    {"ra_interval", [](WorldConfig& world) -> Duration& { return world.nat.gateway.ra_interval; }},
    {"time_wait", [](WorldConfig& world) -> Duration& { return world.nat.tcp.time_wait; }},
    {"fin_wait_2", [](WorldConfig& world) -> Duration& { return world.nat.tcp.fin_wait_2; }},
    {"linger", [](WorldConfig& world) -> Duration& { return world.nat.tcp.linger; }},
    {"half_open", [](WorldConfig& world) -> Duration& { return world.nat.tcp.half_open; }},
    {"connect_timeout",
     [](WorldConfig& world) -> Duration& { return world.nat.tcp.connect_timeout; }},
    {"delayed_ack", [](WorldConfig& world) -> Duration& { return world.nat.tcp.delayed_ack; }},
    {"keep_alive_idle",
     [](WorldConfig& world) -> Duration& { return world.nat.tcp.keep_alive_idle; }}};

struct TcpNumber {
  const char* name;
  uint64_t most;
  void (*set)(TcpConfig&, uint64_t);
};
constexpr TcpNumber kTcpNumbers[] = {
    {"tcp_window", 1u << 30,
     [](TcpConfig& tcp, uint64_t n) { tcp.window = static_cast<uint32_t>(n); }},
    {"tcp_initial_sequence_bits", UINT32_MAX,
     [](TcpConfig& tcp, uint64_t n) { tcp.initial_sequence_bits = static_cast<uint32_t>(n); }},
    {"tcp_window_scale", kWindowScaleMax,
     [](TcpConfig& tcp, uint64_t n) { tcp.window_scale = static_cast<uint8_t>(n); }},
    {"tcp_mss", UINT16_MAX, [](TcpConfig& tcp, uint64_t n) { tcp.mss = static_cast<uint16_t>(n); }},
    {"tcp_initial_window", 1000,
     [](TcpConfig& tcp, uint64_t n) { tcp.initial_window_segments = static_cast<uint32_t>(n); }},
    {"tcp_sack", 1, [](TcpConfig& tcp, uint64_t n) { tcp.sack = n != 0; }},
    {"tcp_timestamps", 1, [](TcpConfig& tcp, uint64_t n) { tcp.timestamps = n != 0; }},
    {"tcp_cubic", 1, [](TcpConfig& tcp, uint64_t n) {
       tcp.congestion = n != 0 ? TcpConfig::Congestion::kCubic : TcpConfig::Congestion::kNewReno;
     }}};

struct SizeName {
  const char* name;
  size_t& (*of)(WorldConfig&);
};
constexpr SizeName kSizes[] = {
    {"send_buffer", [](WorldConfig& world) -> size_t& { return world.net.send_buffer; }},
    {"receive_buffer", [](WorldConfig& world) -> size_t& { return world.net.receive_buffer; }},
    {"limit_tcp_uplink_bytes_total",
     [](WorldConfig& world) -> size_t& { return world.nat.limits.tcp_uplink_bytes_total; }},
    {"limit_tcp_uplink_bytes_each",
     [](WorldConfig& world) -> size_t& { return world.nat.limits.tcp_uplink_bytes_each; }}};

bool add_resolver(const std::string& how, WorldConfig& world) {
  constexpr std::pair<const char*, DnsFault> kHows[] = {
      {"ok", DnsFault::kNone},           {"silent", DnsFault::kSilent},
      {"slow", DnsFault::kSlow},         {"truncated", DnsFault::kTruncated},
      {"wrong_id", DnsFault::kWrongId},  {"wrong_question", DnsFault::kWrongQuestion},
      {"servfail", DnsFault::kServfail}, {"refusing", DnsFault::kNone}};
  for (const auto& [name, fault] : kHows) {
    if (how != name) continue;
    const auto count = static_cast<uint8_t>(world.nat.dns.resolvers.size());
    HostSpec host;
    host.name = "resolver" + std::to_string(count);
    host.addresses = {Ipv4Address{{203, 0, 113, static_cast<uint8_t>(53 + count)}}};
    for (const Transport transport : {Transport::kUdp, Transport::kTcp}) {
      ServiceSpec service;
      service.transport = transport;
      service.port = Port{53};
      service.app.kind = how == "refusing" ? AppKind::kRefuse : AppKind::kDns;
      service.app.dns_fault = fault;
      service.app.interval = 1s;
      host.services.push_back(service);
    }
    world.nat.dns.resolvers.push_back({host.addresses[0], Port{53}});
    world.net.hosts.push_back(host);
    return true;
  }
  return false;
}

bool set_filter(const std::string& how, UdpFilter& filter) {
  if (how == "endpoint")
    filter = UdpFilter::kEndpointIndependent;
  else if (how == "address")
    filter = UdpFilter::kAddressDependent;
  else if (how == "port")
    filter = UdpFilter::kAddressAndPortDependent;
  else
    return false;
  return true;
}

std::optional<bool> apply_word(const OptionLine& option, WorldConfig& world) {
  const std::string& value = option.value;
  if (option.name == "resolver") return add_resolver(value, world);
  if (option.name == "udp_filter") return set_filter(value, world.nat.udp.filter);
  if (option.name == "domain") return world.nat.gateway.domain = value, !value.empty();
  if (option.name == "hostname") return world.nat.gateway.hostname = value, !value.empty();
  if (option.name == "search") return world.nat.gateway.search.push_back(value), !value.empty();
  if (option.name == "host_loopback") {
    world.nat.policy.host_loopback = true;
    if (value == "all") return true;
    const std::optional<Port> port = parse_port(value);
    if (port) world.nat.policy.loopback_ports.push_back({*port, *port});
    return port.has_value();
  }
  if (option.name == "dns_server") {
    const std::optional<IpAddress> address = parse_ip(value);
    if (!address) return false;
    if (address->is_v4())
      world.nat.gateway.dns_v4.push_back(address->v4());
    else
      world.nat.gateway.dns_v6.push_back(address->v6());
    return true;
  }
  return std::nullopt;
}

}  // namespace

std::optional<bool> apply_named(const OptionLine& option, Setting& setting) {
  WorldConfig& world = setting.world;
  const std::optional<uint64_t> value = number(option.value);
  for (const LimitName& limit : kLimits) {
    if (option.name != limit.name) continue;
    world.nat.limits.*limit.limit = static_cast<uint32_t>(value.value_or(0));
    return value.has_value() && *value <= 1u << 20;
  }
  for (const TimeName& time : kTimes) {
    if (option.name != time.name) continue;
    const std::optional<Duration> span = duration(option.value);
    time.of(world) = span.value_or(Duration{});
    return span.has_value();
  }
  for (const SizeName& size : kSizes) {
    if (option.name != size.name) continue;
    size.of(world) = value.value_or(0);
    return value.has_value() && *value <= size_t{64} << 20;
  }
  for (const TcpNumber& named : kTcpNumbers) {
    if (option.name != named.name) continue;
    if (!value.has_value() || *value > named.most) return false;
    return named.set(world.nat.tcp, *value), true;
  }
  if (option.name == "seed") {
    world.seed = value.value_or(0);
    return value.has_value();
  }
  if (option.name == "link_gso") {
    world.link.limits.gso_bytes_max = static_cast<uint32_t>(value.value_or(0));
    world.link.limits.checksum_offload = true;
    return value.has_value() && *value <= 65535;
  }
  if (option.name == "path_delay") {
    const std::optional<Duration> span = duration(option.value);
    world.net.hosts[0].path.delay = span.value_or(Duration{});
    return span.has_value();
  }
  if (option.name == "path_rate") {
    world.net.hosts[0].path.rate_bps = value.value_or(0);
    return value.has_value();
  }
  if (option.name == "path_hops" || option.name == "path_mtu") {
    PathSpec& path = world.net.hosts[0].path;
    if (option.name == "path_mtu")
      path.mtu = static_cast<uint32_t>(value.value_or(0));
    else
      path.hops = static_cast<uint8_t>(value.value_or(0));
    return value.has_value() && *value <= 65535;
  }
  return apply_word(option, world);
}

}  // namespace dashi::script
