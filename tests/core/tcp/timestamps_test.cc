// The timestamps option, PAWS (RFC 7323) and what TIME-WAIT does with it (RFC 6191).
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

constexpr uint8_t kSynPrefix[] = {2, 4, 0x05, 0xb4, 4, 2};

ByteVector stamp(uint32_t value, uint32_t echo) {
  ByteVector out = {8, 10};
  for (const uint32_t word : {value, echo}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.push_back(static_cast<uint8_t>(word >> shift));
    }
  }
  return out;
}

// A guest whose clock is said with every segment.
class StampedBench : public TcpBench {
 public:
  explicit StampedBench(const Config& config) : TcpBench(config) {
    syn_options.assign(std::begin(kSynPrefix), std::end(kSynPrefix));
    const ByteVector s = stamp(5000, 0);
    syn_options.insert(syn_options.end(), s.begin(), s.end());
    const ByteVector scale = {1, 3, 3, 7};
    syn_options.insert(syn_options.end(), scale.begin(), scale.end());
  }
  void stamped(uint8_t flags, uint32_t offset, uint32_t acked, uint32_t value,
               std::string_view payload) {
    ByteVector options = {1, 1};
    const ByteVector s = stamp(value, echo);
    options.insert(options.end(), s.begin(), s.end());
    frames({segment(flags, kGuestIsn + 1 + offset, isn + 1 + acked, 501, text(payload), options)});
  }
  StreamState& open() {
    syn();
    StreamState& host = sockets.streams.back();
    host_connects(host);
    const Heard heard = expect(kTcpSyn | kTcpAck);
    isn = heard.packet.tcp.sequence;
    BOOST_REQUIRE(heard.packet.tcp.options.timestamps.has_value());
    echo = heard.packet.tcp.options.timestamps->value;
    BOOST_TEST(heard.packet.tcp.options.timestamps->echo_reply == 5000u);
    stamped(kTcpAck, 0, 0, 5001, "");
    expect_nothing();
    return host;
  }
  uint32_t echo = 0;
};

uint32_t echoed(const TcpBench::Heard& heard) {
  BOOST_REQUIRE(heard.packet.tcp.options.timestamps.has_value());
  return heard.packet.tcp.options.timestamps->echo_reply;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_timestamps)

TCP_CASE(go_with_every_segment_and_take_their_room_from_the_payload) {  // RFC 7323 3.2
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.host_writes(host, pattern(1460));
  const auto heard = bench.expect_data(0, 1448, 0);
  BOOST_TEST(echoed(heard) == 5001u);
  BOOST_TEST(echoed(bench.expect_data(1448, 12, kTcpPsh)) == 5001u);
  bench.stamped(kTcpAck, 0, 1460, 5002, "");
  bench.host_ends(host);
  BOOST_TEST(echoed(bench.expect_data(1460, 0, kTcpFin)) == 5002u);
  bench.stamped(kTcpAck | kTcpFin, 0, 1461, 5003, "");
  BOOST_TEST(echoed(bench.expect(kTcpAck)) == 5003u);
}

TCP_CASE(tick_once_a_millisecond) {
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.now += 1234ms;
  bench.host_writes(host, text("x"));
  const auto heard = bench.expect_data(0, 1, kTcpPsh);
  BOOST_TEST(heard.packet.tcp.options.timestamps->value - bench.echo == 1234u);
}

TCP_CASE(start_elsewhere_for_every_connection) {  // RFC 7323 7.1
  StampedBench one(quiet_config());
  one.open();
  StampedBench other(quiet_config());
  other.guest_port = 44445;
  other.open();
  BOOST_TEST(one.echo != other.echo);
}

TCP_CASE(are_not_used_with_a_guest_that_does_not_offer_them) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  bench.host_writes(host, text("x"));
  BOOST_TEST(!bench.expect_data(0, 1, kTcpPsh).packet.tcp.options.timestamps.has_value());
}

TCP_CASE(are_not_used_when_configured_not_to) {
  Config config = quiet_config();
  config.tcp.timestamps = false;
  StampedBench bench(config);
  bench.syn();
  bench.host_connects(bench.sockets.streams.back());
  BOOST_TEST(!bench.expect(kTcpSyn | kTcpAck).packet.tcp.options.timestamps.has_value());
}

TCP_CASE(echo_the_first_unacknowledged_segment_of_several) {  // RFC 7323 4.3 case (A)
  StampedBench bench(quiet_config());
  bench.open();
  bench.stamped(kTcpAck, 0, 0, 5010, "a");
  bench.stamped(kTcpAck, 1, 0, 5020, "b");
  bench.advance(40ms);
  const auto heard = bench.expect(kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 3);
  BOOST_TEST(echoed(heard) == 5010u);
}

