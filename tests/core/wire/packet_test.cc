#include "core/wire/packet.hh"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>

#include "tests/support/guest_frames.hh"

namespace dashi {

std::ostream& boost_test_print_type(std::ostream& out, DropReason reason) {
  return out << name_of(reason);
}

namespace {

using test::ByteVector;
using test::IpSpec;

constexpr uint32_t kMtu = 1500;
constexpr size_t kEthernet = 14;

IpSpec v4() {
  IpSpec ip;
  ip.source = *parse_ip("10.0.0.2");
  ip.destination = *parse_ip("192.0.2.7");
  return ip;
}

IpSpec v6() {
  IpSpec ip;
  ip.source = *parse_ip("fd00:da51::2");
  ip.destination = *parse_ip("2001:db8::7");
  return ip;
}

// Parses a copy that ends where its memory ends, so that a sanitizer sees every byte too far.
struct Outcome {
  std::unique_ptr<uint8_t[]> memory;
  Packet packet;
  bool ok = false;
  DropReason reason = DropReason::kCount;
};

Outcome parsed(const ByteVector& frame, const Offload& offload) {
  Outcome out;
  out.memory = std::make_unique<uint8_t[]>(frame.size());
  std::copy(frame.begin(), frame.end(), out.memory.get());
  const auto result = parse(Bytes(out.memory.get(), frame.size()), offload, kMtu, out.packet);
  out.ok = result.ok();
  if (!result.ok()) out.reason = result.error();
  return out;
}

Outcome parsed(const ByteVector& frame) { return parsed(frame, Offload{}); }

void expect_drop(const ByteVector& frame, DropReason reason) {
  BOOST_TEST(parsed(frame).reason == reason);
}

ByteVector some_tcp(const IpSpec& ip) {
  test::TcpSpec tcp;
  tcp.source = 40000;
  tcp.destination = 80;
  tcp.sequence = 0xfffffff0;
  tcp.acknowledgment = 17;
  tcp.flags = kTcpAck | kTcpPsh;
  tcp.window = 512;
  tcp.options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  return test::tcp_frame(ip, tcp, test::pattern(33));
}

// An extension header in front of a UDP datagram.
ByteVector with_extension(uint8_t kind, const ByteVector& extension) {
  ByteVector frame = test::udp_frame(v6(), 5000, 6000, test::pattern(10));
  ByteVector header = extension;
  header[0] = 17;
  frame.insert(frame.begin() + kEthernet + 40, header.begin(), header.end());
  frame[kEthernet + 6] = kind;
  test::put_u16(frame, kEthernet + 4, frame.size() - kEthernet - 40);
  return frame;
}

// The header checksum made right again after a test broke a field.
ByteVector with_header_sum(ByteVector frame) {
  test::put_u16(frame, kEthernet + 10, 0);
  const size_t bytes = size_t{4} * (frame[kEthernet] & 0xf);
  test::put_u16(frame, kEthernet + 10,
                test::naive_checksum(Bytes(frame).subspan(kEthernet, bytes)));
  return frame;
}

BOOST_AUTO_TEST_SUITE(packet)

BOOST_AUTO_TEST_CASE(a_tcp_segment_of_either_family_is_read_whole) {
  for (const IpSpec& ip : {v4(), v6()}) {
    const Outcome out = parsed(some_tcp(ip));
    BOOST_REQUIRE(out.ok);
    const Packet& p = out.packet;
    BOOST_TEST((p.source() == Endpoint{ip.source, Port{40000}}));
    BOOST_TEST((p.destination() == Endpoint{ip.destination, Port{80}}));
    BOOST_TEST((p.source_mac == ip.source_mac));
    BOOST_TEST((p.destination_mac == ip.destination_mac));
    BOOST_TEST((p.ip_header.protocol == IpProtocol::kTcp));
    BOOST_TEST(p.ip_header.ttl == 64);
    BOOST_TEST(p.ip_header.dont_fragment);
    BOOST_TEST(p.tcp.sequence == 0xfffffff0);
    BOOST_TEST(p.tcp.acknowledgment == 17u);
    BOOST_TEST(p.tcp.window == 512);
    BOOST_TEST(p.tcp.flags == (kTcpAck | kTcpPsh));
    BOOST_TEST(p.tcp.options.timestamps->echo_reply == 2u);
    BOOST_TEST(p.payload.size() == 33u);
    BOOST_TEST(p.payload[1] == 7);
  }
}

BOOST_AUTO_TEST_CASE(a_udp_datagram_of_either_family_is_read_whole) {
  for (IpSpec ip : {v4(), v6()}) {
    ip.tos = 0xb8;
    ip.ttl = 3;
    const Outcome out = parsed(test::udp_frame(ip, 5000, 53, {}));
    BOOST_REQUIRE(out.ok);
    BOOST_TEST(out.packet.destination_port.number == 53);
    BOOST_TEST(out.packet.payload.empty());
    BOOST_TEST(out.packet.ip_header.tos == 0xb8);
    BOOST_TEST(out.packet.ip_header.ttl == 3);
  }
}

BOOST_AUTO_TEST_CASE(padding_is_not_payload) {
  ByteVector frame = test::udp_frame(v4(), 5000, 6000, {1});
  frame.resize(60, 0xaa);
  const Outcome out = parsed(frame);
  BOOST_REQUIRE(out.ok);
  BOOST_TEST(out.packet.payload.size() == 1u);
  BOOST_TEST(out.packet.ip.size() == 29u);
}

BOOST_AUTO_TEST_CASE(arp_passes_as_bytes) {
  ByteVector frame(kEthernet + 28, 0);
  test::put_u16(frame, 12, 0x0806);
  const Outcome out = parsed(frame);
  BOOST_REQUIRE(out.ok);
  BOOST_TEST(out.packet.ip.size() == 28u);
  test::put_u16(frame, 12, 0x8100);
  expect_drop(frame, DropReason::kUnknownEtherType);
}

BOOST_AUTO_TEST_CASE(every_truncation_of_every_kind_of_frame_is_dropped) {
  const std::vector<ByteVector> frames = {
      some_tcp(v4()),
      some_tcp(v6()),
      test::udp_frame(v4(), 1, 2, test::pattern(20)),
      test::udp_frame(v6(), 1, 2, test::pattern(20)),
      test::icmp_frame(v4(), 8, 0, 0x00010002, test::pattern(20)),
      test::icmp_frame(v6(), 128, 0, 0x00010002, test::pattern(20)),
      with_extension(0, {0, 0, 5, 2, 0, 0, 1, 0}),
      with_extension(60, {0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
      with_extension(44, {0, 0, 0, 0, 0, 0, 0, 9}),
  };
  for (const ByteVector& frame : frames) {
    BOOST_TEST(parsed(frame).ok);
    for (size_t n = 0; n < frame.size(); ++n) {
      ByteVector cut(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(n));
      BOOST_TEST(!parsed(cut).ok, n);
      // And with the lengths of the IP header telling the truth about what is left.
      if (n < kEthernet + 20) continue;
      if (cut[kEthernet] == 0x45) {
        test::put_u16(cut, kEthernet + 2, n - kEthernet);
        cut = with_header_sum(cut);
      } else if (n >= kEthernet + 40) {
        test::put_u16(cut, kEthernet + 4, n - kEthernet - 40);
      }
      BOOST_TEST(!parsed(cut).ok, n);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_is_safe_when_no_checksum_stands_guard) {
  Offload trusted;
  trusted.csum_trusted = true;
  for (const ByteVector& frame :
       {some_tcp(v4()), some_tcp(v6()), test::icmp_frame(v6(), 1, 0, 0, {}),
        with_extension(0, {0, 0, 5, 2, 0, 0, 1, 0})}) {
    for (size_t n = 0; n <= frame.size(); ++n) {
      ByteVector cut(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(n));
      if (n >= kEthernet + 20 && cut[kEthernet] == 0x45) {
        test::put_u16(cut, kEthernet + 2, n - kEthernet);
        cut = with_header_sum(cut);
      } else if (n >= kEthernet + 40) {
        test::put_u16(cut, kEthernet + 4, n - kEthernet - 40);
      }
      for (uint8_t data_offset = 0; data_offset < 16; ++data_offset) {
        if (n > kEthernet + 32) cut[kEthernet + 32] = static_cast<uint8_t>(data_offset << 4);
        parsed(cut, trusted);  // a sanitizer judges
      }
    }
  }
  BOOST_TEST(parsed(some_tcp(v4()), trusted).ok);
}

BOOST_AUTO_TEST_CASE(only_header_lengths_from_five_words_on_are_taken) {
  for (uint8_t words = 0; words < 16; ++words) {
    ByteVector frame = test::udp_frame(v4(), 1, 2, {});
    if (words > 5) {  // options of NOPs
      frame.insert(frame.begin() + kEthernet + 20, size_t{4} * (words - 5u), 1);
      test::put_u16(frame, kEthernet + 2, frame.size() - kEthernet);
    }
    frame[kEthernet] = static_cast<uint8_t>(0x40 | words);
    if (words >= 5) frame = with_header_sum(frame);
    const Outcome out = parsed(frame);
    BOOST_TEST(out.ok == (words >= 5), int{words});
    if (words < 5) BOOST_TEST(out.reason == DropReason::kIpv4Malformed);
  }
}

BOOST_AUTO_TEST_CASE(bad_checksums_are_told_apart) {
  ByteVector frame = some_tcp(v4());
  frame[kEthernet + 11] ^= 1;
  expect_drop(frame, DropReason::kIpv4Checksum);
  for (const IpSpec& ip : {v4(), v6()}) {
    const size_t header = ip.source.is_v4() ? 20 : 40;
    frame = some_tcp(ip);
    frame.back() ^= 1;
    expect_drop(frame, DropReason::kTcpChecksum);
    frame = test::udp_frame(ip, 1, 2, test::pattern(3));
    frame.back() ^= 1;
    expect_drop(frame, DropReason::kUdpChecksum);
    frame = test::icmp_frame(ip, ip.source.is_v4() ? 8 : 128, 0, 1, {});
    frame[kEthernet + header + 7] ^= 1;
    expect_drop(frame, DropReason::kIcmpChecksum);
  }
}

BOOST_AUTO_TEST_CASE(a_udp_datagram_without_checksum_is_for_ipv4_only) {
  ByteVector frame = test::udp_frame(v4(), 1, 2, test::pattern(3));
  test::put_u16(frame, kEthernet + 20 + 6, 0);
  BOOST_TEST(parsed(frame).ok);
  frame = test::udp_frame(v6(), 1, 2, test::pattern(3));
  test::put_u16(frame, kEthernet + 40 + 6, 0);
  expect_drop(frame, DropReason::kUdpChecksum);
}

BOOST_AUTO_TEST_CASE(lengths_that_disagree_are_malformed) {
  ByteVector frame = test::udp_frame(v4(), 1, 2, test::pattern(3));
  test::put_u16(frame, kEthernet + 20 + 4, 7);
  expect_drop(frame, DropReason::kUdpMalformed);
  test::put_u16(frame, kEthernet + 20 + 4, 12);
  expect_drop(frame, DropReason::kUdpMalformed);
  frame = test::udp_frame(v4(), 1, 2, {});
  test::put_u16(frame, kEthernet + 2, frame.size());
  expect_drop(frame, DropReason::kIpv4Malformed);
  frame = test::udp_frame(v6(), 1, 2, {});
  test::put_u16(frame, kEthernet + 4, 9);
  expect_drop(frame, DropReason::kIpv6Malformed);
  frame[kEthernet] = 0x40;
  expect_drop(frame, DropReason::kIpv6Malformed);
}

BOOST_AUTO_TEST_CASE(destination_port_zero_is_malformed) {
  expect_drop(test::udp_frame(v4(), 1, 0, {}), DropReason::kUdpMalformed);
  test::TcpSpec tcp;
  tcp.source = 1;
  expect_drop(test::tcp_frame(v6(), tcp, {}), DropReason::kTcpMalformed);
}

BOOST_AUTO_TEST_CASE(fragments_are_refused_but_atomic_ones_are_whole) {
  ByteVector frame = test::udp_frame(v4(), 1, 2, test::pattern(16));
  test::put_u16(frame, kEthernet + 6, 0x2000);
  expect_drop(with_header_sum(frame), DropReason::kIpv4Fragment);
  test::put_u16(frame, kEthernet + 6, 0x0001);
  expect_drop(with_header_sum(frame), DropReason::kIpv4Fragment);
  expect_drop(with_extension(44, {0, 0, 0, 1, 0, 0, 0, 9}), DropReason::kIpv6Fragment);
  expect_drop(with_extension(44, {0, 0, 0, 8, 0, 0, 0, 9}), DropReason::kIpv6Fragment);
  BOOST_TEST(parsed(with_extension(44, {0, 0, 0, 0, 0, 0, 0, 9})).ok);
}

BOOST_AUTO_TEST_CASE(extension_headers_are_stepped_over) {
  const Outcome out = parsed(with_extension(60, {0, 0, 1, 4, 0, 0, 0, 0}));
  BOOST_REQUIRE(out.ok);
  BOOST_TEST(out.packet.destination_port.number == 6000);
  BOOST_TEST(out.packet.ip_header.next_header_offset == 40);
  BOOST_TEST(parsed(with_extension(43, {0, 0, 4, 0, 0, 0, 0, 0})).ok);
  expect_drop(with_extension(43, {0, 0, 4, 1, 0, 0, 0, 0}), DropReason::kIpv6Malformed);
  // An option that forbids the packet to whoever does not know it.
  expect_drop(with_extension(60, {0, 0, 0x41, 4, 0, 0, 0, 0}), DropReason::kIpv6Malformed);
  // An option that runs past its header, and a header that runs past the packet.
  expect_drop(with_extension(60, {0, 0, 1, 5, 0, 0, 0, 0}), DropReason::kIpv6Malformed);
  expect_drop(with_extension(60, {0, 200, 1, 4, 0, 0, 0, 0}), DropReason::kIpv6Malformed);
}

BOOST_AUTO_TEST_CASE(a_chain_of_extension_headers_has_an_end) {
  IpSpec ip = v6();
  ip.protocol = 60;
  ByteVector chain;
  for (int i = 0; i < 150; ++i) test::append(chain, ByteVector{60, 0, 1, 4, 0, 0, 0, 0});
  expect_drop(test::ethernet_frame(ip, chain), DropReason::kIpv6Malformed);
}

BOOST_AUTO_TEST_CASE(an_unknown_protocol_is_left_to_dispatch) {
  IpSpec ip = v6();
  ip.protocol = 132;
  Outcome out = parsed(test::ethernet_frame(ip, test::pattern(12)));
  BOOST_REQUIRE(out.ok);
  BOOST_TEST(static_cast<int>(out.packet.ip_header.protocol) == 132);
  BOOST_TEST(out.packet.ip_header.next_header_offset == 6);
  BOOST_TEST(out.packet.transport.size() == 12u);
  ip = v4();
  ip.protocol = 58;  // ICMPv6 in IPv4 is nothing we know
  BOOST_TEST(parsed(test::ethernet_frame(ip, test::pattern(3))).ok);
}

BOOST_AUTO_TEST_CASE(only_super_frames_may_exceed_the_mtu) {
  expect_drop(test::udp_frame(v4(), 1, 2, test::pattern(1473)), DropReason::kFrameTooLong);
  BOOST_TEST(parsed(test::udp_frame(v4(), 1, 2, test::pattern(1472))).ok);
  Offload offload;
  offload.gso_type = GsoType::kTcpv4;
  offload.gso_size = 1448;
  offload.csum_partial = true;
  offload.csum_start = kEthernet + 20;
  offload.csum_offset = 16;
  test::TcpSpec tcp;
  tcp.source = 1;
  tcp.destination = 2;
  const ByteVector frame = test::tcp_frame(v4(), tcp, test::pattern(65000));
  Outcome out = parsed(frame, offload);
  BOOST_REQUIRE(out.ok);
  BOOST_TEST(out.packet.payload.size() == 65000u);
  offload.gso_size = 1461;  // segments of 1501 bytes
  BOOST_TEST(parsed(frame, offload).reason == DropReason::kOffloadInvalid);
}

BOOST_AUTO_TEST_CASE(a_uso_super_frame_is_one_packet) {
  Offload offload;
  offload.gso_type = GsoType::kUdp;
  offload.gso_size = 1200;
  offload.csum_partial = true;
  offload.csum_start = kEthernet + 40;
  offload.csum_offset = 6;
  const ByteVector frame = test::udp_frame(v6(), 1, 2, test::pattern(6000));
  const Outcome out = parsed(frame, offload);
  BOOST_REQUIRE(out.ok);
  BOOST_TEST(out.packet.payload.size() == 6000u);
  offload.gso_type = GsoType::kTcpv6;
  BOOST_TEST(parsed(frame, offload).reason == DropReason::kOffloadInvalid);
}

BOOST_AUTO_TEST_CASE(a_super_frame_has_no_more_datagrams_than_linux_would_give_it) {
  Offload offload;
  offload.gso_type = GsoType::kUdp;
  offload.csum_partial = true;
  offload.csum_start = kEthernet + 20;
  offload.csum_offset = 6;
  offload.gso_size = 1;
  const auto frame = [](size_t bytes) { return test::udp_frame(v4(), 1, 2, test::pattern(bytes)); };
  BOOST_TEST(parsed(frame(60'000), offload).reason == DropReason::kOffloadInvalid);
  BOOST_TEST(parsed(frame(129), offload).reason == DropReason::kOffloadInvalid);
  BOOST_TEST(parsed(frame(128), offload).ok);
  offload.gso_size = 500;
  BOOST_TEST(parsed(frame(128 * 500), offload).ok);
  BOOST_TEST(parsed(frame(128 * 500 + 1), offload).reason == DropReason::kOffloadInvalid);
  // TCP's bytes are one stretch however they were to be cut.
  test::TcpSpec tcp;
  tcp.source = 1;
  tcp.destination = 2;
  offload.gso_type = GsoType::kTcpv4;
  offload.gso_size = 1;
  offload.csum_offset = 16;
  BOOST_TEST(parsed(test::tcp_frame(v4(), tcp, test::pattern(60'000)), offload).ok);
}

BOOST_AUTO_TEST_CASE(offloads_that_make_no_sense_are_refused) {
  const ByteVector frame = some_tcp(v4());
  Offload partial;
  partial.csum_partial = true;
  partial.csum_start = kEthernet + 20;
  partial.csum_offset = 16;
  BOOST_TEST(parsed(frame, partial).ok);
  Offload bad = partial;
  bad.csum_offset = 6;
  BOOST_TEST(parsed(frame, bad).reason == DropReason::kOffloadInvalid);
  bad = partial;
  bad.csum_start = kEthernet;
  BOOST_TEST(parsed(frame, bad).reason == DropReason::kOffloadInvalid);
  bad = partial;
  bad.csum_start = 0xffff;
  BOOST_TEST(parsed(frame, bad).reason == DropReason::kOffloadInvalid);
  bad = partial;
  bad.gso_type = GsoType::kTcpv4;
  BOOST_TEST(parsed(frame, bad).reason == DropReason::kOffloadInvalid);
  bad = partial;
  bad.hdr_len = static_cast<uint16_t>(frame.size() + 1);
  BOOST_TEST(parsed(frame, bad).reason == DropReason::kOffloadInvalid);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
