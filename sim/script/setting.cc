#include "sim/script/setting.hh"

#include <algorithm>
#include <charconv>

#include "sim/script/setting_names.hh"
#include "sim/script/sysctl.hh"

namespace dashi::script {
namespace {

constexpr Ipv4Address kServer4{{203, 0, 113, 10}};
constexpr Ipv6Address kServer6{{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}};
constexpr Ipv4Address kElsewhere4{{203, 0, 113, 20}};
constexpr Ipv6Address kElsewhere6{{0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20}};
constexpr uint32_t kPacketdrillMtu = 1500;
// Packetdrill's IPv6 links are so much larger that its scripts hold for both families.
constexpr uint32_t kIpv6More = 20;
constexpr uint32_t kMtuMin = 576;  // of IPv4; an IPv6 run asks for more
constexpr uint32_t kMtuMax = 65521 - kIpv6More;

std::optional<uint64_t> number(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_passed_over(const std::string& name) {
  for (const char* known : {"local_ip",        "remote_ip",      "gateway_ip",
                            "netmask_ip",      "local_linkaddr", "speed",
                            "verbose",         "init_scripts",   "wire_protocol",
                            "non_fatal",       "define",         "send_omit_free",
                            "debug",           "so_filename",    "so_flags",
                            "code_command",    "code_format",    "code_sockopt",
                            "is_anyip",        "dry_run",        "tcp_ts_ecr_scaled",
                            "strict_segments", "wire_client",    "wire_server",
                            "wire_server_ip",  "wire_server_at", "wire_server_port",
                            "wire_client_dev", "wire_server_dev"}) {
    if (name == known) return true;
  }
  return false;
}

// Nothing: not an option of ours. False: its value is not one it can have.
std::optional<bool> apply(const OptionLine& option, Setting& setting, uint32_t& mtu) {
  const uint64_t value = number(option.value).value_or(UINT64_MAX);
  if (option.name == "ip_version") {
    setting.family = option.value == "ipv6" ? Family::kIpv6 : Family::kIpv4;
    return option.value.rfind("ipv4", 0) == 0 ||
           option.value == "ipv6";  // ipv4-mapped-ipv6 is IPv4
  }
  if (option.name == "tolerance_usecs") {
    setting.tolerance = Duration(static_cast<int64_t>(value & UINT32_MAX) * 1000);
    return value <= UINT32_MAX;
  }
  if (option.name == "tolerance_percent") {  // 12.5: the fraction is of no use here
    uint32_t percent = 0;
    const char* const end = option.value.data() + option.value.size();
    const auto [next, error] = std::from_chars(option.value.data(), end, percent);
    setting.tolerance_per_mille = percent * 10;
    return error == std::errc{} && percent <= 100 && (next == end || *next == '.');
  }
  if (option.name == "tcp_ts_tick_usecs") {
    setting.compares_timestamps = value != 0;
    return value <= 1'000'000;
  }
  if (option.name == "mss") {
    setting.guest_segment = static_cast<uint16_t>(value & UINT16_MAX);
    return value != 0 && value <= UINT16_MAX;
  }
  if (option.name == "mtu") {
    mtu = static_cast<uint32_t>(value & UINT32_MAX);
    return value >= kMtuMin && value <= kMtuMax;
  }
  if (option.name == "guest_port") {
    setting.guest.port = Port{static_cast<uint16_t>(value & UINT16_MAX)};
    return value <= UINT16_MAX;
  }
  if (option.name == "bind_port" || option.name == "connect_port") {
    Endpoint& end = option.name == "bind_port" ? setting.server : setting.guest_service;
    end.port = Port{static_cast<uint16_t>(value & UINT16_MAX)};
    return value <= UINT16_MAX;
  }
  return apply_named(option, setting);
}

HostSpec server_host() {
  HostSpec host;
  host.name = "server";
  host.addresses = {kServer4, kServer6};
  return host;
}

// Another host, for scripts that need to tell two apart.
HostSpec elsewhere() {
  HostSpec host;
  host.name = "elsewhere";
  host.addresses = {kElsewhere4, kElsewhere6};
  return host;
}

// A name whose answer is longer than a query without EDNS allows (RFC 1035 2.3.4).
DnsTableEntry many_addresses(const char* name, uint32_t count) {
  DnsTableEntry entry{name, {}, {}};
  for (uint32_t i = 0; i < count; ++i) {
    entry.addresses.emplace_back(Ipv4Address::from_u32(0xcb007100 + i));
  }
  return entry;
}

bool calls(const Script& script, const char* name) {
  return std::any_of(script.events.begin(), script.events.end(), [name](const Event& event) {
    const auto* call = std::get_if<CallSpec>(&event.what);
    return call != nullptr && call->name == name;
  });
}

bool directs(const Script& script, const char* name) {
  return std::any_of(script.events.begin(), script.events.end(), [name](const Event& event) {
    const auto* directive = std::get_if<DirectiveSpec>(&event.what);
    return directive != nullptr && directive->name == name;
  });
}

// The value of setsockopt(..., ..., NAME, [VALUE], ...) before the first packet: what a kernel takes into
// its SYN. 0: there is none.
uint64_t set_before_packets(const Script& script, const char* name) {
  for (const Event& event : script.events) {
    if (std::holds_alternative<PacketSpec>(event.what)) return 0;
    const auto* call = std::get_if<CallSpec>(&event.what);
    if (call == nullptr || call->name != "setsockopt" || call->arguments.size() < 4) continue;
    const Value& value = call->arguments[3];
    if (call->arguments[2].text != name || value.items.size() != 1) continue;
    return static_cast<uint64_t>(std::max<int64_t>(0, value.items[0].number));
  }
  return 0;
}

void apply_shell(const Script& script, const ReadBeside& beside, Setting& setting) {
  ShellReading shell;
  for (const auto& [where, command] : script.commands) read_shell(command.text, beside, shell);
  for (const Event& event : script.events) {  // those before anything happens
    const auto* command = std::get_if<CommandSpec>(&event.what);
    if (command == nullptr) break;
    read_shell(command->text, beside, shell);
  }
  setting.passed_over = std::move(shell.passed_over);
  WorldConfig& world = setting.world;
  for (const auto& [name, value] : shell.sysctls) {
    if (!apply_sysctl(name, value, world))
      setting.passed_over.push_back(std::string(name).append("=").append(value));
  }
  if (const auto window = number(shell.initial_window); window && *window != 0 && *window < 1000) {
    world.nat.tcp.initial_window_segments = static_cast<uint32_t>(*window);
  }
  if (setting.packetdrill) world.net.send_buffer = size_t{4} << 20;  // tcp_wmem's usual maximum
  if (!setting.packetdrill || !shell.segments_offloaded) return;
  world.link.limits.gso_bytes_max = 65535;  // as a TUN device takes them
  world.link.limits.checksum_offload = true;
}

void apply_socket_options(const Script& script, TcpConfig& tcp) {
  const uint64_t memory = set_before_packets(script, "SO_RCVBUF");
  if (memory != 0) bound_receive_memory(memory, tcp);
  const uint64_t segment = set_before_packets(script, "TCP_MAXSEG");
  if (segment != 0 && segment <= UINT16_MAX) tcp.mss = static_cast<uint16_t>(segment);
}

// What packetdrill says when nobody else does.
constexpr Duration kPacketdrillTolerance = 4ms;
constexpr uint32_t kPacketdrillPerMille = 125;

void small_tables(Limits& limits) {
  limits.tcp_connections = 64;
  limits.tcp_connects_pending = 64;
  limits.tcp_time_wait = 64;
  limits.udp_endpoints = 64;
  limits.echo_ids = 16;
  limits.dns_queries = 16;
}

}  // namespace

std::optional<Family> family_of(const Script& script) {
  std::optional<Family> family;
  for (const OptionLine& option : script.options) {
    if (option.name != "ip_version") continue;
    family = option.value == "ipv6" ? Family::kIpv6 : Family::kIpv4;
  }
  return family;
}

bool changes_setting(const std::string& shell_line) {
  ShellReading shell;
  read_shell(shell_line, nullptr, shell);
  WorldConfig scratch;
  return std::any_of(shell.sysctls.begin(), shell.sysctls.end(),
                     [&](const auto& one) { return apply_sysctl(one.first, one.second, scratch); });
}

Result<Setting, ScriptError> setting_of(const Script& script, const RunOptions& options) {
  Setting setting;
  setting.family = options.family;
  setting.tolerance = options.tolerance;
  setting.packetdrill = options.packetdrill;
  if (options.packetdrill) {
    setting.tolerance = kPacketdrillTolerance;
    setting.tolerance_per_mille = kPacketdrillPerMille;
    setting.compares_timestamps = false;
  }
  setting.guest.port = Port{44444};
  setting.server.port = Port{8080};
  setting.guest_service.port = Port{8080};
  WorldConfig& world = setting.world;
  world.net = standard_net();
  world.net.hosts = {server_host(), elsewhere()};
  world.net.dns_table.push_back(many_addresses("many.example", 40));
  world.net.dns_table.push_back(many_addresses("huge.example", 300));
  small_tables(world.nat.limits);
  uint32_t mtu = kPacketdrillMtu;
  for (const OptionLine& option : script.options) {
    const std::optional<bool> applied = apply(option, setting, mtu);
    if (!applied && options.packetdrill && !is_passed_over(option.name)) {
      if (!setting.unserved) setting.unserved = {option.where, "the option --" + option.name};
    } else if (!applied && !is_passed_over(option.name)) {
      return ScriptError{option.where, "no such option: --" + option.name};
    }
    if (applied == false) {
      return ScriptError{option.where, "--" + option.name + " cannot be '" + option.value + "'"};
    }
  }
  const bool v6 = setting.family == Family::kIpv6;
  world.scripted = true;
  world.digests = false;
  world.nat.topology.ipv6 = v6;
  world.link.limits.mtu = world.nat.topology.mtu = mtu + (v6 ? kIpv6More : 0);
  apply_shell(script, options.beside, setting);
  apply_socket_options(script, world.nat.tcp);
  constexpr uint16_t kPlainHeaders = 40;
  if (setting.packetdrill && setting.guest_segment == 0) {
    setting.guest_segment = static_cast<uint16_t>(mtu - kPlainHeaders);
  }
  if (!setting.packetdrill) setting.guest_segment = 0;
  const auto valid = validate(world.nat);
  if (!valid.ok()) return ScriptError{{1, 1}, valid.error()};
  Ipv6Address guest6 = world.nat.topology.prefix_v6.address;
  guest6.bytes[15] = 2;
  const IpAddress guest = v6 ? IpAddress(guest6) : IpAddress(world.nat.topology.guest_v4);
  setting.guest.address = guest;
  setting.server.address = v6 ? IpAddress(kServer6) : IpAddress(kServer4);
  setting.guest_service.address = guest;
  if (calls(script, "connect") && !directs(script, "forward")) {
    const IpAddress& here = world.net.here.addresses[v6 ? 1 : 0];
    world.forwards.push_back(
        {ForwardProtocol::kTcp, {here, Port{8080}}, setting.guest_service.port, guest});
    world.forwards.push_back(
        {ForwardProtocol::kUdp, {here, Port{8080}}, setting.guest_service.port, guest});
  }
  return setting;
}

}  // namespace dashi::script
