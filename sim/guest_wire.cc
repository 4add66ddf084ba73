#include "sim/guest_wire.hh"

#include <algorithm>

#include "sim/guest_bytes.hh"

namespace dashi::guest {

namespace {

constexpr size_t kUdpHeader = 8;
constexpr size_t kTcpHeader = 20;

void put_bytes(std::vector<uint8_t>& to, Bytes bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}
void set16(std::vector<uint8_t>& in, size_t at, uint16_t value) {
  in[at] = static_cast<uint8_t>(value >> 8);
  in[at + 1] = static_cast<uint8_t>(value);
}

std::optional<ParseError> parse_ipv4(Bytes ip, Parsed& parsed) {
  if (ip.size() < 20 || ip[0] >> 4 != 4) return ParseError::kMalformed;
  const size_t header = size_t{4} * (ip[0] & 0x0f);
  const size_t total = get16(ip, 2);
  if (header < 20 || header > ip.size() || total < header || total > ip.size()) {
    return ParseError::kMalformed;
  }
  if (finish_sum(sum_words(ip.first(header), 0)) != 0) return ParseError::kIpChecksum;
  if ((get16(ip, 6) & 0x3fff) != 0) return ParseError::kMalformed;  // a fragment
  parsed.network = ip.first(total);
  parsed.tos = ip[1];
  parsed.ttl = ip[8];
  parsed.protocol = ip[9];
  parsed.source = load<Ipv4Address>(ip.subspan(12));
  parsed.destination = load<Ipv4Address>(ip.subspan(16));
  parsed.transport = parsed.network.subspan(header);
  return std::nullopt;
}

std::optional<ParseError> parse_ipv6(Bytes ip, Parsed& parsed) {
  if (ip.size() < 40 || ip[0] >> 4 != 6) return ParseError::kMalformed;
  const size_t length = get16(ip, 4);
  if (40 + length > ip.size()) return ParseError::kMalformed;
  parsed.network = ip.first(40 + length);
  parsed.tos = static_cast<uint8_t>(ip[0] << 4 | ip[1] >> 4);
  parsed.protocol = ip[6];
  parsed.ttl = ip[7];
  parsed.source = load<Ipv6Address>(ip.subspan(8));
  parsed.destination = load<Ipv6Address>(ip.subspan(24));
  parsed.transport = parsed.network.subspan(40);
  return std::nullopt;
}

std::optional<ParseError> parse_options(Bytes options, Parsed& parsed) {
  for (size_t at = 0; at < options.size();) {
    const uint8_t kind = options[at];
    if (kind == 0) break;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) return ParseError::kMalformed;
    const size_t length = options[at + 1];
    if (length < 2 || at + length > options.size()) return ParseError::kMalformed;
    if (kind == 2 && length == 4) parsed.mss = get16(options, at + 2);
    if (kind == 3 && length == 3) parsed.window_scale = options[at + 2];
    if (kind == 4 && length == 2) parsed.sack_permitted = true;
    if (kind == 8 && length == 10) {
      parsed.timestamps = {get32(options, at + 2), get32(options, at + 6)};
    }
    if (kind == 5 && length % 8 == 2 && length <= 34) {
      parsed.sack_count = static_cast<uint8_t>(length / 8);
      for (size_t i = 0; i < parsed.sack_count; ++i) {
        parsed.sack[i] = {get32(options, at + 2 + 8 * i), get32(options, at + 6 + 8 * i)};
      }
    }
    at += length;
  }
  return std::nullopt;
}

std::optional<ParseError> parse_tcp(Parsed& parsed) {
  const Bytes segment = parsed.transport;
  if (segment.size() < kTcpHeader) return ParseError::kMalformed;
  const size_t header = size_t{4} * (segment[12] >> 4);
  if (header < kTcpHeader || header > segment.size()) return ParseError::kMalformed;
  parsed.source_port = Port{get16(segment, 0)};
  parsed.destination_port = Port{get16(segment, 2)};
  parsed.sequence = get32(segment, 4);
  parsed.acknowledgment = get32(segment, 8);
  parsed.flags = segment[13];
  parsed.window = get16(segment, 14);
  parsed.payload = segment.subspan(header);
  return parse_options(segment.subspan(kTcpHeader, header - kTcpHeader), parsed);
}

std::optional<ParseError> parse_udp(Parsed& parsed) {
  const Bytes datagram = parsed.transport;
  if (datagram.size() < kUdpHeader) return ParseError::kMalformed;
  const size_t length = get16(datagram, 4);
  if (length < kUdpHeader || length > datagram.size()) return ParseError::kMalformed;
  parsed.source_port = Port{get16(datagram, 0)};
  parsed.destination_port = Port{get16(datagram, 2)};
  parsed.payload = datagram.subspan(kUdpHeader, length - kUdpHeader);
  return std::nullopt;
}

bool transport_sum_right(const Parsed& parsed) {
  uint32_t sum = 0;
  if (parsed.protocol != kProtoIcmp) {
    sum = pseudo_header_sum(parsed.source, parsed.destination, parsed.protocol,
                            parsed.transport.size());
  }
  return finish_sum(sum_words(parsed.transport, sum)) == 0;
}

size_t checksum_place(uint8_t protocol) { return protocol == kProtoTcp ? 16 : 6; }

}  // namespace

