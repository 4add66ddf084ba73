#include "sim/script/nat_commands.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "sim/script/parser_state.hh"
#include "sim/script/places.hh"

namespace dashi::script {
namespace {

using Words = std::vector<std::string>;

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || last != end) return std::nullopt;
  return value;
}

constexpr std::array<const char*, 6> kFlowCounts{"flows-tcp",  "flows-time-wait", "flows-udp",
                                                 "flows-echo", "flows-dns",       "host-sockets"};
constexpr std::array<const char*, 6> kComparisons{"==", "!=", "<", "<=", ">", ">="};

std::optional<uint64_t> counter(const Commanded& to, std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  const Nat& nat = to.nat;
  const FlowCounts flows = nat.flow_counts();
  const std::array<uint64_t, 6> counts{flows.tcp, flows.tcp_time_wait,
                                       flows.udp, flows.echo,
                                       flows.dns, to.world.sockets().open_sockets()};
  for (size_t i = 0; i < counts.size(); ++i) {
    if (name == kFlowCounts[i]) return counts[i];
  }
  const Counters& counters = nat.counters();
  for (size_t i = 0; i < counters.values.size(); ++i) {
    if (name_of(static_cast<Counter>(i)) == name) return counters.values[i];
  }
  for (size_t i = 0; i < counters.drops.size(); ++i) {
    if (name_of(static_cast<DropReason>(i)) == name) return counters.drops[i];
  }
  return std::nullopt;
}

// expect COUNTER == N
std::string expect(const Commanded& to, const Words& words) {
  const uint64_t value = counter(to, words[0]).value_or(0);
  const uint64_t wanted = number(words[2]).value_or(0);
  const std::array<bool, 6> holds{value == wanted, value != wanted,
                                  value<wanted, value <= wanted, value> wanted, value >= wanted};
  for (size_t i = 0; i < holds.size(); ++i) {
    if (words[1] != kComparisons[i] || holds[i]) continue;
    return words[0] + " is " + std::to_string(value) + ", not " + (i == 0 ? "" : words[1] + " ") +
           words[2];
  }
  return "";
}

bool is_counter(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  const auto named = [&name](const auto& other) { return name == other; };
  if (std::any_of(kFlowCounts.begin(), kFlowCounts.end(), named)) return true;
  for (size_t i = 0; i < kCounterCount; ++i) {
    if (name == name_of(static_cast<Counter>(i))) return true;
  }
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    if (name == name_of(static_cast<DropReason>(i))) return true;
  }
  return false;
}

std::string wrong_expect(const Words& words) {
  if (words.size() != 3 || !number(words[2])) return "expect is written: expect COUNTER == NUMBER";
  const auto named = [&words](const char* sign) { return words[1] == sign; };
  if (std::none_of(kComparisons.begin(), kComparisons.end(), named)) {
    return "not a comparison: " + words[1];
  }
  return is_counter(words[0]) ? "" : "no such counter: " + words[0];
}

const char* name_of_error(SocketError error) {
  switch (error) {
    case SocketError::kAddressInUse:
      return "EADDRINUSE";
    case SocketError::kTooManySockets:
      return "EMFILE";
    default:
      return "EINVAL";
  }
}

struct Spec {
  ForwardProtocol protocol{};
  Port host;
  Port guest;
};

// tcp:8080:7777, udp:8080; nothing: it is neither.
std::optional<Spec> spec_of(const std::string& text) {
  Spec spec;
  if (text.rfind("udp:", 0) == 0)
    spec.protocol = ForwardProtocol::kUdp;
  else if (text.rfind("tcp:", 0) != 0)
    return std::nullopt;
  const size_t colon = text.find(':', 4);
  const auto host = parse_port(text.substr(4, colon == std::string::npos ? colon : colon - 4));
  const auto guest = colon == std::string::npos ? host : parse_port(text.substr(colon + 1));
  if (!host || !guest) return std::nullopt;
  spec.host = *host;
  spec.guest = *guest;
  return spec;
}

