#include "tests/fuzz/fuzz_guest.hh"

namespace dashi::fuzz {
namespace {

constexpr size_t kFlowsMax = 16;
constexpr uint32_t kFirstSequence = 0xffff'f000;  // so that it wraps soon
constexpr uint8_t kUnreachableV4 = 3;
constexpr uint8_t kUnreachableV6 = 1;

// What an input's byte of form says about a segment.
enum Form : uint8_t {
  kSequenceOff = 1,
  kAckOff = 2,
  kOptions = 4,
  kTimestamps = 8,
  kWindow = 16,
  kSequenceRaw = 32,
  kStays = 64,  // the next segment begins where this one did
  kSuper = 128,
};

IpAddress address(const char* text) { return *parse_ip(text); }

// At sequence number s is stream_byte(s), whatever the segment: so a piece sent again is the same.
ByteVector bytes_at(uint32_t sequence, size_t n) {
  ByteVector out(n);
  for (size_t i = 0; i < n; ++i) out[i] = stream_byte(sequence + i);
  return out;
}

size_t payload_size(Input& input) {
  const size_t n = input.u8();
  return n < 128 ? n : (n - 128) * 11 + 128;  // at most 1525
}

}  // namespace

test::IpSpec path(uint8_t which) {
  static const struct {
    IpAddress from;
    IpAddress to;
  } kPaths[] = {
      {address("10.0.0.2"), address("198.51.100.7")},
      {address("fd00:da51::2"), address("2001:db8::7")},
      {address("10.0.0.2"), address("203.0.113.9")},
      {address("10.0.0.2"), address("10.0.0.1")},
      {address("fd00:da51::2"), address("fd00:da51::1")},
      {address("10.0.0.2"), address("192.168.1.77")},
      {address("10.0.0.3"), address("198.51.100.7")},
      {address("10.0.0.2"), address("10.0.0.255")},
  };
  const auto& ends = kPaths[which % std::size(kPaths)];
  test::IpSpec ip;
  ip.source = ends.from;
  ip.destination = ends.to;
  return ip;
}

FuzzGuest::FuzzGuest(FuzzWorld& world) : world_(world) {
  const uint8_t ways[] = {0, 0, 1, 1, 2, 3};
  uint16_t port = 40000;
  for (const uint8_t way : ways) {
    const uint16_t remote = way == 3 ? 53 : 80;
    flows_.push_back({path(way), port++, remote, kFirstSequence, 0, 0});
  }
  world.ear = this;
}

void FuzzGuest::hear(const Packet& packet) {
  if (packet.ether_type == EtherType::kArp) return;
  if (packet.ip_header.protocol != IpProtocol::kTcp) return;
  const TcpSegment& tcp = packet.tcp;
  auto found = std::find_if(flows_.begin(), flows_.end(), [&](const Flow& f) {
    return f.ip.source == packet.ip_header.destination &&
           f.guest_port == packet.destination_port.number &&
           f.ip.destination == packet.ip_header.source &&
           f.remote_port == packet.source_port.number;
  });
  if (found == flows_.end()) {
    if (flows_.size() == kFlowsMax || !tcp.syn()) return;
    test::IpSpec ip;
    ip.source = packet.ip_header.destination;
    ip.destination = packet.ip_header.source;
    flows_.push_back(
        {ip, packet.destination_port.number, packet.source_port.number, kFirstSequence, 0, 0});
    found = flows_.end() - 1;
  }
  const auto end = tcp.sequence + static_cast<uint32_t>(packet.payload.size()) +
                   (tcp.syn() ? 1 : 0) + (tcp.fin() ? 1 : 0);
  const bool newer = static_cast<int32_t>(end - found->remote_next) > 0;
  if (tcp.syn() || (newer && !tcp.rst())) found->remote_next = end;
  if (tcp.options.timestamps) found->timestamp = tcp.options.timestamps->value;
}

ByteVector FuzzGuest::options(Input& input, const Flow& flow, uint8_t flags, uint8_t form) const {
  ByteVector out;
  if ((flags & kTcpSyn) != 0 && (form & kOptions) == 0) {
    out = {2, 4, 0x05, 0xb4, 1, 3, 3, 2, 1, 1, 4, 2};
  }
  if ((form & kTimestamps) != 0) {
    test::append(out, ByteVector{1, 1, 8, 10});
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(world_.now().time_since_epoch());
    test::append_u32(out, static_cast<uint32_t>(ms.count()));
    test::append_u32(out, flow.timestamp);
  }
  if ((form & kOptions) == 0) return out;
  const uint8_t n = input.u8();
  if ((n & 0x80) != 0) {  // SACK, of what lies behind what it acknowledges
    const uint8_t blocks = n % 3 + 1;
    test::append(out, ByteVector{1, 1, 5, static_cast<uint8_t>(2 + 8 * blocks)});
    for (uint8_t i = 0; i < blocks; ++i) {
      const uint32_t left = flow.remote_next + static_cast<uint32_t>(input.i8() * 100);
      test::append_u32(out, left);
      test::append_u32(out, left + input.u8() * 50u);
    }
  } else {
    test::append(out, input.take(n % 41));
  }
  out.resize(std::min<size_t>((out.size() + 3) / 4 * 4, 40), 0);
  return out;
}

Frame FuzzGuest::built(Flow& flow, const test::TcpSpec& tcp, const ByteVector& payload,
                       bool super) const {
  Frame frame;
  frame.bytes = test::tcp_frame(flow.ip, tcp, payload);
  if (super) {
    const bool v4 = flow.ip.source.is_v4();
    frame.offload.gso_type = v4 ? GsoType::kTcpv4 : GsoType::kTcpv6;
    frame.offload.gso_size = 500;
    frame.offload.csum_partial = true;
    frame.offload.csum_start = v4 ? 34 : 54;
    frame.offload.csum_offset = 16;
  }
  return frame;
}

// Bytes: flow, flags, form, size of payload, and then what the form asks for.
Frame FuzzGuest::tcp_segment(Input& input) {
  Flow& flow = flows_[input.u8() % flows_.size()];
  test::TcpSpec tcp;
  tcp.flags = input.u8();
  const uint8_t form = input.u8();
  size_t size = payload_size(input);
  const bool super = (form & kSuper) != 0;
  if (super) size *= 4;
  tcp.source = flow.guest_port;
  tcp.destination = flow.remote_port;
  tcp.sequence = flow.guest_next;
  if ((form & kSequenceRaw) != 0) tcp.sequence = input.u32();
  if ((form & kSequenceOff) != 0) tcp.sequence += static_cast<uint32_t>(input.i8() * 16);
  tcp.acknowledgment = flow.remote_next;
  if ((form & kAckOff) != 0) tcp.acknowledgment += static_cast<uint32_t>(input.i8() * 50);
  if ((form & kWindow) != 0) tcp.window = input.u16();
  tcp.options = options(input, flow, tcp.flags, form);
  const bool right = (form & (kSequenceOff | kSequenceRaw | kStays)) == 0;
  const Frame frame = built(flow, tcp, bytes_at(tcp.sequence, size), super);
  if (right) {
    flow.guest_next += static_cast<uint32_t>(size) + ((tcp.flags & kTcpSyn) != 0 ? 1 : 0) +
                       ((tcp.flags & kTcpFin) != 0 ? 1 : 0);
  }
  return frame;
}

Frame FuzzGuest::next_segment(size_t which, uint8_t flags, const ByteVector& payload) {
  Flow& flow = flows_[which % flows_.size()];
  test::TcpSpec tcp;
  tcp.source = flow.guest_port;
  tcp.destination = flow.remote_port;
  tcp.flags = flags;
  tcp.sequence = flow.guest_next;
  tcp.acknowledgment = flow.remote_next;
  flow.guest_next += static_cast<uint32_t>(payload.size()) + ((flags & kTcpSyn) != 0 ? 1 : 0) +
                     ((flags & kTcpFin) != 0 ? 1 : 0);
  return built(flow, tcp, payload, false);
}

// Bytes: path, ports, time to live, size.
Frame FuzzGuest::udp_datagram(Input& input) {
  test::IpSpec ip = path(input.u8());
  const uint8_t ports = input.u8();
  ip.ttl = (ports & 0x80) != 0 ? input.u8() : 64;
  const auto source = static_cast<uint16_t>(5000 + ports % 8);
  const uint16_t destinations[] = {7, 53, 67, 547, 123, 0, 443, 65535};
  const size_t size = payload_size(input);
  Frame frame;
  frame.bytes = test::udp_frame(ip, source, destinations[ports / 8 % 8], test::pattern(size));
  if ((ports & 0x40) != 0) {
    frame.offload.gso_type = GsoType::kUdp;
    frame.offload.gso_size = static_cast<uint16_t>(input.u8() * 4);
    frame.offload.csum_partial = true;
    frame.offload.csum_start = ip.source.is_v4() ? 34 : 54;
    frame.offload.csum_offset = 6;
  }
  return frame;
}

// Bytes: path, what, and then its own.
Frame FuzzGuest::icmp_message(Input& input) {
  test::IpSpec ip = path(input.u8());
  const bool v4 = ip.source.is_v4();
  const uint8_t what = input.u8();
  if (what < 128) {
    const uint8_t request = v4 ? 8 : 128;
    const size_t size = payload_size(input);
    return {test::icmp_frame(ip, request, 0, uint32_t{what} << 16 | 1, test::pattern(size)), {}};
  }
  // An error about something, of which the input has the bytes.
  const uint8_t type = what == 128 ? (v4 ? kUnreachableV4 : kUnreachableV6) : input.u8();
  const uint8_t code = input.u8();
  const uint32_t rest = input.u16();
  const Bytes quoted = input.take(input.u8());
  return {test::icmp_frame(ip, type, code, rest, {quoted.begin(), quoted.end()}), {}};
}

// A piece of a datagram or echo request. Bytes: path, id, offset and size in units of 8 bytes.
Frame FuzzGuest::fragment(Input& input) {
  const test::IpSpec ip = path(input.u8());
  const uint8_t id = input.u8();
  const uint8_t at = input.u8();
  const size_t size = size_t{input.u8() % 160u} * 8 + ((id & 0x40) != 0 ? 3 : 0);
  const uint16_t more = (id & 0x80) != 0 ? 1 : 0;
  const uint8_t kind = (id & 0x20) != 0 ? 17 : ip.source.is_v4() ? 1 : 58;
  const ByteVector payload = test::pattern(size);
  test::IpSpec out = ip;
  if (ip.source.is_v4()) {
    out.protocol = kind;
    out.dont_fragment = false;
    ByteVector bytes = test::ethernet_frame(out, payload);
    test::put_u16(bytes, 18, id & 3);
    test::put_u16(bytes, 20, static_cast<size_t>(more << 13 | at));
    test::put_u16(bytes, 24, 0);
    test::put_u16(bytes, 24, test::naive_checksum(Bytes(bytes).subspan(14, 20)));
    return {bytes, {}};
  }
  out.protocol = 44;
  ByteVector behind = {kind, 0};
  test::append_u16(behind, static_cast<size_t>(at << 3 | more));
  test::append_u32(behind, id & 3);
  test::append(behind, payload);
  return {test::ethernet_frame(out, behind), {}};
}

}  // namespace dashi::fuzz
