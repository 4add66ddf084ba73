#include "core/wire/packet.hh"

#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/icmp.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"
#include "core/wire/udp.hh"

namespace dashi {
namespace {

using Parsed = Result<Done, DropReason>;

constexpr size_t kTcpChecksumOffset = 16;
constexpr size_t kUdpSegmentsMax = 128;  // in a super-frame, as Linux has it (UDP_MAX_SEGMENTS)
constexpr int kMaxExtensionHeaders = 8;

// What can be said about an Offload before the frame is read. GSO of another kind than the
// transport is found later.
bool offload_is_sane(const Offload& offload, size_t frame_bytes) {
  if (offload.hdr_len > frame_bytes) return false;
  if (offload.gso_type != GsoType::kNone && offload.gso_size == 0) return false;
  if (!offload.csum_partial) return true;
  return size_t{offload.csum_start} + offload.csum_offset + 2 <= frame_bytes;
}

bool gso_matches(const Packet& packet, IpProtocol protocol) {
  const bool v4 = packet.ip_header.source.is_v4();
  switch (packet.offload.gso_type) {
    case GsoType::kNone:
      return true;
    case GsoType::kTcpv4:
      return v4 && protocol == IpProtocol::kTcp;
    case GsoType::kTcpv6:
      return !v4 && protocol == IpProtocol::kTcp;
    case GsoType::kUdp:
      return protocol == IpProtocol::kUdp;
  }
  return false;
}

bool is_super_frame(const Packet& packet) { return packet.offload.gso_type != GsoType::kNone; }

// Each segment of a super-frame must fit the link: headers and gso_size.
bool segments_fit(const Packet& packet, uint32_t mtu, size_t transport_header_bytes) {
  if (!is_super_frame(packet)) return true;
  const auto ip_header_bytes = static_cast<size_t>(packet.transport.data() - packet.ip.data());
  const size_t headers = ip_header_bytes + transport_header_bytes;
  return headers + packet.offload.gso_size <= mtu;
}

// Every segment becomes a datagram of its own, whose cost is not its bytes'. TCP's super-frames are one
// stretch of the stream whatever their segments were.
bool segments_are_few(const Packet& packet) {
  if (!is_super_frame(packet)) return true;
  return packet.payload.size() <= kUdpSegmentsMax * packet.offload.gso_size;
}

size_t offset_in_frame(const Packet& packet, Bytes part) {
  return static_cast<size_t>(part.data() - packet.frame.data());
}

// A partial checksum must be the transport's own: else what we read would be unchecked and what we
// believe checked would be rubbish.
bool partial_checksum_is_at(const Packet& packet, size_t checksum_offset) {
  return packet.offload.csum_start == offset_in_frame(packet, packet.transport) &&
         packet.offload.csum_offset == checksum_offset;
}

// Verifies the checksum of the first `bytes` bytes of the transport.
Parsed verify_checksum(const Packet& packet, Bytes covered, bool pseudo_header, size_t offset,
                       DropReason bad) {
  if (packet.offload.csum_partial) {
    if (!partial_checksum_is_at(packet, offset)) return DropReason::kOffloadInvalid;
    return Done{};
  }
  if (packet.offload.csum_trusted) return Done{};
  Checksum sum;
  if (pseudo_header) {
    add_pseudo_header(sum, packet.ip_header.source, packet.ip_header.destination,
                      packet.ip_header.protocol, covered.size());
  }
  sum.add(covered);
  if (sum.value() != 0) return bad;
  return Done{};
}

Parsed parse_tcp(uint32_t mtu, Packet& packet) {
  const Bytes segment = packet.transport;
  if (segment.size() < sizeof(TcpHeader)) return DropReason::kTcpMalformed;
  const auto header = load<TcpHeader>(segment);
  const size_t header_bytes = size_t{4} * (header.data_offset >> 4);
  if (header_bytes < sizeof(TcpHeader) || header_bytes > segment.size()) {
    return DropReason::kTcpMalformed;
  }
  packet.source_port = Port{header.source_port};
  packet.destination_port = Port{header.destination_port};
  packet.payload = segment.subspan(header_bytes);
  packet.tcp.sequence = header.sequence;
  packet.tcp.acknowledgment = header.acknowledgment;
  packet.tcp.flags = header.flags;
  packet.tcp.window = header.window;
  packet.tcp.urgent_pointer = header.urgent_pointer;
  if (!segments_fit(packet, mtu, header_bytes)) return DropReason::kOffloadInvalid;
  const Parsed verified =
      verify_checksum(packet, segment, true, kTcpChecksumOffset, DropReason::kTcpChecksum);
  if (!verified.ok()) return verified;
  // Nobody could answer port 0 (RFC 6335 6: reserved).
  if (packet.source_port.number == 0 || packet.destination_port.number == 0) {
    return DropReason::kTcpMalformed;
  }
  if (header_bytes == sizeof(TcpHeader)) return Done{};
  const auto options =
      parse_tcp_options(segment.subspan(sizeof(TcpHeader), header_bytes - sizeof(TcpHeader)));
  if (!options.ok()) return options.error();
  packet.tcp.options = *options;
  return Done{};
}

Parsed parse_udp(uint32_t mtu, Packet& packet) {
  const Bytes datagram = packet.transport;
  if (datagram.size() < sizeof(UdpHeader)) return DropReason::kUdpMalformed;
  const auto header = load<UdpHeader>(datagram);
  const size_t length = header.length;
  // What the IP length has beyond the UDP length belongs to nobody (RFC 768) and is not summed.
  if (length < sizeof(UdpHeader) || length > datagram.size()) return DropReason::kUdpMalformed;
  packet.transport = datagram.first(length);
  packet.source_port = Port{header.source_port};
  packet.destination_port = Port{header.destination_port};
  packet.payload = packet.transport.subspan(sizeof(UdpHeader));
  if (!segments_fit(packet, mtu, sizeof(UdpHeader)) || !segments_are_few(packet)) {
    return DropReason::kOffloadInvalid;
  }
  if (uint16_t{header.checksum} == 0 && !packet.offload.csum_partial) {
    // No checksum: allowed for IPv4 only (RFC 8200 8.1).
    if (packet.ip_header.source.is_v6()) return DropReason::kUdpChecksum;
  } else {
    const Parsed verified = verify_checksum(packet, packet.transport, true, kUdpChecksumOffset,
                                            DropReason::kUdpChecksum);
    if (!verified.ok()) return verified;
  }
  if (packet.destination_port.number == 0) return DropReason::kUdpMalformed;
  return Done{};
}

Parsed parse_icmp(Packet& packet) {
  if (packet.transport.size() < sizeof(IcmpHeader)) return DropReason::kIcmpMalformed;
  return verify_checksum(packet, packet.transport, packet.ip_header.source.is_v6(),
                         kIcmpChecksumOffset, DropReason::kIcmpChecksum);
}

Parsed parse_transport(uint32_t mtu, Packet& packet) {
  const IpProtocol protocol = packet.ip_header.protocol;
  if (!gso_matches(packet, protocol)) return DropReason::kOffloadInvalid;
  if (protocol == IpProtocol::kTcp) return parse_tcp(mtu, packet);
  if (protocol == IpProtocol::kUdp) return parse_udp(mtu, packet);
  const bool v4 = packet.ip_header.source.is_v4();
  // ICMP over the other family is an unknown protocol like any other.
  if (protocol == (v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6)) return parse_icmp(packet);
  return Done{};
}

Parsed parse_ipv4(uint32_t mtu, Bytes bytes, Packet& packet) {
  if (bytes.size() < sizeof(Ipv4Header)) return DropReason::kIpv4Malformed;
  const auto header = load<Ipv4Header>(bytes);
  const size_t header_bytes = header.header_bytes();
  if (header.version() != 4 || header_bytes < sizeof(Ipv4Header) || header_bytes > bytes.size()) {
    return DropReason::kIpv4Malformed;
  }
  size_t total = header.total_length;
  // A guest may leave the length of a super-frame to whoever cuts it.
  if (total == 0 && is_super_frame(packet)) total = bytes.size();
  if (total < header_bytes || total > bytes.size()) return DropReason::kIpv4Malformed;
  packet.ip = bytes.first(total);
  packet.transport = packet.ip.subspan(header_bytes);
  packet.ip_header.source = header.source;
  packet.ip_header.destination = header.destination;
  packet.ip_header.protocol = static_cast<IpProtocol>(header.protocol);
  packet.ip_header.ttl = header.ttl;
  packet.ip_header.tos = header.tos;
  const uint16_t fragment = header.fragment;
  packet.ip_header.dont_fragment = (fragment & kIpv4DontFragment) != 0;
  Checksum sum;
  sum.add(bytes.first(header_bytes));
  if (sum.value() != 0) return DropReason::kIpv4Checksum;
  if ((fragment & (kIpv4MoreFragments | kIpv4OffsetMask)) != 0) return DropReason::kIpv4Fragment;
  return parse_transport(mtu, packet);
}

// The options of a hop-by-hop or destination header: all must be skippable, because an unknown one
// whose high bits are not 00 forbids the rest of the packet (RFC 8200 4.2).
bool options_are_skippable(Bytes options) {
  while (!options.empty()) {
    if (options[0] == 0) {  // Pad1
      options = options.subspan(1);
      continue;
    }
    if (options[0] >> 6 != 0 || options.size() < 2) return false;
    const size_t bytes = size_t{2} + options[1];
    if (bytes > options.size()) return false;
    options = options.subspan(bytes);
  }
  return true;
}

// Steps over one hop-by-hop, destination or routing header at the front of packet.transport.
Parsed skip_extension(uint8_t kind, Packet& packet, uint8_t& next) {
  const Bytes rest = packet.transport;
  if (rest.size() < 8) return DropReason::kIpv6Malformed;
  const auto header = load<Ipv6ExtensionHeader>(rest);
  if (header.header_bytes() > rest.size()) return DropReason::kIpv6Malformed;
  if (kind == kIpv6Routing) {
    // With no segments left the header has done its work (RFC 8200 4.4).
    if (header.segments_left != 0) return DropReason::kIpv6Malformed;
  } else if (!options_are_skippable(rest.subspan(2, header.header_bytes() - 2))) {
    return DropReason::kIpv6Malformed;
  }
  next = header.next_header;
  packet.ip_header.next_header_offset =
      static_cast<uint16_t>(packet.ip.size() - packet.transport.size());
  packet.transport = rest.subspan(header.header_bytes());
  return Done{};
}

Parsed skip_fragment(Packet& packet, uint8_t& next) {
  const Bytes rest = packet.transport;
  if (rest.size() < sizeof(Ipv6FragmentHeader)) return DropReason::kIpv6Malformed;
  const auto header = load<Ipv6FragmentHeader>(rest);
  if (!header.atomic()) return DropReason::kIpv6Fragment;
  next = header.next_header;
  packet.ip_header.next_header_offset =
      static_cast<uint16_t>(packet.ip.size() - packet.transport.size());
  packet.transport = rest.subspan(sizeof(Ipv6FragmentHeader));
  return Done{};
}

Parsed skip_extensions(uint8_t next, Packet& packet) {
  bool first = true;
  for (int i = 0; i <= kMaxExtensionHeaders; ++i) {
    packet.ip_header.protocol = static_cast<IpProtocol>(next);
    const uint8_t kind = next;
    // Hop-by-hop counts as such only in the first place (RFC 8200 4.1).
    const bool skipped =
        (kind == kIpv6HopByHop && first) || kind == kIpv6DestinationOptions || kind == kIpv6Routing;
    if (!skipped && kind != kIpv6Fragment) return Done{};
    first = false;
    const Parsed done = skipped ? skip_extension(kind, packet, next) : skip_fragment(packet, next);
    if (!done.ok()) return done;
  }
  return DropReason::kIpv6Malformed;
}

Parsed parse_ipv6(uint32_t mtu, Bytes bytes, Packet& packet) {
  if (bytes.size() < sizeof(Ipv6Header)) return DropReason::kIpv6Malformed;
  const auto header = load<Ipv6Header>(bytes);
  if (header.version() != 6) return DropReason::kIpv6Malformed;
  size_t payload_bytes = header.payload_length;
  if (payload_bytes == 0 && is_super_frame(packet)) payload_bytes = bytes.size() - sizeof header;
  if (payload_bytes > bytes.size() - sizeof header) return DropReason::kIpv6Malformed;
  packet.ip = bytes.first(sizeof header + payload_bytes);
  packet.transport = packet.ip.subspan(sizeof header);
  packet.ip_header.source = header.source;
  packet.ip_header.destination = header.destination;
  packet.ip_header.ttl = header.hop_limit;
  packet.ip_header.tos = header.traffic_class();
  packet.ip_header.dont_fragment = true;
  packet.ip_header.next_header_offset = 6;
  const Parsed skipped = skip_extensions(header.next_header, packet);
  if (!skipped.ok()) return skipped;
  return parse_transport(mtu, packet);
}

}  // namespace

Result<Done, DropReason> parse(Bytes frame, const Offload& offload, uint32_t mtu, Packet& packet) {
  packet = Packet{};
  packet.frame = frame;
  packet.offload = offload;
  if (frame.size() < sizeof(EthernetHeader)) return DropReason::kFrameTooShort;
  const auto ethernet = load<EthernetHeader>(frame);
  packet.destination_mac = ethernet.destination;
  packet.source_mac = ethernet.source;
  packet.ether_type = static_cast<EtherType>(uint16_t{ethernet.type});
  if (!offload_is_sane(offload, frame.size())) return DropReason::kOffloadInvalid;
  const Bytes payload = frame.subspan(sizeof(EthernetHeader));
  if (payload.size() > (is_super_frame(packet) ? size_t{65535} + 40 : size_t{mtu})) {
    return DropReason::kFrameTooLong;
  }
  switch (packet.ether_type) {
    case EtherType::kIpv4:
      return parse_ipv4(mtu, payload, packet);
    case EtherType::kIpv6:
      return parse_ipv6(mtu, payload, packet);
    case EtherType::kArp:
      if (is_super_frame(packet)) return DropReason::kOffloadInvalid;
      packet.ip = payload;
      return Done{};
  }
  return DropReason::kUnknownEtherType;
}

}  // namespace dashi