uint32_t sum_words(Bytes bytes, uint32_t sum) {
  uint64_t total = sum;
  size_t at = 0;
  for (; at + 1 < bytes.size(); at += 2) total += get16(bytes, at);
  if (at < bytes.size()) total += static_cast<uint32_t>(bytes[at]) << 8;
  while (total >> 32 != 0) total = (total & 0xffffffff) + (total >> 32);
  return static_cast<uint32_t>((total & 0xffff) + (total >> 16));
}

uint16_t finish_sum(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

uint32_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                           size_t length) {
  uint32_t sum = sum_words(source.bytes(), 0);
  sum = sum_words(destination.bytes(), sum);
  return sum + protocol + static_cast<uint32_t>(length >> 16) +
         static_cast<uint32_t>(length & 0xffff);
}

std::optional<ParseError> parse_frame(const GuestFrame& frame, Parsed& parsed) {
  const Bytes bytes = frame.bytes;
  if (bytes.size() < kEthernetHeader) return ParseError::kMalformed;
  parsed = Parsed{};
  parsed.to = load<MacAddress>(bytes);
  parsed.from = load<MacAddress>(bytes.subspan(6));
  parsed.ether_type = get16(bytes, 12);
  parsed.network = bytes.subspan(kEthernetHeader);
  std::optional<ParseError> error;
  if (parsed.ether_type == kEtherIpv4) error = parse_ipv4(parsed.network, parsed);
  if (parsed.ether_type == kEtherIpv6) error = parse_ipv6(parsed.network, parsed);
  if (error.has_value() || parsed.transport.empty()) return error;
  const bool tcp_or_udp = parsed.protocol == kProtoTcp || parsed.protocol == kProtoUdp;
  const bool icmp = parsed.protocol == kProtoIcmp || parsed.protocol == kProtoIcmpv6;
  const bool udp_without = parsed.protocol == kProtoUdp && parsed.source.is_v4() &&
                           parsed.transport.size() >= kUdpHeader && get16(parsed.transport, 6) == 0;
  const bool vouched = frame.offload.csum_partial || frame.offload.csum_trusted || udp_without;
  if ((tcp_or_udp && !vouched) || icmp) {
    if (!transport_sum_right(parsed)) return ParseError::kTransportChecksum;
  }
  if (parsed.protocol == kProtoTcp) return parse_tcp(parsed);
  if (parsed.protocol == kProtoUdp) return parse_udp(parsed);
  return std::nullopt;
}

