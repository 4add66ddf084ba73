#include "core/gateway/ndp_responder.hh"

#include <algorithm>

#include "core/wire/search_list.hh"

namespace dashi {
namespace {

constexpr uint32_t kMtuMin = 1280;  // bytes; RFC 8200 5. An advertisement fits every IPv6 link.
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kOptionMax = 255 * kNdpOptionUnit;

// RFC 4861 6.2.1: AdvValidLifetime 30 days, AdvPreferredLifetime 7 days; 10: REACHABLE_TIME 30 s,
// RETRANS_TIMER 1 s.
constexpr uint32_t kValidSeconds = 30 * 86400;
constexpr uint32_t kPreferredSeconds = 7 * 86400;
constexpr uint32_t kReachableMs = 30000;
constexpr uint32_t kRetransMs = 1000;

Ipv6Address all_nodes() {
  Ipv6Address group;
  group.bytes[0] = 0xff;
  group.bytes[1] = 0x02;
  group.bytes[15] = 1;
  return group;
}

int64_t whole_seconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::seconds>(d).count();
}

// RFC 4861 6.2.1: MaxRtrAdvInterval is 4 s to 1800 s.
Duration interval_max(const GatewayConfig& config) {
  return std::clamp<Duration>(config.ra_interval, 4s, 1800s);
}

template <typename Option>
void append_option(std::vector<uint8_t>& to, const Option& option) {
  to.resize(to.size() + sizeof(Option));
  store(MutableBytes(to).last(sizeof(Option)), option);
}

// RFC 8106 5.1 and 5.3.1: lifetime 3 * MaxRtrAdvInterval.
uint32_t dns_lifetime(const GatewayConfig& config) {
  return static_cast<uint32_t>(3 * whole_seconds(interval_max(config)));
}

void append_rdnss(std::vector<uint8_t>& to, const GatewayConfig& config, const Topology& topology) {
  const size_t count = std::min(config.dns_v6.size(), kGatewayDnsServersMax);
  DnsOption rdnss;
  rdnss.type = NdpOptionType::kRdnss;
  rdnss.length = static_cast<uint8_t>(1 + 2 * std::max<size_t>(count, 1));
  rdnss.lifetime = dns_lifetime(config);
  append_option(to, rdnss);
  if (count == 0) append_option(to, topology.gateway_link_local());
  for (size_t i = 0; i < count; ++i) append_option(to, config.dns_v6[i]);
}

// As many names as fit into `room` bytes.
void append_dnssl(std::vector<uint8_t>& to, const GatewayConfig& config, size_t room) {
  room = std::min(room, kOptionMax) / kNdpOptionUnit * kNdpOptionUnit;
  if (room <= sizeof(DnsOption)) return;
  std::vector<uint8_t> names(room - sizeof(DnsOption));
  const size_t bytes = encode_search_list(config.search, names);
  if (bytes == 0) return;
  const size_t units = (bytes + kNdpOptionUnit - 1) / kNdpOptionUnit;
  names.resize(units * kNdpOptionUnit);  // the rest is zero: padding
  DnsOption dnssl;
  dnssl.type = NdpOptionType::kDnssl;
  dnssl.length = static_cast<uint8_t>(1 + units);
  dnssl.lifetime = dns_lifetime(config);
  append_option(to, dnssl);
  to.insert(to.end(), names.begin(), names.end());
}

}  // namespace

NdpResponder::NdpResponder(const GatewayConfig& config, FlowContext& context)
    : config_(config), context_(context) {
  state_.host_ipv6 = config.host_has_ipv6_route;
  if (context.topology.ipv6) build_options(config);
}

void NdpResponder::build_options(const GatewayConfig& config) {
  const Topology& topology = context_.topology;
  LinkLayerOption source;
  source.type = NdpOptionType::kSourceLinkLayer;
  source.address = topology.gateway_mac;
  append_option(options_, source);
  MtuOption mtu;
  mtu.mtu = topology.mtu;
  append_option(options_, mtu);
  PrefixInformationOption prefix;
  prefix.prefix_length = topology.prefix_v6.length;
  // On link (L), so that the gateway's address in the prefix is reached while the router lifetime is 0.
  prefix.flags = kPrefixOnLink | kPrefixAutonomous;
  prefix.valid_lifetime = kValidSeconds;
  prefix.preferred_lifetime = kPreferredSeconds;
  prefix.prefix = topology.prefix_v6.address;
  append_option(options_, prefix);
  append_rdnss(options_, config, topology);
  const size_t used = kIpv6HeaderBytes + sizeof(RouterAdvertisement) + options_.size();
  append_dnssl(options_, config, kMtuMin - used);
}

