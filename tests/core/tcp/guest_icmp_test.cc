// ICMP errors from the guest's side about what it was sent: RFC 1191, RFC 8201, RFC 9293 3.9.2.2, and
// what RFC 5927 says of those that nobody but an attacker would send.
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

struct Error {
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t rest = 0;
};

bool v4(const TcpBench& bench) { return bench.guest_address.is_v4(); }

Error too_big(const TcpBench& bench, uint32_t mtu) {
  return v4(bench) ? Error{3, 4, mtu} : Error{2, 0, mtu};
}
Error port_unreachable(const TcpBench& bench) {
  return v4(bench) ? Error{3, 3, 0} : Error{1, 4, 0};
}

// The IP packet of a frame that the guest was sent, as much of it as an error has to quote.
ByteVector quote_of(const TcpBench& bench, const ByteVector& frame) {
  const size_t bytes = (v4(bench) ? 20u : 40u) + 8u;
  return {frame.begin() + 14, frame.begin() + 14 + static_cast<ptrdiff_t>(bytes)};
}

void send_error(TcpBench& bench, const Error& error, const ByteVector& quote) {
  IpSpec ip;
  ip.source = bench.guest_address;
  ip.destination = bench.remote_address;
  bench.frames({icmp_frame(ip, error.type, error.code, error.rest, quote)});
}

uint32_t cwnd_of(TcpBench& bench) {
  return bench.nat()
      .tcp_info({bench.guest_address, {bench.guest_port}},
                {bench.remote_address, {bench.remote_port}})
      ->cwnd;
}

// The headers of a packet, that of TCP without options.
uint32_t headers(const TcpBench& bench) { return v4(bench) ? 40 : 60; }

ByteVector without_sack() { return {2, 4, 0x05, 0xb4, 1, 3, 3, 7}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_guest_icmp)

TCP_CASE(sends_smaller_segments_and_at_once_again_what_was_too_big) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(7300));
  const ByteVector first = bench.link.frames.front().bytes;
  const size_t sent_first = bench.swallow(0);
  BOOST_TEST(sent_first == 7300u);
  const uint32_t cwnd = cwnd_of(bench);
  send_error(bench, too_big(bench, headers(bench) + 1260), quote_of(bench, first));
  for (uint32_t at = 0; at < 6300; at += 1260) bench.expect_data(at, 1260, 0);
  bench.expect_data(6300, 1000, kTcpPsh);
  bench.expect_nothing();
  BOOST_TEST(cwnd_of(bench) == cwnd);
  BOOST_TEST(bench.count(Counter::kTcpPathMtuLowered) == 1u);
  bench.ack(0, 7300, 501);
  bench.host_writes(host, pattern(2520));
  bench.expect_data(7300, 1260, 0);
  bench.expect_data(8560, 1260, kTcpPsh);
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) == 0u);
}

TCP_CASE(leaves_room_for_the_options_of_each_segment) {
  TcpBench bench(quiet_config());
  bench.syn_options = {2, 4, 0x05, 0xb4, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7};
  StreamState& host = bench.connect();
  const ByteVector stamps = {1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0};
  bench.frames({bench.segment(kTcpAck, kGuestIsn + 1, bench.isn + 1, 501, {}, stamps)});
  bench.host_writes(host, pattern(1448));
  const auto heard = bench.expect_data(0, 1448, kTcpPsh);
  send_error(bench, too_big(bench, headers(bench) + 1260), quote_of(bench, heard.frame.bytes));
  bench.expect_data(0, 1248, 0);
  bench.expect_data(1248, 200, kTcpPsh);
}

TCP_CASE(hears_of_each_flight_once) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(4380));
  const ByteVector first = bench.link.frames[0].bytes;
  const ByteVector second = bench.link.frames[1].bytes;
  bench.link.frames.clear();
  const Error error = too_big(bench, headers(bench) + 1260);
  send_error(bench, error, quote_of(bench, first));
  const size_t again = bench.swallow(0);
  BOOST_TEST(again == 4380u);
  send_error(bench, error, quote_of(bench, second));
  send_error(bench, too_big(bench, headers(bench) + 1360), quote_of(bench, second));
  bench.expect_nothing();
  BOOST_TEST(bench.count(DropReason::kIcmpMtu) == 2u);
  send_error(bench, too_big(bench, headers(bench) + 1230), quote_of(bench, second));
  const size_t once_more = bench.swallow(0);
  BOOST_TEST(once_more == 4380u);
  BOOST_TEST(bench.count(Counter::kTcpPathMtuLowered) == 2u);
}

