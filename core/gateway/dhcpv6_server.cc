#include "core/gateway/dhcpv6_server.hh"

#include <algorithm>

#include "core/wire/search_list.hh"

namespace dashi {
namespace {

constexpr uint32_t kRefreshSeconds = 86400;  // RFC 8415 7.6 IRT_DEFAULT
constexpr size_t kIaFixed = 12;              // IAID, T1, T2 of an IA_NA or IA_PD
constexpr size_t kIaTaFixed = 4;             // IAID of an IA_TA

bool is_ia(Dhcpv6OptionCode code) {
  return code == Dhcpv6OptionCode::kIaNa || code == Dhcpv6OptionCode::kIaTa ||
         code == Dhcpv6OptionCode::kIaPd;
}

// Whether a message of this type names the server that it is for (RFC 8415 16).
bool names_server(Dhcpv6Type type) {
  return type == Dhcpv6Type::kRequest || type == Dhcpv6Type::kRenew ||
         type == Dhcpv6Type::kRelease || type == Dhcpv6Type::kDecline;
}

std::array<uint8_t, 2> status_bytes(Dhcpv6Status status) {
  std::array<uint8_t, 2> bytes{};
  store(MutableBytes(bytes), Be16(static_cast<uint16_t>(status)));
  return bytes;
}

}  // namespace

Dhcpv6Server::Dhcpv6Server(const GatewayConfig& config, FlowContext& context) : context_(context) {
  const Topology& topology = context.topology;
  constexpr uint16_t kDuidLinkLayer = 3;
  constexpr uint16_t kHardwareEthernet = 1;
  store(MutableBytes(duid_), Be16(kDuidLinkLayer));
  store(MutableBytes(duid_).subspan(2), Be16(kHardwareEthernet));
  store(MutableBytes(duid_).subspan(4), topology.gateway_mac);
  for (const Ipv6Address& server : config.dns_v6) {
    if (dns_.size() == kGatewayDnsServersMax * sizeof(Ipv6Address)) break;
    dns_.insert(dns_.end(), server.bytes.begin(), server.bytes.end());
  }
  if (dns_.empty()) {
    const Ipv6Address gateway = topology.gateway_link_local();
    dns_.assign(gateway.bytes.begin(), gateway.bytes.end());
  }
  search_.resize(kGatewaySearchListMax);
  search_.resize(encode_search_list(config.search, search_));
}

bool Dhcpv6Server::wants(const Packet& packet, const Topology& topology) {
  if (packet.ether_type != EtherType::kIpv6 || packet.ip_header.protocol != IpProtocol::kUdp ||
      packet.destination_port != kDhcpv6ServerPort) {
    return false;
  }
  return packet.ip_header.destination.v6() == dhcpv6_servers_group() ||
         topology.is_gateway(packet.ip_header.destination);
}

void Dhcpv6Server::handle_packet(Instant now, const Packet& packet) {
  const auto source = context_.guest.check_source(now, packet.ip_header.source);
  if (!source) return context_.drop(source.error(), packet.frame);
  const std::optional<Dhcpv6Message> message = parse_dhcpv6(packet.payload);
  if (!message.has_value() || !is_valid(*message)) {
    return context_.drop(DropReason::kDhcpv6Malformed, packet.frame);
  }
  const bool for_another =
      !message->server_id.empty() &&
      !std::equal(duid_.begin(), duid_.end(), message->server_id.begin(), message->server_id.end());
  const bool unicast = !packet.ip_header.destination.is_multicast();
  if (for_another || (unicast && !names_server(message->header.type))) {
    return context_.drop(DropReason::kDhcpv6NotForUs, packet.frame);
  }
  if (unicast) {  // RFC 8415 18.4
    Answer answer;
    answer.type = Dhcpv6Type::kReply;
    answer.status = Dhcpv6Status::kUseMulticast;
    return send(packet, *message, answer);
  }
  const std::optional<Answer> answer = answer_to(*message);
  if (!answer.has_value()) return context_.drop(DropReason::kDhcpv6NotForUs, packet.frame);
  send(packet, *message, *answer);
}

// RFC 8415 16: which identifiers and IAs a message must and must not have.
bool Dhcpv6Server::is_valid(const Dhcpv6Message& message) const {
  const bool server_named = !message.server_id.empty();
  switch (message.header.type) {
    case Dhcpv6Type::kInformationRequest:
      return !message.has_ia;
    case Dhcpv6Type::kSolicit:
    case Dhcpv6Type::kConfirm:
    case Dhcpv6Type::kRebind:
      return !message.client_id.empty() && !server_named;
    default:
      return !names_server(message.header.type) || (!message.client_id.empty() && server_named);
  }
}

std::optional<Dhcpv6Server::Answer> Dhcpv6Server::answer_to(const Dhcpv6Message& message) const {
  Answer answer;
  answer.type = Dhcpv6Type::kReply;
  switch (message.header.type) {
    case Dhcpv6Type::kInformationRequest:
      answer.configuration = answer.refresh_time = true;
      return answer;
    case Dhcpv6Type::kSolicit:
      answer.type = Dhcpv6Type::kAdvertise;
      [[fallthrough]];
    case Dhcpv6Type::kRequest:
      answer.configuration = answer.ias = true;
      answer.address_status = Dhcpv6Status::kNoAddrsAvail;
      answer.prefix_status = Dhcpv6Status::kNoPrefixAvail;
      return answer;
    case Dhcpv6Type::kRelease:
    case Dhcpv6Type::kDecline:
      answer.status = Dhcpv6Status::kSuccess;
      [[fallthrough]];
    case Dhcpv6Type::kRenew:
      answer.ias = true;
      answer.address_status = answer.prefix_status = Dhcpv6Status::kNoBinding;
      return answer;
    case Dhcpv6Type::kConfirm:
      return answer_to_confirm(message);
    default:
      return std::nullopt;
  }
}

// RFC 8415 18.3.3: without any address there is nothing to confirm, and no answer.
std::optional<Dhcpv6Server::Answer> Dhcpv6Server::answer_to_confirm(
    const Dhcpv6Message& message) const {
  size_t addresses = 0;
  bool all_on_link = true;
  Dhcpv6Options options(message.options);
  while (const std::optional<Dhcpv6Option> option = options.next()) {
    if (!is_ia(option->code) || option->code == Dhcpv6OptionCode::kIaPd) continue;
    const size_t fixed = option->code == Dhcpv6OptionCode::kIaTa ? kIaTaFixed : kIaFixed;
    Dhcpv6Options inner(option->data.subspan(fixed));
    while (const std::optional<Dhcpv6Option> part = inner.next()) {
      if (part->code != Dhcpv6OptionCode::kIaAddress) continue;
      if (part->data.size() < sizeof(Ipv6Address)) return std::nullopt;
      ++addresses;
      const auto address = load<Ipv6Address>(part->data);
      if (!context_.topology.prefix_v6.contains(address)) all_on_link = false;
    }
  }
  if (addresses == 0) return std::nullopt;
  Answer answer;
  answer.type = Dhcpv6Type::kReply;
  answer.status = all_on_link ? Dhcpv6Status::kSuccess : Dhcpv6Status::kNotOnLink;
  return answer;
}

void Dhcpv6Server::send(const Packet& packet, const Dhcpv6Message& message, const Answer& answer) {
  Dhcpv6Header header;
  header.type = answer.type;
  header.transaction_id = message.header.transaction_id;
  store(MutableBytes(buffer_), header);
  using Code = Dhcpv6OptionCode;
  Dhcpv6OptionWriter writer(MutableBytes(buffer_).subspan(sizeof(header)));
  // Identifiers and status always fit: 134, 14 and 6 bytes.
  if (!message.client_id.empty()) writer.put(Code::kClientId, message.client_id);
  writer.put(Code::kServerId, duid_);
  if (answer.status.has_value()) writer.put(Code::kStatusCode, status_bytes(*answer.status));
  if (answer.configuration) {
    writer.put(Code::kDnsServers, dns_);
    if (!search_.empty()) writer.put(Code::kDomainList, search_);
  }
  if (answer.refresh_time) {
    std::array<uint8_t, sizeof(Be32)> seconds{};
    store(MutableBytes(seconds), Be32(kRefreshSeconds));
    writer.put(Code::kInformationRefreshTime, seconds);
  }
  if (answer.ias) write_ias(writer, message, answer);

  IpOut ip;
  ip.source = context_.topology.gateway_link_local();
  ip.protocol = IpProtocol::kUdp;
  ip.destination = packet.ip_header.source;
  ip.destination_mac = packet.source_mac;
  const Bytes payload = Bytes(buffer_).first(sizeof(header) + writer.size());
  if (!context_.writer.send_udp(ip, kDhcpv6ServerPort, kDhcpv6ClientPort, payload)) {
    return context_.drop(DropReason::kGuestLinkFull, packet.frame);
  }
  context_.counters.increment(Counter::kDhcpv6Replies);
}

// Each IA without addresses, T1 and T2 zero, and why it has none; as many as fit.
void Dhcpv6Server::write_ias(Dhcpv6OptionWriter& writer, const Dhcpv6Message& message,
                             const Answer& answer) {
  Dhcpv6Options options(message.options);
  while (const std::optional<Dhcpv6Option> option = options.next()) {
    if (!is_ia(option->code)) continue;
    const bool prefix = option->code == Dhcpv6OptionCode::kIaPd;
    const size_t fixed = option->code == Dhcpv6OptionCode::kIaTa ? kIaTaFixed : kIaFixed;
    std::array<uint8_t, kIaFixed + Dhcpv6OptionWriter::kOverhead + 2> ia{};
    copy_bytes(MutableBytes(ia), option->data.first(sizeof(Be32)));  // the IAID
    Dhcpv6OptionWriter inner(MutableBytes(ia).subspan(fixed));
    inner.put(Dhcpv6OptionCode::kStatusCode,
              status_bytes(prefix ? answer.prefix_status : answer.address_status));
    if (!writer.put(option->code, Bytes(ia).first(fixed + inner.size()))) return;
  }
}

}  // namespace dashi
