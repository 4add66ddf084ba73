// Link, network and transport addresses. Values only; parsing of text is here because configuration,
// scenarios and dumps all need it.
#pragma once

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/bytes.hh"

namespace dashi {

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  bool is_broadcast() const { return *this == broadcast(); }
  bool is_multicast() const { return (bytes[0] & 1) != 0; }  // true for broadcast as well
  bool is_zero() const { return *this == MacAddress{}; }
  static constexpr MacAddress broadcast() { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;
};

struct Ipv4Address {
  std::array<uint8_t, 4> bytes{};

  static constexpr Ipv4Address from_u32(uint32_t v) {
    return {{static_cast<uint8_t>(v >> 24), static_cast<uint8_t>(v >> 16),
             static_cast<uint8_t>(v >> 8), static_cast<uint8_t>(v)}};
  }
  constexpr uint32_t to_u32() const {
    return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
           static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
  }
  bool is_unspecified() const { return to_u32() == 0; }
  bool is_broadcast() const { return to_u32() == 0xffffffff; }
  bool is_multicast() const { return bytes[0] >> 4 == 14; }
  bool is_loopback() const { return bytes[0] == 127; }
  bool is_link_local() const { return bytes[0] == 169 && bytes[1] == 254; }
  friend auto operator<=>(const Ipv4Address&, const Ipv4Address&) = default;
};

struct Ipv6Address {
  std::array<uint8_t, 16> bytes{};

  bool is_unspecified() const { return *this == Ipv6Address{}; }
  bool is_multicast() const { return bytes[0] == 0xff; }
  bool is_loopback() const {
    Ipv6Address one;
    one.bytes[15] = 1;
    return *this == one;
  }
  bool is_link_local() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
  // ff02::1:ffXX:XXXX for this address (RFC 4291 2.7.1).
  Ipv6Address solicited_node() const;
  friend auto operator<=>(const Ipv6Address&, const Ipv6Address&) = default;
};

enum class Family : uint8_t { kIpv4 = 4, kIpv6 = 6 };

// An IPv4 or IPv6 address. An IPv4 one is kept in the last four bytes, the others are zero.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  constexpr IpAddress(Ipv4Address v4) {  // NOLINT(google-explicit-constructor): widening
    for (size_t i = 0; i < 4; ++i) bytes_[12 + i] = v4.bytes[i];
  }
  constexpr IpAddress(Ipv6Address v6)  // NOLINT(google-explicit-constructor): widening
      : family_(Family::kIpv6), bytes_(v6.bytes) {}

  constexpr Family family() const { return family_; }
  constexpr bool is_v4() const { return family_ == Family::kIpv4; }
  constexpr bool is_v6() const { return family_ == Family::kIpv6; }
  constexpr Ipv4Address v4() const { return {{bytes_[12], bytes_[13], bytes_[14], bytes_[15]}}; }
  constexpr Ipv6Address v6() const { return {bytes_}; }
  // All sixteen bytes, whatever the family.
  constexpr Ipv6Address raw() const { return {bytes_}; }
  // The address as the wire carries it: 4 or 16 bytes.
  Bytes bytes() const { return is_v4() ? Bytes(bytes_).subspan(12) : Bytes(bytes_); }

  bool is_unspecified() const { return is_v4() ? v4().is_unspecified() : v6().is_unspecified(); }
  bool is_multicast() const { return is_v4() ? v4().is_multicast() : v6().is_multicast(); }
  bool is_loopback() const { return is_v4() ? v4().is_loopback() : v6().is_loopback(); }
  bool is_link_local() const { return is_v4() ? v4().is_link_local() : v6().is_link_local(); }
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::kIpv4;
  std::array<uint8_t, 16> bytes_{};
};

// A TCP or UDP port.
struct Port {
  uint16_t number = 0;
  friend auto operator<=>(const Port&, const Port&) = default;
};

struct Endpoint {
  IpAddress address;
  Port port;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// An address and a prefix length: a subnet, or an address on one.
struct Ipv4Prefix {
  Ipv4Address address;
  uint8_t length = 0;  // bits, 0..32

  uint32_t mask() const { return length == 0 ? 0 : ~uint32_t{0} << (32 - length); }
  bool contains(Ipv4Address a) const { return ((a.to_u32() ^ address.to_u32()) & mask()) == 0; }
  Ipv4Address network() const { return Ipv4Address::from_u32(address.to_u32() & mask()); }
  Ipv4Address broadcast() const { return Ipv4Address::from_u32(address.to_u32() | ~mask()); }
  friend auto operator<=>(const Ipv4Prefix&, const Ipv4Prefix&) = default;
};

struct Ipv6Prefix {
  Ipv6Address address;
  uint8_t length = 64;  // bits, 0..128

  bool contains(const Ipv6Address& a) const;
  friend auto operator<=>(const Ipv6Prefix&, const Ipv6Prefix&) = default;
};

// The modified EUI-64 interface identifier of a MAC address (RFC 4291 appendix A) under a /64.
Ipv6Address eui64_address(const Ipv6Address& prefix, const MacAddress& mac);

template <typename Archive>
void archive(Archive& ar, MacAddress& a) {
  ar.bytes(a.bytes);
}
template <typename Archive>
void archive(Archive& ar, Ipv4Address& a) {
  ar.bytes(a.bytes);
}
template <typename Archive>
void archive(Archive& ar, Ipv6Address& a) {
  ar.bytes(a.bytes);
}
template <typename Archive>
void archive(Archive& ar, IpAddress& a) {
  bool v6 = a.is_v6();
  Ipv6Address raw = a.raw();
  ar(v6, raw);
  a = v6 ? IpAddress(raw)
         : IpAddress(Ipv4Address{{raw.bytes[12], raw.bytes[13], raw.bytes[14], raw.bytes[15]}});
}
template <typename Archive>
void archive(Archive& ar, Port& p) {
  ar(p.number);
}
template <typename Archive>
void archive(Archive& ar, Endpoint& e) {
  ar(e.address, e.port);
}

// Text forms; IPv6 as RFC 5952 writes it. Endpoint: 10.0.0.2:80, [fd00::2]:80. The parsers take the
// whole text or give nothing.
std::string to_string(const MacAddress& mac);
std::string to_string(const Ipv4Address& address);
std::string to_string(const Ipv6Address& address);
std::string to_string(const IpAddress& address);
std::string to_string(const Endpoint& endpoint);
std::optional<MacAddress> parse_mac(std::string_view text);
std::optional<Ipv4Address> parse_ipv4(std::string_view text);
std::optional<Ipv6Address> parse_ipv6(std::string_view text);
std::optional<IpAddress> parse_ip(std::string_view text);
std::optional<Ipv4Prefix> parse_ipv4_prefix(std::string_view text);  // 10.0.0.0/24
std::optional<Ipv6Prefix> parse_ipv6_prefix(std::string_view text);  // fd00::/64
std::optional<Port> parse_port(std::string_view text);               // decimal, 0..65535

}  // namespace dashi
