#include "core/wire/icmp_quote.hh"

#include "core/wire/icmp.hh"
#include "core/wire/icmpv6.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"

namespace dashi {
namespace {

constexpr size_t kTransportBytes = 8;  // what of a transport header an error quotes at least

// The IP header; gives where the transport's begins, 0 if there is none.
size_t parse_v4(Bytes bytes, IcmpQuote& quote) {
  if (bytes.size() < sizeof(Ipv4Header)) return 0;
  const auto ip = load<Ipv4Header>(bytes);
  const bool first = (uint16_t{ip.fragment} & kIpv4OffsetMask) == 0;
  if (ip.version() != 4 || ip.header_bytes() < sizeof(Ipv4Header) || !first) return 0;
  quote.source = ip.source;
  quote.destination = ip.destination;
  quote.protocol = IpProtocol{ip.protocol};
  quote.ip_bytes = uint16_t{ip.total_length};
  return ip.header_bytes();
}

// No packet of ours has extension headers.
size_t parse_v6(Bytes bytes, IcmpQuote& quote) {
  if (bytes.size() < sizeof(Ipv6Header)) return 0;
  const auto ip = load<Ipv6Header>(bytes);
  if (ip.version() != 6) return 0;
  quote.source = ip.source;
  quote.destination = ip.destination;
  quote.protocol = IpProtocol{ip.next_header};
  quote.ip_bytes = uint32_t{sizeof(Ipv6Header)} + uint16_t{ip.payload_length};
  return sizeof(Ipv6Header);
}

uint16_t read16(Bytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

}  // namespace

bool is_icmp_error(const Packet& packet) {
  const uint8_t type = packet.transport[0];
  if (packet.ip_header.source.is_v6()) {
    return type >= kIcmpv6Unreachable && type <= kIcmpv6ParameterProblem;
  }
  return type == kIcmpUnreachable || type == kIcmpTimeExceeded || type == kIcmpParameterProblem;
}

std::optional<IcmpQuote> parse_icmp_quote(const Packet& packet) {
  const Bytes bytes = packet.transport.subspan(sizeof(IcmpHeader));
  IcmpQuote quote;
  const size_t header =
      packet.ip_header.source.is_v4() ? parse_v4(bytes, quote) : parse_v6(bytes, quote);
  if (header == 0 || bytes.size() < header + kTransportBytes) return std::nullopt;
  const Bytes transport = bytes.subspan(header, kTransportBytes);
  if (quote.protocol == IpProtocol::kTcp || quote.protocol == IpProtocol::kUdp) {
    quote.source_port = {read16(transport, 0)};
    quote.destination_port = {read16(transport, 2)};
  }
  if (quote.protocol == IpProtocol::kTcp) {
    quote.sequence = uint32_t{read16(transport, 4)} << 16 | read16(transport, 6);
  }
  return quote;
}

}  // namespace dashi
