#include "core/gateway/dhcpv4_server.hh"

#include <algorithm>

#include "core/wire/search_list.hh"

namespace dashi {
namespace {

constexpr size_t kIpUdpHeaderBytes = 20 + 8;

template <typename T>
std::array<uint8_t, sizeof(T)> raw(const T& value) {
  std::array<uint8_t, sizeof(T)> bytes{};
  store(MutableBytes(bytes), value);
  return bytes;
}

Bytes text(const std::string& s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

uint32_t whole_seconds(Duration d) {
  const int64_t s = std::chrono::duration_cast<std::chrono::seconds>(d).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(s, 1, 0xffffffff));
}

}  // namespace

Dhcpv4Server::Dhcpv4Server(const GatewayConfig& config, FlowContext& context) : context_(context) {
  build_entries(config);
}

void Dhcpv4Server::build_entries(const GatewayConfig& config) {
  const Topology& topology = context_.topology;
  const uint32_t lease = whole_seconds(config.dhcp_lease);
  std::vector<uint8_t> dns;
  for (const Ipv4Address& server : config.dns_v4) {
    if (dns.size() == kGatewayDnsServersMax * sizeof(Ipv4Address)) break;
    dns.insert(dns.end(), server.bytes.begin(), server.bytes.end());
  }
  if (dns.empty()) dns.assign(topology.gateway_v4.bytes.begin(), topology.gateway_v4.bytes.end());
  std::vector<uint8_t> search(kGatewaySearchListMax);
  search.resize(encode_search_list_compressed(config.search, search));

  using Code = Dhcpv4OptionCode;
  add_entry(Code::kServerId, Part::kNetwork, topology.gateway_v4.bytes);
  add_entry(Code::kLeaseTime, Part::kLease, raw(Be32(lease)));
  add_entry(Code::kSubnetMask, Part::kNetwork, raw(Be32(topology.subnet.mask())));
  add_entry(Code::kRouter, Part::kNetwork, topology.gateway_v4.bytes);
  add_entry(Code::kDnsServers, Part::kNetwork, dns);
  // RFC 2131 4.4.5: T1 is half of the lease, T2 seven eighths.
  add_entry(Code::kRenewalTime, Part::kLease, raw(Be32(lease / 2)));
  add_entry(Code::kRebindingTime, Part::kLease, raw(Be32(lease - lease / 8)));
  add_entry(Code::kInterfaceMtu, Part::kNetwork, raw(Be16(static_cast<uint16_t>(topology.mtu))));
  if (!config.domain.empty()) add_entry(Code::kDomainName, Part::kNetwork, text(config.domain));
  if (!config.hostname.empty()) add_entry(Code::kHostName, Part::kNetwork, text(config.hostname));
  if (!search.empty()) add_entry(Code::kSearchList, Part::kNetwork, search);
  add_entry(Code::kBroadcastAddress, Part::kNetwork, topology.subnet.broadcast().bytes);
}

void Dhcpv4Server::add_entry(Dhcpv4OptionCode code, Part part, Bytes data) {
  DASHI_CHECK(entries_.size() < kEntriesMax);
  entries_.push_back({code, part, std::vector<uint8_t>(data.begin(), data.end())});
}

bool Dhcpv4Server::wants(const Packet& packet, const Topology& topology) {
  if (packet.ether_type != EtherType::kIpv4 || packet.ip_header.protocol != IpProtocol::kUdp ||
      packet.destination_port != kDhcpv4ServerPort) {
    return false;
  }
  const Ipv4Address to = packet.ip_header.destination.v4();
  return to == topology.gateway_v4 || to.is_broadcast() || to == topology.subnet.broadcast();
}

void Dhcpv4Server::handle_packet(Instant now, const Packet& packet) {
  const std::optional<Dhcpv4Request> request = parse_dhcpv4_request(packet.payload);
  if (!request.has_value()) return context_.drop(DropReason::kDhcpv4Malformed, packet.frame);
  const bool for_another =
      !request->header.relay.is_unspecified() ||
      (request->server_id.has_value() && *request->server_id != context_.topology.gateway_v4);
  if (for_another) return context_.drop(DropReason::kDhcpv4NotForUs, packet.frame);
  switch (request->type) {
    case Dhcpv4Type::kDiscover:
      return handle_discover(packet, *request);
    case Dhcpv4Type::kRequest:
      return handle_request(packet, *request);
    case Dhcpv4Type::kInform:
      return handle_inform(now, packet, *request);
    case Dhcpv4Type::kRelease:
    case Dhcpv4Type::kDecline:
      return handle_goodbye(packet, *request);
    default:
      return context_.drop(DropReason::kDhcpv4NotForUs, packet.frame);
  }
}

void Dhcpv4Server::handle_discover(const Packet& packet, const Dhcpv4Request& request) {
  Reply reply;
  reply.type = Dhcpv4Type::kOffer;
  reply.your = context_.topology.guest_v4;
  reply.destination = reply.your;
  // RFC 2131 4.1: an address that the client already has is used whatever it says of broadcasts.
  reply.broadcast =
      (request.header.flags & kDhcpv4FlagBroadcast) != 0 && request.header.client != reply.your;
  reply.lease = reply.network = true;
  send(packet, request, reply);
}

void Dhcpv4Server::handle_request(const Packet& packet, const Dhcpv4Request& request) {
  const Ipv4Address client = request.header.client;
  const Ipv4Address wanted = request.requested_address.value_or(client);
  if (wanted.is_unspecified()) return context_.drop(DropReason::kDhcpv4Malformed, packet.frame);
  const Ipv4Address ours = context_.topology.guest_v4;
  Reply reply;
  if (wanted != ours || (!client.is_unspecified() && client != ours)) {
    reply.type = Dhcpv4Type::kNak;
    reply.broadcast = true;  // RFC 2131 4.1: always
    return send(packet, request, reply);
  }
  reply.type = Dhcpv4Type::kAck;
  reply.your = ours;
  reply.client = client;
  reply.destination = ours;
  reply.broadcast = client.is_unspecified() && (request.header.flags & kDhcpv4FlagBroadcast) != 0;
  reply.lease = reply.network = true;
  send(packet, request, reply);
}

// RFC 2131 4.3.5: to the address the client says it has, without one of ours and without a lease.
void Dhcpv4Server::handle_inform(Instant now, const Packet& packet, const Dhcpv4Request& request) {
  const Ipv4Address client =
      request.header.client.is_unspecified() ? packet.ip_header.source.v4() : request.header.client;
  if (!context_.guest.check_source(now, client)) {
    return context_.drop(DropReason::kDhcpv4NotForUs, packet.frame);
  }
  Reply reply;
  reply.type = Dhcpv4Type::kAck;
  reply.client = request.header.client;
  reply.destination = client;
  reply.network = true;
  send(packet, request, reply);
}

void Dhcpv4Server::handle_goodbye(const Packet& packet, const Dhcpv4Request& request) {
  const bool release = request.type == Dhcpv4Type::kRelease;
  const Ipv4Address address =
      release ? request.header.client : request.requested_address.value_or(Ipv4Address{});
  if (address != context_.topology.guest_v4) {
    return context_.drop(DropReason::kDhcpv4NotForUs, packet.frame);
  }
  context_.counters.increment(release ? Counter::kDhcpv4Releases : Counter::kDhcpv4Declines);
}

void Dhcpv4Server::send(const Packet& packet, const Dhcpv4Request& request, const Reply& reply) {
  Dhcpv4Header header;
  header.xid = request.header.xid;
  header.flags = request.header.flags;
  header.client = reply.client;
  header.your = reply.your;
  header.client_mac = request.header.client_mac;
  store(MutableBytes(buffer_), header);
  const size_t packet_max = std::min<size_t>(
      {request.max_message_size, context_.topology.mtu, context_.writer.limits().mtu});
  const size_t size_max = std::min(packet_max - kIpUdpHeaderBytes, kReplyMax);
  select(request, reply, size_max - sizeof(header));
  Dhcpv4OptionWriter writer(
      MutableBytes(buffer_).subspan(sizeof(header), size_max - sizeof(header)));
  write_options(writer, request, reply);
  size_t size = sizeof(header) + writer.size();
  for (; size < kDhcpv4MinPayload; ++size) buffer_[size] = 0;

  IpOut ip;
  ip.source = context_.topology.gateway_v4;
  ip.protocol = IpProtocol::kUdp;
  ip.destination = reply.broadcast ? Ipv4Address{{255, 255, 255, 255}} : reply.destination;
  ip.destination_mac = reply.broadcast ? MacAddress::broadcast() : header.client_mac;
  if (!context_.writer.send_udp(ip, kDhcpv4ServerPort, kDhcpv4ClientPort,
                                Bytes(buffer_).first(size))) {
    return context_.drop(DropReason::kGuestLinkFull, packet.frame);
  }
  context_.counters.increment(Counter::kDhcpv4Replies);
}

// Decides which entries fit into `room` bytes of options, the important ones first.
void Dhcpv4Server::select(const Dhcpv4Request& request, const Reply& reply, size_t room) {
  room -= Dhcpv4OptionWriter::size_of(1) + 1;  // the message type and END
  if (!request.client_id.empty()) {
    room -= Dhcpv4OptionWriter::size_of(request.client_id.size());
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const bool wanted = entry.code == Dhcpv4OptionCode::kServerId ||
                        (entry.part == Part::kLease ? reply.lease : reply.network);
    size_t bytes = wanted ? entry.data.size() : 0;
    if (entry.code == Dhcpv4OptionCode::kDnsServers) {  // as many as fit
      while (bytes != 0 && Dhcpv4OptionWriter::size_of(bytes) > room) bytes -= sizeof(Ipv4Address);
    }
    if (bytes != 0 && Dhcpv4OptionWriter::size_of(bytes) > room) bytes = 0;
    pending_[i] = bytes;
    if (bytes != 0) room -= Dhcpv4OptionWriter::size_of(bytes);
  }
}

void Dhcpv4Server::write_options(Dhcpv4OptionWriter& writer, const Dhcpv4Request& request,
                                 const Reply& reply) {
  using Code = Dhcpv4OptionCode;
  const uint8_t type = static_cast<uint8_t>(reply.type);
  writer.put(Code::kMessageType, {&type, 1});
  for (const Code code : {Code::kServerId, Code::kLeaseTime}) write_code(writer, code);
  for (const uint8_t asked : request.parameter_list) {
    // RFC 2132 3.3: the mask comes before the router, whatever the client's order.
    if (static_cast<Code>(asked) == Code::kRouter) write_code(writer, Code::kSubnetMask);
    write_code(writer, static_cast<Code>(asked));
  }
  for (size_t i = 0; i < entries_.size(); ++i) write_entry(writer, i);
  if (!request.client_id.empty()) writer.put(Code::kClientId, request.client_id);
  writer.put_end();
}

void Dhcpv4Server::write_code(Dhcpv4OptionWriter& writer, Dhcpv4OptionCode code) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].code == code) write_entry(writer, i);
  }
}

void Dhcpv4Server::write_entry(Dhcpv4OptionWriter& writer, size_t index) {
  if (pending_[index] == 0) return;
  const bool written =
      writer.put(entries_[index].code, Bytes(entries_[index].data).first(pending_[index]));
  DASHI_CHECK(written);  // select() saw to it
  pending_[index] = 0;
}

}  // namespace dashi
