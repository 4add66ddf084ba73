#include "core/flow/address_policy.hh"

#include <algorithm>
#include <optional>

namespace dashi {
namespace {

// What speaks for a cloud to the machine that asks, keys and all: metadata services that are not link-local.
bool is_metadata(Ipv4Address a) {
  constexpr Ipv4Address kAzureWireServer{{168, 63, 129, 16}};
  constexpr Ipv4Address kAlibaba{{100, 100, 100, 200}};
  constexpr Ipv4Address kOracle{{192, 0, 0, 192}};
  return a == kAzureWireServer || a == kAlibaba || a == kOracle;
}

bool is_denied(Ipv4Address a) {
  return a.bytes[0] == 0 || a.is_loopback() || a.is_link_local() || a.bytes[0] >= 240 ||
         is_metadata(a);
}

bool has_prefix(const Ipv6Address& a, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), a.bytes.begin());
}

Ipv4Address v4_at(const Ipv6Address& a, size_t offset) {
  return {{a.bytes[offset], a.bytes[offset + 1], a.bytes[offset + 2], a.bytes[offset + 3]}};
}

// The IPv4 address that an IPv6 address stands for, if it is of a form that carries one.
std::optional<Ipv4Address> embedded_v4(const Ipv6Address& a) {
  if (has_prefix(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) return v4_at(a, 12);  // mapped
  if (has_prefix(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) return v4_at(a, 12);        // compatible
  if (has_prefix(a, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0})) return v4_at(a, 12);  // RFC 2765
  if (has_prefix(a, {0x20, 0x02})) return v4_at(a, 2);                                 // 6to4
  if (has_prefix(a, {0x00, 0x64, 0xff, 0x9b})) return v4_at(a, 12);                    // NAT64
  return std::nullopt;
}

// 64:ff9b:1::/48 is for a site's own NAT64 (RFC 8215), whose prefix may have 48, 56, 64 or 96 bits: where
// the IPv4 address is, only the site knows (RFC 6052 2.2; byte 8 is skipped). Denied if it may be the host,
// its link or a metadata service, or cannot be anybody.
bool local_nat64_is_denied(const Ipv6Address& a) {
  const auto& b = a.bytes;
  const Ipv4Address candidates[] = {{{b[6], b[7], b[9], b[10]}},
                                    {{b[7], b[9], b[10], b[11]}},
                                    {{b[9], b[10], b[11], b[12]}},
                                    {{b[12], b[13], b[14], b[15]}}};
  bool anybody = false;
  for (const Ipv4Address& v4 : candidates) {
    if (v4.is_loopback() || v4.is_link_local() || is_metadata(v4)) return true;
    anybody = anybody || (!is_denied(v4) && !v4.is_multicast());
  }
  return !anybody;
}

bool is_denied(const Ipv6Address& a) {
  if (a.is_unspecified() || a.is_loopback() || a.is_link_local()) return true;
  if (has_prefix(a, {0xfe}) && (a.bytes[1] & 0xc0) == 0xc0) return true;  // site-local, RFC 3879
  // Metadata services without an IPv4 form: fd00:ec2::/32 (Amazon) and fd20:ce::254 (Google).
  if (has_prefix(a, {0xfd, 0x00, 0x0e, 0xc2})) return true;
  if (has_prefix(a, {0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}))
    return true;
  if (has_prefix(a, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01})) return local_nat64_is_denied(a);
  const std::optional<Ipv4Address> v4 = embedded_v4(a);
  return v4.has_value() && (is_denied(*v4) || v4->is_multicast());
}

Ipv6Address loopback_v6() {
  Ipv6Address one;
  one.bytes[15] = 1;
  return one;
}

}  // namespace

Destination AddressPolicy::resolve(const IpAddress& destination) const {
  using Verdict = Destination::Verdict;
  if (destination.is_multicast()) return {Verdict::kMulticast, {}};
  if (destination.is_v4() &&
      (destination.v4().is_broadcast() || destination.v4() == topology_.subnet.broadcast())) {
    return {Verdict::kBroadcast, {}};
  }
  if (topology_.is_gateway(destination)) return {Verdict::kGateway, {}};
  const bool denied =
      destination.is_v4() ? is_denied(destination.v4()) : is_denied(destination.v6());
  if (denied) return {Verdict::kDenied, {}};
  if (topology_.is_on_link(destination)) return {Verdict::kUnreachable, {}};
  return {Verdict::kForward, {destination, {}}};
}

Destination AddressPolicy::resolve(const Endpoint& destination) const {
  Destination result = resolve(destination.address);
  result.remote.port = destination.port;
  if (result.verdict != Destination::Verdict::kGateway || !config_.host_loopback) return result;
  const bool opened =
      config_.loopback_ports.empty() ||
      std::any_of(config_.loopback_ports.begin(), config_.loopback_ports.end(),
                  [&](const PortRange& range) {
                    return range.first <= destination.port && destination.port <= range.last;
                  });
  if (!opened) return result;
  result.verdict = Destination::Verdict::kForward;
  result.remote.address = destination.address.is_v4() ? IpAddress(Ipv4Address{{127, 0, 0, 1}})
                                                      : IpAddress(loopback_v6());
  return result;
}

}  // namespace dashi
