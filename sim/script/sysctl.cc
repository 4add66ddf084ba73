#include "sim/script/sysctl.hh"

#include <algorithm>
#include <array>
#include <charconv>

namespace dashi::script {
namespace {

struct Arguments {
  std::vector<uint64_t> numbers;  // in the order written
  uint64_t first() const { return numbers[0]; }
  uint64_t last() const { return numbers.back(); }
};

std::optional<Arguments> read_numbers(const std::string& text) {
  Arguments arguments;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    if (*at == ' ' || *at == '\t') {
      ++at;
      continue;
    }
    uint64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc{}) return std::nullopt;
    arguments.numbers.push_back(number);
    at = next;
  }
  if (arguments.numbers.empty()) return std::nullopt;
  return arguments;
}

Duration seconds(uint64_t n) {
  return std::chrono::seconds(static_cast<int64_t>(std::min<uint64_t>(n, 1u << 24)));
}
Duration milliseconds(uint64_t n) {
  return std::chrono::milliseconds(static_cast<int64_t>(std::min<uint64_t>(n, 1u << 31)));
}
uint8_t small(uint64_t n) { return static_cast<uint8_t>(std::min<uint64_t>(n, UINT8_MAX)); }

struct Meaning {
  const char* name;
  void (*apply)(const Arguments&, TcpConfig&);
};
const std::array<Meaning, 13> kMeanings{
    {{"net.ipv4.ip_default_ttl",
      [](const Arguments& a, TcpConfig& t) { t.ttl = small(a.first()); }},
     {"net.ipv4.tcp_sack", [](const Arguments& a, TcpConfig& t) { t.sack = a.first() != 0; }},
     {"net.ipv4.tcp_timestamps",
      [](const Arguments& a, TcpConfig& t) { t.timestamps = a.first() != 0; }},
     {"net.ipv4.tcp_reordering",
      [](const Arguments& a, TcpConfig& t) {
        t.reordering = std::max(small(a.first()), uint8_t{1});
      }},
     {"net.ipv4.tcp_rmem",
      [](const Arguments& a, TcpConfig& t) { bound_receive_memory(a.last(), t); }},
     {"net.ipv4.tcp_syn_retries",
      [](const Arguments& a, TcpConfig& t) { t.syn_retries = small(a.first()); }},
     {"net.ipv4.tcp_synack_retries",
      [](const Arguments& a, TcpConfig& t) { t.syn_retries = small(a.first()); }},
     {"net.ipv4.tcp_retries2",
      [](const Arguments& a, TcpConfig& t) { t.data_retries = small(a.first()); }},
     {"net.ipv4.tcp_fin_timeout",
      [](const Arguments& a, TcpConfig& t) { t.fin_wait_2 = seconds(a.first()); }},
     {"net.ipv4.tcp_keepalive_time",
      [](const Arguments& a, TcpConfig& t) { t.keep_alive_idle = seconds(a.first()); }},
     {"net.ipv4.tcp_keepalive_intvl",
      [](const Arguments& a, TcpConfig& t) { t.keep_alive_interval = seconds(a.first()); }},
     {"net.ipv4.tcp_keepalive_probes",
      [](const Arguments& a, TcpConfig& t) { t.keep_alive_probes = small(a.first()); }},
     {"net.ipv4.tcp_rto_max_ms",
      [](const Arguments& a, TcpConfig& t) { t.rto_max = milliseconds(a.first()); }}}};

// What Linux may be told and a NAT does not do at all: asked not to, it is already so.
constexpr std::array<const char*, 3> kNeverDone{"net.ipv4.tcp_ecn", "net.ipv4.tcp_fack",
                                                "net.ipv4.tcp_mtu_probing"};

}  // namespace

void bound_receive_memory(uint64_t bytes, TcpConfig& tcp) {
  constexpr uint64_t kUnscaled = 65535;
  const uint64_t most = std::clamp<uint64_t>(bytes, 1, uint64_t{kUnscaled} << kWindowScaleMax);
  tcp.window_scale = 0;
  while (most >> tcp.window_scale > kUnscaled) ++tcp.window_scale;
  tcp.window = static_cast<uint32_t>(std::min<uint64_t>(most, Limits{}.tcp_uplink_bytes_each));
}

bool apply_sysctl(const std::string& name, const std::string& value, WorldConfig& world) {
  const std::optional<Arguments> arguments = read_numbers(value);
  if (!arguments) return false;
  for (const Meaning& meaning : kMeanings) {
    if (name != meaning.name) continue;
    meaning.apply(*arguments, world.nat.tcp);
    return true;
  }
  return std::any_of(kNeverDone.begin(), kNeverDone.end(),
                     [&](const char* known) { return name == known; }) &&
         arguments->first() == 0;
}

}  // namespace dashi::script
