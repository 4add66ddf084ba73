// The part of TcpGuest that gets it its addresses and neighbours: DHCPv4 (RFC 2131), NDP (RFC 4861) and
// SLAAC (RFC 4862).
#include "sim/tcp_guest.hh"

namespace dashi {

namespace {

using guest::Parsed;

constexpr Duration kDhcpRetry = 4s;
constexpr int kDhcpTries = 5;
constexpr Duration kRouterRetry = 4s;  // RFC 4861 10 RTR_SOLICITATION_INTERVAL
constexpr int kRouterTries = 3;
constexpr uint8_t kHopLimit = 255;  // RFC 4861 6.1, 7.1
constexpr uint32_t kCookie = 0x63825363;
constexpr uint8_t kDiscover = 1;
constexpr uint8_t kOffer = 2;
constexpr uint8_t kRequest = 3;
constexpr uint8_t kAckType = 5;
constexpr uint8_t kNak = 6;

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
  if (v6_.has_value() || ++router_tries_ > kRouterTries) return;
  if (router_tries_ == 1) solicit(link_local_, Ipv6Address{});  // DAD (RFC 4862 5.4.2)
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
  queue_.schedule_after(kRouterRetry, [this] { send_router_solicitation(); });
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
  router_v6_ = parsed.source.v6();
  if (router_mac.has_value()) learn_neighbour(parsed.source, *router_mac);
  if (slaac_.prefix.has_value() && slaac_.prefix->length == 64 && !v6_.has_value()) {
    v6_ = eui64_address(slaac_.prefix->address, spec_.mac);
    solicit(*v6_, Ipv6Address{});
  }
  observe(0, 16, slaac_.advertisements);
}

// --- DHCPv4 ---

void TcpGuest::dhcp_retry() {
  queue_.schedule_after(kDhcpRetry, [this] {
    if (dhcp_.bound || ++dhcp_tries_ > kDhcpTries) return;
    send_dhcp(kDiscover);
    dhcp_retry();
  });
}

void TcpGuest::send_dhcp(uint8_t type) {
  std::vector<uint8_t> message(236, 0);
  message[0] = 1;  // BOOTREQUEST
  message[1] = 1;
  message[2] = 6;
  store(MutableBytes(message).subspan(4), Be32{dhcp_transaction_});
  copy_bytes(MutableBytes(message).subspan(28), spec_.mac.bytes);
  const auto put = [&message](uint8_t code, Bytes value) {
    message.push_back(code);
    message.push_back(static_cast<uint8_t>(value.size()));
    message.insert(message.end(), value.begin(), value.end());
  };
  std::array<uint8_t, 4> cookie{};
  store(MutableBytes(cookie), Be32{kCookie});
  message.insert(message.end(), cookie.begin(), cookie.end());
  put(53, {&type, 1});
  if (type == kRequest) {
    put(50, dhcp_.address.bytes);
    put(54, dhcp_.server.bytes);
  }
  put(55, std::array<uint8_t, 7>{1, 3, 6, 15, 26, 51, 119});
  message.push_back(255);
  guest::IpOut header;
  header.source = Ipv4Address{};
  header.destination = Ipv4Address::from_u32(0xffffffff);
  auto frame = guest::udp(MacAddress::broadcast(), spec_.mac, header, Port{68}, Port{67}, message);
  send_now(frame, Offload{});
}

void TcpGuest::handle_dhcp(Bytes payload) {
  if (payload.size() < 240 || payload[0] != 2) return;
  if (get32(payload.subspan(4)) != dhcp_transaction_ || dhcp_.bound) return;
  uint8_t type = 0;
  DhcpRecord offer;
  offer.address = load<Ipv4Address>(payload.subspan(16));
  for (size_t at = 240; at < payload.size() && payload[at] != 255;) {
    if (payload[at] == 0) {
      ++at;
      continue;
    }
    if (at + 1 >= payload.size() || at + 2 + payload[at + 1] > payload.size()) {
      ++counts_.malformed;
      return;
    }
    const uint8_t code = payload[at];
    const Bytes value = payload.subspan(at + 2, payload[at + 1]);
    at += 2 + value.size();
    if (code == 53 && value.size() == 1) type = value[0];
    if (code == 1 && value.size() == 4) {
      offer.prefix_length = static_cast<uint8_t>(std::popcount(get32(value)));
    }
    if (code == 3 && value.size() >= 4) offer.router = load<Ipv4Address>(value);
    for (size_t i = 0; code == 6 && i + 4 <= value.size(); i += 4) {
      offer.dns.push_back(load<Ipv4Address>(value.subspan(i)));
    }
    if (code == 26 && value.size() == 2) offer.mtu = load<Be16>(value);
    if (code == 51 && value.size() == 4) offer.lease_seconds = get32(value);
    if (code == 54 && value.size() == 4) offer.server = load<Ipv4Address>(value);
  }
  if (type == kOffer && !dhcp_.offered) {
    dhcp_ = offer;
    dhcp_.offered = true;
    send_dhcp(kRequest);
  } else if (type == kAckType && dhcp_.offered) {
    dhcp_ = offer;
    dhcp_.offered = dhcp_.bound = true;
    v4_ = Ipv4Prefix{offer.address, offer.prefix_length};
    gateway_v4_ = offer.router.value_or(offer.server);
    observe(0, 15, offer.address.to_u32());
  } else if (type == kNak) {
    dhcp_.refused = true;
    dhcp_.offered = false;
  }
}

}  // namespace dashi
