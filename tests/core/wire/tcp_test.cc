#include "core/wire/tcp.hh"

#include <boost/test/unit_test.hpp>

#include "tests/support/guest_frames.hh"

namespace dashi {
namespace {

using test::ByteVector;

ByteVector written(const TcpOptions& options) {
  ByteVector out(60, 0xee);
  out.resize(write_tcp_options(out, options));
  return out;
}

BOOST_AUTO_TEST_SUITE(tcp_options)

BOOST_AUTO_TEST_CASE(a_syn_carries_its_options_in_the_order_of_linux) {
  TcpOptions options;
  options.mss = 1460;
  options.sack_permitted = true;
  options.timestamps = TcpTimestamps{0x01020304, 0};
  options.window_scale = 7;
  const ByteVector expected = {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};
  BOOST_TEST(written(options) == expected, boost::test_tools::per_element());
  options.timestamps.reset();
  const ByteVector without = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};
  BOOST_TEST(written(options) == without, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  TcpOptions options;
  options.timestamps = TcpTimestamps{0xfffffff0, 0x80000000};
  options.sack_count = 3;
  options.sack = {{{1, 2}, {0xfffffffe, 5}, {7, 9}, {0, 0}}};
  const ByteVector bytes = written(options);
  BOOST_TEST(bytes.size() == 40u);
  const auto read = parse_tcp_options(bytes);
  BOOST_REQUIRE(read.ok());
  BOOST_TEST(read->timestamps->value == 0xfffffff0);
  BOOST_TEST(read->timestamps->echo_reply == 0x80000000);
  BOOST_TEST(read->sack_count == 3);
  BOOST_TEST(read->sack[1].left == 0xfffffffe);
  BOOST_TEST(read->sack[2].right == 9u);
}

BOOST_AUTO_TEST_CASE(blocks_beyond_the_forty_bytes_are_left_out) {
  TcpOptions options;
  options.sack_count = 4;
  BOOST_TEST(written(options).size() == 36u);
  options.timestamps = TcpTimestamps{};
  const ByteVector bytes = written(options);
  BOOST_TEST(bytes.size() == 40u);
  BOOST_TEST(parse_tcp_options(bytes)->sack_count == 3);
}

BOOST_AUTO_TEST_CASE(unknown_options_and_wrong_lengths_are_skipped) {
  const ByteVector bytes = {254, 4, 1, 2, 2, 3, 9, 1, 3, 3, 14, 0, 0xff, 0xff};
  const auto read = parse_tcp_options(bytes);
  BOOST_REQUIRE(read.ok());
  BOOST_TEST(!read->mss.has_value());
  BOOST_TEST(*read->window_scale == 14);
}

BOOST_AUTO_TEST_CASE(impossible_lengths_are_malformed) {
  for (const ByteVector& bytes :
       {ByteVector{2}, ByteVector{2, 0}, ByteVector{2, 1}, ByteVector{2, 4, 1},
        ByteVector{1, 254, 255}, ByteVector{8, 10, 0, 0, 0, 0, 0, 0, 0}}) {
    const auto read = parse_tcp_options(bytes);
    BOOST_REQUIRE(!read.ok());
    BOOST_TEST((read.error() == DropReason::kTcpMalformed));
  }
  BOOST_TEST(parse_tcp_options({}).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
