// The part of TcpGuest that gets it its addresses and neighbours: DHCPv4 by way of dhcp_client, NDP
// (RFC 4861) and SLAAC (RFC 4862).
#include <algorithm>

#include "sim/tcp_guest.hh"

namespace dashi {

namespace {

using guest::Parsed;

constexpr Duration kRouterRetry = 4s;  // RFC 4861 10 RTR_SOLICITATION_INTERVAL
constexpr int kRouterTries = 3;        // then ever more slowly (RFC 7559 2)
constexpr Duration kRetryMax = 1h;
constexpr uint8_t kHopLimit = 255;  // RFC 4861 6.1, 7.1

uint32_t get32(Bytes from) { return load<Be32>(from); }

MacAddress multicast_mac(const Ipv6Address& group) {
  return {{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}

// Calls `each(type, whole option)` for every NDP option; false if they are malformed.
template <typename Each>
bool for_each_option(Bytes options, const Each& each) {
  while (!options.empty()) {
    if (options.size() < 8) return false;
    const size_t length = size_t{8} * options[1];
    if (length == 0 || length > options.size()) return false;
    each(options[0], options.first(length));
    options = options.subspan(length);
  }
  return true;
}

// The wait after try `tries`: always `first`, and twice as long each time once there were `quick` of them.
Duration retry_after(Duration first, int tries, int quick) {
  const int doublings = std::clamp(tries - quick, 0, 10);
  return std::min(first * (1 << doublings), kRetryMax);
}

}  // namespace

// --- NDP ---

void TcpGuest::solicit(const IpAddress& target, const IpAddress& source) {
  std::vector<uint8_t> message{135, 0, 0, 0, 0, 0, 0, 0};
  message.insert(message.end(), target.bytes().begin(), target.bytes().end());
  if (!source.is_unspecified()) {
    message.push_back(1);
    message.push_back(1);
    message.insert(message.end(), spec_.mac.bytes.begin(), spec_.mac.bytes.end());
  }
  const Ipv6Address group = target.v6().solicited_node();
  guest::IpOut header;
  header.source = source;
  header.destination = group;
  header.protocol = guest::kProtoIcmpv6;
  header.ttl = kHopLimit;
  auto frame = guest::ip(multicast_mac(group), spec_.mac, header, message, 2);
  send_now(frame, Offload{});
}

void TcpGuest::send_router_solicitation() {
  if (v6_.has_value()) return;
  if (++router_tries_ == 1) solicit(link_local_, Ipv6Address{});  // DAD (RFC 4862 5.4.2)
  std::vector<uint8_t> message{133, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  message.insert(message.end(), spec_.mac.bytes.begin(), spec_.mac.bytes.end());
  Ipv6Address routers{{0xff, 0x02}};
  routers.bytes[15] = 2;
  guest::IpOut header;
  header.source = link_local_;
  header.destination = routers;
  header.protocol = guest::kProtoIcmpv6;
  header.ttl = kHopLimit;
  auto frame = guest::ip(multicast_mac(routers), spec_.mac, header, message, 2);
  send_now(frame, Offload{});
  queue_.schedule_after(retry_after(kRouterRetry, router_tries_, kRouterTries),
                        [this] { send_router_solicitation(); });
}

void TcpGuest::handle_icmpv6(const Parsed& parsed) {
  if (parsed.transport.size() < 8) {
    ++counts_.malformed;
    return;
  }
  const uint8_t type = parsed.transport[0];
  const bool ndp = type >= 133 && type <= 137;
  if (ndp && parsed.ttl != kHopLimit) {
    ++counts_.malformed;
    return;
  }
  switch (type) {
    case 128:
    case 129:
      handle_echo(parsed, type == 128);
      return;
    case 134:
      handle_router_advertisement(parsed);
      return;
    case 135:
      handle_neighbour_solicitation(parsed);
      return;
    case 136:
      handle_neighbour_advertisement(parsed);
      return;
    default:
      if (type < 128) handle_icmp_error(parsed, type, parsed.transport[1]);
      return;
  }
}

void TcpGuest::handle_neighbour_solicitation(const Parsed& parsed) {
  if (parsed.transport.size() < 24) return;
  const auto target = load<Ipv6Address>(parsed.transport.subspan(8));
  if (!is_ours(target) || parsed.source.is_unspecified()) return;
  std::vector<uint8_t> message{136, 0, 0, 0, 0x60, 0, 0, 0};  // solicited, override
  message.insert(message.end(), target.bytes.begin(), target.bytes.end());
  message.push_back(2);
  message.push_back(1);
  message.insert(message.end(), spec_.mac.bytes.begin(), spec_.mac.bytes.end());
  guest::IpOut header;
  header.source = target;
  header.destination = parsed.source;
  header.protocol = guest::kProtoIcmpv6;
  header.ttl = kHopLimit;
  auto frame = guest::ip(parsed.from, spec_.mac, header, message, 2);
  send_now(frame, Offload{});
}

void TcpGuest::handle_neighbour_advertisement(const Parsed& parsed) {
  if (parsed.transport.size() < 24) return;
  const auto target = load<Ipv6Address>(parsed.transport.subspan(8));
  for_each_option(parsed.transport.subspan(24), [&](uint8_t type, Bytes option) {
    if (type == 2) learn_neighbour(target, load<MacAddress>(option.subspan(2)));
  });
}

void TcpGuest::handle_router_advertisement(const Parsed& parsed) {
  if (!spec_.ipv6 || parsed.transport.size() < 16) return;
  ++slaac_.advertisements;
  slaac_.router_lifetime = load<Be16>(parsed.transport.subspan(6));
  slaac_.dns.clear();
  std::optional<MacAddress> router_mac;
  const bool right = for_each_option(parsed.transport.subspan(16), [&](uint8_t type, Bytes option) {
    if (type == 1) router_mac = load<MacAddress>(option.subspan(2));
    if (type == 5) slaac_.mtu = get32(option.subspan(4));
    if (type == 3 && option.size() == 32 && (option[3] & 0x40) != 0) {
      slaac_.prefix = Ipv6Prefix{load<Ipv6Address>(option.subspan(16)), option[2]};
    }
    for (size_t at = 8; type == 25 && at + 16 <= option.size(); at += 16) {
      slaac_.dns.push_back(load<Ipv6Address>(option.subspan(at)));
    }
  });
  if (!right) {
    ++counts_.malformed;
    return;
  }
  // Routed through it even at lifetime 0: the world has no other router, and a test that cares looks
  // at the record.
  if (!router_v6_.has_value()) router_since_ = queue_.now();
  router_v6_ = parsed.source.v6();
  if (router_mac.has_value()) learn_neighbour(parsed.source, *router_mac);
  if (slaac_.prefix.has_value() && slaac_.prefix->length == 64 && !v6_.has_value()) {
    v6_ = eui64_address(slaac_.prefix->address, spec_.mac);
    solicit(*v6_, Ipv6Address{});
  }
  observe(0, 16, slaac_.advertisements);
}

// --- DHCPv4 ---

void TcpGuest::send_dhcp(Bytes message) {
  guest::IpOut header;
  header.source = Ipv4Address{};
  header.destination = Ipv4Address::from_u32(0xffffffff);
  auto frame = guest::udp(MacAddress::broadcast(), spec_.mac, header, Port{DhcpClient::kClientPort},
                          Port{DhcpClient::kServerPort}, message);
  send_now(frame, Offload{});
}

void TcpGuest::use_lease() {
  const DhcpRecord& lease = dhcp_.record();
  v4_ = Ipv4Prefix{lease.address, lease.prefix_length};
  gateway_v4_ = lease.gateway();
  observe(0, 15, lease.address.to_u32());
}

}  // namespace dashi
