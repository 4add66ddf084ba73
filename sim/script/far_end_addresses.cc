// Addresses in calls: {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}.
#include "sim/script/constants.hh"
#include "sim/script/far_end.hh"
#include "sim/script/places.hh"
#include "sim/script/setting.hh"

namespace dashi::script {
namespace {

constexpr int64_t kLength4 = 16;  // sizeof(sockaddr_in)
constexpr int64_t kLength6 = 28;

bool is_null(const Value& value) {
  return holds_word(value, "NULL") || (value.kind == Value::Kind::kNumber && value.number == 0);
}

bool is_unasked(const Value& value) {
  return value.kind == Value::Kind::kEllipsis || is_null(value);
}

// Whether a call tells how long the address is, which it does not of none, and the script says another.
bool says_other_length(const Value* address, const Value* length, int64_t size) {
  if (length == nullptr || length->items.size() != 1) return false;
  if (address == nullptr || is_null(*address)) return false;
  const Value& said = length->items[0];
  return said.kind == Value::Kind::kNumber && said.number != size;
}

bool ends_in(const std::string& name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

// The address in inet_addr("192.0.2.1") and inet_pton(AF_INET6, "server").
std::optional<IpAddress> address_in(const Value& value, const Setting& setting) {
  if (value.kind != Value::Kind::kCall || value.items.empty()) return std::nullopt;
  const std::string& text = value.items.back().text;
  const std::optional<IpAddress> place = named_place(text);
  return place ? place_of(*place, setting) : parse_ip(text);
}

// Whether a member of an address says what `peer` is; nothing: that cannot be read.
std::optional<bool> says(const std::string& name, const Value& value, const Endpoint& peer,
                         const Setting& setting) {
  if (value.kind == Value::Kind::kEllipsis) return true;
  if (ends_in(name, "_family"))
    return holds_word(value, peer.address.is_v4() ? "AF_INET" : "AF_INET6");
  if (ends_in(name, "_addr")) {
    const std::optional<IpAddress> address = address_in(value, setting);
    return address ? std::optional(*address == peer.address) : std::nullopt;
  }
  const bool port = ends_in(name, "_port") && value.text == "htons" && value.items.size() == 1;
  return port ? std::optional(value.items[0].number == peer.port.number) : std::nullopt;
}

// Whether an address is `peer`'s; nothing: it cannot be read.
std::optional<bool> is_of(const Value& address, const Endpoint& peer, const Setting& setting) {
  if (address.kind != Value::Kind::kStruct) return std::nullopt;
  bool all = true;
  for (size_t i = 0; i < address.items.size(); ++i) {
    const auto right = says(address.names[i], address.items[i], peer, setting);
    if (!right) return std::nullopt;
    all = all && *right;
  }
  return all;
}

}  // namespace

std::optional<Port> port_in(const Value* address) {
  if (address == nullptr || address->kind != Value::Kind::kStruct) return std::nullopt;
  for (size_t i = 0; i < address->items.size(); ++i) {
    const Value& port = address->items[i];
    if (address->names[i] != "sin_port" || port.items.size() != 1) continue;
    return Port{static_cast<uint16_t>(port.items[0].number)};
  }
  return std::nullopt;
}

bool names_loopback(const Value* address) {
  if (address == nullptr || address->kind != Value::Kind::kStruct) return false;
  for (size_t i = 0; i < address->items.size(); ++i) {
    const Value& of = address->items[i];
    if (address->names[i] != "sin_addr" || of.items.size() != 1) continue;
    return of.items[0].text == "loopback";
  }
  return false;
}

// A kernel's script names the guest, whom a NAT hides.
CallResult FarEnd::telling(const std::optional<Endpoint>& peer, CallResult result,
                           const Value* address, const Value* length) const {
  const bool tells = result.kind == CallResult::Kind::kReturned && result.value >= 0;
  if (!tells || !result.mismatch.empty()) return result;
  const bool asked = address != nullptr && !is_unasked(*address);
  if (setting_.packetdrill) {
    return asked ? CallResult::not_served("the address of a peer, which the NAT hides") : result;
  }
  const int64_t size = !peer ? 0 : peer->address.is_v4() ? kLength4 : kLength6;
  if (says_other_length(address, length, size))
    result.mismatch = "the peer's address has " + std::to_string(size) + " bytes";
  if (!asked) return result;
  const std::optional<bool> right = is_of(*address, peer.value_or(Endpoint{}), setting_);
  if (!right) return CallResult::not_served("this form of address");
  if (!peer) result.mismatch = "a stream tells no peer";
  if (peer && !*right) result.mismatch = "the peer is " + to_string(*peer);
  return result;
}

std::optional<CallResult> FarEnd::refused_destination(const Descriptor& from,
                                                      const Value* address) const {
  if (from.kind != Descriptor::Kind::kDatagram || address == nullptr || is_unasked(*address)) {
    return std::nullopt;
  }
  if (!setting_.packetdrill && is_of(*address, from.peer, setting_).value_or(false)) {
    return std::nullopt;
  }
  return CallResult::not_served("a datagram to another than who spoke last");
}

}  // namespace dashi::script
