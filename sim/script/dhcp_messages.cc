// DHCPv4 (RFC 2131, 2132) and DHCPv6 (RFC 8415) in message lines.
#include <algorithm>
#include <array>

#include "sim/guest_bytes.hh"
#include "sim/script/message_forms.hh"
#include "sim/script/message_wire.hh"

namespace dashi::script {
namespace {

using guest::get16;
using guest::get32;
using guest::put16;
using guest::put32;

constexpr size_t kFixed = 236;  // bytes of BOOTP before the magic cookie
constexpr uint32_t kCookie = 0x63825363;
constexpr std::array<const char*, 9> kTypes{"",    "discover", "offer",   "request", "decline",
                                            "ack", "nak",      "release", "inform"};
constexpr std::array<const char*, 12> kTypes6{
    "",       "solicit", "advertise", "request", "confirm",     "renew",
    "rebind", "reply",   "release",   "decline", "reconfigure", "information-request"};

enum class Form : uint8_t { kAddresses, kNumber16, kNumber32, kText, kNumbers, kHex, kNames };
struct Option {
  uint16_t code;
  const char* name;
  Form form;
};
constexpr Option kOptions[] = {{1, "subnet-mask", Form::kAddresses},
                               {3, "router", Form::kAddresses},
                               {6, "dns", Form::kAddresses},
                               {12, "hostname", Form::kText},
                               {15, "domain", Form::kText},
                               {26, "mtu", Form::kNumber16},
                               {28, "broadcast-address", Form::kAddresses},
                               {50, "requested-ip", Form::kAddresses},
                               {51, "lease-time", Form::kNumber32},
                               {54, "server-id", Form::kAddresses},
                               {55, "param-list", Form::kNumbers},
                               {57, "max-size", Form::kNumber16},
                               {58, "renewal-time", Form::kNumber32},
                               {59, "rebinding-time", Form::kNumber32},
                               {61, "client-id", Form::kHex},
                               {119, "search", Form::kNames}};
constexpr Option kOptions6[] = {
    {1, "client-id", Form::kHex},          {2, "server-id", Form::kHex},
    {6, "option-request", Form::kNumbers}, {13, "status", Form::kNumber16},
    {23, "dns", Form::kAddresses},         {24, "search", Form::kNames},
    {32, "refresh-time", Form::kNumber32}};

void put(std::vector<uint8_t>& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// Numbers of a list are bytes in DHCPv4 and pairs of them in DHCPv6.
std::vector<uint8_t> value_of(const MessageSpec& message, const Option& option, bool v6) {
  std::vector<uint8_t> bytes;
  const std::string& value = *find(message, option.name);
  const uint64_t number = number_of(message, option.name, 0);
  switch (option.form) {
    case Form::kAddresses:
      for (const std::string& item : items_of(value)) {
        put(bytes, parse_ip(item).value_or(IpAddress{}).bytes());
      }
      break;
    case Form::kNumber16:
      put16(bytes, static_cast<uint16_t>(number));
      break;
    case Form::kNumber32:
      put32(bytes, static_cast<uint32_t>(number));
      break;
    case Form::kNumbers:
      for (const std::string& item : items_of(value)) {
        const auto code = static_cast<uint16_t>(std::stoul(item));
        if (v6)
          put16(bytes, code);
        else
          bytes.push_back(static_cast<uint8_t>(code));
      }
      break;
    case Form::kText:
    case Form::kNames:
      bytes.assign(value.begin(), value.end());
      break;
    case Form::kHex:
      bytes = bytes_of_hex(value);
      break;
  }
  return bytes;
}

std::string addresses(Bytes bytes, bool v6) {
  std::string list;
  const size_t each = v6 ? 16 : 4;
  for (size_t at = 0; at + each <= bytes.size(); at += each) {
    const std::string one = v6 ? to_string(load<Ipv6Address>(bytes.subspan(at)))
                               : to_string(load<Ipv4Address>(bytes.subspan(at)));
    list += (list.empty() ? "" : ",") + one;
  }
  return list;
}

// Domain names with compression inside the option (RFC 3397), by commas.
std::string names(Bytes bytes) {
  std::string list;
  for (size_t at = 0; at < bytes.size();) {
    std::string name;
    size_t cursor = at;
    bool jumped = false;
    for (int steps = 0; steps < 128 && cursor < bytes.size() && bytes[cursor] != 0; ++steps) {
      if (bytes[cursor] >= 0xc0 && cursor + 1 < bytes.size()) {
        if (!jumped) at = cursor + 2;
        jumped = true;
        cursor = get16(bytes, cursor) & 0x3fff;
        continue;
      }
      if (!name.empty()) name += '.';
      const size_t end = std::min(bytes.size(), cursor + 1 + bytes[cursor]);
      for (++cursor; cursor < end; ++cursor) name += static_cast<char>(bytes[cursor]);
    }
    if (!jumped) at = cursor + 1;
    list += (list.empty() ? "" : ",") + name;
  }
  return list;
}

void read_value(Bytes bytes, const Option& option, bool v6, MessageSpec& message) {
  std::string list;
  switch (option.form) {
    case Form::kAddresses:
      return add(message, option.name, addresses(bytes, v6));
    case Form::kNumber16:
      if (bytes.size() >= 2) add(message, option.name, get16(bytes, 0));
      return;
    case Form::kNumber32:
      if (bytes.size() >= 4) add(message, option.name, get32(bytes, 0));
      return;
    case Form::kText:
      return add(message, option.name, std::string(bytes.begin(), bytes.end()));
    case Form::kNames:
      return add(message, option.name, names(bytes));
    case Form::kNumbers:
      for (size_t at = 0; at + (v6 ? 2 : 1) <= bytes.size(); at += v6 ? 2 : 1) {
        list += (list.empty() ? "" : ",") + std::to_string(v6 ? get16(bytes, at) : bytes[at]);
      }
      return add(message, option.name, list);
    case Form::kHex:
      return add(message, option.name, hex_of(bytes));
  }
}

template <size_t N>
uint8_t type_number(const std::array<const char*, N>& types, const std::string& verb) {
  const auto found = std::find(types.begin(), types.end(), verb);
  return static_cast<uint8_t>(found - types.begin());
}

// An identity association without options, or with one address to confirm.
void put_association(std::vector<uint8_t>& to, const MessageSpec& message, const char* field,
                     uint16_t code) {
  if (!has(message, field)) return;
  const std::string* address = find(message, "address");
  put16(to, code);
  put16(to, static_cast<uint16_t>(12 + (address == nullptr ? 0 : 28)));
  put32(to, static_cast<uint32_t>(number_of(message, field, 0)));
  put32(to, 0);
  put32(to, 0);
  if (address == nullptr) return;
  put16(to, 5);
  put16(to, 24);
  put(to, parse_ip(*address).value_or(IpAddress{}).raw().bytes);
  put32(to, 0);
  put32(to, 0);
}

}  // namespace

std::vector<uint8_t> dhcp_payload(const MessageSpec& message, const MacAddress& guest) {
  const uint8_t type = type_number(kTypes, message.verb);
  std::vector<uint8_t> bytes{1, 1, 6, 0};
  put32(bytes, static_cast<uint32_t>(number_of(message, "xid", 0x12345678)));
  put16(bytes, 0);
  put16(bytes, has(message, "broadcast") ? 0x8000 : 0);
  for (const char* field : {"ciaddr", "yiaddr", "siaddr", "giaddr"}) {
    put(bytes, address_of(message, field, Ipv4Address{}).v4().bytes);
  }
  const std::string* mac = find(message, "chaddr");
  put(bytes, (mac == nullptr ? guest : parse_mac(*mac).value_or(guest)).bytes);
  bytes.resize(kFixed);
  put32(bytes, kCookie);
  bytes.insert(bytes.end(), {53, 1, type});
  for (const Option& option : kOptions) {
    if (!has(message, option.name)) continue;
    const std::vector<uint8_t> value = value_of(message, option, false);
    bytes.insert(bytes.end(),
                 {static_cast<uint8_t>(option.code), static_cast<uint8_t>(value.size())});
    put(bytes, value);
  }
  if (const std::string* raw = find(message, "options")) put(bytes, bytes_of_hex(*raw));
  bytes.push_back(255);
  return bytes;
}

std::optional<MessageSpec> read_dhcp(Bytes bytes) {
  if (bytes.size() < kFixed + 4 || get32(bytes, kFixed) != kCookie) return std::nullopt;
  MessageSpec message{"dhcp", "", {}};
  add(message, "xid", get32(bytes, 4));
  if ((bytes[10] & 0x80) != 0) add(message, "broadcast", "");
  size_t at = 12;
  for (const char* field : {"ciaddr", "yiaddr", "siaddr", "giaddr"}) {
    add(message, field, to_string(load<Ipv4Address>(bytes.subspan(at))));
    at += 4;
  }
  add(message, "chaddr", to_string(load<MacAddress>(bytes.subspan(28))));
  add(message, "size", bytes.size());
  for (at = kFixed + 4; at + 1 < bytes.size() && bytes[at] != 255;) {
    if (bytes[at] == 0) {
      ++at;
      continue;
    }
    const size_t length = bytes[at + 1];
    if (at + 2 + length > bytes.size()) return std::nullopt;
    const Bytes value = bytes.subspan(at + 2, length);
    if (bytes[at] == 53 && length == 1 && value[0] < kTypes.size()) message.verb = kTypes[value[0]];
    for (const Option& option : kOptions) {
      if (option.code == bytes[at]) read_value(value, option, false, message);
    }
    at += 2 + length;
  }
  return message;
}

std::vector<uint8_t> dhcp6_payload(const MessageSpec& message) {
  std::vector<uint8_t> bytes;
  const auto xid = static_cast<uint32_t>(number_of(message, "xid", 0x123456) & 0xffffff);
  put32(bytes, static_cast<uint32_t>(type_number(kTypes6, message.verb)) << 24 | xid);
  for (const Option& option : kOptions6) {
    if (!has(message, option.name)) continue;
    const std::vector<uint8_t> value = value_of(message, option, true);
    put16(bytes, option.code);
    put16(bytes, static_cast<uint16_t>(value.size()));
    put(bytes, value);
  }
  put_association(bytes, message, "ia-na", 3);
  put_association(bytes, message, "ia-pd", 25);
  return bytes;
}

std::optional<MessageSpec> read_dhcp6(Bytes bytes) {
  if (bytes.size() < 4 || bytes[0] >= kTypes6.size()) return std::nullopt;
  MessageSpec message{"dhcp6", kTypes6[bytes[0]], {}};
  add(message, "xid", get32(bytes, 0) & 0xffffff);
  for (size_t at = 4; at + 4 <= bytes.size();) {
    const uint16_t code = get16(bytes, at);
    const size_t length = get16(bytes, at + 2);
    if (at + 4 + length > bytes.size()) return std::nullopt;
    const Bytes value = bytes.subspan(at + 4, length);
    for (const Option& option : kOptions6) {
      if (option.code == code) read_value(value, option, true, message);
    }
    if ((code == 3 || code == 25) && length >= 12) {
      add(message, code == 3 ? "ia-na" : "ia-pd", get32(value, 0));
      if (length >= 18 && get16(value, 12) == 13) add(message, "ia-status", get16(value, 16));
    }
    at += 4 + length;
  }
  return message;
}

}  // namespace dashi::script
