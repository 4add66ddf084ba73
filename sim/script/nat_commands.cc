#include "sim/script/nat_commands.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

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

std::optional<uint64_t> counter(const Commanded& to, std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  const Nat& nat = to.nat;
  const FlowCounts flows = nat.flow_counts();
  const std::array<std::pair<const char*, uint64_t>, 6> kinds{
      {{"flows-tcp", flows.tcp},
       {"flows-time-wait", flows.tcp_time_wait},
       {"flows-udp", flows.udp},
       {"flows-echo", flows.echo},
       {"flows-dns", flows.dns},
       {"host-sockets", to.world.sockets().open_sockets()}}};
  for (const auto& [kind, value] : kinds) {
    if (name == kind) return value;
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
  const std::optional<uint64_t> wanted = words.size() == 3 ? number(words[2]) : std::nullopt;
  if (!wanted) return "expect is written: expect COUNTER == NUMBER";
  const std::optional<uint64_t> value = counter(to, words[0]);
  if (!value) return "no such counter: " + words[0];
  const std::array<std::pair<const char*, bool>, 6> comparisons{{{"==", *value == *wanted},
                                                                 {"!=", *value != *wanted},
                                                                 {"<", *value < *wanted},
                                                                 {"<=", *value <= *wanted},
                                                                 {">", *value > *wanted},
                                                                 {">=", *value >= *wanted}}};
  for (const auto& [sign, holds] : comparisons) {
    if (words[1] != sign) continue;
    if (holds) return "";
    const std::string is = words[0] + " is " + std::to_string(*value);
    return words[1] == "==" ? is + ", not " + words[2] : is + ", not " + words[1] + " " + words[2];
  }
  return "not a comparison: " + words[1];
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
  const bool add = !words.empty() && words[0] == "add";
  const std::optional<Spec> spec = words.size() < 2 ? std::nullopt : spec_of(words[1]);
  if (!spec || (!add && words[0] != "remove")) return "forward is written: forward add tcp:80:80";
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

// dns add NAME ADDRESS,...; dns remove NAME
std::string dns(const Commanded& to, const Setting& setting, const Words& words) {
  if (words.size() == 2 && words[0] == "remove") return to.nat.remove_record(words[1]), "";
  if (words.size() != 3 || words[0] != "add") return "dns is written: dns add NAME ADDRESS,...";
  std::vector<IpAddress> addresses;
  for (size_t at = 0; at <= words[2].size();) {
    const size_t comma = std::min(words[2].find(',', at), words[2].size());
    const std::string item = words[2].substr(at, comma - at);
    const auto place = named_place(item);
    const auto address = place ? place : parse_ip(item);
    if (!address) return "not an address: " + item;
    addresses.push_back(place_of(*address, setting));
    at = comma + 1;
  }
  const auto added = to.nat.set_record(words[1], addresses);
  return added.ok() ? "" : message_of(added.error());
}

std::string link(const Commanded& to, const Words& words) {
  const std::string what = words.size() == 1 ? words[0] : "";
  if (what == "full" || what == "free")
    to.link.hold(what == "full");
  else if (what == "restart")
    to.nat.restart_link(to.world.now());
  else
    return "link is full, free or restart";
  return "";
}

std::string ipv6(const Commanded& to, const Words& words) {
  const std::string what = words.size() == 1 ? words[0] : "";
  if (what != "on" && what != "off") return "ipv6 is on or off";
  to.nat.set_host_ipv6(to.world.now(), what == "on");
  return "";
}

std::string nat(const Commanded& to, const Words& words) {
  if (words.size() != 1 || words[0] != "restore") return "nat can restore";
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

std::string command(const Commanded& to, const Setting& setting, const DirectiveSpec& directive) {
  const std::string& name = directive.name;
  const Words& words = directive.words;
  if (name == "expect") return expect(to, words);
  std::string wrong = name == "forward" ? forward(to, setting, words)
                      : name == "dns"   ? dns(to, setting, words)
                      : name == "link"  ? link(to, words)
                      : name == "ipv6"  ? ipv6(to, words)
                                        : nat(to, words);
  to.driver.wake();
  return wrong;
}

}  // namespace dashi::script