TCP_CASE(do_not_echo_what_lies_behind_a_gap) {  // RFC 7323 4.3 case (B)
  StampedBench bench(quiet_config());
  bench.open();
  bench.stamped(kTcpAck, 1, 0, 5020, "b");
  BOOST_TEST(echoed(bench.expect(kTcpAck)) == 5001u);
  bench.stamped(kTcpAck, 0, 0, 5030, "a");  // fills it (C): now this one
  BOOST_TEST(echoed(bench.expect(kTcpAck)) == 5030u);
  bench.stamped(kTcpAck, 3, 0, 5040, "d");  // and behind what an ACK of ours said
  BOOST_TEST(echoed(bench.expect(kTcpAck)) == 5030u);
}

TCP_CASE(reject_an_old_duplicate_and_say_where_we_are) {  // RFC 7323 5.3 R1
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.stamped(kTcpAck, 0, 0, 4000, "old");
  const auto heard = bench.expect(kTcpAck);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 1);
  BOOST_TEST(TcpBench::written(host) == "");
  BOOST_TEST(bench.count(DropReason::kTcpTimestamp) == 1u);
  bench.stamped(kTcpAck, 0, 0, 5002, "new");
  BOOST_TEST(TcpBench::written(host) == "new");
}

TCP_CASE(are_not_taken_from_a_segment_that_acknowledges_the_future) {
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.stamped(kTcpAck, 0, 5000, 9000, "forged");
  bench.expect(kTcpAck);
  bench.stamped(kTcpAck, 0, 0, 5002, "true");
  BOOST_TEST(TcpBench::written(host) == "true");
}

TCP_CASE(take_any_value_after_24_days) {  // RFC 7323 5.5
  Config config = quiet_config();
  config.tcp.keep_alive_idle = 24h * 100;
  StampedBench bench(config);
  StreamState& host = bench.open();
  bench.now += 24h * 25;
  bench.stamped(kTcpAck, 0, 0, 4000, "late");
  BOOST_TEST(TcpBench::written(host) == "late");
}

TCP_CASE(drop_a_segment_without_one_in_silence) {  // RFC 7323 3.2
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.data(0, 0, "bare");
  bench.advance(50ms);
  bench.expect_nothing();
  BOOST_TEST(TcpBench::written(host) == "");
  BOOST_TEST(bench.count(DropReason::kTcpTimestamp) == 1u);
  bench.stamped(kTcpAck, 0, 0, 5002, "dressed");  // and aborts nothing
  BOOST_TEST(TcpBench::written(host) == "dressed");
}

TCP_CASE(tell_no_round_trip_with_an_ack_that_does_not_advance) {  // RFC 7323 4.1
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  const auto says = [&](std::string_view what) {
    return bench.nat().dump(bench.now).find(what) != std::string::npos;
  };
  bench.now += 40ms;
  bench.host_writes(host, pattern(3 * 1448));
  bench.expect(kTcpAck);
  bench.now += 40ms;
  bench.stamped(kTcpAck, 0, 1448, 5080, "");
  const std::string before = bench.nat().dump(bench.now);
  const std::string srtt = before.substr(before.find(" srtt="), 10);
  bench.now += 80ms;
  bench.stamped(kTcpAck, 0, 1448, 5160, "");   // a duplicate
  bench.stamped(kTcpAck, 0, 1448, 5160, "x");  // data of the guest's own
  BOOST_TEST(says(srtt));
}

TCP_CASE(do_not_stand_in_the_way_of_a_reset) {  // RFC 7323 5.2
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.send(kTcpRst, kGuestIsn + 1, 0, 0, {});
  BOOST_TEST(host.aborted);
}

TCP_CASE(open_a_connection_again_out_of_time_wait) {  // RFC 6191 2
  for (const bool newer : {true, false}) {
    StampedBench bench(quiet_config());
    StreamState& host = bench.open();
    bench.host_ends(host);
    bench.expect(kTcpAck | kTcpFin);
    bench.stamped(kTcpAck | kTcpFin, 0, 1, 5002, "");
    BOOST_TEST(echoed(bench.expect(kTcpAck)) == 5002u);
    BOOST_REQUIRE(bench.nat().flow_counts().tcp_time_wait == 1u);
    // A lower sequence number: only the clock can tell.
    ByteVector options(std::begin(kSynPrefix), std::end(kSynPrefix));
    const ByteVector s = stamp(newer ? 6000 : 5002, 0);
    options.insert(options.end(), s.begin(), s.end());
    bench.frames({bench.segment(kTcpSyn, kGuestIsn - 5000, 0, 64240, {}, options)});
    BOOST_TEST(bench.sockets.streams.size() == (newer ? 2u : 1u));
    if (!newer) BOOST_TEST(echoed(bench.expect(kTcpAck)) == 5002u);
  }
}

TCP_CASE(go_with_a_reset) {  // RFC 7323 3.2
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.host_resets(host);
  BOOST_TEST(echoed(bench.expect(kTcpRst | kTcpAck)) == 5001u);
}

TCP_CASE(survive_saving_and_restoring) {
  StampedBench bench(quiet_config());
  StreamState& host = bench.open();
  bench.save_and_restore();
  bench.stamped(kTcpAck, 0, 0, 4000, "old");
  BOOST_TEST(echoed(bench.expect(kTcpAck)) == 5001u);
  BOOST_TEST(TcpBench::written(bench.sockets.streams.back()) == "");
  (void)host;
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
