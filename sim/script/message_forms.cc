#include "sim/script/message_forms.hh"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "sim/script/dns_names.hh"
#include "sim/script/places.hh"

namespace dashi::script {
namespace {

using Type = FieldType;

struct VerbForm {
  const char* protocol;
  const char* verb;
  std::vector<std::string> positions;
};
const VerbForm kVerbs[] = {
    {"arp", "who-has", {"target"}},
    {"arp", "reply", {"sender"}},
    {"dhcp", "discover", {}},
    {"dhcp", "offer", {}},
    {"dhcp", "request", {}},
    {"dhcp", "decline", {}},
    {"dhcp", "ack", {}},
    {"dhcp", "nak", {}},
    {"dhcp", "release", {}},
    {"dhcp", "inform", {}},
    {"dhcp6", "solicit", {}},
    {"dhcp6", "advertise", {}},
    {"dhcp6", "request", {}},
    {"dhcp6", "confirm", {}},
    {"dhcp6", "renew", {}},
    {"dhcp6", "rebind", {}},
    {"dhcp6", "reply", {}},
    {"dhcp6", "release", {}},
    {"dhcp6", "decline", {}},
    {"dhcp6", "information-request", {}},
    {"dns", "query", {"type", "name"}},
    {"dns", "reply", {"type", "name"}},
    {"dns", "error", {}},
    {"ether", "type", {"ethertype"}},
    {"icmp6", "router-solicitation", {}},
    {"icmp6", "router-advertisement", {}},
    {"icmp6", "neighbor-solicitation", {}},
    {"icmp6", "neighbor-advertisement", {}},
    {"ip", "proto", {"protocol"}},
};

struct FieldForm {
  const char* protocol;
  const char* name;
  Type type;
};
constexpr FieldForm kFields[] = {
    {"arp", "target", Type::kAddress},
    {"arp", "sender", Type::kAddress},
    {"arp", "tell", Type::kAddress},
    {"arp", "is-at", Type::kMac},
    {"arp", "to", Type::kAddress},
    {"arp", "sender-mac", Type::kMac},
    {"arp", "target-mac", Type::kMac},
    {"arp", "hardware", Type::kNumber},
    {"dhcp", "xid", Type::kNumber},
    {"dhcp", "broadcast", Type::kFlag},
    {"dhcp", "ciaddr", Type::kAddress},
    {"dhcp", "yiaddr", Type::kAddress},
    {"dhcp", "siaddr", Type::kAddress},
    {"dhcp", "giaddr", Type::kAddress},
    {"dhcp", "chaddr", Type::kMac},
    {"dhcp", "server-id", Type::kAddress},
    {"dhcp", "requested-ip", Type::kAddress},
    {"dhcp", "subnet-mask", Type::kAddress},
    {"dhcp", "router", Type::kAddress},
    {"dhcp", "dns", Type::kAddress},
    {"dhcp", "broadcast-address", Type::kAddress},
    {"dhcp", "hostname", Type::kText},
    {"dhcp", "domain", Type::kText},
    {"dhcp", "search", Type::kText},
    {"dhcp", "mtu", Type::kNumber},
    {"dhcp", "lease-time", Type::kNumber},
    {"dhcp", "renewal-time", Type::kNumber},
    {"dhcp", "rebinding-time", Type::kNumber},
    {"dhcp", "max-size", Type::kNumber},
    {"dhcp", "size", Type::kNumber},
    {"dhcp", "param-list", Type::kNumbers},
    {"dhcp", "client-id", Type::kHex},
    {"dhcp", "options", Type::kHex},
    {"dhcp6", "xid", Type::kNumber},
    {"dhcp6", "client-id", Type::kHex},
    {"dhcp6", "server-id", Type::kHex},
    {"dhcp6", "option-request", Type::kNumbers},
    {"dhcp6", "ia-na", Type::kNumber},
    {"dhcp6", "ia-pd", Type::kNumber},
    {"dhcp6", "address", Type::kAddress},
    {"dhcp6", "status", Type::kNumber},
    {"dhcp6", "ia-status", Type::kNumber},
    {"dhcp6", "dns", Type::kAddress},
    {"dhcp6", "search", Type::kText},
    {"dhcp6", "refresh-time", Type::kNumber},
    {"dns", "type", Type::kDnsType},
    {"dns", "name", Type::kText},
    {"dns", "id", Type::kNumber},
    {"dns", "opcode", Type::kNumber},
    {"dns", "rcode", Type::kDnsRcode},
    {"dns", "rd", Type::kFlag},
    {"dns", "ra", Type::kFlag},
    {"dns", "aa", Type::kFlag},
    {"dns", "tc", Type::kFlag},
    {"dns", "edns", Type::kNumber},
    {"dns", "questions", Type::kNumber},
    {"dns", "answers", Type::kNumber},
    {"dns", "answer", Type::kAddress},
    {"dns", "ttl", Type::kNumber},
    {"dns", "size", Type::kNumber},
    {"ether", "ethertype", Type::kNumber},
    {"ether", "length", Type::kNumber},
    {"icmp6", "code", Type::kNumber},
    {"icmp6", "who-has", Type::kAddress},
    {"icmp6", "tgt", Type::kAddress},
    {"icmp6", "source-lladdr", Type::kMac},
    {"icmp6", "target-lladdr", Type::kMac},
    {"icmp6", "router", Type::kFlag},
    {"icmp6", "solicited", Type::kFlag},
    {"icmp6", "override", Type::kFlag},
    {"icmp6", "managed", Type::kFlag},
    {"icmp6", "other", Type::kFlag},
    {"icmp6", "hop-limit", Type::kNumber},
    {"icmp6", "lifetime", Type::kNumber},
    {"icmp6", "mtu", Type::kNumber},
    {"icmp6", "prefix", Type::kText},
    {"icmp6", "on-link", Type::kFlag},
    {"icmp6", "auto", Type::kFlag},
    {"icmp6", "valid", Type::kNumber},
    {"icmp6", "preferred", Type::kNumber},
    {"icmp6", "rdnss", Type::kAddress},
    {"icmp6", "rdnss-lifetime", Type::kNumber},
    {"icmp6", "dnssl", Type::kText},
    {"ip", "protocol", Type::kNumber},
    {"ip", "length", Type::kNumber},
    {"ip", "version", Type::kNumber},
    {"ip", "ihl", Type::kNumber},
    {"ip", "total-length", Type::kNumber},
    {"ip", "id", Type::kNumber},
    {"ip", "offset", Type::kNumber},
    {"ip", "mf", Type::kFlag},
    {"ip", "next-header", Type::kNumber},
};

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const bool hex = text.substr(0, 2) == "0x";
  if (hex) text.remove_prefix(2);
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
  if (error != std::errc{} || last != end) return std::nullopt;
  return value;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::optional<std::string> canonical_item(Type type, const std::string& text) {
  if (type == Type::kAddress) {
    if (named_place(text)) return text;
    const std::optional<IpAddress> address = parse_ip(text);
    return address ? std::optional(to_string(*address)) : std::nullopt;
  }
  const std::optional<uint64_t> value = number(text);
  return value ? std::optional(std::to_string(*value)) : std::nullopt;
}

bool is_hex(const std::string& text) {
  return text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

bool is_message(const std::string& protocol) {
  return std::any_of(std::begin(kVerbs), std::end(kVerbs),
                     [&](const VerbForm& form) { return protocol == form.protocol; });
}

const std::vector<std::string>* positions_of(const std::string& protocol, const std::string& verb) {
  for (const VerbForm& form : kVerbs) {
    if (protocol == form.protocol && verb == form.verb) return &form.positions;
  }
  return nullptr;
}

std::optional<FieldType> type_of(const std::string& protocol, const std::string& field) {
  if (field == "without") return Type::kNames;
  for (const FieldForm& form : kFields) {
    if (protocol == form.protocol && field == form.name) return form.type;
  }
  return std::nullopt;
}

std::optional<std::string> canonical(FieldType type, const std::string& text) {
  if (text.substr(0, 1) == "$") return text;
  switch (type) {
    case Type::kFlag:
    case Type::kNames:
      return text;
    case Type::kText:
      return lower(text);
    case Type::kMac: {
      const std::optional<MacAddress> mac = parse_mac(text);
      return mac ? std::optional(to_string(*mac)) : std::nullopt;
    }
    case Type::kHex:
      return is_hex(lower(text)) ? std::optional(lower(text)) : std::nullopt;
    case Type::kDnsType: {
      const std::optional<uint16_t> type_number = dns_type(text);
      return type_number ? std::optional(name_of_dns_type(*type_number)) : std::nullopt;
    }
    case Type::kDnsRcode: {
      const std::optional<uint16_t> rcode = dns_rcode(text);
      return rcode ? std::optional(name_of_dns_rcode(*rcode)) : std::nullopt;
    }
    case Type::kNumber:
    case Type::kNumbers:
    case Type::kAddress:
      break;
  }
  std::string list;
  for (const std::string& item : items_of(text)) {
    const std::optional<std::string> value = canonical_item(type, item);
    if (!value) return std::nullopt;
    list += (list.empty() ? "" : ",") + *value;
  }
  return list;
}

const std::string* find(const MessageSpec& message, const char* field) {
  for (const MessageField& own : message.fields) {
    if (own.name == field) return &own.value;
  }
  return nullptr;
}

bool has(const MessageSpec& message, const char* field) { return find(message, field) != nullptr; }

uint64_t number_of(const MessageSpec& message, const char* field, uint64_t otherwise) {
  const std::string* value = find(message, field);
  return value == nullptr ? otherwise : number(*value).value_or(otherwise);
}

IpAddress address_of(const MessageSpec& message, const char* field, const IpAddress& otherwise) {
  const std::string* value = find(message, field);
  return value == nullptr ? otherwise : parse_ip(*value).value_or(otherwise);
}

std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> items;
  for (size_t at = 0; at <= list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    items.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return items;
}

std::vector<uint8_t> bytes_of_hex(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const std::optional<uint64_t> byte = number("0x" + hex.substr(i, 2));
    bytes.push_back(static_cast<uint8_t>(byte.value_or(0)));
  }
  return bytes;
}

std::string hex_of(Bytes bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

void add(MessageSpec& message, const char* field, std::string value) {
  message.fields.push_back({{}, field, std::move(value)});
}

void add(MessageSpec& message, const char* field, uint64_t value) {
  add(message, field, std::to_string(value));
}

std::string written(const MessageSpec& message) {
  std::string text = message.protocol + " " + message.verb;
  const std::vector<std::string>* positions = positions_of(message.protocol, message.verb);
  for (const MessageField& field : message.fields) {
    const bool placed = positions != nullptr && std::find(positions->begin(), positions->end(),
                                                          field.name) != positions->end();
    if (!placed) text += " " + field.name;
    if (type_of(message.protocol, field.name) != Type::kFlag) text += " " + field.value;
  }
  return text;
}

std::string difference(const MessageSpec& line, const MessageSpec& seen) {
  if (line.verb != seen.verb) return "it is something else";
  for (const MessageField& field : line.fields) {
    if (field.name == "without") {
      for (const std::string& name : items_of(field.value)) {
        if (has(seen, name.c_str())) return "it has " + name;
      }
      continue;
    }
    const std::string* value = find(seen, field.name.c_str());
    if (value == nullptr) return "it has no " + field.name;
    if (type_of(line.protocol, field.name) != Type::kFlag && *value != field.value) {
      return field.name + " is " + *value;
    }
  }
  return {};
}

}  // namespace dashi::script
