// Damaged frames: a corpus of good ones of every protocol, each bent in ways drawn from a fixed seed.
// None may crash; each comes to nothing at most once, and one that does not parse exactly once.

#include "core/nat/fragments.hh"
#include "tests/core/nat/nat_bench.hh"

namespace dashi::test {
namespace {

class Dice {
 public:
  explicit Dice(uint32_t seed) { entropy_.state = seed; }
  uint32_t operator()() { return static_cast<uint32_t>(entropy_.next_u64() >> 16); }

 private:
  FakeEntropy entropy_;
};

std::vector<ByteVector> corpus() {
  std::vector<ByteVector> out;
  for (const bool four : {true, false}) {
    const IpSpec out_there = four ? NatBench::v4("10.0.0.2", "198.51.100.7")
                                  : NatBench::v6("fd00:da51::2", "2001:db8::7");
    const IpSpec gateway =
        four ? NatBench::v4("10.0.0.2", "10.0.0.1") : NatBench::v6("fd00:da51::2", "fd00:da51::1");
    for (const IpSpec& ip : {out_there, gateway}) {
      for (const int bits : {int{kTcpSyn}, int{kTcpAck}, kTcpAck | kTcpFin, int{kTcpRst},
                             kTcpSyn | kTcpAck, kTcpAck | kTcpPsh}) {
        const auto flags = static_cast<uint8_t>(bits);
        TcpSpec tcp;
        tcp.source = 4444;
        tcp.destination = 53;
        tcp.sequence = 1000;
        tcp.flags = flags;
        if ((flags & kTcpSyn) != 0) tcp.options = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};
        out.push_back(tcp_frame(ip, tcp, flags == kTcpSyn ? ByteVector{} : pattern(20)));
      }
      // A DNS question: www.example.org A
      const ByteVector dns = {0x12, 0x34, 1,   0,   0,   1,   0,   0,   0,   0,   0,
                              0,    3,    'w', 'w', 'w', 7,   'e', 'x', 'a', 'm', 'p',
                              'l',  'e',  3,   'o', 'r', 'g', 0,   0,   1,   0,   1};
      out.push_back(udp_frame(ip, 5555, 53, dns));
      out.push_back(udp_frame(ip, 5555, 7, pattern(100)));
      out.push_back(icmp_frame(ip, four ? 8 : 128, 0, 0x00010001, pattern(32)));
      out.push_back(icmp_frame(ip, four ? 3 : 1, 0, 0, pattern(60)));
    }
  }
  // Neighbour and router solicitations, DHCP, ARP.
  IpSpec ndp = NatBench::v6("fe80::2", "ff02::2");
  ndp.ttl = 255;
  ndp.destination_mac = MacAddress{{0x33, 0x33, 0, 0, 0, 2}};
  out.push_back(icmp_frame(ndp, 133, 0, 0, {1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56}));
  ByteVector target;
  append(target, parse_ip("fd00:da51::1").value().bytes());
  append(target, ByteVector{1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56});
  out.push_back(icmp_frame(ndp, 135, 0, 0, target));
  ByteVector dhcp(240, 0);
  dhcp[0] = 1, dhcp[1] = 1, dhcp[2] = 6;
  append(dhcp, ByteVector{53, 1, 1, 61, 7, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 55, 2, 1, 3, 255});
  put_u16(dhcp, 236, 0x6382), put_u16(dhcp, 238, 0x5363);
  IpSpec nobody = NatBench::v4("0.0.0.0", "255.255.255.255");
  nobody.destination_mac = MacAddress::broadcast();
  out.push_back(udp_frame(nobody, 68, 67, dhcp));
  IpSpec servers = NatBench::v6("fe80::2", "ff02::1:2");
  servers.destination_mac = MacAddress{{0x33, 0x33, 0, 1, 0, 2}};
  out.push_back(
      udp_frame(servers, 546, 547, {11, 1, 2, 3, 0, 1, 0, 4, 9, 9, 9, 9, 0, 6, 0, 2, 0, 23}));
  ByteVector arp;
  append(arp, MacAddress::broadcast().bytes);
  append(arp, IpSpec{}.source_mac.bytes);
  append(arp, ByteVector{8, 6, 0, 1, 8, 0, 6, 4, 0, 1});
  append(arp, IpSpec{}.source_mac.bytes);
  append(arp, ByteVector{10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1});
  out.push_back(arp);
  return out;
}

// Puts the IPv4 header's sum and the transport's right again, where there is one, so that the damage
// is seen by those behind the checksums as well.
void mend_checksums(ByteVector& f) {
  const auto mend = [&](size_t l4, size_t end, uint8_t protocol, const IpSpec& ip) {
    const size_t field = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
    if (end > f.size() || l4 + field + 2 > end) return;
    put_u16(f, l4 + field, 0);
    const ByteVector segment(f.begin() + static_cast<ptrdiff_t>(l4),
                             f.begin() + static_cast<ptrdiff_t>(end));
    put_u16(f, l4 + field,
            protocol == 1 ? naive_checksum(segment) : transport_checksum(ip, protocol, segment));
  };
  if (f.size() < 34) return;
  IpSpec ip;
  if (f[12] == 8 && f[13] == 0) {
    const size_t header = size_t{f[14] & 0x0fu} * 4;
    if (header < 20 || f.size() < 14 + header) return;
    put_u16(f, 24, 0);
    put_u16(f, 24, naive_checksum(Bytes(f).subspan(14, header)));
    ip.source = Ipv4Address{{f[26], f[27], f[28], f[29]}};
    ip.destination = Ipv4Address{{f[30], f[31], f[32], f[33]}};
    mend(14 + header, 14 + (size_t{f[16]} << 8 | f[17]), f[23], ip);
  } else if (f[12] == 0x86 && f[13] == 0xdd && f.size() >= 54) {
    Ipv6Address source;
    Ipv6Address destination;
    copy_bytes(source.bytes, Bytes(f).subspan(22, 16));
    copy_bytes(destination.bytes, Bytes(f).subspan(38, 16));
    ip.source = source;
    ip.destination = destination;
    mend(54, 54 + (size_t{f[18]} << 8 | f[19]), f[20], ip);
  }
}

ByteVector bend(Dice& dice, ByteVector frame) {
  const uint32_t times = 1 + dice() % 3;
  for (uint32_t i = 0; i < times && !frame.empty(); ++i) {
    // More often in the headers than in what they carry.
    const size_t where = dice() % std::min<size_t>(frame.size(), dice() % 4 == 0 ? 1500 : 90);
    switch (dice() % 6) {
      case 0:
        frame[where] ^= static_cast<uint8_t>(1u << dice() % 8);
        break;
      case 1:
        frame[where] = static_cast<uint8_t>(dice());
        break;
      case 2:
        frame[where] = dice() % 2 == 0 ? 0x00 : 0xff;
        break;
      case 3:
        frame.resize(dice() % frame.size());
        break;
      case 4:
        frame.resize(frame.size() + dice() % 40, 0xaa);
        break;
      case 5:
        frame.insert(frame.begin() + static_cast<ptrdiff_t>(where), static_cast<uint8_t>(dice()));
        break;
    }
  }
  if (dice() % 2 == 0) mend_checksums(frame);
  return frame;
}

Offload some_offload(Dice& dice) {
  Offload offload;
  if (dice() % 4 != 0) return offload;
  offload.gso_type = static_cast<GsoType>(dice() % 4);
  offload.gso_size = static_cast<uint16_t>(dice() % 3 == 0 ? 0 : dice() % 2000);
  offload.hdr_len = static_cast<uint16_t>(dice() % 200);
  offload.csum_partial = dice() % 2 == 0;
  offload.csum_start = static_cast<uint16_t>(dice() % 2 == 0 ? 34 : dice() % 100);
  offload.csum_offset = static_cast<uint16_t>(dice() % 2 == 0 ? 16 : dice() % 30);
  offload.csum_trusted = dice() % 2 == 0;
  return offload;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(nat_mutation, NatBench)

BOOST_AUTO_TEST_CASE(is_fed_a_corpus_that_is_good_to_begin_with) {
  for (const ByteVector& frame : corpus()) {
    Packet packet;
    const auto parsed = parse(frame, {}, 1500, packet);
    BOOST_TEST(parsed.ok(), (parsed.ok() ? "" : name_of(parsed.error())));
    BOOST_TEST(feed(frame) <= 1u);
  }
}

BOOST_AUTO_TEST_CASE(drops_each_damaged_frame_at_most_once_and_a_malformed_one_exactly_once) {
  const uint32_t seed = 4242;
  BOOST_TEST_MESSAGE("seed " << seed);
  Dice dice(seed);
  const auto frames = corpus();
  uint64_t malformed = 0;
  uint64_t traced = 0;
  const uint64_t dropped_before = drops();
  for (int i = 0; i < 12000; ++i) {
    const ByteVector frame = bend(dice, frames[dice() % frames.size()]);
    const Offload offload = some_offload(dice);
    Packet packet;
    const auto parsed = parse(frame, offload, 1500, packet);
    const bool parses = parsed.ok();
    // A fragment may wait for others, and may end those that waited.
    const bool fragment = !parses && Fragments::is_fragment(parsed.error());
    trace.events.clear();
    const uint64_t dropped = feed(frame, offload);
    if (!fragment) BOOST_REQUIRE_LE(dropped, 1u);
    if (!parses && !fragment) BOOST_REQUIRE_EQUAL(dropped, 1u);
    malformed += parses ? 0 : 1;
    for (const SentFrame& sent : link.frames) sent.packet();  // what we answer is well-formed
    link.frames.clear();
    if (i % 100 == 0) {
      // The host side lives meanwhile: connects succeed, bytes come and go.
      for (StreamState& stream : sockets.streams) {
        if (stream.closed) continue;
        stream.incoming.push_back('x');
        for (const auto kind : {SocketEvent::Kind::kConnected, SocketEvent::Kind::kReadable}) {
          const SocketEvent event{stream.id, kind, {}};
          nat->handle_sockets(now, {&event, 1});
        }
      }
      now += 700ms;
      nat->handle_timers(now);
      nat->flush(now);
    }
    for (const TraceEvent& event : trace.events) {
      traced += event.kind == TraceEvent::Kind::kDrop ? 1 : 0;
    }
  }
  BOOST_TEST(traced == drops() - dropped_before);
  BOOST_TEST(malformed > 2000u);
  BOOST_TEST(malformed < 11000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
