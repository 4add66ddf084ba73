// Sweeps: every value of a field, every length of a frame, where a drawn one may miss the one that hurts.
// Each frame comes to nothing at most once, and exactly once if it does not parse; all of them are counted
// and every drop is traced.
#include "core/nat/fragments.hh"
#include "tests/core/nat/frame_corpus.hh"
#include "tests/support/mend_checksums.hh"

namespace dashi::test {
namespace {

constexpr size_t kEthernet = 14;
constexpr size_t kIpv4 = 20;
constexpr size_t kIpv6 = 40;

struct Sweep : NatBench {
  uint64_t fed = 0;
  uint64_t before = nat->counters()[Counter::kGuestFramesIn];
  uint64_t dropped_before = drops();
  uint64_t traced = 0;

  Sweep() { trace.events.clear(); }
  ~Sweep() {
    count_traced();
    BOOST_TEST(nat->counters()[Counter::kGuestFramesIn] - before == fed);
    BOOST_TEST(traced == drops() - dropped_before);
    BOOST_TEST(nat->audit() == "");
  }
  void count_traced() {
    for (const TraceEvent& event : trace.events) {
      traced += event.kind == TraceEvent::Kind::kDrop ? 1 : 0;
    }
    trace.events.clear();
  }

  // Gives whether it was dropped.
  bool accounted(const ByteVector& frame) {
    Packet packet;
    const auto parsed = parse(frame, Offload{}, 1500, packet);
    const bool fragment = !parsed && Fragments::is_fragment(parsed.error());
    const uint64_t dropped = feed(frame);
    ++fed;
    // A fragment may wait for others, and may end those that waited.
    if (!fragment) BOOST_REQUIRE_LE(dropped, 1u);
    if (!fragment && !parsed) BOOST_REQUIRE_EQUAL(dropped, 1u);
    for (const SentFrame& sent : link.frames) sent.packet();  // what we answer is well-formed
    link.frames.clear();
    count_traced();
    if (fed % 64 == 0) {  // so that what is limited by time is not what is tested
      now += 1s;
      nat->handle_timers(now);
      nat->flush(now);
    }
    return dropped != 0;
  }
  // As it is, and with the lengths and checksums of its headers mended.
  void accounted_both(ByteVector frame) {
    accounted(frame);
    mend_lengths(frame);
    mend_checksums(frame);
    accounted(frame);
  }
  static void mend_lengths(ByteVector& frame) {
    if (frame.size() < kEthernet + kIpv4) return;
    const size_t bytes = frame.size() - kEthernet;
    if (frame[12] == 8 && frame[13] == 0) put_u16(frame, kEthernet + 2, bytes);
    if (frame[12] == 0x86 && bytes >= kIpv6) put_u16(frame, kEthernet + 4, bytes - kIpv6);
  }
};

std::vector<IpSpec> ways() {
  return {NatBench::v4("10.0.0.2", "198.51.100.7"), NatBench::v6("fd00:da51::2", "2001:db8::7"),
          NatBench::v4("10.0.0.2", "10.0.0.1"), NatBench::v6("fd00:da51::2", "fd00:da51::1")};
}

TcpSpec syn(const ByteVector& options) {
  TcpSpec tcp;
  tcp.source = 4444;
  tcp.destination = 80;
  tcp.sequence = 1000;
  tcp.flags = kTcpSyn;
  tcp.options = options;
  tcp.options.resize((options.size() + 3) / 4 * 4, 0);
  return tcp;
}

size_t ip_bytes(const IpSpec& ip) { return ip.source.is_v4() ? kIpv4 : kIpv6; }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(nat_sweep, Sweep)

BOOST_AUTO_TEST_CASE(every_frame_is_cut_at_every_length) {
  for (const ByteVector& frame : frame_corpus()) {
    for (size_t n = 0; n <= frame.size(); ++n) {
      ByteVector cut(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(n));
      cut.shrink_to_fit();
      accounted_both(cut);
    }
  }
}

BOOST_AUTO_TEST_CASE(ports_of_zero_lead_nowhere) {
  for (const IpSpec& ip : ways()) {
    for (const uint16_t other : std::array<uint16_t, 4>{53, 67, 80, 547}) {
      const std::pair<uint16_t, uint16_t> kPorts[] = {{0, other}, {other, 0}, {0, 0}};
      for (const auto& [source, destination] : kPorts) {
        TcpSpec tcp = syn({});
        tcp.source = source;
        tcp.destination = destination;
        dropped(tcp_frame(ip, tcp, {}), DropReason::kTcpMalformed);
        const ByteVector question = {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
        const ByteVector datagram = udp_frame(ip, source, destination, question);
        if (destination == 67 || destination == 547) {
          BOOST_TEST(feed(datagram) == 1u);  // the servers look at more than ports
        } else {
          dropped(datagram, DropReason::kUdpMalformed);
        }
        fed += 2;
      }
    }
  }
  BOOST_TEST(link.frames.empty());
  BOOST_TEST(sockets.open_count() == 1u);  // of the bench's own datagram
}

BOOST_AUTO_TEST_CASE(every_header_length_of_ipv4_and_of_tcp) {
  for (uint8_t words = 0; words < 16; ++words) {
    for (const size_t options : {0, 40}) {
      ByteVector frame = tcp_frame(ways()[0], syn({2, 4, 5, 0xb4}), pattern(7));
      frame.insert(frame.begin() + kEthernet + kIpv4, options, 1);
      frame[kEthernet] = static_cast<uint8_t>(0x40 | words);
      accounted_both(frame);
    }
    for (const IpSpec& ip : ways()) {
      for (const size_t payload : {0, 7, 60}) {
        ByteVector frame = tcp_frame(ip, syn({}), pattern(payload));
        frame[kEthernet + ip_bytes(ip) + 12] = static_cast<uint8_t>(words << 4);
        accounted_both(frame);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_length_that_headers_may_state) {
  for (const IpSpec& ip : ways()) {
    const size_t at = kEthernet + ip_bytes(ip);
    const ByteVector good = udp_frame(ip, 4000, 7, pattern(11));
    for (size_t stated = 0; stated < 90; ++stated) {
      ByteVector frame = good;  // what IP says against the frame
      put_u16(frame, kEthernet + (ip.source.is_v4() ? 2 : 4), stated);
      mend_checksums(frame);
      accounted(frame);
      frame = good;  // what UDP says against IP
      put_u16(frame, at + 4, stated);
      accounted(frame);
      mend_checksums(frame);
      accounted(frame);
    }
    for (const size_t stated : {0x7fff, 0x8000, 0xfff0, 0xffff}) {
      ByteVector frame = good;
      put_u16(frame, kEthernet + (ip.source.is_v4() ? 2 : 4), stated);
      put_u16(frame, at + 4, stated);
      mend_checksums(frame);
      BOOST_TEST(accounted(frame));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_kind_of_tcp_option_with_lengths_that_lie) {
  for (const IpSpec& ip : {ways()[0], ways()[1]}) {
    for (int kind = 0; kind < 256; ++kind) {
      for (const uint8_t length : std::array<uint8_t, 9>{0, 1, 2, 3, 4, 10, 39, 40, 255}) {
        const ByteVector options = {static_cast<uint8_t>(kind), length, 0, 0, 0, 0, 0, 0};
        accounted(tcp_frame(ip, syn(options), {}));
        ByteVector last(39, 1);  // its length is the last byte, or the packet's end
        last.push_back(static_cast<uint8_t>(kind));
        accounted(tcp_frame(ip, syn(last), {}));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_chain_of_three_ipv6_extension_headers) {
  const uint8_t kKinds[] = {0, 43, 44, 50, 51, 59, 60, 135};
  for (const uint8_t one : kKinds) {
    for (const uint8_t two : kKinds) {
      for (const uint8_t three : kKinds) {
        IpSpec ip = ways()[1];
        ip.protocol = 17;
        const ByteVector whole = udp_frame(ip, 4000, 7, pattern(9));
        ByteVector chain = {two, 0, 1, 4, 0,  0, 0, 0, three, 0, 1, 4,
                            0,   0, 0, 0, 17, 0, 1, 4, 0,     0, 0, 0};
        if (one == 43 || one == 44) chain[2] = chain[3] = 0;
        if (two == 43 || two == 44) chain[10] = chain[11] = 0;
        if (three == 43 || three == 44) chain[18] = chain[19] = 0;
        chain.insert(chain.end(), whole.begin() + kEthernet + kIpv6, whole.end());
        for (const size_t units : {0, 1, 255}) {
          chain[1] = static_cast<uint8_t>(units);
          ip.protocol = one;
          accounted(ethernet_frame(ip, chain));
          accounted(ethernet_frame(ip, ByteVector(chain.begin(), chain.begin() + 20)));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_quoted_packet_is_cut_at_every_length) {
  for (const IpSpec& ip : {ways()[0], ways()[1]}) {
    const bool four = ip.source.is_v4();
    IpSpec back = ip;
    std::swap(back.source, back.destination);
    const ByteVector frame = tcp_frame(back, syn({2, 4, 5, 0xb4}), pattern(20));
    const ByteVector quoted(frame.begin() + kEthernet, frame.end());
    for (uint8_t type = 0; type < (four ? 20 : 6); ++type) {
      for (size_t n = 0; n <= quoted.size(); ++n) {
        const ByteVector part(quoted.begin(), quoted.begin() + static_cast<ptrdiff_t>(n));
        accounted(icmp_frame(ip, type, four ? 4 : 0, 1280, part));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_checksum_is_the_same_at_every_alignment_and_odd_length) {
  for (const IpSpec& ip : ways()) {
    for (size_t payload = 0; payload < 34; ++payload) {
      for (const ByteVector& frame :
           {tcp_frame(ip, syn({}), pattern(payload)), udp_frame(ip, 4000, 7, pattern(payload)),
            icmp_frame(ip, ip.source.is_v4() ? 8 : 128, 0, 1, pattern(payload))}) {
        for (size_t offset = 0; offset < 9; ++offset) {
          ByteVector memory(offset);
          append(memory, frame);
          Packet packet;
          BOOST_TEST(parse(Bytes(memory).subspan(offset), Offload{}, 1500, packet).ok());
          memory.back() ^= 1;
          BOOST_TEST(!parse(Bytes(memory).subspan(offset), Offload{}, 1500, packet).ok());
        }
      }
    }
  }
}

// A guest whose segments hold nothing still gets its bytes (RFC 9293 3.7.1 has no least MSS).
BOOST_AUTO_TEST_CASE(every_small_mss_lets_bytes_through) {
  for (const IpSpec& ip : {ways()[0], ways()[1]}) {
    for (uint8_t mss = 0; mss < 70; ++mss) {
      TcpSpec tcp = syn({2, 4, 0, mss});
      tcp.source = static_cast<uint16_t>(5000 + mss);
      feed(tcp_frame(ip, tcp, {}));
      StreamState& stream = sockets.streams.back();
      const SocketEvent connected{stream.id, SocketEvent::Kind::kConnected, {}};
      nat->handle_sockets(now, {&connected, 1});
      nat->flush(now);
      const SentFrame heard = link.take();
      tcp.sequence = 1001;
      tcp.acknowledgment = heard.packet().tcp.sequence + 1;
      tcp.flags = kTcpAck;
      tcp.options.clear();
      feed(tcp_frame(ip, tcp, {}));
      stream.incoming = pattern(50);
      const SocketEvent readable{stream.id, SocketEvent::Kind::kReadable, {}};
      nat->handle_sockets(now, {&readable, 1});
      nat->flush(now);
      size_t bytes = 0;
      for (const SentFrame& sent : link.frames) bytes += sent.packet().payload.size();
      BOOST_TEST(bytes == 50u, "MSS " << int{mss});
      link.frames.clear();
      tcp.flags = kTcpRst;
      feed(tcp_frame(ip, tcp, {}));
      fed += 3;
      count_traced();
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
