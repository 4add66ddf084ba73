#include "sim/script/runner.hh"

#include <boost/test/unit_test.hpp>

#include "sim/script/parser.hh"

using namespace dashi;
using namespace dashi::script;
using Kind = Outcome::Kind;

namespace {

const std::string kListen =
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n";
const std::string kOpen = kListen +
                          "+0 < S 0:0(0) win 65535 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n"
                          "+.1 < . 1:1(0) ack 1 win 5000\n+0 accept(3, ..., ...) = 4\n";

Outcome outcome_over(Family family, const std::string& text) {
  const auto script = parse(text);
  BOOST_TEST_REQUIRE(script.ok(), (script.ok() ? "" : script.error().message));
  RunOptions options;
  options.family = family;
  return run(*script, options);
}

Outcome outcome_of(const std::string& text) { return outcome_over(Family::kIpv4, text); }

void expect_differs(const std::string& text, uint32_t line, const std::string& reason) {
  const Outcome outcome = outcome_of(text);
  BOOST_TEST((outcome.kind == Kind::kDiffers));
  BOOST_TEST(outcome.where.line == line);
  BOOST_TEST(outcome.reason == reason);
}

void expect_pass(const std::string& text) {
  const Outcome outcome = outcome_of(text);
  BOOST_TEST((outcome.kind == Kind::kPass), outcome.reason << "\n" << outcome.transcript);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(script_runner)

BOOST_AUTO_TEST_CASE(a_right_script_passes_over_both_families) {
  const std::string text = kOpen + "+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2001(2000) ack 1\n";
  expect_pass(text);
  BOOST_TEST((outcome_over(Family::kIpv6, text).kind == Kind::kPass));
}

BOOST_AUTO_TEST_CASE(what_differs_is_named_with_its_line_and_what_came) {
  expect_differs(kOpen + "+0 write(4, ..., 10) = 10\n+0 > P. 1:12(11) ack 1\n", 9,
                 "expected P. 11:12(1) ack 1, but nothing came by 0.100000");
  expect_differs(kOpen + "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 2\n", 9,
                 "expected P. 1:11(10) ack 2, but at 0.100000 came P. 1:11(10) ack 1 win 65535: "
                 "the ack differs");
  expect_differs(kOpen + "+0 write(4, \"abc\", 3) = 3\n+0 > P. 1:4(3) ack 1 \"abd\"\n", 9,
                 "expected P. 1:4(3) ack 1, but at 0.100000 came P. 1:4(3) ack 1 win 65535: "
                 "it carries \"abc\"");
  expect_differs(kListen + "+0 < S 0:0(0) win 1 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1461>\n", 5,
                 "expected S. 0:0(0) ack 1 <mss 1461>, but at 0.000000 came S. 0:0(0) ack 1 win "
                 "65535 <mss 1460>: the options differ");
}

BOOST_AUTO_TEST_CASE(a_packet_that_comes_too_early_or_late_differs) {
  const std::string sent = kOpen + "+0 write(4, ..., 10) = 10\n";
  expect_differs(sent + "+.1 > P. 1:11(10) ack 1\n", 9,
                 "expected P. 1:11(10) ack 1, but it came at 0.100000, not 0.200000 to 0.200000");
  expect_differs(sent + "+0 > P. 1:11(10) ack 1\n+.1 > P. 1:11(10) ack 1\n", 10,
                 "expected P. 1:11(10) ack 1, but nothing came by 0.200000");
  expect_pass("--tolerance_usecs=100000\n" + sent + "+.1 > P. 1:11(10) ack 1\n");
  expect_pass(sent + "+0~+.2 > P. 1:11(10) ack 1\n");
  expect_pass(sent + "* > P. 1:11(10) ack 1\n* > P. 1:11(10) ack 1\n");
}

BOOST_AUTO_TEST_CASE(a_packet_no_line_expects_differs_at_the_next_line) {
  expect_differs(kOpen +
                     "+0 write(4, ..., 10) = 10\n+1 < F. 1:1(0) ack 11 win 5000\n"
                     "+0 > . 11:11(0) ack 2\n",
                 10,
                 "expected . 11:11(0) ack 2, but at 0.100000 came P. 1:11(10) ack 1 win 65535: "
                 "the flags differ");
}

BOOST_AUTO_TEST_CASE(calls_return_what_they_would_on_a_kernel) {
  expect_differs(kOpen + "+0 read(4, ..., 10) = 10\n", 8, "read would block");
  expect_differs(kOpen + "+0 < P. 1:6(5) ack 1 win 5000 \"hello\"\n+0 read(4, ..., 10) = 4\n", 9,
                 "read returned 5");
  expect_differs(kOpen + "+0 < P. 1:6(5) ack 1 win 5000 \"hello\"\n+0 read(4, \"hallo\", 5) = 5\n",
                 9, "read: read \"hello\"");
  expect_pass(kOpen +
              "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
              "+0 read(4, ..., 10) = -1 EAGAIN (Resource temporarily unavailable)\n"
              "+0 < P. 1:6(5) ack 1 win 5000 \"hello\"\n"
              "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT}], 1, 0) = 1\n"
              "+0 recv(4, \"hel\", 3, MSG_PEEK) = 3\n+0 read(4, \"hello\", 10) = 5\n"
              "+0 poll([{fd=4, events=POLLIN, revents=0}], 1, 0) = 0\n"
              "+0 < F. 6:6(0) ack 1 win 5000\n+0 read(4, ..., 10) = 0\n");
  expect_differs("0 read(7, ..., 1) = 1\n", 1, "read returned -1 EBADF");
}

BOOST_AUTO_TEST_CASE(fcntl_tells_and_sets_flags_by_name_or_number) {
  const std::string would_not_block = "+0 read(4, ..., 10) = -1 EAGAIN (as told)\n";
  expect_pass(kOpen + "+0 fcntl(4, F_GETFL) = 0x2 (flags O_RDWR)\n" +
              "+0 fcntl(4, F_SETFL, 2048) = 0\n" + would_not_block +
              "+0 fcntl(4, F_GETFL) = 0x802\n+0 fcntl(4, F_GETFL) = O_NONBLOCK|O_RDWR\n" +
              "+0 fcntl(4, F_SETFL, O_RDWR) = 0\n+0 fcntl(4, F_GETFL) = 2\n");
  expect_differs(kOpen + "+0 fcntl(4, F_GETFL) = 0x802\n", 8, "fcntl: the flags are O_RDWR");
  expect_differs(kOpen + "+0 fcntl(4, F_GETFL) = O_RDWR|O_NONBLOCK\n", 8,
                 "fcntl: the flags are O_RDWR");
  expect_differs(kOpen + "+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n+0 fcntl(4, F_GETFL) = 0x2\n", 9,
                 "fcntl: the flags are O_RDWR|O_NONBLOCK");
}

BOOST_AUTO_TEST_CASE(flags_of_one_read_hold_for_it) {
  const std::string hello = "< P. 1:6(5) ack 1 win 5000 \"hello\"\n";
  const std::string world = "< P. 6:11(5) ack 1 win 5000 \"world\"\n";
  expect_pass(kOpen + "+0 recv(4, ..., 10, MSG_DONTWAIT) = -1 EAGAIN (none yet)\n" +
              "+0 recv(4, ..., 10, 0x40) = -1 EAGAIN (none yet)\n+0 " + hello +
              "+0 recv(4, \"hel\", 3, MSG_PEEK|MSG_DONTWAIT) = 3\n" +
              "+0 recv(4, \"hello\", 10, MSG_DONTWAIT|MSG_WAITALL) = 5\n");
  expect_pass(kOpen + "+0...0.5 recv(4, \"helloworld\", 10, MSG_WAITALL) = 10\n+.1 " + hello +
              "+.4 " + world);
  expect_pass(kOpen + "+0...0.5 recv(4, \"hello\", 10, MSG_WAITALL) = 5\n+.1 " + hello +
              "+.4 < F. 6:6(0) ack 1 win 5000\n");
  expect_differs(kOpen + "+0 recv(4, ..., 10, MSG_DONTWAIT) = 0\n", 8, "recv returned -1 EAGAIN");
  const std::string datagram =
      "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n"
      "+0 < udp (4) \"abcd\"\n";
  expect_pass(datagram + "+0 recv(3, \"abcd\", 9, MSG_PEEK) = 4\n+0 read(3, \"ab\", 2) = 2\n" +
              "+0 recv(3, ..., 9, MSG_DONTWAIT) = -1 EAGAIN (what did not fit is lost)\n");
  expect_pass(datagram + "+0 recv(3, \"ab\"..., 2, MSG_TRUNC) = 4\n");
}

BOOST_AUTO_TEST_CASE(a_recvmsg_tells_of_what_was_cut) {
  const std::string stream = kOpen + "+0 < P. 1:11(10) ack 1 win 5000 \"0123456789\"\n";
  const auto read = [](const char* fd, const char* room, const std::string& flags) {
    return std::string("+0 recvmsg(") + fd + ", {msg_name(...)=..., msg_iov(1)=[{\"" + room +
           "\", 3}], msg_flags=" + flags + "}, 0) = 3\n";
  };
  for (const char* flags : {"0", "...", "MSG_TRUNC"}) {
    const std::string text = stream + read("4", "012", flags);
    if (std::string("MSG_TRUNC") != flags)
      expect_pass(text);
    else
      expect_differs(text, 9, "recvmsg: msg_flags is 0");
  }
  const std::string datagram =
      "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n";
  const std::string longer = datagram + "+0 < udp (5) \"hello\"\n";
  expect_pass(longer + read("3", "hel", "MSG_TRUNC"));
  expect_pass(longer + read("3", "hel", "0x20"));
  expect_differs(longer + read("3", "hel", "0"), 4, "recvmsg: msg_flags is MSG_TRUNC");
  const std::string fits = datagram + "+0 < udp (3) \"hel\"\n";
  expect_pass(fits + read("3", "hel", "0"));
  expect_differs(fits + read("3", "hel", "MSG_TRUNC"), 4, "recvmsg: msg_flags is 0");
}

BOOST_AUTO_TEST_CASE(a_call_tells_its_peer) {
  const std::string host = "192.0.2.2";
  const auto address = [](const std::string& at, const std::string& port) {
    return "{sa_family=AF_INET, sin_port=htons(" + port + "), sin_addr=inet_addr(\"" + at + "\")}";
  };
  const std::string right = address("host", "32768");
  const std::string datagram =
      "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n"
      "+0 < udp (5) \"hello\"\n+0 recv";
  const std::string opened = kListen +
                             "+0 < S 0:0(0) win 65535 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n"
                             "+.1 < . 1:1(0) ack 1 win 5000\n+0 accept(3, ";
  const std::string peer = "the peer is " + host + ":32768";
  const auto calls = [&](const std::string& told) {
    return std::vector<std::string>{
        datagram + "from(3, \"hello\", 9, 0, " + told + ", ...) = 5\n",
        datagram + "msg(3, {msg_name(...)=" + told + ", msg_iov(1)=[{..., 9}]}, 0) = 5\n",
        opened + told + ", ...) = 4\n"};
  };
  for (const std::string& text : calls(right)) expect_pass(text);
  for (const std::string& text : calls("{sa_family=..., sin_port=..., sin_addr=...}"))
    expect_pass(text);
  for (const std::string& told : {address("1.2.3.4", "32768"), address("host", "9"),
                                  std::string("{sa_family=AF_INET6, sin_port=htons(32768)}")}) {
    for (const std::string& text : calls(told)) {
      const Outcome outcome = outcome_of(text);
      BOOST_TEST((outcome.kind == Kind::kDiffers));
      BOOST_TEST(outcome.reason.substr(outcome.reason.find(": ") + 2) == peer);
    }
  }
  for (const std::string& text : calls("{sa_family=AF_INET, sin_zero=0}"))
    BOOST_TEST(outcome_of(text).reason == "this form of address");
  expect_pass(opened + "..., [16]) = 4\n");
  expect_differs(opened + "..., [28]) = 4\n", 7, "accept: the peer's address has 16 bytes");
  // Of no address the length is left alone, and "..." is any.
  for (const char* told : {"..., [...]", "NULL, [0]", "0, [0]", "NULL, [...]", "NULL, NULL"}) {
    expect_pass(opened + told + ") = 4\n");
    expect_pass(datagram + "from(3, \"hello\", 9, 0, " + told + ") = 5\n");
  }
  expect_differs(kOpen + "+0 < P. 1:6(5) ack 1 win 5000 \"hello\"\n+0 recvfrom(4, ..., 9, 0, " +
                     right + ", ...) = 5\n",
                 9, "recvfrom: a stream tells no peer");
}

BOOST_AUTO_TEST_CASE(a_datagram_goes_to_who_spoke_last_or_is_a_skip) {
  const std::string heard =
      "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n"
      "+0 < udp (5) \"hello\"\n+0 read(3, ..., 9) = 5\n+0 send";
  const auto calls = [&](const std::string& port) {
    const std::string to =
        "{sa_family=AF_INET, sin_port=htons(" + port + "), sin_addr=inet_addr(\"host\")}";
    return std::vector<std::string>{
        heard + "to(3, \"hi\", 2, 0, " + to + ", 16) = 2\n+0 > udp (2) \"hi\"\n",
        heard + "msg(3, {msg_name(16)=" + to +
            ", msg_iov(1)=[{\"hi\", 2}]}, 0) = 2\n+0 > udp (2) \"hi\"\n"};
  };
  for (const std::string& text : calls("32768")) expect_pass(text);
  for (const std::string& text : calls("9"))
    BOOST_TEST(outcome_of(text).reason == "a datagram to another than who spoke last");
}

BOOST_AUTO_TEST_CASE(nothing_more_is_read_after_shut_rd) {
  expect_pass(kOpen +
              "+0 < P. 1:6(5) ack 1 win 5000 \"hello\"\n+0 shutdown(4, SHUT_RD) = 0\n"
              "+0 read(4, \"hello\", 9) = 5\n+0 read(4, ..., 9) = 0\n"
              "+0 write(4, \"x\", 1) = 1\n+0 > P. 1:2(1) ack 6 \"x\"\n");
  expect_pass(kOpen + "+0 shutdown(4, 2) = 0\n+0 > F. 1:1(0) ack 1\n+0 read(4, ..., 9) = 0\n" +
              "+0 write(4, ..., 9) = -1 EPIPE (Broken pipe)\n");
  expect_differs(kOpen + "+0 shutdown(4, 3) = 0\n", 8, "shutdown returned -1 EINVAL");
}

BOOST_AUTO_TEST_CASE(what_linux_refuses_is_refused) {
  const std::string opened = kListen +
                             "+0 < S 0:0(0) win 65535 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n"
                             "+.1 < . 1:1(0) ack 1 win 5000\n";
  expect_differs(opened + "+0 accept(3, ..., ...) = -1\n", 7, "accept returned 4");
  expect_differs(opened + "+0 accept(3, ..., ...) = 3\n", 7, "descriptor 3 is open already");
  expect_pass(kOpen +
              "+0 listen(4, 1) = -1 EINVAL (Invalid argument)\n"
              "+0 bind(4, ..., ...) = -1 EINVAL (Invalid argument)\n"
              "+0 bind(3, ..., ...) = -1 EINVAL (Invalid argument)\n"
              "+0 connect(4, ..., ...) = -1 EISCONN (is connected)\n"
              "+0 connect(3, ..., ...) = -1 EISCONN (is connected)\n+0 listen(3, 9) = 0\n");
  const std::string tcp = "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 5\n";
  const std::string taken = "+0 bind(5, ..., ...) = -1 EADDRINUSE (Address already in use)\n";
  const std::string other = "+0 bind(5, {sa_family=AF_INET, sin_port=htons(81)}, ...) = 0\n";
  expect_pass(kListen + tcp + taken + other + "+0 listen(5, 1) = 0\n");
  expect_pass(kListen + tcp + taken + "+0 close(3) = 0\n+0 bind(5, ..., ...) = 0\n");
  expect_pass(kListen +
              "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 5\n+0 bind(5, ..., ...) = 0\n"
              "+0 listen(5, 1) = -1 EOPNOTSUPP (it is no stream)\n");
  // Two that share a port until one of them listens.
  const std::string three = "+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0\n";
  const std::string five = "+0 setsockopt(5, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0\n";
  const std::string socket = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n" + tcp;
  expect_pass(socket + three + five + "+0 bind(3, ..., ...) = 0\n+0 bind(5, ..., ...) = 0\n" +
              "+0 listen(3, 1) = 0\n+0 listen(5, 1) = -1 EADDRINUSE (it is)\n");
}

BOOST_AUTO_TEST_CASE(a_read_of_nothing_does_not_wait) {
  expect_pass(kOpen + "+0 read(4, ..., 0) = 0\n+0 readv(4, [{..., 0}], 1) = 0\n");
}

BOOST_AUTO_TEST_CASE(what_was_read_begins_as_its_text) {
  const std::string text = kOpen + "+0 < P. 1:6(5) ack 1 win 5000 \"hello\"\n";
  expect_pass(text + "+0 read(4, \"hel\"..., 10) = 5\n");
  expect_differs(text + "+0 read(4, \"hal\"..., 10) = 5\n", 9, "read: read \"hello\"");
  expect_pass(text + "+0 readv(4, [{\"he\", 2}, {\"llo\", 9}], 2) = 5\n");
  expect_differs(text + "+0 readv(4, [{..., 2}, {\"lla\", 9}], 2) = 5\n", 9, "readv: read \"llo\"");
}

BOOST_AUTO_TEST_CASE(a_blocking_call_returns_when_the_script_says) {
  const std::string text = kOpen + "+0...0.5 read(4, ..., 10) = 5\n";
  expect_pass(text + "+.5 < P. 1:6(5) ack 1 win 5000\n");
  expect_differs(text + "+.3 < P. 1:6(5) ack 1 win 5000\n", 8,
                 "read returned at 0.400000, not at 0.600000");
  expect_differs(text, 8, "this call never returned");
}

BOOST_AUTO_TEST_CASE(a_poll_waits_as_long_as_its_own_timeout_says) {
  const std::string idle = "poll([{fd=4, events=POLLIN, revents=0}], 1, ";
  const std::string data = "+.1 < P. 1:6(5) ack 1 win 5000\n";
  expect_pass(kOpen + "+0...0.2 " + idle + "200) = 0\n");
  expect_pass(kOpen + "+0...0.2 " + idle + "200) = 0\n+.2 write(4, ..., 0) = 0\n");
  expect_differs(kOpen + "+0...0.5 " + idle + "200) = 0\n", 8,
                 "poll returned at 0.300000, not at 0.600000");
  expect_differs(kOpen + "+0...0.2 " + idle + "-1) = 0\n", 8, "this call never returned");
  expect_differs(kOpen + "+0 " + idle + "200) = 0\n", 8, "poll would block");
  const std::string ready = "poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, ";
  expect_pass(kOpen + "+0...0.1 " + ready + "200) = 1\n" + data);
  expect_pass(kOpen + "+0...0.1 " + ready + "-1) = 1\n" + data);
  expect_differs(kOpen + "+0...0.1 " + ready + "50) = 1\n" + data, 8, "poll returned 0");
  expect_differs(kOpen + "+0...0.2 " + ready + "200) = 0\n", 8, "poll: revents is 0");
}

BOOST_AUTO_TEST_CASE(a_poll_tells_of_every_kind_of_descriptor) {
  const auto polled = [](const std::string& fd, const std::string& revents, const char* n) {
    return "+0 poll([{fd=" + fd + ", events=POLLIN|POLLOUT, revents=" + revents +
           "}], 1, 0) = " + n + "\n";
  };
  const std::string waiting =
      kListen + polled("3", "0", "0") +
      "+0 < S 0:0(0) win 65535 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n"
      "+.1 < . 1:1(0) ack 1 win 5000\n";
  expect_pass(waiting + polled("3", "POLLIN", "1") + "+0 accept(3, ..., ...) = 4\n" +
              polled("3", "0", "0"));
  expect_differs(waiting + polled("3", "POLLIN|POLLOUT", "1"), 8, "poll: revents is POLLIN");
  expect_pass(kOpen + polled("4", "...", "1") + polled("4", "4", "1") + polled("-1", "0", "0") +
              "+0 close(4) = 0\n" + polled("4", "POLLNVAL", "1"));
  expect_pass("0 socket(..., SOCK_STREAM, 0) = 3\n" + polled("3", "POLLOUT|POLLHUP", "1"));
  const std::string datagrams =
      "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n";
  expect_pass(datagrams + polled("3", "POLLOUT", "1") + "+0 < udp (4)\n" +
              polled("3", "POLLIN|POLLOUT", "1"));
  // An error is told until somebody has asked what it is.
  const std::string reset = kOpen + "+0 < R 1:1(0) win 0\n";
  const std::string error = "+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0\n";
  expect_pass(reset + polled("4", "POLLIN|POLLOUT|POLLERR|POLLHUP", "1") + error +
              polled("4", "POLLIN|POLLOUT|POLLHUP", "1"));
}

BOOST_AUTO_TEST_CASE(an_epoll_wait_waits_so_and_tells_of_what) {
  const std::string set = kOpen +
                          "+0 epoll_create(1) = 5\n"
                          "+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0\n";
  expect_pass(set + "+0...0.2 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 200) = 0\n");
  expect_differs(set + "+0...0.3 epoll_wait(5, ..., 1, 200) = 0\n", 10,
                 "epoll_wait returned at 0.300000, not at 0.400000");
  expect_pass(set + "+0...0.1 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 200) = 1\n" +
              "+.1 < P. 1:6(5) ack 1 win 5000\n");
  expect_differs(set + "+0 < P. 1:6(5) ack 1 win 5000\n" +
                     "+0 epoll_wait(5, {events=EPOLLIN, fd=3}, 1, 200) = 1\n",
                 11, "epoll_wait: the event is of 4");
}

BOOST_AUTO_TEST_CASE(a_call_while_another_blocks_is_named_at_once) {
  const std::string text = kOpen + "+0...0.3 read(4, ..., 10) = 5\n";
  expect_differs(text + "+.1 write(4, \"hello\", 5) = 5\n", 9,
                 "write while the read of line 8 still blocks");
  expect_differs(text + "+.3 write(4, \"hello\", 5) = 5\n", 9,
                 "write while the read of line 8 still blocks");
  expect_pass(text + "+.3 < P. 1:6(5) ack 1 win 5000\n+0 write(4, \"hello\", 5) = 5\n");
}

BOOST_AUTO_TEST_CASE(the_wire_may_drop_duplicate_delay_and_corrupt_a_line) {
  const std::string data = "+0 < P. 1:6(5) ack 1 win 5000 \"hello\" ";
  expect_differs(kOpen + data + "drop\n+0 read(4, ..., 10) = 5\n", 9, "read would block");
  expect_pass(kOpen + data + "dup\n+0 > . 1:1(0) ack 6\n");
  expect_pass(kOpen + data + "delay 20ms\n+.02 read(4, \"hello\", 10) = 5\n");
  expect_pass(kOpen + data + "corrupt\n+0 expect tcp_checksum == 1\n");
}

BOOST_AUTO_TEST_CASE(counters_are_compared) {
  expect_pass(kOpen + "+0 expect tcp_opened == 1\n");
  expect_differs(kOpen + "+0 expect tcp_opened == 2\n", 8, "tcp_opened is 1, not 2");
}

BOOST_AUTO_TEST_CASE(the_nats_socket_calls_fail_as_told_once) {
  const std::string syn = "+0 < S 0:0(0) win 65535 <mss 1000>\n";
  expect_pass("0 fail connect ECONNREFUSED\n" + syn + "+0 > R. 0:0(0) ack 1\n");
  expect_pass(kListen + "+0 fail connect late 20ms\n" + syn +
              "+.02 > S. 0:0(0) ack 1 <mss 1460>\n");
}

BOOST_AUTO_TEST_CASE(one_script_names_the_icmp_errors_of_both_families) {
  const std::string text =
      "0 fail connect EHOSTUNREACH\n+0 < S 0:0(0) win 1 <mss 1000>\n"
      "+0 > icmp unreachable ";
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    BOOST_TEST((outcome_over(family, text + "host_unreachable\n").kind == Kind::kPass));
    BOOST_TEST((outcome_over(family, text + "net_unreachable\n").kind == Kind::kDiffers));
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_served_is_a_skip_with_its_line) {
  const Outcome outcome =
      outcome_of("+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 splice(3) = 1\n");
  BOOST_TEST((outcome.kind == Kind::kSkip));
  BOOST_TEST(outcome.where.line == 2);
  BOOST_TEST(outcome.reason == "the call splice is not served");
}

BOOST_AUTO_TEST_CASE(an_option_that_would_act_on_a_call_is_a_skip) {
  const auto set = [](const std::string& option, const std::string& value) {
    return kOpen + "+0 setsockopt(4, " + option + ", " + value + ", 4) = 0\n";
  };
  const auto is_skip = [](const std::string& text, const std::string& reason) {
    const Outcome outcome = outcome_of(text);
    BOOST_TEST((outcome.kind == Kind::kSkip), outcome.reason);
    BOOST_TEST(outcome.where.line == 8);
    BOOST_TEST(outcome.reason == reason);
  };
  for (const char* option : {"SO_RCVLOWAT", "SO_RCVTIMEO", "SO_SNDTIMEO", "SO_PEEK_OFF"})
    is_skip(set(std::string("SOL_SOCKET, ") + option, "[9]"), std::string("the option ") + option);
  is_skip(set("SOL_TCP, TCP_DEFER_ACCEPT", "[1]"), "the option TCP_DEFER_ACCEPT");
  is_skip(set("SOL_TCP, SO_RCVBUF", "[1]"), "the option SO_RCVBUF");
  is_skip(set("SOL_SOCKET, 18", "[1]"), "an option without its name");
  is_skip(set("SOL_SOCKET, SO_LINGER", "{onoff=1, linger=9}"), "a close that waits, by SO_LINGER");
  is_skip(kOpen + "+0 getsockopt(4, SOL_TCP, SO_ERROR, [0], [4]) = 0\n", "the option SO_ERROR");
  is_skip(kOpen + "+0 getsockopt(4, SOL_IP, SO_ORIGINAL_DST, ..., [16]) = 0\n",
          "the option SO_ORIGINAL_DST");
  is_skip(kOpen + "+0 getsockopt(4, SOL_IPV6, IP6T_SO_ORIGINAL_DST, ..., [28]) = 0\n",
          "the option IP6T_SO_ORIGINAL_DST");
  expect_pass(set("SOL_TCP, TCP_NODELAY", "[1]") +
              "+0 getsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], [4]) = 0\n"
              "+0 setsockopt(4, SOL_IP, IP_TOS, [4], 4) = 0\n"
              "+0 setsockopt(4, IPPROTO_IPV6, IPV6_TCLASS, [4], 4) = 0\n"
              "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0\n"
              "+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0\n");
}

BOOST_AUTO_TEST_CASE(calls_that_no_kernel_could_be_asked_are_named) {
  expect_differs("0 write(3) = 1\n", 1, "write needs 3 arguments");
  expect_differs("0 shutdown(3) = 0\n", 1, "shutdown needs 2 arguments");
  expect_differs(kOpen + "+0 write(4, ..., 9223372036854775807) = 1\n", 8,
                 "a write has at most 64 MiB");
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  expect_differs("--speed_of_light=3\n0 < udp (1)\n", 1, "no such option: --speed_of_light");
  expect_differs("--mtu=10\n0 < udp (1)\n", 1, "--mtu cannot be '10'");
  expect_differs("--ip_version=ipv5\n0 < udp (1)\n", 1, "--ip_version cannot be 'ipv5'");
  expect_differs("--bind_port=65536\n0 < udp (1)\n", 1, "--bind_port cannot be '65536'");
  expect_differs("--tolerance_usecs=soon\n0 < udp (1)\n", 1, "--tolerance_usecs cannot be 'soon'");
}

BOOST_AUTO_TEST_CASE(an_mtu_may_be_too_small_for_ipv6_alone) {
  const std::string text = "--mtu=1000\n0 < udp (1)\n+0 > icmp unreachable port_unreachable\n";
  BOOST_TEST((outcome_over(Family::kIpv4, text).kind == Kind::kPass));
  const Outcome outcome = outcome_over(Family::kIpv6, text);
  BOOST_TEST((outcome.kind == Kind::kDiffers));
  BOOST_TEST(outcome.where.line == 1);
}

BOOST_AUTO_TEST_CASE(two_runs_of_a_script_are_one_and_the_same) {
  const std::string text = kOpen + "+0 write(4, ..., 9000) = 9000\n* > P. 1:9001(9000) ack 2\n";
  const Outcome first = outcome_of(text);
  const Outcome second = outcome_of(text);
  BOOST_TEST((first.kind == Kind::kDiffers));
  BOOST_TEST(first.transcript == second.transcript);
  BOOST_TEST(first.dump == second.dump);
}

BOOST_AUTO_TEST_SUITE_END()
