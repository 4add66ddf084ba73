#include "core/wire/address.hh"

namespace dashi {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A decimal number of one to five digits, without leading zeros, at most `max`.
std::optional<uint32_t> parse_decimal(std::string_view text, uint32_t max) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint32_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  if (value > max) return std::nullopt;
  return value;
}

std::optional<uint16_t> parse_hex_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  uint32_t value = 0;
  for (char c : text) {
    const int digit = hex_value(c);
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  return static_cast<uint16_t>(value);
}

void append_hex(std::string& out, uint16_t value) {
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const auto digit = static_cast<size_t>(value >> shift & 0xf);
    if (digit == 0 && !started && shift != 0) continue;
    started = true;
    out += kHexDigits[digit];
  }
}

// Groups of an IPv6 address on one side of "::", an IPv4 tail counting as two.
struct Groups {
  std::array<uint16_t, 8> values{};
  size_t count = 0;
};

std::optional<Groups> parse_groups(std::string_view text) {
  Groups groups;
  if (text.empty()) return groups;
  while (true) {
    const size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && part.find('.') != std::string_view::npos) {
      const auto v4 = parse_ipv4(part);
      if (!v4 || groups.count > 6) return std::nullopt;
      groups.values[groups.count++] = static_cast<uint16_t>(v4->to_u32() >> 16);
      groups.values[groups.count++] = static_cast<uint16_t>(v4->to_u32());
      return groups;
    }
    const auto value = parse_hex_group(part);
    if (!value || groups.count == 8) return std::nullopt;
    groups.values[groups.count++] = *value;
    if (last) return groups;
    text.remove_prefix(colon + 1);
  }
}

struct Run {
  size_t first = 8;
  size_t length = 0;
};

// The longest run of at least two zero groups, the first of equals (RFC 5952 4.2).
Run longest_zero_run(const std::array<uint16_t, 8>& groups) {
  Run best;
  for (size_t i = 0; i < 8;) {
    size_t j = i;
    while (j < 8 && groups[j] == 0) ++j;
    if (j - i >= 2 && j - i > best.length) best = Run{i, j - i};
    i = j + 1;
  }
  return best;
}

template <typename Prefix, typename Address>
std::optional<Prefix> parse_prefix(std::string_view text, uint32_t bits,
                                   std::optional<Address> (*parse_address)(std::string_view)) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_address(text.substr(0, slash));
  const auto length = parse_decimal(text.substr(slash + 1), bits);
  if (!address || !length) return std::nullopt;
  return Prefix{*address, static_cast<uint8_t>(*length)};
}

}  // namespace

Ipv6Address Ipv6Address::solicited_node() const {
  return {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, bytes[13], bytes[14], bytes[15]}};
}

bool Ipv6Prefix::contains(const Ipv6Address& a) const {
  for (size_t i = 0; i < 16; ++i) {
    const size_t bits = length > i * 8 ? length - i * 8 : 0;
    const auto mask = static_cast<uint8_t>(bits >= 8 ? 0xff : 0xff00 >> bits);
    if (((a.bytes[i] ^ address.bytes[i]) & mask) != 0) return false;
  }
  return true;
}

Ipv6Address eui64_address(const Ipv6Address& prefix, const MacAddress& mac) {
  Ipv6Address out = prefix;
  const auto& m = mac.bytes;
  const std::array<uint8_t, 8> identifier = {
      static_cast<uint8_t>(m[0] ^ 0x02), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  for (size_t i = 0; i < 8; ++i) out.bytes[8 + i] = identifier[i];
  return out;
}

std::string to_string(const MacAddress& mac) {
  std::string out;
  for (uint8_t byte : mac.bytes) {
    if (!out.empty()) out += ':';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 0xf];
  }
  return out;
}

std::string to_string(const Ipv4Address& address) {
  std::string out;
  for (uint8_t byte : address.bytes) {
    if (!out.empty()) out += '.';
    out += std::to_string(byte);
  }
  return out;
}

