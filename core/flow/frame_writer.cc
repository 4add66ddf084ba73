#include "core/flow/frame_writer.hh"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"
#include "core/wire/udp.hh"

namespace dashi {
namespace {

// Writes pieces one after another over a slot's segments.
class SlotCursor {
 public:
  explicit SlotCursor(const FrameSlot& slot) : segment_(slot.head), rest_(slot.rest) {}

  void put(Bytes bytes) {
    while (!bytes.empty()) {
      while (segment_.empty()) {
        DASHI_CHECK(!rest_.empty());
        segment_ = rest_.front();
        rest_ = rest_.subspan(1);
      }
      const size_t n = copy_bytes(segment_, bytes);
      segment_ = segment_.subspan(n);
      bytes = bytes.subspan(n);
    }
  }

 private:
  MutableBytes segment_;
  std::span<const MutableBytes> rest_;
};

size_t ip_header_size(Family family) {
  return family == Family::kIpv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

MacAddress group_mac(const IpAddress& group) {  // RFC 1112 6.4, RFC 2464 7
  const Bytes raw = group.bytes();
  if (group.is_v6()) return {{0x33, 0x33, raw[12], raw[13], raw[14], raw[15]}};
  return {{0x01, 0x00, 0x5e, static_cast<uint8_t>(raw[1] & 0x7f), raw[2], raw[3]}};
}

}  // namespace

MacAddress FrameWriter::next_hop(const IpOut& ip) const {
  if (ip.destination_mac.has_value()) return *ip.destination_mac;
  if (ip.destination.is_multicast()) return group_mac(ip.destination);
  return guest_.mac();
}

size_t FrameWriter::write_ip_header(MutableBytes to, const IpOut& ip, size_t transport_bytes) {
  EthernetHeader ethernet;
  ethernet.destination = next_hop(ip);
  ethernet.source = topology_.gateway_mac;
  const bool v4 = ip.destination.is_v4();
  ethernet.type = static_cast<uint16_t>(v4 ? EtherType::kIpv4 : EtherType::kIpv6);
  store(to, ethernet);
  const MutableBytes rest = to.subspan(sizeof(EthernetHeader));
  if (v4) {
    Ipv4Header header;
    header.version_ihl = 0x45;
    header.tos = ip.tos;
    header.total_length = static_cast<uint16_t>(sizeof(Ipv4Header) + transport_bytes);
    header.fragment = ip.dont_fragment ? kIpv4DontFragment : uint16_t{0};
    header.ttl = ip.ttl;
    header.protocol = static_cast<uint8_t>(ip.protocol);
    header.source = ip.source.v4();
    header.destination = ip.destination.v4();
    store(rest, header);
    Checksum sum;
    sum.add(Bytes(rest).first(sizeof(Ipv4Header)));
    header.checksum = sum.value();
    store(rest, header);
    return sizeof(EthernetHeader) + sizeof(Ipv4Header);
  }
  Ipv6Header header;
  header.version_class_flow = uint32_t{6} << 28 | static_cast<uint32_t>(ip.tos) << 20;
  header.payload_length = static_cast<uint16_t>(transport_bytes);
  header.next_header = static_cast<uint8_t>(ip.protocol);
  header.hop_limit = ip.ttl;
  header.source = ip.source.v6();
  header.destination = ip.destination.v6();
  store(rest, header);
  return sizeof(EthernetHeader) + sizeof(Ipv6Header);
}

bool FrameWriter::send_ethernet(const MacAddress& destination, EtherType type, Bytes payload) {
  const size_t size = sizeof(EthernetHeader) + payload.size();
  const auto slots = link_.reserve(1, size);
  if (slots.empty()) {
    counters_.increment(Counter::kGuestLinkFull);
    return false;
  }
  EthernetHeader ethernet;
  ethernet.destination = destination;
  ethernet.source = topology_.gateway_mac;
  ethernet.type = static_cast<uint16_t>(type);
  std::array<uint8_t, sizeof(EthernetHeader)> header{};
  store(header, ethernet);
  SlotCursor cursor(slots[0]);
  cursor.put(header);
  cursor.put(payload);
  const Filled filled{size, {}};
  commit({&filled, 1});
  return true;
}

bool FrameWriter::send_ip(const IpOut& ip, Bytes header, Bytes payload, size_t checksum_offset) {
  const size_t transport_bytes = header.size() + payload.size();
  const size_t ip_bytes = ip_header_size(ip.destination.family()) + transport_bytes;
  if (ip_bytes > limits().mtu || header.size() > 64) return false;
  const size_t size = sizeof(EthernetHeader) + ip_bytes;
  const auto slots = link_.reserve(1, size);
  if (slots.empty()) {
    counters_.increment(Counter::kGuestLinkFull);
    return false;
  }
  std::array<uint8_t, 128> scratch{};
  const size_t before = write_ip_header(scratch, ip, transport_bytes);
  copy_bytes(MutableBytes(scratch).subspan(before), header);
  Filled filled{size, {}};
  if (checksum_offset != kNoChecksum) {
    Checksum sum;
    if (ip.protocol != IpProtocol::kIcmp) {
      add_pseudo_header(sum, ip.source, ip.destination, ip.protocol, transport_bytes);
    }
    filled.offload.csum_partial = ip.offload_checksum && limits().checksum_offload;
    if (filled.offload.csum_partial) {
      filled.offload.csum_start = static_cast<uint16_t>(before);
      filled.offload.csum_offset = static_cast<uint16_t>(checksum_offset);
    } else {
      sum.add(header);
      sum.add(payload);
    }
    uint16_t value = filled.offload.csum_partial ? sum.partial() : sum.value();
    if (ip.protocol == IpProtocol::kUdp && value == 0) value = 0xffff;  // RFC 768
    store(MutableBytes(scratch).subspan(before + checksum_offset), Be16(value));
  }
  SlotCursor cursor(slots[0]);
  cursor.put(Bytes(scratch).first(before + header.size()));
  cursor.put(payload);
  commit({&filled, 1});
  return true;
}

bool FrameWriter::send_udp(const IpOut& ip, Port source, Port destination, Bytes payload) {
  IpOut out = ip;
  out.protocol = IpProtocol::kUdp;
  UdpHeader udp;
  udp.source_port = source.number;
  udp.destination_port = destination.number;
  udp.length = static_cast<uint16_t>(sizeof(UdpHeader) + payload.size());
  std::array<uint8_t, sizeof(UdpHeader)> header{};
  store(header, udp);
  return send_ip(out, header, payload, offsetof(UdpHeader, checksum));
}

bool FrameWriter::send_udp_row(const IpOut& ip, Port source, Port destination, Bytes payload,
                               uint16_t segment_size) {
  const size_t transport_bytes = sizeof(UdpHeader) + payload.size();
  std::array<uint8_t, 128> scratch{};
  const size_t before = write_ip_header(scratch, ip, transport_bytes);
  Checksum sum;
  add_pseudo_header(sum, ip.source, ip.destination, IpProtocol::kUdp, transport_bytes);
  UdpHeader udp;
  udp.source_port = source.number;
  udp.destination_port = destination.number;
  udp.length = static_cast<uint16_t>(transport_bytes);
  udp.checksum = sum.partial();
  store(MutableBytes(scratch).subspan(before), udp);
  const auto slots = link_.reserve(1, before + transport_bytes);
  if (slots.empty()) {
    counters_.increment(Counter::kGuestLinkFull);
    return false;
  }
  SlotCursor cursor(slots[0]);
  cursor.put(Bytes(scratch).first(before + sizeof(UdpHeader)));
  cursor.put(payload);
  Filled filled;
  filled.bytes = before + transport_bytes;
  filled.offload.gso_type = GsoType::kUdp;
  filled.offload.gso_size = segment_size;
  filled.offload.hdr_len = static_cast<uint16_t>(before + sizeof(UdpHeader));
  filled.offload.csum_partial = true;
  filled.offload.csum_start = static_cast<uint16_t>(before);
  filled.offload.csum_offset = offsetof(UdpHeader, checksum);
  commit({&filled, 1});
  return true;
}

size_t FrameWriter::headers_size(Family family, size_t tcp_header_bytes) {
  return sizeof(EthernetHeader) + ip_header_size(family) + tcp_header_bytes;
}

namespace {

// Sums `bytes` of the slot from `offset` on.
void add_slot(Checksum& sum, const FrameSlot& slot, size_t offset, size_t bytes) {
  const auto add = [&](Bytes segment) {
    if (offset >= segment.size()) {
      offset -= segment.size();
      return;
    }
    const size_t n = std::min(bytes, segment.size() - offset);
    sum.add(segment.subspan(offset, n));
    offset = 0;
    bytes -= n;
  };
  add(slot.head);
  for (const MutableBytes& segment : slot.rest) {
    if (bytes != 0) add(segment);
  }
}

}  // namespace

Filled FrameWriter::finish_tcp(const FrameSlot& slot, const IpOut& ip, Bytes tcp_header,
                               size_t payload_bytes, uint16_t gso_size) {
  const size_t transport_bytes = tcp_header.size() + payload_bytes;
  const size_t before = write_ip_header(slot.head, ip, transport_bytes);
  const MutableBytes tcp = slot.head.subspan(before, tcp_header.size());
  copy_bytes(tcp, tcp_header);
  Filled filled;
  filled.bytes = before + transport_bytes;
  Checksum sum;
  add_pseudo_header(sum, ip.source, ip.destination, IpProtocol::kTcp, transport_bytes);
  const MutableBytes field = tcp.subspan(offsetof(TcpHeader, checksum), sizeof(Be16));
  if (gso_size == 0 && !link_.limits().checksum_offload) {
    sum.add(tcp_header);
    add_slot(sum, slot, before + tcp_header.size(), payload_bytes);
    store(field, Be16(sum.value()));
    return filled;
  }
  store(field, Be16(sum.partial()));
  filled.offload.csum_partial = true;
  filled.offload.csum_start = static_cast<uint16_t>(before);
  filled.offload.csum_offset = offsetof(TcpHeader, checksum);
  if (gso_size != 0) {
    filled.offload.gso_type = ip.destination.is_v4() ? GsoType::kTcpv4 : GsoType::kTcpv6;
    filled.offload.gso_size = gso_size;
    filled.offload.hdr_len = static_cast<uint16_t>(before + tcp_header.size());
  }
  return filled;
}

void FrameWriter::commit(std::span<const Filled> filled) {
  counters_.add(Counter::kGuestFramesOut, filled.size());
  for (const Filled& f : filled) counters_.add(Counter::kGuestBytesOut, f.bytes);
  link_.commit(filled);
}

}  // namespace dashi
