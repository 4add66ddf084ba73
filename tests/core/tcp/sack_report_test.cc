// What the guest is told of what came out of order or twice: SACK (RFC 2018) and D-SACK (RFC 2883).
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

using Blocks = std::vector<std::pair<uint32_t, uint32_t>>;

// The SACK blocks of a segment, as offsets into the guest's stream.
Blocks blocks_of(const TcpBench::Heard& heard) {
  Blocks out;
  const TcpOptions& options = heard.packet.tcp.options;
  for (size_t i = 0; i < options.sack_count; ++i) {
    out.emplace_back(options.sack[i].left - kGuestIsn - 1, options.sack[i].right - kGuestIsn - 1);
  }
  return out;
}

void expect_blocks(TcpBench& bench, uint32_t acked, const Blocks& blocks) {
  const TcpBench::Heard heard = bench.expect(kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 1 + acked);
  BOOST_TEST((blocks_of(heard) == blocks));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_sack_report)

TCP_CASE(reports_the_newest_block_first_and_repeats_the_others) {  // RFC 2018 4
  TcpBench bench(quiet_config());
  bench.establish();
  bench.data(20, 0, "0123456789");
  expect_blocks(bench, 0, {{20, 30}});
  bench.data(60, 0, "0123456789");
  expect_blocks(bench, 0, {{60, 70}, {20, 30}});
  bench.data(40, 0, "0123456789");
  expect_blocks(bench, 0, {{40, 50}, {60, 70}, {20, 30}});
  bench.data(30, 0, "0123456789");  // joins two of them
  expect_blocks(bench, 0, {{20, 50}, {60, 70}});
  bench.data(0, 0, "01234567890123456789");
  expect_blocks(bench, 50, {{60, 70}});
  bench.data(50, 0, "0123456789");
  expect_blocks(bench, 70, {});
}

TCP_CASE(reports_at_most_four_blocks_the_newest_of_more) {
  TcpBench bench(quiet_config());
  bench.establish();
  for (uint32_t i = 1; i <= 6; ++i) {
    bench.data(20 * i, 0, "0123456789");
    if (i < 6) bench.expect(kTcpAck);
  }
  expect_blocks(bench, 0, {{120, 130}, {100, 110}, {80, 90}, {60, 70}});
}

TCP_CASE(reports_blocks_on_data_too_and_takes_their_room_from_the_payload) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(20, 0, "0123456789");
  bench.expect(kTcpAck);
  bench.host_writes(host, pattern(1460));
  const TcpBench::Heard heard = bench.expect_data(0, 1460 - 12, 0);
  BOOST_TEST((blocks_of(heard) == Blocks{{20, 30}}));
  bench.expect_data(1460 - 12, 12, kTcpPsh);
}

TCP_CASE(says_nothing_to_a_guest_that_did_not_permit_it) {
  TcpBench bench(quiet_config());
  bench.syn_options = {2, 4, 0x05, 0xb4};
  bench.establish();
  bench.data(20, 0, "0123456789");
  expect_blocks(bench, 0, {});
}

TCP_CASE(does_not_offer_it_when_configured_not_to) {
  Config config = quiet_config();
  config.tcp.sack = false;
  TcpBench bench(config);
  bench.syn();
  bench.host_connects(bench.sockets.streams.back());
  BOOST_TEST(!bench.expect(kTcpSyn | kTcpAck).packet.tcp.options.sack_permitted);
}

TCP_CASE(reports_a_segment_that_came_twice_once) {  // RFC 2883 4.1.1
  TcpBench bench(quiet_config());
  bench.establish();
  bench.data(0, 0, "0123456789");
  bench.data(0, 0, "0123456789");
  expect_blocks(bench, 10, {{0, 10}});
  bench.data(20, 0, "0123456789");
  expect_blocks(bench, 10, {{20, 30}});
}

TCP_CASE(reports_a_segment_that_lies_wholly_behind) {
  TcpBench bench(quiet_config());
  bench.establish();
  bench.data(0, 0, "01234567890123456789");
  bench.data(5, 0, "56789");
  expect_blocks(bench, 20, {{5, 10}});
}

TCP_CASE(reports_no_more_than_what_came_twice) {  // RFC 2883 4
  TcpBench bench(quiet_config());
  bench.establish();
  bench.data(0, 0, "0123456789");
  bench.data(5, 0, "56789abcde");  // half of it is new
  bench.advance(40ms);
  expect_blocks(bench, 15, {{5, 10}});
  bench.data(20, 0, "0123456789");
  expect_blocks(bench, 15, {{20, 30}});
  bench.data(15, 0, "abcdefghij");  // the end of it is held already
  expect_blocks(bench, 30, {{20, 25}});
}

TCP_CASE(reports_a_held_segment_that_came_twice_with_its_block) {  // RFC 2883 4.2
  TcpBench bench(quiet_config());
  bench.establish();
  bench.data(20, 0, "0123456789");
  expect_blocks(bench, 0, {{20, 30}});
  bench.data(30, 0, "0123456789");
  expect_blocks(bench, 0, {{20, 40}});
  bench.data(20, 0, "01234");
  expect_blocks(bench, 0, {{20, 25}, {20, 40}});
  bench.data(35, 0, "0123456789");  // half of it
  expect_blocks(bench, 0, {{35, 40}, {20, 45}});
}

TCP_CASE(reports_no_more_of_a_batch_than_was_kept) {  // RFC 2883 4
  Config config = quiet_config();
  config.limits.tcp_uplink_bytes_total = 0;
  for (const size_t taken : {size_t{1}, size_t{0}}) {
    TcpBench bench(config);
    StreamState& host = bench.establish();
    host.write_room = taken;
    const ByteVector once =
        bench.segment(kTcpAck, kGuestIsn + 1, bench.isn + 1, 501, text("hello"), {});
    bench.frames({once, once});
    const auto acked = static_cast<uint32_t>(taken);
    expect_blocks(bench, acked, acked != 0 ? Blocks{{0, acked}} : Blocks{});
  }
}

TCP_CASE(survives_saving_and_restoring) {
  TcpBench bench(quiet_config());
  bench.establish();
  bench.data(20, 0, "0123456789");
  bench.data(60, 0, "0123456789");
  bench.link.frames.clear();
  bench.save_and_restore();
  bench.data(40, 0, "0123456789");
  expect_blocks(bench, 0, {{40, 50}, {60, 70}, {20, 30}});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