std::string to_string(const Ipv6Address& address) {
  std::array<uint16_t, 8> groups{};
  for (size_t i = 0; i < 8; ++i) {
    groups[i] = static_cast<uint16_t>(address.bytes[2 * i] << 8 | address.bytes[2 * i + 1]);
  }
  const Run zeros = longest_zero_run(groups);
  // IPv4-mapped addresses in mixed notation (RFC 5952 5).
  if (zeros.first == 0 && zeros.length == 5 && groups[5] == 0xffff) {
    return "::ffff:" + to_string(Ipv4Address{{address.bytes[12], address.bytes[13],
                                              address.bytes[14], address.bytes[15]}});
  }
  std::string out;
  for (size_t i = 0; i < 8; ++i) {
    if (i == zeros.first) {
      out += "::";
      i += zeros.length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    append_hex(out, groups[i]);
  }
  return out;
}

std::string to_string(const IpAddress& address) {
  return address.is_v4() ? to_string(address.v4()) : to_string(address.v6());
}

std::string to_string(const Endpoint& endpoint) {
  const std::string port = std::to_string(endpoint.port.number);
  if (endpoint.address.is_v4()) return to_string(endpoint.address) + ":" + port;
  return "[" + to_string(endpoint.address) + "]:" + port;
}

std::optional<MacAddress> parse_mac(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (size_t i = 0; i < 6; ++i) {
    const int high = hex_value(text[i * 3]);
    const int low = hex_value(text[i * 3 + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    if (i != 5 && text[i * 3 + 2] != ':' && text[i * 3 + 2] != '-') return std::nullopt;
    mac.bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return mac;
}

std::optional<Ipv4Address> parse_ipv4(std::string_view text) {
  Ipv4Address address;
  for (size_t i = 0; i < 4; ++i) {
    const size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
    const auto value = parse_decimal(text.substr(0, dot), 255);
    if (!value) return std::nullopt;
    address.bytes[i] = static_cast<uint8_t>(*value);
    text.remove_prefix(i == 3 ? text.size() : dot + 1);
  }
  return address;
}

std::optional<Ipv6Address> parse_ipv6(std::string_view text) {
  const size_t gap = text.find("::");
  const bool has_gap = gap != std::string_view::npos;
  const auto head = parse_groups(text.substr(0, gap));
  const auto tail = parse_groups(has_gap ? text.substr(gap + 2) : std::string_view());
  if (!head || !tail) return std::nullopt;
  // An IPv4 tail ends the address: nothing may follow it.
  if (has_gap && text.substr(0, gap).find('.') != std::string_view::npos) return std::nullopt;
  const size_t given = head->count + tail->count;
  if (has_gap ? given > 7 : given != 8) return std::nullopt;
  std::array<uint16_t, 8> groups{};
  for (size_t i = 0; i < head->count; ++i) groups[i] = head->values[i];
  for (size_t i = 0; i < tail->count; ++i) groups[8 - tail->count + i] = tail->values[i];
  Ipv6Address address;
  for (size_t i = 0; i < 8; ++i) {
    address.bytes[2 * i] = static_cast<uint8_t>(groups[i] >> 8);
    address.bytes[2 * i + 1] = static_cast<uint8_t>(groups[i]);
  }
  return address;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (const auto v4 = parse_ipv4(text)) return IpAddress(*v4);
  if (const auto v6 = parse_ipv6(text)) return IpAddress(*v6);
  return std::nullopt;
}

std::optional<Ipv4Prefix> parse_ipv4_prefix(std::string_view text) {
  return parse_prefix<Ipv4Prefix, Ipv4Address>(text, 32, parse_ipv4);
}

std::optional<Ipv6Prefix> parse_ipv6_prefix(std::string_view text) {
  return parse_prefix<Ipv6Prefix, Ipv6Address>(text, 128, parse_ipv6);
}

std::optional<Port> parse_port(std::string_view text) {
  const auto value = parse_decimal(text, 65535);
  if (!value) return std::nullopt;
  return Port{static_cast<uint16_t>(*value)};
}

}  // namespace dashi
