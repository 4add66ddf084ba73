#include "pcap/write/drawn_packet.hh"

#include <algorithm>
#include <optional>

#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/icmp.hh"
#include "core/wire/icmpv6.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"
#include "core/wire/tcp.hh"
#include "core/wire/udp.hh"

namespace dashi {
namespace {

// Locally administered, so that they are nobody's: our host, and all others.
constexpr MacAddress kOurs{{0x02, 0xda, 0x51, 0x00, 0x00, 0x01}};
constexpr MacAddress kTheirs{{0x02, 0xda, 0x51, 0x00, 0x00, 0x02}};

// What an ICMP error quotes of its cause: RFC 1812 4.3.2.3 and RFC 4443 2.4 (c).
constexpr size_t kQuotedMaxV4 = 548;
constexpr size_t kQuotedMaxV6 = 1232;

template <typename Header>
void append(DrawnFrame& frame, const Header& header) {
  const size_t at = frame.size();
  frame.resize(at + sizeof(Header));
  store(MutableBytes(frame).subspan(at), header);
}

void append_bytes(DrawnFrame& frame, Bytes bytes) {
  frame.insert(frame.end(), bytes.begin(), bytes.end());
}

// Ethernet and IP headers for `transport_bytes` bytes that follow.
DrawnFrame start(const DrawnPath& path, IpProtocol protocol, size_t transport_bytes) {
  const bool v6 = path.to.address.is_v6() || path.from.address.is_v6();
  DrawnFrame frame;
  frame.reserve(sizeof(EthernetHeader) + sizeof(Ipv6Header) + transport_bytes);
  EthernetHeader ethernet;
  ethernet.destination = path.outbound ? kTheirs : kOurs;
  ethernet.source = path.outbound ? kOurs : kTheirs;
  ethernet.type = static_cast<uint16_t>(v6 ? EtherType::kIpv6 : EtherType::kIpv4);
  append(frame, ethernet);
  if (v6) {
    Ipv6Header ip;
    ip.set_traffic_class(path.tos);
    ip.payload_length = static_cast<uint16_t>(transport_bytes);
    ip.next_header = static_cast<uint8_t>(protocol);
    ip.hop_limit = path.ttl;
    ip.source = path.from.address.raw();
    ip.destination = path.to.address.raw();
    append(frame, ip);
    return frame;
  }
  Ipv4Header ip;
  ip.tos = path.tos;
  ip.total_length = static_cast<uint16_t>(sizeof(Ipv4Header) + transport_bytes);
  ip.fragment = kIpv4DontFragment;
  ip.ttl = path.ttl;
  ip.protocol = static_cast<uint8_t>(protocol);
  ip.source = path.from.address.v4();
  ip.destination = path.to.address.v4();
  Checksum sum;
  sum.add(Bytes(reinterpret_cast<const uint8_t*>(&ip), sizeof(ip)));
  ip.checksum = sum.value();
  append(frame, ip);
  return frame;
}

// Stores the checksum of what follows `transport_at`, whose own field is zero.
void finish(DrawnFrame& frame, const DrawnPath& path, IpProtocol protocol, size_t transport_at,
            size_t checksum_offset) {
  const Bytes transport = Bytes(frame).subspan(transport_at);
  Checksum sum;
  if (protocol != IpProtocol::kIcmp) {
    const bool v6 = frame[12] == 0x86;
    const auto same = [v6](const IpAddress& a) {
      return v6 ? IpAddress(a.raw()) : IpAddress(a.v4());
    };
    add_pseudo_header(sum, same(path.from.address), same(path.to.address), protocol,
                      transport.size());
  }
  sum.add(transport);
  uint16_t value = sum.value();
  if (protocol == IpProtocol::kUdp && value == 0) value = 0xffff;  // RFC 768
  store(MutableBytes(frame).subspan(transport_at + checksum_offset), Be16(value));
}

struct TypeAndCode {
  uint8_t type = 0;
  uint8_t code = 0;
};

// For errors that came without their ICMP message.
std::optional<TypeAndCode> icmp_of(SocketError error, bool v6) {
  switch (error) {
    case SocketError::kHostUnreachable:
      return v6 ? TypeAndCode{kIcmpv6Unreachable, kIcmpv6AddressUnreachable}
                : TypeAndCode{kIcmpUnreachable, kIcmpHostUnreachable};
    case SocketError::kNetworkUnreachable:
      return v6 ? TypeAndCode{kIcmpv6Unreachable, kIcmpv6NoRoute}
                : TypeAndCode{kIcmpUnreachable, kIcmpNetUnreachable};
    case SocketError::kTtlExceeded:
      return TypeAndCode{v6 ? kIcmpv6TimeExceeded : kIcmpTimeExceeded, 0};
    case SocketError::kAccessDenied:
      return v6 ? TypeAndCode{kIcmpv6Unreachable, kIcmpv6AdminProhibited}
                : TypeAndCode{kIcmpUnreachable, kIcmpAdminProhibited};
    case SocketError::kMessageTooLong:
      return v6 ? TypeAndCode{kIcmpv6PacketTooBig, 0}
                : TypeAndCode{kIcmpUnreachable, kIcmpFragmentationNeeded};
    default:
      return std::nullopt;
  }
}

}  // namespace

DrawnFrame draw_tcp(const DrawnPath& path, const DrawnSegment& segment,
                    std::span<const Bytes> payload) {
  size_t size = sizeof(TcpHeader);
  for (Bytes piece : payload) size += piece.size();
  DrawnFrame frame = start(path, IpProtocol::kTcp, size);
  const size_t transport_at = frame.size();
  TcpHeader tcp;
  tcp.source_port = path.from.port.number;
  tcp.destination_port = path.to.port.number;
  tcp.sequence = segment.sequence;
  tcp.acknowledgment = segment.acknowledgment;
  tcp.data_offset = (sizeof(TcpHeader) / 4) << 4;
  tcp.flags = segment.flags;
  tcp.window = 0xffff;
  append(frame, tcp);
  for (Bytes piece : payload) append_bytes(frame, piece);
  finish(frame, path, IpProtocol::kTcp, transport_at, offsetof(TcpHeader, checksum));
  return frame;
}

DrawnFrame draw_udp(const DrawnPath& path, Bytes payload) {
  const size_t size = sizeof(UdpHeader) + payload.size();
  DrawnFrame frame = start(path, IpProtocol::kUdp, size);
  const size_t transport_at = frame.size();
  UdpHeader udp;
  udp.source_port = path.from.port.number;
  udp.destination_port = path.to.port.number;
  udp.length = static_cast<uint16_t>(size);
  append(frame, udp);
  append_bytes(frame, payload);
  finish(frame, path, IpProtocol::kUdp, transport_at, kUdpChecksumOffset);
  return frame;
}

DrawnFrame draw_echo(const DrawnPath& path, bool request, uint16_t identifier, uint16_t sequence,
                     Bytes payload) {
  const bool v6 = path.to.address.is_v6() || path.from.address.is_v6();
  const IpProtocol protocol = v6 ? IpProtocol::kIcmpv6 : IpProtocol::kIcmp;
  DrawnFrame frame = start(path, protocol, sizeof(IcmpHeader) + payload.size());
  const size_t transport_at = frame.size();
  IcmpHeader icmp;
  if (request) icmp.type = v6 ? kIcmpv6EchoRequest : kIcmpEchoRequest;
  if (!request) icmp.type = v6 ? kIcmpv6EchoReply : kIcmpEchoReply;
  icmp.rest = uint32_t{identifier} << 16 | sequence;
  append(frame, icmp);
  append_bytes(frame, payload);
  finish(frame, path, protocol, transport_at, kIcmpChecksumOffset);
  return frame;
}

bool is_icmp_error(const NetError& error) {
  return error.icmp_type != 0 || icmp_of(error.error, false).has_value();
}

DrawnFrame draw_icmp_error(const DrawnPath& original_path, const DrawnFrame& original,
                           const NetError& error) {
  const bool v6 = original[12] == 0x86;
  const Bytes cause = Bytes(original).subspan(sizeof(EthernetHeader));
  const Bytes quoted = cause.first(std::min(cause.size(), v6 ? kQuotedMaxV6 : kQuotedMaxV4));
  DrawnPath path;
  path.outbound = false;
  path.from.address = error.reporter.is_unspecified() ? original_path.to.address : error.reporter;
  path.to.address = original_path.from.address;
  const IpProtocol protocol = v6 ? IpProtocol::kIcmpv6 : IpProtocol::kIcmp;
  DrawnFrame frame = start(path, protocol, sizeof(IcmpHeader) + quoted.size());
  const size_t transport_at = frame.size();
  TypeAndCode what{error.icmp_type, error.icmp_code};
  if (what.type == 0) what = icmp_of(error.error, v6).value_or(TypeAndCode{});
  IcmpHeader icmp;
  icmp.type = what.type;
  icmp.code = what.code;
  icmp.rest = error.mtu;
  append(frame, icmp);
  append_bytes(frame, quoted);
  finish(frame, path, protocol, transport_at, kIcmpChecksumOffset);
  return frame;
}

}  // namespace dashi