std::vector<uint8_t> ethernet(const MacAddress& to, const MacAddress& from, uint16_t ether_type,
                              Bytes payload) {
  std::vector<uint8_t> frame;
  frame.reserve(kEthernetHeader + payload.size());
  put_bytes(frame, to.bytes);
  put_bytes(frame, from.bytes);
  put16(frame, ether_type);
  put_bytes(frame, payload);
  return frame;
}

std::vector<uint8_t> arp(const MacAddress& to, uint16_t operation, const MacAddress& sender_mac,
                         Ipv4Address sender, const MacAddress& target_mac, Ipv4Address target) {
  std::vector<uint8_t> packet{0, 1, 8, 0, 6, 4};
  put16(packet, operation);
  put_bytes(packet, sender_mac.bytes);
  put_bytes(packet, sender.bytes);
  put_bytes(packet, target_mac.bytes);
  put_bytes(packet, target.bytes);
  return ethernet(to, sender_mac, kEtherArp, packet);
}

std::vector<uint8_t> ip(const MacAddress& to, const MacAddress& from, const IpOut& header,
                        Bytes transport, size_t checksum_offset) {
  std::vector<uint8_t> frame;
  frame.reserve(kEthernetHeader + 40 + transport.size());
  put_bytes(frame, to.bytes);
  put_bytes(frame, from.bytes);
  const bool v4 = header.destination.is_v4();
  put16(frame, v4 ? kEtherIpv4 : kEtherIpv6);
  if (v4) {
    frame.push_back(0x45);
    frame.push_back(header.tos);
    put16(frame, static_cast<uint16_t>(20 + transport.size()));
    put16(frame, 0);
    put16(frame, 0x4000);  // don't fragment
    frame.push_back(header.ttl);
    frame.push_back(header.protocol);
    put16(frame, 0);
  } else {
    put32(frame, 0x60000000u | static_cast<uint32_t>(header.tos) << 20);
    put16(frame, static_cast<uint16_t>(transport.size()));
    frame.push_back(header.protocol);
    frame.push_back(header.ttl);
  }
  put_bytes(frame, header.source.bytes());
  put_bytes(frame, header.destination.bytes());
  if (v4) {
    set16(frame, kEthernetHeader + 10,
          finish_sum(sum_words(Bytes(frame).subspan(kEthernetHeader, 20), 0)));
  }
  const size_t transport_at = frame.size();
  put_bytes(frame, transport);
  if (checksum_offset != ~size_t{0}) {
    uint32_t sum = 0;
    if (header.protocol != kProtoIcmp) {
      sum = pseudo_header_sum(header.source, header.destination, header.protocol, transport.size());
    }
    uint16_t checksum = finish_sum(sum_words(transport, sum));
    if (header.protocol == kProtoUdp && checksum == 0) checksum = 0xffff;
    set16(frame, transport_at + checksum_offset, checksum);
  }
  return frame;
}

std::vector<uint8_t> udp(const MacAddress& to, const MacAddress& from, const IpOut& header,
                         Port source, Port destination, Bytes payload) {
  std::vector<uint8_t> datagram;
  datagram.reserve(kUdpHeader + payload.size());
  put16(datagram, source.number);
  put16(datagram, destination.number);
  put16(datagram, static_cast<uint16_t>(kUdpHeader + payload.size()));
  put16(datagram, 0);
  put_bytes(datagram, payload);
  IpOut with_protocol = header;
  with_protocol.protocol = kProtoUdp;
  return ip(to, from, with_protocol, datagram, 6);
}

