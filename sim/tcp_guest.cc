#include "sim/tcp_guest.hh"

#include "sim/pattern.hh"

namespace dashi {

namespace {

using guest::Parsed;

constexpr size_t kWaitingMax = 64;
constexpr Duration kNeighbourRetry = 1s;
constexpr int kNeighbourTries = 5;
constexpr Port kDnsPort{53};
constexpr Port kResolverPort{40053};
constexpr uint16_t kPingId = 0x4444;
constexpr uint64_t kPingPattern = 0x50494e47;

enum Observed : uint64_t {
  kPingReply = 10,
  kPingError,
  kDatagram,
  kUdpErrorSeen,
  kResolved,
  kBound,
  kAdvertised
};

}  // namespace

TcpGuest::TcpGuest(EventQueue& queue, const GuestSpec& spec, uint64_t seed, Transmit transmit)
    : queue_(queue),
      spec_(spec),
      prng_(seed, "guest", spec.mac.bytes[5]),
      transmit_(std::move(transmit)),
      tcp_(queue, spec.tcp, spec.mtu, Prng(seed, "guest-tcp", spec.mac.bytes[5]),
           [this](const IpAddress& from, const IpAddress& to, const guest::TcpOut& out,
                  Bytes payload,
                  uint16_t gso_size) { send_segment(from, to, out, payload, gso_size); }),
      v4_(spec.v4),
      gateway_v4_(spec.gateway_v4),
      link_local_(eui64_address(Ipv6Address{{0xfe, 0x80}}, spec.mac)),
      dhcp_(
          queue, {.mac = spec.mac}, [this](Bytes message) { send_dhcp(message); },
          [this] { use_lease(); }) {
  tcp_.set_stalled([this](const IpAddress& remote) { forget_neighbour(next_hop(remote)); });
}

void TcpGuest::set_observer(std::function<void(uint64_t, uint64_t, uint64_t)> observer) {
  observer_ = std::move(observer);
  tcp_.set_observer(
      [this](uint32_t flow, uint64_t what, uint64_t argument) { observe(flow, what, argument); });
}

void TcpGuest::observe(uint64_t subject, uint64_t what, uint64_t argument) {
  if (observer_) observer_(subject, what, argument);
}

std::optional<Ipv4Address> TcpGuest::v4() const {
  if (!v4_.has_value()) return std::nullopt;
  return v4_->address;
}

void TcpGuest::start() {
  if (!v4_.has_value()) dhcp_.start(static_cast<uint32_t>(prng_.next_u64()));
  if (spec_.ipv6) send_router_solicitation();
}

// --- Out ---

IpAddress TcpGuest::source_for(const IpAddress& destination) const {
  if (destination.is_v4()) return v4_.has_value() ? v4_->address : Ipv4Address{};
  if (destination.is_link_local() || destination.is_multicast()) return link_local_;
  return v6_.has_value() ? *v6_ : link_local_;
}

IpAddress TcpGuest::next_hop(const IpAddress& destination) const {
  if (destination.is_v4()) {
    const bool on_link = v4_.has_value() && v4_->contains(destination.v4());
    return on_link ? destination : IpAddress(gateway_v4_);
  }
  if (destination.is_link_local() || !router_v6_.has_value()) return destination;
  return *router_v6_;
}

bool TcpGuest::is_ours(const IpAddress& address) const {
  if (address.is_v4()) {
    return (v4_.has_value() && address.v4() == v4_->address) || address.v4().is_broadcast();
  }
  return address.v6() == link_local_ || (v6_.has_value() && address.v6() == *v6_);
}

void TcpGuest::send_now(std::vector<uint8_t>& frame, const Offload& offload) {
  ++counts_.frames_out;
  transmit_(GuestFrame{frame, offload});
}

// `frame` has no destination MAC yet.
void TcpGuest::send_ip(std::vector<uint8_t> frame, const Offload& offload,
                       const IpAddress& destination) {
  const IpAddress hop = next_hop(destination);
  Neighbour& neighbour = neighbours_[hop];
  if (neighbour.mac.has_value()) {
    copy_bytes(frame, neighbour.mac->bytes);
    send_now(frame, offload);
    return;
  }
  if (neighbour.waiting.size() < kWaitingMax) {
    neighbour.waiting.push_back({std::move(frame), offload});
  }
  if (neighbour.tries == 0) ask_neighbour(hop);
}

void TcpGuest::ask_neighbour(const IpAddress& address) {
  Neighbour& neighbour = neighbours_[address];
  if (neighbour.mac.has_value()) return;
  if (++neighbour.tries > kNeighbourTries) {
    neighbour.tries = 0;
    neighbour.waiting.clear();
    return;
  }
  if (address.is_v4()) {
    auto frame =
        guest::arp(MacAddress::broadcast(), 1, spec_.mac,
                   v4_.has_value() ? v4_->address : Ipv4Address{}, MacAddress{}, address.v4());
    send_now(frame, Offload{});
  } else {
    solicit(address, v6_.has_value() ? *v6_ : link_local_);
  }
  queue_.schedule_after(kNeighbourRetry, [this, address] { ask_neighbour(address); });
}

// What was learnt may have been wrong: a damaged ARP reply has no checksum.
void TcpGuest::forget_neighbour(const IpAddress& address) {
  const auto found = neighbours_.find(address);
  if (found != neighbours_.end()) found->second.mac.reset();
}

void TcpGuest::learn_neighbour(const IpAddress& address, const MacAddress& mac) {
  Neighbour& neighbour = neighbours_[address];
  neighbour.mac = mac;
  neighbour.tries = 0;
  std::vector<Waiting> waiting;
  waiting.swap(neighbour.waiting);
  for (Waiting& one : waiting) {
    copy_bytes(one.frame, mac.bytes);
    send_now(one.frame, one.offload);
  }
}

void TcpGuest::send_segment(const IpAddress& from, const IpAddress& to, const guest::TcpOut& out,
                            Bytes payload, uint16_t gso_size) {
  guest::IpOut header;
  header.source = from;
  header.destination = to;
  auto frame = guest::tcp(MacAddress{}, spec_.mac, header, out, payload);
  Offload offload;
  if (spec_.checksum_offload || gso_size != 0) offload = guest::leave_checksum(frame, gso_size);
  send_ip(std::move(frame), offload, to);
}

uint32_t TcpGuest::connect(const Endpoint& to, const AppSpec& app) {
  return tcp_.connect(source_for(to.address), to, app);
}

uint32_t TcpGuest::ping(const IpAddress& to, size_t bytes, uint8_t ttl) {
  PingRecord record;
  record.to = to;
  record.sequence = static_cast<uint16_t>(pings_.size() + 1);
  record.sent = queue_.now();
  pings_.push_back(record);
  std::vector<uint8_t> payload(bytes);
  fill_pattern(kPingPattern + record.sequence, 0, payload);
  guest::IpOut header;
  header.source = source_for(to);
  header.destination = to;
  header.ttl = ttl;
  send_ip(guest::echo(MacAddress{}, spec_.mac, header, false, kPingId, record.sequence, payload),
          Offload{}, to);
  return static_cast<uint32_t>(pings_.size() - 1);
}

void TcpGuest::send_udp(Port from, const Endpoint& to, Bytes payload, uint8_t ttl) {
  guest::IpOut header;
  header.source = source_for(to.address);
  header.destination = to.address;
  header.ttl = ttl;
  auto frame = guest::udp(MacAddress{}, spec_.mac, header, from, to.port, payload);
  Offload offload;
  if (spec_.checksum_offload) offload = guest::leave_checksum(frame, 0);
  send_ip(std::move(frame), offload, to.address);
}

uint32_t TcpGuest::resolve(const std::string& name, uint16_t type) {
  ResolveRecord record;
  record.name = name;
  record.type = type;
  record.id = static_cast<uint16_t>(prng_.next_u64());
  record.asked = queue_.now();
  resolutions_.push_back(record);
  Ipv4Address server = gateway_v4_;
  if (spec_.v4.has_value()) server = spec_.dns_v4;
  if (!dhcp().dns.empty()) server = dhcp().dns[0];
  send_udp(kResolverPort, {server, kDnsPort}, make_dns_query(record.id, name, type), 64);
  return static_cast<uint32_t>(resolutions_.size() - 1);
}

// --- In ---

void TcpGuest::receive(const GuestFrame& frame) {
  ++counts_.frames_in;
  Parsed parsed;
  if (const auto error = guest::parse_frame(frame, parsed)) {
    ++(*error == guest::ParseError::kMalformed ? counts_.malformed : counts_.bad_checksums);
    return;
  }
  if (parsed.to != spec_.mac && !parsed.to.is_multicast()) {
    ++counts_.not_for_us;
    return;
  }
  if (parsed.ether_type == guest::kEtherArp) {
    handle_arp(parsed);
    return;
  }
  const bool dhcp = parsed.protocol == guest::kProtoUdp &&
                    parsed.destination_port == Port{DhcpClient::kClientPort};
  if (!is_ours(parsed.destination) && !parsed.destination.is_multicast() && !dhcp) {
    ++counts_.not_for_us;
    return;
  }
  switch (parsed.protocol) {
    case guest::kProtoTcp:
      tcp_.handle(parsed);
      return;
    case guest::kProtoUdp:
      handle_udp(parsed);
      return;
    case guest::kProtoIcmp:
      handle_icmp(parsed);
      return;
    case guest::kProtoIcmpv6:
      handle_icmpv6(parsed);
      return;
    default:
      ++counts_.malformed;
      return;
  }
}

void TcpGuest::handle_arp(const Parsed& parsed) {
  const Bytes packet = parsed.network;
  if (packet.size() < 28) {
    ++counts_.malformed;
    return;
  }
  const auto sender_mac = load<MacAddress>(packet.subspan(8));
  const auto sender = load<Ipv4Address>(packet.subspan(14));
  const auto target = load<Ipv4Address>(packet.subspan(24));
  if (!v4_.has_value() || target != v4_->address) return;
  if (packet[7] == 1) {
    auto reply = guest::arp(sender_mac, 2, spec_.mac, v4_->address, sender_mac, sender);
    send_now(reply, Offload{});
  } else {
    learn_neighbour(sender, sender_mac);
  }
}

void TcpGuest::handle_icmp(const Parsed& parsed) {
  if (parsed.transport.size() < 8) {
    ++counts_.malformed;
    return;
  }
  const uint8_t type = parsed.transport[0];
  if (type == 8 || type == 0) {
    handle_echo(parsed, type == 8);
  } else {
    handle_icmp_error(parsed, type, parsed.transport[1]);
  }
}

void TcpGuest::handle_echo(const Parsed& parsed, bool request) {
  const Bytes message = parsed.transport;
  const auto id = static_cast<uint16_t>(message[4] << 8 | message[5]);
  const auto sequence = static_cast<uint16_t>(message[6] << 8 | message[7]);
  const Bytes payload = message.subspan(8);
  if (request) {
    guest::IpOut header;
    header.source =
        parsed.destination.is_multicast() ? source_for(parsed.source) : parsed.destination;
    header.destination = parsed.source;
    send_ip(guest::echo(MacAddress{}, spec_.mac, header, true, id, sequence, payload), Offload{},
            parsed.source);
    return;
  }
  if (id != kPingId || sequence == 0 || sequence > pings_.size()) return;
  PingRecord& record = pings_[sequence - 1u];
  if (record.answered.has_value() || record.to != parsed.source) return;
  record.answered = queue_.now();
  record.reply_ttl = parsed.ttl;
  record.payload_right = !first_unlike(kPingPattern + sequence, 0, payload).has_value();
  observe(sequence, kPingReply, payload.size());
}

// An ICMP error quotes our packet from its IP header on.
void TcpGuest::handle_icmp_error(const Parsed& parsed, uint8_t type, uint8_t code) {
  const Bytes quoted = parsed.transport.subspan(8);
  const bool v4 = parsed.source.is_v4();
  const size_t header = v4 ? 20 : 40;
  if (quoted.size() < header) {
    ++counts_.malformed;
    return;
  }
  if (quoted.size() < header + 8) return;  // our packet had no more
  const uint8_t protocol = quoted[v4 ? 9 : 6];
  const IpAddress source = v4 ? IpAddress(load<Ipv4Address>(quoted.subspan(12)))
                              : IpAddress(load<Ipv6Address>(quoted.subspan(8)));
  const IpAddress destination = v4 ? IpAddress(load<Ipv4Address>(quoted.subspan(16)))
                                   : IpAddress(load<Ipv6Address>(quoted.subspan(24)));
  const Bytes transport = quoted.subspan(header);
  const Endpoint local{source, Port{load<Be16>(transport)}};
  const Endpoint remote{destination, Port{load<Be16>(transport.subspan(2))}};
  if (protocol == guest::kProtoTcp) {
    tcp_.handle_icmp(local, remote, type, code, parsed.source);
  } else if (protocol == guest::kProtoUdp) {
    udp_errors_.push_back({local, remote, type, code, parsed.source});
    observe(local.port.number, kUdpErrorSeen, uint64_t{type} << 8 | code);
  } else {
    const uint16_t sequence = load<Be16>(transport.subspan(6));
    if (sequence == 0 || sequence > pings_.size()) return;
    PingRecord& record = pings_[sequence - 1u];
    record.icmp_error = true;
    record.icmp_type = type;
    record.icmp_code = code;
    record.icmp_from = parsed.source;
    observe(sequence, kPingError, uint64_t{type} << 8 | code);
  }
}

void TcpGuest::handle_udp(const Parsed& parsed) {
  if (parsed.destination_port == Port{DhcpClient::kClientPort}) {
    if (!dhcp_.receive(parsed.payload)) ++counts_.malformed;
    return;
  }
  const Endpoint from{parsed.source, parsed.source_port};
  if (parsed.destination_port == kResolverPort) {
    const auto answer = parse_dns_answer(parsed.payload);
    if (!answer.has_value()) return;
    for (ResolveRecord& record : resolutions_) {
      if (record.id != answer->id || record.answered.has_value()) continue;
      record.answered = queue_.now();
      record.answer = *answer;
      observe(record.id, kResolved, answer->rcode);
    }
    return;
  }
  datagrams_.push_back({from,
                        {parsed.destination, parsed.destination_port},
                        {parsed.payload.begin(), parsed.payload.end()},
                        parsed.ttl,
                        queue_.now()});
  observe(parsed.destination_port.number, kDatagram, parsed.payload.size());
  for (const Port port : udp_echo_) {
    if (port == parsed.destination_port) send_udp(port, from, parsed.payload, 64);
  }
}

}  // namespace dashi
