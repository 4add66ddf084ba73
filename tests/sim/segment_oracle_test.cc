// That the oracle of segments can fail: each rule is broken on purpose, and told.
#include "sim/segment_oracle.hh"

#include <boost/test/unit_test.hpp>

namespace dashi {

namespace {

using guest::TcpOut;

constexpr uint32_t kIss = 0xffff'fff0;  // numbers wrap on the way
constexpr uint32_t kStamp = 7000;
using Block = std::pair<uint32_t, uint32_t>;

// A connection that is open, of a guest that permits SACK and has timestamps. Offsets count from its first byte.
struct Subject {
  Subject() {
    TcpOut syn = segment(true, guest::kSyn);
    syn.sequence = kIss;
    syn.sack_permitted = true;
    syn.window_scale = 0;
    syn.timestamps = {kStamp, 0};
    come(syn, 0);
    TcpOut answer = segment(false, guest::kSyn | guest::kAck);
    answer.acknowledgment = kIss + 1;
    answer.sack_permitted = true;
    answer.window = 1000;
    answer.window_scale = 4;
    answer.timestamps = {1, kStamp};
    send(answer);
  }
  static TcpOut segment(bool guests, uint8_t flags) {
    TcpOut out;
    out.source_port = Port{guests ? uint16_t{49152} : uint16_t{80}};
    out.destination_port = Port{guests ? uint16_t{80} : uint16_t{49152}};
    out.flags = flags;
    return out;
  }
  static std::vector<uint8_t> frame(bool guests, const TcpOut& out, size_t bytes) {
    const IpAddress guest(Ipv4Address{{10, 0, 0, 2}});
    const IpAddress server(Ipv4Address{{203, 0, 113, 10}});
    guest::IpOut header;
    header.source = guests ? guest : server;
    header.destination = guests ? server : guest;
    return guest::tcp(MacAddress{}, MacAddress{}, header, out, std::vector<uint8_t>(bytes));
  }
  void come(const TcpOut& out, size_t bytes) {
    const auto built = frame(true, out, bytes);
    oracle.came({now, false, refused}, GuestFrame{built, Offload{}});
  }
  void send(const TcpOut& out) {
    const auto built = frame(false, out, 0);
    oracle.sent(now, GuestFrame{built, Offload{}});
  }
  // Data of the guest's.
  void data(uint32_t from, uint32_t to, uint32_t stamp) {
    TcpOut out = segment(true, guest::kAck);
    out.sequence = kIss + 1 + from;
    out.acknowledgment = 1;  // of the Nat's SYN
    out.timestamps = {stamp, 1};
    come(out, to - from);
  }
  void ack(uint32_t to, uint32_t echo, std::initializer_list<Block> blocks) {
    TcpOut out = segment(false, guest::kAck);
    out.acknowledgment = kIss + 1 + to;
    out.timestamps = {2, echo};
    for (const Block& block : blocks) {
      out.sack[out.sack_count++] = {kIss + 1 + block.first, kIss + 1 + block.second};
    }
    send(out);
  }
  // The Nat's first byte, each time so long after the time before.
  void repeat(std::initializer_list<Duration> waits) {
    TcpOut out = segment(false, guest::kAck);
    out.sequence = 1;
    out.acknowledgment = kIss + 1;
    out.timestamps = {2, kStamp};
    for (const Duration wait : waits) {
      now += wait;
      const auto built = frame(false, out, 1);
      oracle.sent(now, GuestFrame{built, Offload{}});
    }
  }
  // What the guest's window is, and what the Nat takes for it.
  void window(uint32_t from, uint16_t said, uint32_t stamp, uint32_t believed) {
    TcpOut out = segment(true, guest::kAck);
    out.sequence = kIss + 1 + from;
    out.acknowledgment = 1;  // of the Nat's SYN
    out.timestamps = {stamp, 1};
    out.window = said;
    come(out, 0);
    handled({believed, 0, false});
  }
  // All that came, in a turn after which the link has room or not.
  void handled(const SegmentOracle::Open& open) {
    oracle.handled({now, has_room, true, memory},
                   [&open](const Endpoint&, const Endpoint&) { return std::optional(open); });
  }
  // The guest's window is 0, and the Nat takes all the data.
  void take(uint32_t from, uint32_t to) {
    data(from, to, kStamp);
    handled({0, to, true});
  }
  void expect_told(const char* rule) const {
    for (const std::string& one : oracle.violations()) {
      if (one.find(rule) != std::string::npos) return;
    }
    BOOST_ERROR(std::string("not told: ") + rule);
  }
  Instant now;
  uint64_t refused = 0;
  bool has_room = true;
  SegmentOracle::Memory memory{1 << 20, 0};
  SegmentOracle oracle{200ms, 60s};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(segment_oracle)

BOOST_AUTO_TEST_CASE(what_a_good_nat_says_is_no_violation) {
  Subject s;
  s.data(0, 10, kStamp + 1);
  s.ack(10, kStamp + 1, {});
  s.data(20, 30, kStamp + 2);
  s.ack(10, kStamp + 1, {{20, 30}});
  s.data(40, 50, kStamp + 3);
  s.ack(10, kStamp + 1, {{40, 50}, {20, 30}});
  s.data(20, 30, kStamp + 4);
  s.ack(10, kStamp + 1, {{20, 30}, {20, 30}, {40, 50}});
  s.data(10, 20, kStamp + 5);
  s.ack(30, kStamp + 5, {{40, 50}});
  s.data(0, 10, kStamp + 6);
  s.ack(30, kStamp + 6, {{0, 10}, {40, 50}});
  for (const std::string& one : s.oracle.violations()) BOOST_ERROR(one);
}

BOOST_AUTO_TEST_CASE(an_ack_of_what_did_not_come_is_told) {
  Subject s;
  s.data(0, 10, kStamp);
  s.ack(11, kStamp, {});
  s.expect_told("acknowledges what did not come");
}

BOOST_AUTO_TEST_CASE(a_block_a_byte_too_long_is_told) {
  Subject s;
  s.data(20, 30, kStamp);
  s.ack(0, kStamp, {{20, 31}});
  s.expect_told("a SACK block of what did not come");
}

BOOST_AUTO_TEST_CASE(a_block_out_of_place_is_told) {
  Subject s;
  s.data(0, 10, kStamp);
  s.data(20, 30, kStamp);
  s.ack(10, kStamp, {{20, 30}, {0, 10}});
  s.expect_told("a SACK block that is not above the ACK");
  Subject empty;
  empty.data(20, 30, kStamp);
  empty.ack(0, kStamp, {{20, 20}});
  empty.expect_told("an empty SACK block");
}

BOOST_AUTO_TEST_CASE(a_block_nobody_permitted_is_told) {
  Subject s;
  TcpOut syn = Subject::segment(true, guest::kSyn);
  syn.sequence = kIss;
  s.come(syn, 0);  // the same SYN again, with nothing in it
  s.data(20, 30, kStamp);
  s.ack(0, kStamp, {{20, 30}});
  s.expect_told("a SACK block, and the guest did not permit any");
}

BOOST_AUTO_TEST_CASE(an_echo_that_did_not_come_goes_back_or_stands_still_is_told) {
  Subject never;
  never.ack(0, kStamp + 1, {});
  never.expect_told("a timestamp is echoed that did not come");
  Subject back;
  back.data(0, 10, kStamp + 1);
  back.ack(10, kStamp + 1, {});
  back.data(0, 10, kStamp);
  back.ack(10, kStamp, {});
  back.expect_told("the timestamp that is echoed goes back");
  Subject still;
  still.data(0, 10, kStamp + 1);
  still.ack(10, kStamp, {});
  still.expect_told("older than what is acknowledged");
}

BOOST_AUTO_TEST_CASE(what_comes_again_and_again_unanswered_is_told) {
  Subject s;
  for (int i = 0; i < 3; ++i, s.now += 1s) s.data(0, 10, kStamp);
  BOOST_TEST(s.oracle.violations().empty());
  s.data(0, 10, kStamp);
  s.expect_told("nothing answers it");
  Subject answered;
  for (int i = 0; i < 3; ++i, answered.now += 1s) answered.data(0, 10, kStamp);
  answered.ack(10, kStamp, {});
  answered.data(0, 10, kStamp);
  BOOST_TEST(answered.oracle.violations().empty());
  Subject at_once;
  for (int i = 0; i < 10; ++i) at_once.data(0, 10, kStamp);
  BOOST_TEST(at_once.oracle.violations().empty());
  Subject without_room;
  for (int i = 0; i < 4; ++i, without_room.now += 1s, ++without_room.refused) {
    without_room.data(0, 10, kStamp);
  }
  BOOST_TEST(without_room.oracle.violations().empty());
}

BOOST_AUTO_TEST_CASE(a_window_that_is_not_believed_is_told) {
  Subject s;
  s.window(0, 100, kStamp, 100);
  s.window(0, 0, kStamp, 0);
  s.data(0, 10, kStamp + 1);
  s.window(0, 100, kStamp + 1, 0);  // sent before the data: it may be old
  s.window(10, 100, kStamp, 0);     // stamped before them
  BOOST_TEST(s.oracle.violations().empty());
  s.window(10, 100, kStamp + 1, 0);  // an update alone (RFC 9293 3.10.7.4)
  s.expect_told("the window it says is not believed");
}

BOOST_AUTO_TEST_CASE(what_was_taken_and_is_not_acknowledged_in_time_is_told) {
  Subject in_time;
  in_time.take(0, 10);
  in_time.now += 400ms;
  in_time.take(10, 20);
  in_time.ack(10, kStamp, {});  // of the rest the clock runs from now on
  in_time.handled({0, 20, true});
  in_time.now += 500ms;
  in_time.ack(20, kStamp, {});
  in_time.handled({0, 20, true});
  in_time.now += 1s;
  in_time.take(20, 30);
  BOOST_TEST(in_time.oracle.violations().empty());
  Subject late;
  late.take(0, 10);
  late.now += 501ms;
  late.ack(10, kStamp, {});
  late.expect_told("it acknowledges what was taken long ago");
  Subject never;
  never.take(0, 10);
  never.now += 501ms;
  never.handled({0, 10, true});
  never.expect_told("what was taken long ago is not acknowledged");
}

BOOST_AUTO_TEST_CASE(what_the_window_lets_in_and_is_not_taken_is_told) {
  Subject s;
  s.data(0, 600, kStamp);
  s.data(600, 1200, kStamp);  // beyond the window of the SYN, which is not scaled
  s.handled({0, 1000, true});
  TcpOut ack = Subject::segment(false, guest::kAck);
  ack.acknowledgment = kIss + 1 + 1000;
  ack.window = 2;
  ack.timestamps = {2, kStamp};
  s.send(ack);
  s.data(1000, 1050, kStamp);
  s.handled({0, 1032, true});
  s.data(1100, 1110, kStamp);  // behind a gap
  s.handled({0, 1032, true});
  BOOST_TEST(s.oracle.violations().empty());
  Subject whole;
  whole.data(0, 600, kStamp);
  whole.data(600, 1000, kStamp);
  whole.handled({0, 999, true});
  whole.expect_told("what the window lets in is not taken");
}

BOOST_AUTO_TEST_CASE(what_there_is_no_memory_for_need_not_be_taken) {
  Subject s;
  s.memory = {4096, 0};
  s.handled({0, 0, true});
  s.data(0, 600, kStamp);
  ++s.memory.ran_out;
  s.handled({0, 0, true});
  BOOST_TEST(s.oracle.violations().empty());
  s.memory.free = 1 << 20;
  s.handled({0, 0, true});
  s.data(600, 700, kStamp);
  s.data(0, 600, kStamp + 1);
  s.handled({0, 0, true});
  BOOST_TEST(s.oracle.violations().empty());  // not the newest
  Subject left;
  left.handled({0, 0, true});
  left.data(0, 600, kStamp);
  ++left.memory.ran_out;
  left.handled({0, 0, true});
  left.expect_told("what the window lets in is not taken");
}

BOOST_AUTO_TEST_CASE(an_ack_that_waits_for_room_is_not_late) {
  Subject s;
  s.take(0, 10);
  s.now += 40ms;
  s.has_room = false;
  s.handled({0, 10, true});
  s.now += 10s;
  s.handled({0, 10, true});
  s.now += 10s;
  s.has_room = true;
  s.ack(10, kStamp, {});
  s.handled({0, 10, true});
  BOOST_TEST(s.oracle.violations().empty());
  s.take(10, 20);
  s.now += 501ms;
  s.ack(20, kStamp, {});
  s.expect_told("it acknowledges what was taken long ago");
}

BOOST_AUTO_TEST_CASE(what_is_repeated_in_silence_too_soon_is_told) {
  Subject s;
  s.window(0, 100, kStamp, 100);
  s.repeat({0ms, 10ms, 200ms, 400ms, 800ms});
  s.window(0, 100, kStamp, 100);  // an ACK: it begins anew
  s.repeat({0ms, 10ms, 200ms});
  s.oracle.came_otherwise();
  s.handled({100, 0, true});
  s.repeat({0ms, 10ms, 200ms});
  s.has_room = false;
  s.handled({100, 0, true});
  s.has_room = true;
  s.handled({100, 0, true});
  s.repeat({0ms, 10ms, 200ms});
  BOOST_TEST(s.oracle.violations().empty());
  s.repeat({399ms});
  s.expect_told("it is repeated too soon");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