std::vector<uint8_t> tcp(const MacAddress& to, const MacAddress& from, const IpOut& header,
                         const TcpOut& out, Bytes payload) {
  std::vector<uint8_t> segment;
  segment.reserve(kTcpHeader + 8 + payload.size());
  put16(segment, out.source_port.number);
  put16(segment, out.destination_port.number);
  put32(segment, out.sequence);
  put32(segment, out.acknowledgment);
  segment.push_back(0);
  segment.push_back(out.flags);
  put16(segment, out.window);
  put16(segment, 0);
  put16(segment, 0);
  if (out.mss.has_value()) {
    segment.push_back(2);
    segment.push_back(4);
    put16(segment, *out.mss);
  }
  if (out.window_scale.has_value()) {
    put_bytes(segment, std::array<uint8_t, 3>{1, 3, 3});
    segment.push_back(*out.window_scale);
  }
  if (out.sack_permitted) put_bytes(segment, std::array<uint8_t, 4>{1, 1, 4, 2});
  if (out.timestamps.has_value()) {
    put_bytes(segment, std::array<uint8_t, 4>{1, 1, 8, 10});
    put32(segment, out.timestamps->first);
    put32(segment, out.timestamps->second);
  }
  if (out.sack_count != 0) {
    const auto length = static_cast<uint8_t>(2 + 8 * out.sack_count);
    put_bytes(segment, std::array<uint8_t, 4>{1, 1, 5, length});
    for (size_t i = 0; i < out.sack_count; ++i) {
      put32(segment, out.sack[i].first);
      put32(segment, out.sack[i].second);
    }
  }
  segment[12] = static_cast<uint8_t>(segment.size() / 4 << 4);
  put_bytes(segment, payload);
  IpOut with_protocol = header;
  with_protocol.protocol = kProtoTcp;
  return ip(to, from, with_protocol, segment, 16);
}

std::vector<uint8_t> echo(const MacAddress& to, const MacAddress& from, const IpOut& header,
                          bool reply, uint16_t id, uint16_t sequence, Bytes payload) {
  const bool v4 = header.destination.is_v4();
  std::vector<uint8_t> message;
  const uint8_t request_type = v4 ? 8 : 128;
  const uint8_t reply_type = v4 ? 0 : 129;
  message.push_back(reply ? reply_type : request_type);
  message.push_back(0);
  put16(message, 0);
  put16(message, id);
  put16(message, sequence);
  put_bytes(message, payload);
  IpOut with_protocol = header;
  with_protocol.protocol = v4 ? kProtoIcmp : kProtoIcmpv6;
  return ip(to, from, with_protocol, message, 2);
}

Offload leave_checksum(std::vector<uint8_t>& frame, uint16_t gso_size) {
  Offload offload;
  const bool v4 = get16(frame, 12) == kEtherIpv4;
  const size_t start = kEthernetHeader + (v4 ? 20 : 40);
  const uint8_t protocol = frame[v4 ? 23 : 20];
  const size_t place = start + checksum_place(protocol);
  const Bytes whole(frame);
  const IpAddress source = v4 ? IpAddress(load<Ipv4Address>(whole.subspan(26)))
                              : IpAddress(load<Ipv6Address>(whole.subspan(22)));
  const IpAddress destination = v4 ? IpAddress(load<Ipv4Address>(whole.subspan(30)))
                                   : IpAddress(load<Ipv6Address>(whole.subspan(38)));
  // The field holds the pseudo-header's sum, not complemented (virtio 1.2, 5.1.6.2).
  const uint32_t sum = pseudo_header_sum(source, destination, protocol, frame.size() - start);
  set16(frame, place, static_cast<uint16_t>(~finish_sum(sum)));
  offload.csum_partial = true;
  offload.csum_start = static_cast<uint16_t>(start);
  offload.csum_offset = static_cast<uint16_t>(checksum_place(protocol));
  const size_t header =
      start + (protocol == kProtoTcp ? size_t{4} * (frame[start + 12] >> 4) : kUdpHeader);
  offload.hdr_len = static_cast<uint16_t>(header);
  if (gso_size != 0 && frame.size() - header > gso_size) {
    offload.gso_size = gso_size;
    offload.gso_type = protocol == kProtoUdp ? GsoType::kUdp
                       : v4                  ? GsoType::kTcpv4
                                             : GsoType::kTcpv6;
  }
  return offload;
}

}  // namespace dashi::guest
