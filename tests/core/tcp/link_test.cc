// The guest link: super-frames in, GSO frames out, scattered slots, and a link that is full.
#include "core/tcp/connection.hh"
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

// Opens the congestion window to at least `bytes` by acknowledging that much; gives the offset reached.
uint32_t warm_up(TcpBench& bench, StreamState& host, uint32_t bytes) {
  uint32_t at = 0;
  while (at < bytes) {
    bench.host_writes(host, pattern(bytes));
    at += static_cast<uint32_t>(bench.swallow(at));
    while (host.incoming.size() > at - host.consumed) {
      bench.ack(0, at, 60000);
      at += static_cast<uint32_t>(bench.swallow(at));
    }
    bench.ack(0, at, 60000);
  }
  return at;
}

void checksum_is_right(const SentFrame& frame) {
  const Bytes all(frame.bytes);
  BOOST_TEST(naive_checksum(all.subspan(14, 20)) == 0);
  IpSpec ip;
  ip.source = Ipv4Address{{all[26], all[27], all[28], all[29]}};
  ip.destination = Ipv4Address{{all[30], all[31], all[32], all[33]}};
  const Bytes segment = all.subspan(34);
  BOOST_TEST(transport_checksum(ip, 6, ByteVector(segment.begin(), segment.end())) == 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_link)

BOOST_AUTO_TEST_CASE(takes_a_super_frame_of_64_kib_as_one_segment) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  const ByteVector big = pattern(65535 - 40);
  bench.super_frame(bench.segment(kTcpAck, kGuestIsn + 1, bench.isn + 1, 501, big, {}), 1460);
  BOOST_TEST(host.written == big, boost::test_tools::per_element());
  bench.expect_ack(65495);
}

BOOST_AUTO_TEST_CASE(holds_a_super_frame_that_came_out_of_order) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  ByteVector big = pattern(60000);
  bench.super_frame(bench.segment(kTcpAck, kGuestIsn + 6, bench.isn + 1, 501, big, {}), 1460);
  bench.expect_ack(0);
  bench.data(0, 0, "hello");
  bench.expect_ack(60005);
  big.insert(big.begin(), {'h', 'e', 'l', 'l', 'o'});
  BOOST_TEST((host.written == big));
}

BOOST_AUTO_TEST_CASE(sends_frames_with_right_checksums_over_scattered_slots) {  // scenario 8
  for (const size_t rest : {~size_t{0}, size_t{1}, size_t{3}, size_t{61}, size_t{1024}}) {
    TcpBench bench(quiet_config());
    bench.link.rest_bytes = rest;
    StreamState& host = bench.establish();
    const ByteVector all = pattern(5001);
    bench.host_writes(host, all);
    ByteVector got;
    for (int turn = 0; turn < 100 && got.size() < all.size(); ++turn) {
      while (!bench.link.frames.empty()) {
        const SentFrame frame = bench.link.take();
        checksum_is_right(frame);
        BOOST_TEST(!frame.offload.csum_partial);
        append(got, frame.packet().payload);
      }
      bench.ack(0, static_cast<uint32_t>(got.size()), 501);
    }
    BOOST_TEST((got == all));
  }
}

BOOST_AUTO_TEST_CASE(leaves_the_checksum_to_a_link_that_offers_to_fill_it_in) {
  TcpBench bench(quiet_config());
  bench.link.link_limits.checksum_offload = true;
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(1000));
  SentFrame frame = bench.link.take();
  BOOST_TEST(frame.offload.csum_partial);
  BOOST_TEST(frame.offload.csum_start == 34);
  BOOST_TEST(frame.offload.csum_offset == 16);
  BOOST_TEST((frame.offload.gso_type == GsoType::kNone));
  // What the link would do: sum from csum_start on, store at csum_offset.
  const Bytes segment = Bytes(frame.bytes).subspan(34);
  put_u16(frame.bytes, 34 + 16, naive_checksum(segment));
  checksum_is_right(frame);
}