bool NdpResponder::wants(const Packet& packet, const Topology&) {
  return packet.ether_type == EtherType::kIpv6 &&
         packet.ip_header.protocol == IpProtocol::kIcmpv6 && !packet.transport.empty() &&
         packet.transport[0] >= kIcmpv6RouterSolicitation && packet.transport[0] <= kIcmpv6Redirect;
}

void NdpResponder::handle_packet(Instant now, const Packet& packet) {
  const bool routers_own =
      packet.transport[0] == kIcmpv6RouterAdvertisement || packet.transport[0] == kIcmpv6Redirect;
  if (routers_own) return context_.drop(DropReason::kNdpNotForUs, packet.frame);
  const std::optional<NdpMessage> message = parse_ndp(packet.ip_header, packet.transport);
  if (!message.has_value()) return context_.drop(DropReason::kNdpInvalid, packet.frame);
  const bool claim = message->type == kIcmpv6NeighborAdvertisement &&
                     context_.topology.is_gateway(message->target);
  if (!packet.ip_header.source.is_unspecified() && !claim) {
    const auto source = context_.guest.check_source(now, packet.ip_header.source);
    if (!source) return context_.drop(source.error(), packet.frame);
  }
  switch (message->type) {
    case kIcmpv6RouterSolicitation:
      return handle_router_solicitation(now, packet);
    case kIcmpv6NeighborSolicitation:
      return handle_solicitation(now, packet, *message);
    default:
      return handle_advertisement(now, packet, *message);
  }
}

void NdpResponder::handle_router_solicitation(Instant now, const Packet& packet) {
  const Ipv6Address source = packet.ip_header.source.v6();
  if (source.is_unspecified()) {
    bring_forward(now);
    if (state_.next_multicast <= now && !send_multicast(now)) {
      context_.drop(DropReason::kGuestLinkFull, packet.frame);
    }
    return;
  }
  if (!state_.solicited.allow(now)) {
    return context_.drop(DropReason::kRateLimited, packet.frame);
  }
  if (!send_router_advertisement(source, packet.source_mac)) {
    context_.drop(DropReason::kGuestLinkFull, packet.frame);
  }
}

void NdpResponder::handle_solicitation(Instant now, const Packet& packet,
                                       const NdpMessage& message) {
  (void)now;
  const Topology& topology = context_.topology;
  const Ipv6Address source = packet.ip_header.source.v6();
  const bool detection = source.is_unspecified();  // RFC 4862 5.4.2
  bool sent = false;
  if (topology.is_gateway(message.target)) {
    sent = detection ? send_advertisement(message.target, all_nodes(), std::nullopt, kNaOverride)
                     : send_advertisement(message.target, source, packet.source_mac,
                                          kNaSolicited | kNaOverride);
  } else {
    const bool guests_own = message.target == source || context_.guest.uses(message.target);
    if (detection || guests_own || !topology.prefix_v6.contains(message.target)) {
      return context_.drop(DropReason::kNdpNotForUs, packet.frame);
    }
    sent = send_advertisement(message.target, source, packet.source_mac, kNaSolicited);
  }
  if (!sent) context_.drop(DropReason::kGuestLinkFull, packet.frame);
}

void NdpResponder::handle_advertisement(Instant now, const Packet& packet,
                                        const NdpMessage& message) {
  if (!context_.topology.is_gateway(message.target)) {
    return context_.drop(DropReason::kNdpNotForUs, packet.frame);
  }
  // The guest claims an address of the gateway's (RFC 4862 5.4.4): say whose it is, but not in a war.
  if (state_.defended_at.has_value() && now - *state_.defended_at < kDefendInterval) {
    return context_.drop(DropReason::kRateLimited, packet.frame);
  }
  if (!send_advertisement(message.target, all_nodes(), std::nullopt, kNaOverride)) {
    return context_.drop(DropReason::kGuestLinkFull, packet.frame);
  }
  state_.defended_at = now;
}

void NdpResponder::handle_timers(Instant now) {
  if (!context_.topology.ipv6 || now < state_.next_multicast) return;
  // No room: once more later, as if it had not been due.
  if (!send_multicast(now)) state_.next_multicast = now + kMulticastDelayMin;
}

