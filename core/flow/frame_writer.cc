#include "core/flow/frame_writer.hh"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
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

constexpr size_t kTransportHeaderMax = 64;

void seal(Ipv4Header& header) {
  header.checksum = uint16_t{0};
  std::array<uint8_t, sizeof(Ipv4Header)> raw{};
  store(raw, header);
  Checksum sum;
  sum.add(raw);
  header.checksum = sum.value();
}

// A transport's checksum as its field has it, over all that `sum` holds.
uint16_t field_of(IpProtocol protocol, uint16_t sum) {
  return protocol == IpProtocol::kUdp && sum == 0 ? uint16_t{0xffff} : sum;  // RFC 768
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
    seal(header);
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
  const Family family = ip.destination.family();
  const size_t transport_bytes = header.size() + payload.size();
  if (transport_bytes > transport_max(family) || header.size() > kTransportHeaderMax) return false;
  const bool whole = ip_header_size(family) + transport_bytes <= limits().mtu;
  std::array<uint8_t, kTransportHeaderMax> scratch{};
  const MutableBytes transport = MutableBytes(scratch).first(header.size());
  copy_bytes(transport, header);
  Offload offload;
  if (checksum_offset != kNoChecksum) {
    Checksum sum;
    if (ip.protocol != IpProtocol::kIcmp) {
      add_pseudo_header(sum, ip.source, ip.destination, ip.protocol, transport_bytes);
    }
    // A checksum over the whole packet is nothing that a link could complete in a fragment.
    offload.csum_partial = whole && ip.offload_checksum && limits().checksum_offload;
    if (offload.csum_partial) {
      offload.csum_start = static_cast<uint16_t>(sizeof(EthernetHeader) + ip_header_size(family));
      offload.csum_offset = static_cast<uint16_t>(checksum_offset);
    } else {
      sum.add(header);
      sum.add(payload);
    }
    const uint16_t value = offload.csum_partial ? sum.partial() : sum.value();
    store(transport.subspan(checksum_offset), Be16(field_of(ip.protocol, value)));
  }
  if (!whole) return send_fragments(ip, transport, payload);
  return send_whole(ip, transport, payload, offload);
}

bool FrameWriter::send_whole(const IpOut& ip, Bytes header, Bytes payload, const Offload& offload) {
  std::array<uint8_t, 128> scratch{};
  const size_t before = write_ip_header(scratch, ip, header.size() + payload.size());
  const Filled filled{before + header.size() + payload.size(), offload};
  const auto slots = link_.reserve(1, filled.bytes);
  if (slots.empty()) {
    counters_.increment(Counter::kGuestLinkFull);
    return false;
  }
  SlotCursor cursor(slots[0]);
  cursor.put(Bytes(scratch).first(before));
  cursor.put(header);
  cursor.put(payload);
  commit({&filled, 1});
  return true;
}

// Bytes of a packet that a fragment carries, the last aside: as many units of 8 as fit.
size_t FrameWriter::fragment_bytes(Family family) const {
  const size_t headers = family == Family::kIpv4 ? sizeof(Ipv4Header)
                                                 : sizeof(Ipv6Header) + sizeof(Ipv6FragmentHeader);
  return (limits().mtu - headers) & ~size_t{7};
}

size_t FrameWriter::frames_for(Family family, size_t transport_bytes) const {
  if (ip_header_size(family) + transport_bytes <= limits().mtu) return 1;
  const size_t each = fragment_bytes(family);
  return (transport_bytes + each - 1) / each;
}

size_t FrameWriter::write_fragment_header(MutableBytes to, const IpOut& ip, const Piece& piece) {
  if (ip.destination.is_v4()) {
    const size_t before = write_ip_header(to, ip, piece.bytes);
    const MutableBytes raw = to.subspan(sizeof(EthernetHeader));
    auto header = load<Ipv4Header>(raw);
    header.identification = static_cast<uint16_t>(fragment_id_);
    header.fragment =
        static_cast<uint16_t>(piece.offset / 8 | (piece.more ? kIpv4MoreFragments : 0u));
    seal(header);
    store(raw, header);
    return before;
  }
  IpOut outer = ip;
  outer.protocol = IpProtocol{kIpv6Fragment};
  const size_t before = write_ip_header(to, outer, sizeof(Ipv6FragmentHeader) + piece.bytes);
  Ipv6FragmentHeader header;
  header.next_header = static_cast<uint8_t>(ip.protocol);
  header.offset_more = static_cast<uint16_t>(piece.offset | (piece.more ? 1u : 0u));
  header.identification = fragment_id_;
  store(to.subspan(before), header);
  return before + sizeof(Ipv6FragmentHeader);
}

// The packet in fragments, all of them or none. `header` has its checksum.
bool FrameWriter::send_fragments(const IpOut& ip, Bytes header, Bytes payload) {
  const Family family = ip.destination.family();
  const size_t each = fragment_bytes(family);
  const size_t count = frames_for(family, header.size() + payload.size());
  DASHI_CHECK(header.size() <= each && count <= kFragmentsMax);
  const auto slots = link_.reserve(count, sizeof(EthernetHeader) + limits().mtu);
  if (slots.size() < count) {
    link_.commit({});
    counters_.increment(Counter::kGuestLinkFull);
    return false;
  }
  ++fragment_id_;
  std::array<Filled, kFragmentsMax> filled{};
  Piece piece;
  for (size_t i = 0; i < count; ++i) {
    const size_t from_payload = std::min(each - header.size(), payload.size());
    piece.bytes = header.size() + from_payload;
    piece.more = from_payload != payload.size();
    std::array<uint8_t, 128> scratch{};
    const size_t before = write_fragment_header(scratch, ip, piece);
    SlotCursor cursor(slots[i]);
    cursor.put(Bytes(scratch).first(before));
    cursor.put(header);
    cursor.put(payload.first(from_payload));
    filled[i].bytes = before + piece.bytes;
    piece.offset += piece.bytes;
    payload = payload.subspan(from_payload);
    header = {};  // the first has it
  }
  counters_.add(Counter::kGuestFragmentsOut, count);
  commit(std::span<const Filled>(filled).first(count));
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
