#include "core/wire/checksum.hh"

#include <boost/test/unit_test.hpp>
#include <random>

#include "tests/support/guest_frames.hh"

namespace dashi {
namespace {

using test::ByteVector;

BOOST_AUTO_TEST_SUITE(checksum)

BOOST_AUTO_TEST_CASE(the_example_of_rfc_1071) {
  const ByteVector bytes = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  Checksum sum;
  sum.add(bytes);
  BOOST_TEST(sum.partial() == 0xddf2);
  BOOST_TEST(sum.value() == 0x220d);
}

BOOST_AUTO_TEST_CASE(nothing_sums_to_nothing) {
  Checksum sum;
  BOOST_TEST(sum.partial() == 0);
  sum.add({});
  BOOST_TEST(sum.value() == 0xffff);
}

BOOST_AUTO_TEST_CASE(every_length_at_every_alignment_equals_the_naive_sum) {
  ByteVector bytes(300);
  std::mt19937 draw(20240601);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(draw());
  for (size_t from = 0; from < 17; ++from) {
    for (size_t n = 0; n < 260; ++n) {
      const Bytes piece = Bytes(bytes).subspan(from, n);
      Checksum sum;
      sum.add(piece);
      BOOST_REQUIRE_EQUAL(sum.value(), test::naive_checksum(piece));
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_of_any_length_sum_like_the_whole) {
  const unsigned seed = 7;
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 draw(seed);
  for (int round = 0; round < 500; ++round) {
    ByteVector bytes(draw() % 2000);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(draw());
    Checksum sum;
    Bytes rest = bytes;
    while (!rest.empty()) {
      const size_t n = 1 + draw() % std::min<size_t>(rest.size(), 40);
      if (n == 2 && rest.size() >= 2) {
        sum.add_word(static_cast<uint16_t>(rest[0] << 8 | rest[1]));
      } else {
        sum.add(rest.first(n));
      }
      rest = rest.subspan(n);
    }
    BOOST_REQUIRE_EQUAL(sum.value(), test::naive_checksum(bytes));
  }
}

BOOST_AUTO_TEST_CASE(all_ones_of_the_greatest_length_do_not_overflow) {
  const ByteVector bytes(70001, 0xff);
  Checksum sum;
  sum.add(bytes);
  BOOST_TEST(sum.value() == test::naive_checksum(bytes));
}

BOOST_AUTO_TEST_CASE(pseudo_headers_of_both_families) {
  for (const char* family : {"v4", "v6"}) {
    test::IpSpec ip;
    const bool v4 = family[1] == '4';
    ip.source = *parse_ip(v4 ? "10.0.0.2" : "fd00::2");
    ip.destination = *parse_ip(v4 ? "192.0.2.1" : "2001:db8::1");
    const ByteVector segment = test::pattern(77);
    Checksum sum;
    add_pseudo_header(sum, ip.source, ip.destination, IpProtocol::kUdp, segment.size());
    sum.add(segment);
    BOOST_TEST(sum.value() == test::transport_checksum(ip, 17, segment), family);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