BOOST_AUTO_TEST_CASE(sends_gso_frames_to_a_link_that_cuts_them) {
  TcpBench bench(quiet_config());
  bench.link.link_limits.gso_bytes_max = 65535;
  bench.link.link_limits.checksum_offload = true;
  bench.syn_options = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};
  StreamState& host = bench.establish(60000);
  uint32_t at = warm_up(bench, host, 200'000);
  host.incoming = pattern(150'000);
  bench.host_ends(host);
  const std::vector<size_t> sizes = {44 * 1460, 44 * 1460, 150'000 - 88 * 1460};
  ByteVector got;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const bool last = i + 1 == sizes.size();
    const uint8_t flags = last ? kTcpPsh | kTcpFin : 0;
    const auto heard = bench.expect_data(at, sizes[i], flags);
    append(got, heard.packet.payload);
    BOOST_TEST((heard.frame.offload.gso_type == GsoType::kTcpv4));
    BOOST_TEST(heard.frame.offload.gso_size == 1460);
    BOOST_TEST(heard.frame.offload.hdr_len == 54);
    BOOST_TEST(heard.frame.offload.csum_partial);
    BOOST_TEST(heard.frame.offload.csum_start == 34);
    BOOST_TEST(heard.frame.offload.csum_offset == 16);
    BOOST_TEST(heard.packet.ip.size() <= 65535u);
    at += static_cast<uint32_t>(sizes[i]);
  }
  BOOST_TEST((got == pattern(150'000)));
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(sends_gso_frames_over_ipv6) {
  TcpBench bench(ipv6_config());
  bench.guest_address = address("fd00:da51::2");
  bench.remote_address = address("2001:db8::7");
  bench.link.link_limits.gso_bytes_max = 65535;
  bench.link.link_limits.checksum_offload = true;
  bench.syn_options = {2, 4, 0x05, 0xa0, 1, 3, 3, 7};
  StreamState& host = bench.establish(60000);
  bench.host_writes(host, pattern(10 * 1440));
  const auto heard = bench.expect_data(0, 14400, kTcpPsh);
  BOOST_TEST((heard.frame.offload.gso_type == GsoType::kTcpv6));
  BOOST_TEST(heard.frame.offload.gso_size == 1440);
  BOOST_TEST(heard.frame.offload.hdr_len == 74);
  BOOST_TEST(heard.frame.offload.csum_start == 54);
}

BOOST_AUTO_TEST_CASE(loses_nothing_to_a_full_link_at_a_syn_ack) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.link.room = 0;
  StreamState& host = bench.sockets.streams.back();
  bench.host_connects(host);
  bench.advance(100ms);
  bench.expect_nothing();
  BOOST_TEST((bench.nat().next_deadline().value_or(kNever) > bench.now));  // no busy waiting
  bench.link_reopens(~size_t{0});
  bench.isn = bench.expect(kTcpSyn | kTcpAck).packet.tcp.sequence;
  bench.expect_nothing();
  bench.ack(0, 0, 501);
  BOOST_TEST(bench.nat().dump(bench.now).find("ESTABLISHED") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(loses_nothing_to_a_full_link_at_a_syn) {  // facts 2.5 c
  TcpBench bench(quiet_config());
  Forward forward;
  forward.host = {address("0.0.0.0"), {8080}};
  forward.guest_port = {7777};
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward).ok());
  bench.link.room = 0;
  bench.sockets.listeners.front().pending.push_back({address("203.0.113.9"), {50000}});
  bench.event({bench.sockets.listeners.front().id, SocketEvent::Kind::kAcceptable, {}});
  bench.expect_nothing();
  bench.link_reopens(~size_t{0});
  bench.expect(kTcpSyn);
}

BOOST_AUTO_TEST_CASE(loses_nothing_to_a_full_link_at_acks_and_duplicate_acks) {
  TcpBench bench(quiet_config());
  bench.establish();
  bench.link.room = 0;
  bench.data(0, 0, std::string(1460, 'x'));
  bench.data(1460, 0, std::string(1460, 'x'));
  bench.expect_nothing();
  bench.link_reopens(~size_t{0});
  bench.expect_ack(2920);
  bench.link.room = 0;
  bench.data(3000, 0, "gap");
  bench.link_reopens(~size_t{0});
  bench.expect_ack(2920);
  bench.link.room = 0;
  bench.fin(2920, 0, "");
  bench.link_reopens(~size_t{0});
  bench.expect_ack(2921);
}

BOOST_AUTO_TEST_CASE(loses_nothing_to_a_link_with_room_for_a_frame_at_a_time) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.link.room = 1;
  host.incoming = pattern(4000);
  bench.host_ends(host);
  bench.expect_data(0, 1460, kTcpPsh);
  bench.expect_nothing();
  BOOST_TEST((bench.nat().next_deadline().value_or(kNever) > bench.now));
  bench.link_reopens(1);
  bench.expect_data(1460, 1460, kTcpPsh);
  bench.link_reopens(1);
  bench.expect_data(2920, 1080, kTcpPsh | kTcpFin);
  bench.ack(0, 4001, 501);
  BOOST_TEST(host.consumed == 4000u);
}

BOOST_AUTO_TEST_CASE(loses_nothing_to_a_full_link_at_a_fin) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.link.room = 0;
  bench.host_ends(host);
  bench.advance(5s);
  bench.link_reopens(~size_t{0});
  bench.expect_data(0, 0, kTcpFin);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 0u);
}

BOOST_AUTO_TEST_CASE(loses_nothing_to_a_full_link_at_a_reset) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.data(5, 0, "held");
  bench.link.frames.clear();
  bench.link.room = 0;
  host.error = SocketError::kReset;
  bench.data(0, 0, "x");  // cannot be written
  BOOST_TEST(host.closed);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  bench.event({host.id, SocketEvent::Kind::kReadable, {}});  // of a socket that is gone
  bench.data(0, 0, "more");
  bench.advance(1s);
  BOOST_TEST(bench.nat().dump(bench.now).find("reset owed") != std::string::npos);
  const auto info = bench.nat().tcp_info({bench.guest_address, {bench.guest_port}},
                                         {bench.remote_address, {bench.remote_port}});
  BOOST_TEST((info->state == TcpState::kClosed));
  bench.save_and_restore();
  bench.link_reopens(~size_t{0});
  BOOST_TEST(bench.expect(kTcpRst | kTcpAck).packet.tcp.sequence == bench.isn + 1);
  bench.expect_nothing();
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(forgets_a_reset_that_nobody_reads_for_two_minutes) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.link.room = 0;
  host.error = SocketError::kReset;
  bench.data(0, 0, "x");
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
  bench.advance(2min);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(does_not_take_a_full_link_for_a_lost_guest) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(1000));
  bench.expect_data(0, 1000, kTcpPsh);
  bench.link.room = 0;
  bench.data(0, 0, std::string(3000, 'x'));  // an ACK that finds no room
  bench.advance(1h);                         // the guest is paused
  BOOST_TEST(!host.aborted);
  bench.link_reopens(~size_t{0});
  bench.advance(1s);
  bench.link.frames.clear();
  bench.ack(3000, 1000, 501);
  BOOST_TEST(host.consumed == 1000u);
}

BOOST_AUTO_TEST_CASE(loses_nothing_to_a_full_link_at_a_fast_retransmission_or_probe) {
  TcpBench bench(quiet_config());
  bench.syn_options = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};  // without SACK
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(10 * 1460));
  bench.link.frames.clear();
  bench.link.room = 0;
  for (int i = 0; i < 3; ++i) bench.ack(0, 0, 501);
  bench.link_reopens(~size_t{0});
  bench.expect_data(0, 1460, kTcpPsh);
  bench.ack(0, 14600, 0);
  bench.host_writes(host, text("more"));
  bench.link.room = 0;
  bench.advance(10s);
  BOOST_TEST(bench.count(Counter::kTcpZeroWindowProbes) == 0u);
  bench.link_reopens(~size_t{0});
  bench.advance(1s);
  bench.expect_data(14600, 1, kTcpPsh);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