TCP_CASE(sends_smaller_parts_of_super_frames) {
  TcpBench bench(quiet_config());
  bench.link.link_limits.gso_bytes_max = 65535;
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(14600));
  const auto whole = bench.expect_data(0, 14600, kTcpPsh);
  BOOST_TEST(whole.frame.offload.gso_size == 1460);
  send_error(bench, too_big(bench, headers(bench) + 1300), quote_of(bench, whole.frame.bytes));
  uint32_t at = 0;
  while (!bench.link.frames.empty()) {
    const auto heard = bench.hear();
    BOOST_TEST(bench.offset_of(heard.packet) == at);
    const auto bytes = static_cast<uint32_t>(heard.packet.payload.size());
    if (bytes > 1300) BOOST_TEST(heard.frame.offload.gso_size == 1300);
    at += bytes;
  }
  BOOST_TEST(at == 14600u);
}

BOOST_AUTO_TEST_CASE(takes_acks_of_the_flight_for_no_loss) {
  TcpBench bench(quiet_config());
  bench.syn_options = without_sack();
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(7300));
  const ByteVector first = bench.link.frames.front().bytes;
  bench.link.frames.clear();
  const uint32_t cwnd = cwnd_of(bench);
  send_error(bench, too_big(bench, 1300), quote_of(bench, first));
  bench.link.frames.clear();
  for (int i = 0; i < 4; ++i) bench.ack(0, 0, 501);  // of what of the flight was small enough
  BOOST_TEST(bench.count(Counter::kTcpFastRetransmits) == 0u);
  BOOST_TEST(cwnd_of(bench) == cwnd);
  bench.advance(2s);  // and what is lost now is lost
  BOOST_TEST(bench.count(Counter::kTcpTimeouts) != 0u);
  BOOST_TEST(cwnd_of(bench) < cwnd);
}

TCP_CASE(believes_no_error_about_what_it_did_not_send) {  // RFC 5927 4.1
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(2920));
  const ByteVector frame = bench.link.frames.back().bytes;  // the second segment
  bench.link.frames.clear();
  bench.ack(0, 1460, 501);
  const ByteVector quote = quote_of(bench, frame);
  const size_t tcp = v4(bench) ? 20 : 40;
  const Error error = too_big(bench, 1300);
  const auto forged = [&](size_t at, uint8_t xored) {
    ByteVector bytes = quote;
    bytes[at] = static_cast<uint8_t>(bytes[at] ^ xored);
    send_error(bench, error, bytes);
  };
  forged(tcp + 4, 0x80);  // a number far away
  ByteVector before = quote;
  for (size_t i = 0; i < 4; ++i) {
    before[tcp + 4 + i] = static_cast<uint8_t>((bench.isn + 1 + 1459) >> (24 - 8 * i));
  }
  send_error(bench, error, before);  // acknowledged by now
  for (size_t i = 0; i < 4; ++i) {
    before[tcp + 4 + i] = static_cast<uint8_t>((bench.isn + 1 + 2920) >> (24 - 8 * i));
  }
  send_error(bench, error, before);  // the next, which was never sent
  forged(tcp, 1);                    // another flow's ports
  forged(tcp + 2, 1);
  forged(tcp - 1, 1);                     // another guest
  forged(tcp - (v4(bench) ? 5 : 17), 1);  // another remote
  BOOST_TEST(bench.count(DropReason::kIcmpStray) == 7u);
  bench.remote_address = v4(bench) ? address("198.51.100.8") : address("2001:db8::8");
  send_error(bench, error, quote);  // not to whom we sent as
  BOOST_TEST(bench.count(DropReason::kIcmpStray) == 8u);
  bench.expect_nothing();
  BOOST_TEST(bench.count(Counter::kTcpPathMtuLowered) == 0u);
}

TCP_CASE(believes_no_mtu_that_cannot_be) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(1460));  // a packet larger than the least MTU of either family
  const auto heard = bench.expect_data(0, 1460, kTcpPsh);
  const ByteVector quote = quote_of(bench, heard.frame.bytes);
  const uint32_t least = v4(bench) ? 88 : 1280;  // 40 of headers and 48
  for (const uint32_t mtu : {0u, 68u, least - 1, headers(bench) + 1460, 65535u}) {
    send_error(bench, too_big(bench, mtu), quote);
  }
  BOOST_TEST(bench.count(DropReason::kIcmpMtu) == 5u);
  bench.expect_nothing();
  bench.ack(0, 1460, 501);
  bench.host_writes(host, pattern(100));
  const auto small = bench.expect_data(1460, 100, kTcpPsh);
  send_error(bench, too_big(bench, 1300), quote_of(bench, small.frame.bytes));  // which it fits
  BOOST_TEST(bench.count(DropReason::kIcmpMtu) == 6u);
  bench.expect_nothing();
}

BOOST_AUTO_TEST_CASE(sends_48_bytes_a_segment_where_the_path_takes_no_more) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(480));
  const auto heard = bench.expect_data(0, 480, kTcpPsh);
  send_error(bench, too_big(bench, 88), quote_of(bench, heard.frame.bytes));
  bench.expect_data(0, 48, 0);
}