// forward add tcp:8080:7777 [at PLACE] [= EADDRINUSE]; forward remove tcp:8080 [...]
std::string forward(const Commanded& to, const Setting& setting, const Words& words) {
  const bool add = words[0] == "add";
  const std::optional<Spec> spec = spec_of(words[1]);
  IpAddress at = place_of(*named_place("host"), setting);
  std::string wanted = "0";
  for (size_t i = 2; i + 1 < words.size(); i += 2) {
    if (words[i] == "=") wanted = words[i + 1];
    const auto place = words[i] == "at" ? named_place(words[i + 1]) : std::nullopt;
    const auto address = words[i] == "at" ? parse_ip(words[i + 1]) : std::nullopt;
    if (place) at = place_of(*place, setting);
    if (address) at = *address;
  }
  std::string got = "0";
  if (add) {
    const auto added = to.nat.add_forward(
        to.world.now(), {spec->protocol, {at, spec->host}, spec->guest, setting.guest.address});
    if (!added.ok()) got = name_of_error(added.error());
  } else {
    const auto removed = to.nat.remove_forward(to.world.now(), spec->protocol, {at, spec->host});
    if (!removed.ok()) got = name_of_error(removed.error());
  }
  return got == wanted ? "" : "the forward gave " + got;
}

// ADDRESS,ADDRESS,...: each as written, or the name of a place. An error: the first that is neither.
Result<std::vector<IpAddress>, std::string> addresses_of(const std::string& list) {
  std::vector<IpAddress> addresses;
  for (size_t at = 0; at <= list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    const std::string item = list.substr(at, comma - at);
    const auto place = named_place(item);
    const auto address = place ? place : parse_ip(item);
    if (!address) return "not an address: " + item;
    addresses.push_back(*address);
    at = comma + 1;
  }
  return addresses;
}

// dns add NAME ADDRESS,...; dns remove NAME
std::string dns(const Commanded& to, const Setting& setting, const Words& words) {
  if (words[0] == "remove") return to.nat.remove_record(words[1]), "";
  auto addresses = addresses_of(words[2]);
  for (IpAddress& address : *addresses) address = place_of(address, setting);
  const auto added = to.nat.set_record(words[1], *addresses);
  return added.ok() ? "" : message_of(added.error());
}

std::string link(const Commanded& to, const Words& words) {
  if (words[0] == "restart")
    to.nat.restart_link(to.world.now());
  else
    to.link.hold(words[0] == "full");
  return "";
}

std::string ipv6(const Commanded& to, const Words& words) {
  to.nat.set_host_ipv6(to.world.now(), words[0] == "on");
  return "";
}

std::string be_busy(const Commanded& to, const Words& words) {
  to.driver.be_busy_until(to.world.now() + *seconds(words[1]));
  return "";
}

std::string restore(const Commanded& to) {
  if (&to.nat != &to.world.nat()) return "only the first guest's NAT can be restored";
  to.world.save_restore_nat();
  return "";
}

}  // namespace

bool is_command(const std::string& word) {
  for (const char* name : {"expect", "forward", "dns", "link", "ipv6", "nat"}) {
    if (word == name) return true;
  }
  return false;
}

std::string wrong_form(const DirectiveSpec& directive) {
  const Words& words = directive.words;
  const std::string& name = directive.name;
  const std::string first = words.empty() ? "" : words[0];
  const bool one = words.size() == 1;
  if (name == "expect") return wrong_expect(words);
  if (name == "forward") {
    const bool right = (first == "add" || first == "remove") && words.size() % 2 == 0;
    return right && spec_of(words[1]) ? "" : "forward is written: forward add tcp:80:80";
  }
  if (name == "dns") {
    const bool right = words.size() == (first == "add" ? 3u : 2u);
    if (!right || (first != "add" && first != "remove")) {
      return "dns is written: dns add NAME ADDRESS,... or dns remove NAME";
    }
    if (first == "remove") return "";
    const auto addresses = addresses_of(words[2]);
    return addresses.ok() ? "" : addresses.error();
  }
  if (name == "link") {
    const bool right = one && (first == "full" || first == "free" || first == "restart");
    return right ? "" : "link is full, free or restart";
  }
  if (name == "ipv6") return one && (first == "on" || first == "off") ? "" : "ipv6 is on or off";
  if (name == "nat") {
    const bool busy = words.size() == 2 && first == "busy" && seconds(words[1]).has_value();
    return busy || (one && first == "restore") ? "" : "nat can restore, or be busy SECONDS";
  }
  return "";
}

std::string command(const Commanded& to, const Setting& setting, const DirectiveSpec& directive) {
  const std::string& name = directive.name;
  const Words& words = directive.words;
  if (name == "expect") return expect(to, words);
  if (name == "nat" && words[0] == "busy") return be_busy(to, words);
  std::string wrong = name == "forward" ? forward(to, setting, words)
                      : name == "dns"   ? dns(to, setting, words)
                      : name == "link"  ? link(to, words)
                      : name == "ipv6"  ? ipv6(to, words)
                                        : restore(to);
  to.driver.wake();
  return wrong;
}

}  // namespace dashi::script