Instant NdpResponder::next_deadline() const {
  return context_.topology.ipv6 ? state_.next_multicast : kNever;
}

void NdpResponder::set_host_ipv6(Instant now, bool has_default_route) {
  if (state_.host_ipv6 == has_default_route) return;
  state_.host_ipv6 = has_default_route;
  state_.initial_left = kInitialAdvertisements;  // RFC 4861 6.2.4: as at the start
  bring_forward(now);
}

void NdpResponder::restart_link(Instant now) {
  State fresh;
  fresh.host_ipv6 = state_.host_ipv6;
  fresh.next_multicast = now;
  state_ = fresh;
}

// The next multicast is sent as soon as the last one allows.
void NdpResponder::bring_forward(Instant now) {
  Instant soonest = now;
  if (state_.last_multicast.has_value()) {
    soonest = std::max(now, *state_.last_multicast + kMulticastDelayMin);
  }
  state_.next_multicast = std::min(state_.next_multicast, soonest);
}

bool NdpResponder::send_multicast(Instant now) {
  if (!send_router_advertisement(all_nodes(), std::nullopt)) return false;
  state_.last_multicast = now;
  Duration wait = interval();
  if (state_.initial_left != 0) --state_.initial_left;
  if (state_.initial_left != 0) wait = std::min(wait, kInitialIntervalMax);
  state_.next_multicast = now + wait;
  return true;
}

// Uniform between MinRtrAdvInterval and MaxRtrAdvInterval (RFC 4861 6.2.1, 6.2.4).
Duration NdpResponder::interval() {
  const Duration max = interval_max(config_);
  const Duration min = std::max<Duration>(max >= 9s ? max / 3 : max * 3 / 4, kMulticastDelayMin);
  const auto span = static_cast<uint64_t>((max - min).count()) + 1;
  return min + Duration(static_cast<int64_t>(context_.env.entropy.next_u64() % span));
}

bool NdpResponder::send_router_advertisement(const Ipv6Address& to, std::optional<MacAddress> mac) {
  RouterAdvertisement header;
  header.flags = kRaOtherConfiguration;
  if (state_.host_ipv6) {
    header.router_lifetime = static_cast<uint16_t>(
        std::clamp<int64_t>(whole_seconds(config_.router_lifetime), 0, 0xffff));
  }
  header.reachable_time = kReachableMs;
  header.retrans_timer = kRetransMs;
  std::array<uint8_t, sizeof(header)> bytes{};
  store(MutableBytes(bytes), header);
  IpOut ip;
  ip.source = context_.topology.gateway_link_local();
  ip.destination = to;
  ip.protocol = IpProtocol::kIcmpv6;
  ip.ttl = kNdpHopLimit;
  ip.destination_mac = mac;
  if (!context_.writer.send_ip(ip, bytes, options_, kIcmpChecksumOffset)) return false;
  context_.counters.increment(Counter::kRouterAdvertisements);
  return true;
}

bool NdpResponder::send_advertisement(const Ipv6Address& target, const Ipv6Address& to,
                                      std::optional<MacAddress> mac, uint8_t flags) {
  NeighborAdvertisement header;
  header.flags = kNaRouter | flags;
  header.target = target;
  std::array<uint8_t, sizeof(header)> bytes{};
  store(MutableBytes(bytes), header);
  LinkLayerOption link_layer;
  link_layer.type = NdpOptionType::kTargetLinkLayer;
  link_layer.address = context_.topology.gateway_mac;
  std::array<uint8_t, sizeof(link_layer)> option{};
  store(MutableBytes(option), link_layer);
  IpOut ip;
  // From the address advertised if it is the gateway's own, else on its behalf.
  const Topology& topology = context_.topology;
  ip.source = topology.is_gateway(target) ? target : topology.gateway_link_local();
  ip.destination = to;
  ip.protocol = IpProtocol::kIcmpv6;
  ip.ttl = kNdpHopLimit;
  ip.destination_mac = mac;
  if (!context_.writer.send_ip(ip, bytes, option, kIcmpChecksumOffset)) return false;
  context_.counters.increment(Counter::kNdpReplies);
  return true;
}

void NdpResponder::save(ArchiveWriter& ar) const {
  State copy = state_;
  ar(copy);
}

bool NdpResponder::restore(ArchiveReader& ar) {
  ar(state_);
  return ar.ok();
}

}  // namespace dashi