TCP_CASE(reads_no_quotation_that_is_cut_short_or_of_another_kind) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(1460));
  const auto heard = bench.expect_data(0, 1460, kTcpPsh);
  const ByteVector quote = quote_of(bench, heard.frame.bytes);
  const Error error = too_big(bench, headers(bench) + 1260);
  for (size_t bytes = 0; bytes < quote.size(); ++bytes) {
    send_error(bench, error, {quote.begin(), quote.begin() + static_cast<ptrdiff_t>(bytes)});
  }
  for (const uint8_t first :
       ByteVector{0x00, 0x44, 0x4f, 0x65, 0x15, 0xff}) {  // versions and lengths
    ByteVector bytes = quote;
    if (v4(bench) || first >> 4 != 6) {
      bytes[0] = first;
      send_error(bench, error, bytes);
    }
  }
  BOOST_TEST(bench.count(DropReason::kIcmpMalformed) == quote.size() + (v4(bench) ? 6 : 5));
  ByteVector later = quote;
  if (v4(bench)) {
    later[7] = 1;  // a fragment that is not the first has no ports
    send_error(bench, error, later);
    BOOST_TEST(bench.count(DropReason::kIcmpMalformed) == quote.size() + 7);
  }
  ByteVector udp = quote;
  udp[v4(bench) ? 9 : 6] = 17;
  send_error(bench, error, udp);
  BOOST_TEST(bench.count(DropReason::kIcmpUnhandled) == 1u);
  bench.expect_nothing();
  BOOST_TEST(bench.count(Counter::kTcpPathMtuLowered) == 0u);
}

TCP_CASE(aborts_no_open_connection_for_a_hard_error) {  // RFC 5927 5.2
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, pattern(100));
  const auto heard = bench.expect_data(0, 100, kTcpPsh);
  send_error(bench, port_unreachable(bench), quote_of(bench, heard.frame.bytes));
  BOOST_TEST(bench.count(Counter::kTcpIcmpSoft) == 1u);
  BOOST_TEST(!host.aborted);
  bench.data(0, 100, "still here");
  BOOST_TEST(TcpBench::written(host) == "still here");
}

TCP_CASE(ends_what_is_opening_at_a_hard_error_and_not_at_a_soft_one) {
  for (const bool port : {true, false}) {
    TcpBench bench(quiet_config());
    bench.syn();
    StreamState& host = bench.sockets.streams.back();
    bench.host_connects(host);
    const auto heard = bench.expect(kTcpSyn | kTcpAck);
    const ByteVector quote = quote_of(bench, heard.frame.bytes);
    send_error(bench, v4(bench) ? Error{3, 1, 0} : Error{1, 3, 0}, quote);
    send_error(bench, v4(bench) ? Error{11, 0, 0} : Error{3, 0, 0}, quote);
    BOOST_TEST(bench.count(Counter::kTcpIcmpSoft) == 2u);
    BOOST_TEST(!host.aborted);
    send_error(bench, too_big(bench, 1300), quote);  // a SYN is never too big
    BOOST_TEST(bench.count(DropReason::kIcmpMtu) == 1u);
    // No such protocol; ICMPv6 says as much by "administratively prohibited".
    const Error other = v4(bench) ? Error{3, 2, 0} : Error{1, 1, 0};
    send_error(bench, port ? port_unreachable(bench) : other, quote);
    BOOST_TEST(host.aborted);
    BOOST_TEST(bench.count(Counter::kTcpIcmpAborts) == 1u);
    bench.expect_nothing();
  }
}

BOOST_AUTO_TEST_CASE(refuses_the_peer_of_a_forwarded_port_that_the_guest_cannot_reach) {
  TcpBench bench(quiet_config());
  Forward forward;
  forward.protocol = ForwardProtocol::kTcp;
  forward.host = {address("0.0.0.0"), {8080}};
  forward.guest_port = {7777};
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward).ok());
  ListenerState& listener = bench.sockets.listeners.front();
  listener.pending.push_back({address("203.0.113.9"), {50000}});
  bench.event({listener.id, SocketEvent::Kind::kAcceptable, {}});
  StreamState& host = bench.sockets.streams.back();
  const auto syn = bench.expect(kTcpSyn);
  bench.remote_address = syn.packet.ip_header.source;
  send_error(bench, {3, 3, 0}, quote_of(bench, syn.frame.bytes));
  BOOST_TEST(host.aborted);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
}

BOOST_AUTO_TEST_CASE(knows_nothing_of_what_waits_for_the_host_or_for_time) {
  TcpBench bench(quiet_config());
  bench.syn();
  ByteVector quote = {0x45, 0, 5, 0xdc, 0, 0, 0x40, 0, 64, 6, 0, 0, 198, 51, 100, 7, 10, 0, 0, 2};
  append_u16(quote, 80);
  append_u16(quote, 44444);
  append_u32(quote, 0);
  send_error(bench, {3, 3, 0}, quote);
  BOOST_TEST(bench.count(DropReason::kIcmpStray) == 1u);
  BOOST_TEST(bench.nat().flow_counts().tcp == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
