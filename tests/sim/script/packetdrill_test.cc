// What a script of packetdrill's own may expect beyond ours: its defaults, its calls, its notation.
#include <boost/test/unit_test.hpp>

#include "sim/script/parser.hh"
#include "sim/script/runner.hh"

using namespace dashi;
using namespace dashi::script;
using Kind = Outcome::Kind;

namespace {

const std::string kListen =
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n";
const std::string kSyn = "+.1 < S 0:0(0) win 65535 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n";
const std::string kOpen =
    kListen + kSyn + "+.1 < . 1:1(0) ack 1 win 50000\n+0 accept(3, ..., ...) = 4\n";
const std::string kConnect =
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0...0.1 connect(3, ..., ...) = 0\n"
    "+0 > S 0:0(0) <...>\n+.1 < S. 0:0(0) ack 1 win 50000 <mss 1000>\n+0 > . 1:1(0) ack 1\n";

Outcome outcome_of(const std::string& text, bool packetdrill) {
  const auto script = parse(text);
  BOOST_TEST_REQUIRE(script.ok(), (script.ok() ? "" : script.error().message));
  RunOptions options;
  options.packetdrill = packetdrill;
  options.beside = [](const std::string& name) -> std::string {
    return name == "./set.sh" ? "sysctl -q net.ipv4.tcp_rmem=\"4096 1 $((15*1024*1024))\"" : "";
  };
  return run(*script, options);
}

void expect_pass(const std::string& text) {
  const Outcome outcome = outcome_of(text, true);
  BOOST_TEST((outcome.kind == Kind::kPass), outcome.reason << "\n" << outcome.transcript);
}

void expect_outcome(Kind kind, const std::string& text, uint32_t line, const std::string& reason) {
  const Outcome outcome = outcome_of(text, true);
  BOOST_TEST((outcome.kind == kind));
  BOOST_TEST(outcome.where.line == line);
  BOOST_TEST(outcome.reason == reason);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(script_packetdrill)

BOOST_AUTO_TEST_CASE(its_tolerance_is_four_milliseconds_or_an_eighth_of_the_wait) {
  const std::string late = kOpen + "+0 write(4, ..., 10) = 10\n+.003 > P. 1:11(10) ack 1\n";
  expect_pass(late);
  BOOST_TEST((outcome_of(late, false).kind == Kind::kDiffers));
  // The first retransmission comes after 300 ms, the RTO of one sample of 100 ms.
  const std::string sent = kOpen + "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n";
  expect_pass(sent + "+.33 > P. 1:11(10) ack 1\n");
  BOOST_TEST((outcome_of(sent + "+.35 > P. 1:11(10) ack 1\n", true).kind == Kind::kDiffers));
}

BOOST_AUTO_TEST_CASE(accept_and_connect_wait_for_the_guest) {
  expect_pass(kListen + "+0...0.2 accept(3, ..., ...) = 4\n" + kSyn +
              "+.1 < . 1:1(0) ack 1 win 50000\n");
  expect_pass(kListen + "+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n" + kSyn +
              "+0 accept(3, ..., ...) = -1 EAGAIN (Resource temporarily unavailable)\n"
              "+.1 < . 1:1(0) ack 1 win 50000\n+0 accept(3, ..., ...) = 4\n");
  expect_pass(kConnect + "+0 write(3, ..., 5) = 5\n+0 > P. 1:6(5) ack 1\n");
}

BOOST_AUTO_TEST_CASE(a_peer_is_behind_the_nat) {
  const std::string opened = kListen + kSyn + "+.1 < . 1:1(0) ack 1 win 50000\n+0 accept(3, ";
  expect_pass(opened + "..., [16]) = 4\n");
  expect_outcome(Kind::kSkip, opened + "{sa_family=AF_INET, sin_port=htons(8080)}, [16]) = 4\n", 7,
                 "the address of a peer, which the NAT hides");
}

BOOST_AUTO_TEST_CASE(a_listener_can_be_read_once_the_guest_is_there) {
  const std::string poll = "+0 poll([{fd=3, events=POLLIN, revents=";
  expect_pass(kListen + kSyn + poll + "0}], 1, 0) = 0\n+.1 < . 1:1(0) ack 1 win 50000\n" + poll +
              "POLLIN}], 1, 0) = 1\n+0 accept(3, ..., ...) = 4\n" + poll + "0}], 1, 0) = 0\n");
}

BOOST_AUTO_TEST_CASE(a_connect_the_guest_refuses_or_ignores_fails_as_on_a_kernel) {
  const std::string socket = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n";
  expect_pass(socket + "+0...0.1 connect(3, ..., ...) = -1 ECONNREFUSED (Connection refused)\n" +
              "+0 > S 0:0(0) <...>\n+.1 < R. 0:0(0) ack 1 win 0\n");
  expect_pass("`sysctl -q net.ipv4.tcp_syn_retries=1`\n" + socket +
              "+0...3 connect(3, ..., ...) = -1 ETIMEDOUT (Connection timed out)\n" +
              "+0 > S 0:0(0) <...>\n+1 > S 0:0(0) <...>\n");
}

BOOST_AUTO_TEST_CASE(as_many_duplicate_acks_mean_a_loss_as_its_sysctl_says) {
  const std::string acks = "+.01 < . 1:1(0) ack 1 win 60000\n";
  const std::string text = kListen +
                           "+0 < S 0:0(0) win 60000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <...>\n"
                           "+.1 < . 1:1(0) ack 1 win 60000\n+0 accept(3, ..., ...) = 4\n"
                           "+0 write(4, ..., 10000) = 10000\n+0 > P. 1:10001(10000) ack 1\n"
                           "+.09 < . 1:1(0) ack 1 win 60000\n" +
                           acks + acks + acks;
  const std::string again = "+0 > P. 1:1001(1000) ack 1\n";
  const std::string five = "`sysctl -q net.ipv4.tcp_reordering=5`\n";
  expect_pass(five + text + acks + again);
  BOOST_TEST((outcome_of("`:`\n" + text + acks + again, true).kind == Kind::kDiffers));
}

BOOST_AUTO_TEST_CASE(shell_files_beside_it_are_read) {
  const std::string text = kListen +
                           "+0 < S 0:0(0) win 65535 <mss 1000,nop,wscale 7>\n"
                           "+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>\n";
  expect_pass("`./set.sh`\n" + text);
  BOOST_TEST((outcome_of("`./other.sh`\n" + text, true).kind == Kind::kDiffers));
}

BOOST_AUTO_TEST_CASE(receive_memory_and_segment_size_set_before_the_syn_are_in_it) {
  expect_pass(
      "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
      "+0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [10000], 4) = 0\n"
      "+0 setsockopt(3, SOL_TCP, TCP_MAXSEG, [1100], 4) = 0\n"
      "+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [20000], [4]) = 0\n"
      "+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
      "+0 < S 0:0(0) win 65535 <mss 1000,nop,wscale 7>\n"
      "+0 > S. 0:0(0) ack 1 win 10000 <mss 1100,nop,wscale 0>\n");
}

BOOST_AUTO_TEST_CASE(assertions_see_the_guests_connection) {
  expect_pass(kOpen +
              "+0 %{ assert tcpi_snd_cwnd == 10 and tcpi_state == TCP_ESTABLISHED }%\n"
              "+0 write(4, ..., 2500) = 2500\n+0 > P. 1:2501(2500) ack 1\n"
              "+0 %{ assert tcpi_unacked == 3, tcpi_unacked\nassert tcpi_snd_mss == 1000 }%\n");
  expect_outcome(Kind::kDiffers, kOpen + "+0 %{ assert tcpi_snd_cwnd == 9 }%\n", 8,
                 "assert tcpi_snd_cwnd == 9 does not hold: tcpi_snd_cwnd is 10");
  expect_outcome(Kind::kSkip, kOpen + "+0 %{ assert tcpi_pacing_rate > 0 }%\n", 8,
                 "tcpi_pacing_rate is not known of a NAT's connection");
}

BOOST_AUTO_TEST_CASE(several_buffers_are_one) {
  expect_pass(kOpen +
              "+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 40}, {\"ab\", 2}],\n"
              "    msg_flags=0}, 0) = 42\n+0 > P. 1:43(42) ack 1\n"
              "+0 writev(4, [{\"cd\", 2}, {..., 0}], 2) = 2\n+0 > P. 43:45(2) ack 1 \"cd\"\n"
              "+0 < P. 1:6(5) ack 45 win 50000\n+0 ioctl(4, SIOCINQ, [5]) = 0\n"
              "+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 3}], msg_flags=0}, 0) = 3\n"
              "+0 readv(4, [{..., 1}, {..., 8}], 2) = 2\n");
}

BOOST_AUTO_TEST_CASE(epoll_tells_of_levels_and_of_edges) {
  expect_pass(kOpen +
              "+0 epoll_create(1) = 5\n"
              "+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, fd=4}) = 0\n"
              "+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0\n"
              "+0 < P. 1:6(5) ack 1 win 50000\n"
              "+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1\n"
              "+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0\n"
              "+0 epoll_ctl(5, EPOLL_CTL_MOD, 4, {events=EPOLLIN, fd=4}) = 0\n"
              "+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1\n"
              "+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1\n");
}

BOOST_AUTO_TEST_CASE(its_notation_is_read) {
  expect_pass("--define=SIZE=5\n--mss=1000 // of the guest's segments\n" + kListen +
              "+.1 < [ect0] SEWA 0:0(0) win 65535 <mss 1000,FO TFO_COOKIE>\n"
              "+0 > [noecn] S. 0:0(0) ack 1 <mss 1460>\n"
              "+.1 < .5 1:1(0) ack 1 win 50000 <ECN e1b 1 ceb 0 e0b 1>\n"
              "+0 accept(3, ..., ...) = 4\n"
              "+0 < P. 1:9001(9000) ack 1 win 50000 <FOEXP>\n+0 > . 1:1(0) ack 9001\n");
}

BOOST_AUTO_TEST_CASE(what_a_nat_cannot_be_asked_is_a_skip_with_its_line) {
  const std::string listening = kListen;
  expect_outcome(Kind::kSkip, listening + "+0 < gre: . 0:0(0)\n", 4, "not served: encapsulation");
  expect_outcome(Kind::kSkip, listening + "+0 < [flowlabel 0x12345] . 0:0(0) win 1\n", 4,
                 "not served: an IPv6 flow label");
  expect_outcome(Kind::kSkip, listening + "+0 < S 0:0(0) win 1 { mut tcp mss }\n", 4,
                 "not served: a packet damaged by its {...}");
  expect_outcome(Kind::kSkip, listening + "+0 < icmp unreachable port_unreachable [udp (5)]\n", 4,
                 "not served: an error about UDP or raw IP");
  expect_outcome(Kind::kSkip, kOpen + "+0 send(4, ..., 10, MSG_MORE) = 10\n", 8, "MSG_MORE");
  expect_outcome(Kind::kSkip, listening + "+0 < S 0:0(0) win 1 <mss 9,mpcapable v1 nokey>\n", 4,
                 "not served: MPTCP");
  expect_outcome(Kind::kSkip, listening + "+0 < encap psp spi 7 . 1:1(0)\n", 4,
                 "not served: encapsulation");
  expect_outcome(Kind::kSkip, "--psp_udp_port=1000\n" + listening, 1, "not served: PSP");
  expect_outcome(Kind::kSkip, "--warp=9\n" + listening, 1, "the option --warp");
  expect_outcome(Kind::kSkip, kOpen + "+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [1000], [4]) = 0\n", 8,
                 "the option TCP_MAXSEG cannot be asked for");
}

void expect_allowed(const std::string& text, uint32_t line, const std::string& by) {
  const Outcome outcome = outcome_of(text, true);
  BOOST_TEST((outcome.kind == Kind::kDiffers));
  BOOST_TEST(outcome.where.line == line);
  BOOST_TEST(outcome.allowed_by == by, outcome.reason << "; " << outcome.allowed_by);
  BOOST_TEST((outcome_of(text, false).allowed_by.empty()));
}

BOOST_AUTO_TEST_CASE(what_an_rfc_allows_is_told_with_it_and_the_script_goes_on) {
  expect_allowed(kOpen +
                     "+0 < P. 1:501(500) ack 1 win 50000\n+0 > . 1:1(0) ack 501\n"
                     "+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 501\n",
                 9, "RFC 9293 3.8.6.3: an ACK may come at once, or wait for 500 ms");
  expect_allowed(kOpen + "+0 write(4, ..., 5) = 5\n+0 > . 1:6(5) ack 1 win 7\n", 9,
                 "RFC 9293 3.8.6: its window is the receiver's to choose; "
                 "RFC 9293 3.9.1.2: a sender may push more than the last byte");
  expect_allowed(kListen +
                     "+0 < SEW 0:0(0) win 65535 <mss 1000,nop,wscale 7>\n"
                     "+0 > SE. 0:0(0) ack 1 <nop,wscale 8,mss 1460>\n",
                 5,
                 "RFC 3168 6.1.1: ECN is used only where both ends offer it; "
                 "RFC 7323 2.3: its scale is the receiver's to choose");
  expect_allowed(kListen + kSyn +
                     "+.1 < . 1:1(0) ack 1 win 0\n+0 accept(3, ..., ...) = 4\n"
                     "+0 write(4, ..., 5) = 5\n+.3 > . 0:0(0) ack 1\n",
                 9, "RFC 9293 3.8.6.1: a window probe carries a byte");
}

BOOST_AUTO_TEST_CASE(a_later_ack_has_a_later_clock) {
  const std::string text =
      "--tcp_ts_tick_usecs=1000\n" + kListen +
      "+0 < S 0:0(0) win 9000 <mss 1000,sackOK,TS val 100 ecr 0>\n"
      "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 500 ecr 100>\n"
      "+.1 < . 1:1(0) ack 1 win 9000 <nop,nop,TS val 200 ecr 500>\n+0 accept(3, ..., ...) = 4\n"
      "+0 < . 1:501(500) ack 1 win 9000 <nop,nop,TS val 201 ecr 500>\n"
      "+0 > . 1:1(0) ack 501 <nop,nop,TS val 600 ecr 201>\n"
      "+1 write(4, ..., 5) = 5\n";
  const std::string acks = "RFC 9293 3.8.6.3: an ACK may come at once, or wait for 500 ms";
  // What follows may be later by its 40 ms as well, and no more.
  const auto data = [](int clock) {
    return "+0 > P. 1:6(5) ack 501 <nop,nop,TS val " + std::to_string(clock) + " ecr 201>\n";
  };
  expect_allowed(text + data(1640), 10, acks);
  expect_allowed(text + data(1600), 10, acks);
  for (const int clock : {1599, 1641, 1700}) {
    const Outcome wrong = outcome_of(text + data(clock), true);
    BOOST_TEST((wrong.kind == Kind::kDiffers), clock);
    BOOST_TEST(wrong.where.line == 12, clock);
    BOOST_TEST(wrong.allowed_by.empty(), clock);
  }
  // In another order of options as well.
  const std::string padded = text + "+0 > P. 1:6(5) ack 501 <TS val ";
  expect_allowed(padded + "1640 ecr 201,nop,nop>\n", 10,
                 "RFC 9293 3.1: options come in any order; " + acks);
  BOOST_TEST(outcome_of(padded + "1700 ecr 201,nop,nop>\n", true).allowed_by.empty());
  // A time from the script's beginning knows of no wait.
  const std::string absolute =
      text + data(1640) + "+.1 < . 501:501(0) ack 6 win 9000 <nop,nop,TS val 1300 ecr 1640>\n" +
      "2.5 write(4, ..., 5) = 5\n+0 > P. 6:11(5) ack 501 <nop,nop,TS val ";
  expect_allowed(absolute + "3000 ecr 1300>\n", 10, acks);
  BOOST_TEST(outcome_of(absolute + "2960 ecr 1300>\n", true).allowed_by.empty());
}

BOOST_AUTO_TEST_CASE(a_sooner_ack_has_a_sooner_clock) {
  const std::string heard =
      "--tcp_ts_tick_usecs=1000\n" + kListen +
      "+0 < S 0:0(0) win 9000 <mss 1000,sackOK,TS val 100 ecr 0>\n"
      "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 500 ecr 100>\n"
      "+.1 < . 1:1(0) ack 1 win 9000 <nop,nop,TS val 200 ecr 500>\n+0 accept(3, ..., ...) = 4\n"
      "+0 < . 1:501(500) ack 1 win 9000 <nop,nop,TS val 201 ecr 500>\n";
  // It comes after 40 ms.
  const auto ack = [&](const char* when, int clock) {
    return heard + when + " > . 1:1(0) ack 501 <nop,nop,TS val " + std::to_string(clock) +
           " ecr 201>\n";
  };
  const auto data = [](int clock) {
    return "+1 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 501 <nop,nop,TS val " +
           std::to_string(clock) + " ecr 201>\n";
  };
  const std::string acks = "RFC 9293 3.8.6.3: an ACK may come at once, or wait for 500 ms";
  expect_allowed(ack("+.2", 800) + data(1800), 10, acks);
  for (const std::string& wrong :
       {ack("+.2", 801), ack("+.2", 639), ack("+0", 599), ack("+0", 641), ack("+.04", 639),
        ack("+.2", 800) + data(1801), ack("+.2", 800) + data(1639)}) {
    const Outcome outcome = outcome_of(wrong, true);
    BOOST_TEST((outcome.kind == Kind::kDiffers), wrong);
    BOOST_TEST(outcome.allowed_by.empty(), wrong);
  }
}

BOOST_AUTO_TEST_CASE(a_congestion_window_may_be_smaller) {
  const std::string smaller =
      kOpen + "+0 %{ assert tcpi_snd_cwnd == 11, tcpi_snd_cwnd }%\n+0 write(4, ..., 5) = 5\n";
  expect_allowed(smaller + "+0 > P. 1:6(5) ack 1\n", 8,
                 "RFC 5681 3: a sender may be less aggressive");
  expect_outcome(Kind::kDiffers, smaller + "+0 write(4, ..., 5) = 6\n", 10, "write returned 5");
}

BOOST_AUTO_TEST_CASE(a_super_frame_meets_the_lines_it_is_made_of) {
  expect_pass(kOpen +
              "+0 write(4, ..., 5000) = 5000\n+0 > P. 1:2001(2000) ack 1\n"
              "+0 > . 2001:3001(1000) ack 1\n+0 > P. 3001:5001(2000) ack 1\n");
  expect_allowed(kOpen +
                     "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:801(800) ack 1\n"
                     "+0 > P. 801:3001(2200) ack 1\n",
                 9, "RFC 9293 3.7: a sender cuts its stream into segments as it likes");
}

BOOST_AUTO_TEST_CASE(nothing_is_allowed_that_no_rfc_leaves_open) {
  for (const char* line : {"+0 > P. 1:7(6) ack 1\n", "+0 > P. 1:6(5) ack 2\n",
                           "+0 > FP. 1:6(5) ack 1\n", "+0 > P. 1:6(5) ack 1 <nop,nop,sack 1:2>\n",
                           "+.1 > P. 1:6(5) ack 1\n", "+0 > . 1:1(0) ack 2\n", "+0 > R 1:1(0)\n"}) {
    const Outcome outcome = outcome_of(kOpen + "+0 write(4, ..., 5) = 5\n" + line, true);
    BOOST_TEST((outcome.kind == Kind::kDiffers), line);
    BOOST_TEST(outcome.allowed_by.empty(), line << outcome.allowed_by);
  }
}

BOOST_AUTO_TEST_CASE(a_close_for_a_reset_is_allowed_of_a_far_end_that_left_during_the_handshake) {
  expect_allowed(
      "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n"
      "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n"
      "+0 > S 0:0(0) <...>\n+0 close(3) = 0\n"
      "+.1 < S. 0:0(0) ack 1 win 50000 <mss 1000>\n+0 > R 1:1(0)\n",
      7, "RFC 9293 3.6: the far end's close is passed on as a close");
  const Outcome later = outcome_of(kOpen + "+5 close(4) = 0\n+0 > R. 1:1(0) ack 1\n", true);
  BOOST_TEST((later.kind == Kind::kDiffers));
  BOOST_TEST(later.where.line == 9);
  BOOST_TEST(later.allowed_by.empty(), later.allowed_by);
}

BOOST_AUTO_TEST_CASE(a_setting_is_made_before_the_script_begins_and_not_after) {
  const std::string scale8 = "sysctl -q net.ipv4.tcp_rmem=\"4096 1 15728640\"";
  const std::string syn =
      "+0 < S 0:0(0) win 65535 <mss 1000,nop,wscale 7>\n"
      "+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>\n";
  expect_pass("0 `nstat`\n+0 `" + scale8 + "`\n" + kListen + syn + "+0 `nstat -z`\n");
  expect_outcome(Kind::kSkip, kListen + "+0 `" + scale8 + "`\n" + syn, 4,
                 "a setting of the NAT's cannot change while it runs");
}

BOOST_AUTO_TEST_CASE(a_buffer_at_null_is_no_buffer) {
  expect_pass(kOpen +
              "+0 write(4, NULL, 9) = -1 EFAULT (Bad address)\n+0 write(4, NULL, 0) = 0\n"
              "+0 < P. 1:6(5) ack 1 win 50000\n+0 read(4, NULL, 9) = -1 EFAULT (Bad address)\n"
              "+0 recv(4, ..., 9, 0) = 5\n");
}

BOOST_AUTO_TEST_CASE(more_or_less_of_a_segment_may_be_taken) {
  const auto small = [](const std::string& option) {
    return "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
           "+0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [5000], 4) = 0\n+0 bind(3, ..., ...) = 0\n"
           "+0 listen(3, 1) = 0\n+.1 < S 0:0(0) win 65535 <mss 1000" +
           option + ">\n+0 > S. 0:0(0) ack 1 <mss 1460" + option +
           ">\n+.1 < . 1:1(0) ack 1 win 50000\n+0 accept(3, ..., ...) = 4\n";
  };
  const std::string trims = "RFC 9293 3.10.7.4: of a segment may be taken what lies in the window";
  const std::string whole = small("") + "+0 < P. 1:9001(9000) ack 1 win 50000\n+0 > ";
  expect_allowed(whole + ". 1:1(0) ack 1\n", 10, trims);
  expect_allowed(whole + ". 1:1(0) ack 9001\n", 10, trims);
  expect_allowed(small("") + "+0 < F. 1:9001(9000) ack 1 win 50000\n+0 > . 1:1(0) ack 9002 win 0\n",
                 10, trims + "; RFC 9293 3.8.6: its window is the receiver's to choose");
  // Neither what takes a part of it, or more, nor what says something else besides.
  for (const char* wrong :
       {". 1:1(0) ack 0", ". 1:1(0) ack 4001", ". 1:1(0) ack 9002", ". 1:1(0) ack 77777",
        ". 2:2(0) ack 1", ". 1:1(0) ack 9001 <nop,nop,sack 1:2>"}) {
    BOOST_TEST(outcome_of(whole + wrong + "\n", true).allowed_by.empty(), wrong);
  }
  // Nor a segment that was not cut at the window's edge.
  BOOST_TEST(outcome_of(kOpen +
                            "+0 < P. 1:501(500) ack 1 win 1000\n+0 < P. 1001:2001(1000) ack 1 win "
                            "1000\n+0 < P. 1:1001(1000) ack 1 win 1000\n+0 > . 1:1(0) ack 1001\n",
                        true)
                 .allowed_by.empty());
  // What is held of it shows in a SACK block.
  const std::string ahead = small(",nop,nop,sackOK") + "+0 < . 1001:2001(1000) ack 1 win 50000\n" +
                            "+0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>\n";
  const std::string beyond = "+0 < . 2001:9001(7000) ack 1 win 50000\n";
  const std::string within = "+0 < . 2001:3001(1000) ack 1 win 50000\n";
  const auto sack = [](const std::string& blocks) {
    return "+0 > . 1:1(0) ack 1 <nop,nop,sack " + blocks + ">\n";
  };
  expect_pass(ahead + beyond + sack("1001:5001"));
  expect_pass(ahead + within + sack("1001:3001"));
  expect_allowed(ahead + beyond + sack("1001:9001"), 12, trims);
  for (const std::string& wrong :
       {beyond + sack("1001:4001"), beyond + sack("2001:9001"), beyond + sack("1001:9001 1:11"),
        within + sack("1001:4001"), within + sack("1001:2001")}) {
    const Outcome outcome = outcome_of(ahead + wrong, true);
    BOOST_TEST((outcome.kind == Kind::kDiffers), wrong);
    BOOST_TEST(outcome.where.line == 12, wrong);
    BOOST_TEST(outcome.allowed_by.empty(), wrong << outcome.allowed_by);
  }
}

BOOST_AUTO_TEST_CASE(the_edge_of_a_window_is_scaled_where_both_scale) {
  const std::string ahead =
      "+0 < . 2001:62001(60000) ack 1 win 500\n+0 > . 1:1(0) ack 1 "
      "<nop,nop,sack 2001:62001>\n+0 < . 62001:102001(40000) ack 1 win "
      "500\n+0 > . 1:1(0) ack 1 <nop,nop,sack 2001:102001>\n";
  const std::string trims = "RFC 9293 3.10.7.4: of a segment may be taken what lies in the window";
  expect_allowed("`sysctl -q net.ipv4.tcp_rmem=\"4096 131072 33554432\"`\n" + kListen +
                     "+0 < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>\n"
                     "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 10>\n"
                     "+.1 < . 1:1(0) ack 1 win 500\n+0 accept(3, ..., ...) = 4\n" +
                     ahead,
                 12, trims);
  // Only the NAT's SYN offered to scale.
  expect_allowed(
      "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0...0.1 connect(3, ..., ...) = 0\n"
      "+0 > S 0:0(0) <...>\n+.1 < S. 0:0(0) ack 1 win 500 <mss 1000,nop,nop,sackOK>\n"
      "+0 > . 1:1(0) ack 1\n" +
          ahead,
      9, trims);
}

BOOST_AUTO_TEST_SUITE_END()
