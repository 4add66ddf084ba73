#include "sim/script/parser.hh"

#include <boost/test/unit_test.hpp>

using namespace dashi;
using namespace dashi::script;

namespace {

Script parsed(std::string_view text) {
  const auto script = parse(text);
  BOOST_TEST_REQUIRE(script.ok(), (script.ok() ? "" : script.error().message));
  return *script;
}

struct Expected {
  const char* text;
  uint32_t line;
  uint32_t column;
  const char* message;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(script_parser)

BOOST_AUTO_TEST_CASE(times_are_absolute_relative_any_or_ranges) {
  const Script script = parsed(
      "1 < . 0:0(0)\n+.25 < . 0:0(0)\n* > . 0:0(0)\n+.1~+.2 > . 0:0(0)\n1.5~1.75 > . 0:0(0)\n"
      "+.1...0.3 read(3, ..., 1) = 1\n");
  BOOST_REQUIRE_EQUAL(script.events.size(), 6);
  BOOST_TEST((script.events[0].when.kind == When::Kind::kAbsolute));
  BOOST_TEST((script.events[0].when.from == 1s));
  BOOST_TEST((script.events[1].when.kind == When::Kind::kRelative));
  BOOST_TEST((script.events[1].when.from == 250ms));
  BOOST_TEST((script.events[2].when.kind == When::Kind::kAny));
  BOOST_TEST((script.events[3].when.from == 100ms));
  BOOST_TEST((script.events[3].when.to == 200ms));
  BOOST_TEST((script.events[4].when.to == 1750ms));
  BOOST_TEST((script.events[5].when.until == 300ms));
}

BOOST_AUTO_TEST_CASE(a_tcp_line_is_read_whole) {
  const Script script = parsed(
      "+0 < [ect0] SEW. 1:11(10) ack 5 win 100 urg 3 "
      "<mss 1460,nop,wscale 7,sackOK,TS val 1 ecr 2,sack 3:4,FO 0a0b> \"helloworld\" dup delay "
      "3ms");
  const auto& packet = std::get<PacketSpec>(script.events.at(0).what);
  const auto& tcp = std::get<TcpSpec>(packet.transport);
  BOOST_TEST((packet.side == dashi::script::Side::kGuest));
  BOOST_TEST(packet.ecn.value() == 2);
  BOOST_TEST(tcp.flags == (2 | 16 | 64 | 128));
  BOOST_TEST(tcp.begin == 1);
  BOOST_TEST(tcp.length == 10);
  BOOST_TEST(tcp.ack.value() == 5);
  BOOST_TEST(tcp.window.value() == 100);
  BOOST_TEST(tcp.urgent == 3);
  BOOST_REQUIRE_EQUAL(tcp.options.size(), 7);
  BOOST_TEST(tcp.options[4].echo == 2);
  BOOST_TEST(tcp.options[5].blocks.at(0).second == 4);
  BOOST_TEST(tcp.options[6].bytes.at(1) == 0x0b);
  BOOST_TEST(packet.payload.value() == "helloworld");
  BOOST_REQUIRE_EQUAL(packet.mishaps.size(), 2);
  BOOST_TEST((packet.mishaps[1].delay == 3ms));
}

BOOST_AUTO_TEST_CASE(ends_are_ports_or_whole_endpoints_of_either_family) {
  const Script script = parsed(
      "+0 < 4000 > 80 . 1:1(0) ack 1\n"
      "+0 < 10.0.0.2:4000 > 192.0.2.1:80 . 1:1(0) ack 1\n"
      "+0 < from [fd00::2]:4000 > [2001:db8::1]:80 udp (3)\n");
  const auto ends = [&](size_t i) { return *std::get<PacketSpec>(script.events.at(i).what).ends; };
  BOOST_TEST(ends(0).to.port.number == 80);
  BOOST_TEST(to_string(ends(1).from) == "10.0.0.2:4000");
  BOOST_TEST(to_string(ends(2).to) == "[2001:db8::1]:80");
}

BOOST_AUTO_TEST_CASE(calls_have_values_of_every_kind) {
  const Script script = parsed(
      "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, -1) = 1\n"
      "+0 bind(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr(\"1.2.3.4\")}, "
      "...) = 0\n"
      "+0 write(4, ..., 10) = -1 EAGAIN (Resource temporarily unavailable)\n"
      "+0 read(4, \"a\" \"b\\x41\\n\", 0x10) = ?\n");
  const auto call = [&](size_t i) { return std::get<CallSpec>(script.events.at(i).what); };
  const Value entry = call(0).arguments.at(0).items.at(0);
  BOOST_TEST(entry.names.at(2) == "revents");
  BOOST_TEST((entry.items.at(1).kind == Value::Kind::kOr));
  BOOST_TEST(call(0).arguments.at(2).number == -1);
  BOOST_TEST(call(1).arguments.at(1).items.at(1).items.at(0).number == 80);
  BOOST_TEST(call(2).error == "EAGAIN");
  BOOST_TEST(call(3).arguments.at(1).text == "abA\n");
  BOOST_TEST(call(3).arguments.at(2).number == 16);
  BOOST_TEST((call(3).result.kind == Value::Kind::kUnknown));
}

BOOST_AUTO_TEST_CASE(options_commands_code_and_comments_have_their_places) {
  const Script script = parsed(
      "--tolerance_usecs=1000\n--define=A=\"b\"\n// one\n# two\n/* three\n */\n`first\nsecond`\n"
      "+0 `third`\n+0 %{ assert tcpi_snd_cwnd == 10 }%\n");
  BOOST_REQUIRE_EQUAL(script.options.size(), 2);
  BOOST_TEST(script.options[0].name == "tolerance_usecs");
  BOOST_TEST(script.options[0].value == "1000");
  BOOST_TEST(script.commands.at(0).second.text == "first\nsecond");
  BOOST_TEST(std::get<CommandSpec>(script.events.at(0).what).text == "third");
  BOOST_TEST(std::get<CodeSpec>(script.events.at(1).what).text == " assert tcpi_snd_cwnd == 10 ");
}

BOOST_AUTO_TEST_CASE(what_is_not_understood_is_named_with_its_line_and_column) {
  const Expected all[] = {
      {"0 < S 0:0(1)", 1, 7, "the sequence numbers and the length do not agree"},
      {"\n+0 < X 0:0(0)", 2, 6, "not TCP flags (F S R P . U E W A, or -): X"},
      {"+0 < S 0:0(0) win 65536", 1, 19, "a window is out of range: 65536"},
      {"+0 < S 0:0(0) <mss>", 1, 19, "expected an MSS before '>'"},
      {"+0 < S 0:0(0) <...>", 1, 15, "<...> is for packets of the NAT's ('>') only"},
      {"* < S 0:0(0)", 1, 1,
       "only a packet of the NAT's ('>') may have '*' or a range as its time"},
      {"+.2~+.1 > . 0:0(0)", 1, 4, "this range of time ends before it begins"},
      {"+0 read(3, \"abc", 1, 12, "a string is not closed"},
      {"+0 read(3, ..., 1)", 1, 19, "expected '=' before the end of the script"},
      {"+0 < udp 10", 1, 12, "expected '>' before the end of the script"},
      {"+0.0000000001 < udp (1)", 1, 2, "not a time in seconds: 0.0000000001"},
      {"+0 < .8 0:0(0)", 1, 6, "not an ACK with a counter of 0 to 7: .8"},
      {"--define=X\n", 1, 1, "--define needs NAME=VALUE"},
      {"+0 < S 0:0(0) <ECN e2b 1>", 1, 20, "not a counter of AccECN (e0b, ceb, e1b): e2b"},
      {"+0 \x01", 1, 4, "a byte that is not text"},
      {"+0 < udp (65416)", 1, 4, "a packet of the guest's carries at most 65415 bytes"},
      {"+0 < . 0:0(0) <sack 1:2 3:4 5:6 7:8 9:10>", 1, 16, "these options take more than 40 bytes"},
      {"+0 < S 0:0(0) win 1000 <mss 1460\n+0 > S. 0:0(0)", 1, 33,
       "expected '>' before the end of the line"},
      {"+0 < . 1:1(0\n", 1, 13, "expected ')' before the end of the line"},
      {"+0\n+0 < udp (1)", 1, 3,
       "expected a packet, a call, a command or code before the end of the line"},
      {"+0 < udp (1)\n)", 2, 1, "expected a packet, a call, a command or code before ')'"},
      {"0 fail connect EDOM\n", 1, 3, "connect cannot fail so: EDOM"},
      {"0 fail write EAGAIN 10\n", 1, 3, "write cannot fail so: EAGAIN"},
      {"0 fail splice EMFILE\n", 1, 3, "no such call to fail: splice"},
      {"0 fail\n", 1, 3, "fail needs a call and how it fails"},
      {"+0 write(4, \"hello\", 100) = 100", 1, 13, "this text has 5 bytes, not 100"},
      {"+0 writev(4, [{..., 2}, {\"hello\", 4}], 2) = 6", 1, 26, "this text has 5 bytes, not 4"},
      {"+0 read(4, \"hello\", 9) = 4", 1, 12, "this text has 5 bytes, not 4"},
      {"0 < P. 1:6(5) ack 1 win 9 \"helloworld\"", 1, 27, "this text has 10 bytes, not 5"},
      {"+0 > P. 1:6(5) ack 1 \"hel\"", 1, 22, "this text has 3 bytes, not 5"},
      {"0 < udp (5) \"hel\"", 1, 13, "this text has 3 bytes, not 5"},
      {"+0 shutdown(4, SHUT_BOGUS) = 0", 1, 16, "no such name: SHUT_BOGUS"},
      {"+0 recv(4, ..., 9, MSG_PEEK|MSG_PEAK) = 9", 1, 29, "no such name: MSG_PEAK"},
      {"+0 recv(4, ..., 9, POLLIN) = 9", 1, 20, "no such name: POLLIN"},
      {"+0 poll([{fd=4, events=POLLIN, revents=POLIN}], 1, 0) = 1", 1, 40, "no such name: POLIN"},
      {"+0 recvmsg(4, {msg_iov(1)=[], msg_flags=MSG_TRUNK}, 0) = 1", 1, 41,
       "no such name: MSG_TRUNK"},
      {"+0 setsockopt(4, SOL_BANANA, TCP_CORK, [1], 4) = 0", 1, 18, "no such name: SOL_BANANA"},
      {"+0 setsockopt(4, SOL_TCP, SO_BANANA, [1], 4) = 0", 1, 27, "no such name: SO_BANANA"},
      {"+0 getsockopt(4, SOL_TCP, TCP_COR, [1], [4]) = 0", 1, 27, "no such name: TCP_COR"},
      {"+0 wirte(4, \"x\", 1) = 1", 1, 4, "no such call: wirte"},
      {"0 < icmp unreachable bogus [1:2(1)]", 1, 10, "no such ICMP message: unreachable bogus"},
      {"+0 dns add x 10.0.0.1,y", 1, 4, "not an address: y"},
      {".2 < udp (1)\n.1 < udp (1)", 2, 1, "this is before a line above it"},
      {"// nothing\n", 2, 1, "a script without a line"},
      {"0 > dhcp offer without bananas\n", 1, 24, "no such field of dhcp: bananas"},
      {"`ls", 1, 1, "a command is not closed"},
      {"/* x", 1, 1, "a comment is not closed"},
      {"+99999999999999999999 < udp (1)", 1, 2, "this number is too large"},
  };
  for (const Expected& expected : all) {
    BOOST_TEST_CONTEXT(expected.text) {
      const auto script = parse(expected.text);
      BOOST_REQUIRE(!script.ok());
      BOOST_TEST(script.error().message == expected.message);
      BOOST_TEST(script.error().where.line == expected.line);
      BOOST_TEST(script.error().where.column == expected.column);
    }
  }
}

BOOST_AUTO_TEST_CASE(defined_words_stand_for_their_values) {
  const Script script = parsed(
      "--define=CALL=listen\n--define=TEXT=\"a b\"\n--define=RUN=`ls -l`\n`RUN`\n"
      "+0 CALL(3, 1) = 0\n+0 write(4, TEXT, 3) = 3\n+0 RUN\n");
  BOOST_TEST(script.commands.at(0).second.text == "RUN");
  BOOST_TEST(std::get<CallSpec>(script.events.at(0).what).name == "listen");
  BOOST_TEST(std::get<CallSpec>(script.events.at(1).what).arguments.at(1).text == "a b");
  BOOST_TEST(std::get<CommandSpec>(script.events.at(2).what).text == "ls -l");
}

BOOST_AUTO_TEST_CASE(all_of_a_scripts_flags_and_options_have_their_bits) {
  const Script script = parsed(
      "+0 < SEWA 0:0(0) win 1 <FOEXP 0102,nop>\n+0 < P.5 1:1(0) ack 1 win 1\n"
      "+0 > [ect01] . 1:1(0) ack 1 <ECN e0b 1 ceb 2>\n");
  const auto packet = [&](size_t i) { return std::get<PacketSpec>(script.events.at(i).what); };
  const auto tcp = [&](size_t i) { return std::get<TcpSpec>(packet(i).transport); };
  BOOST_TEST(tcp(0).flags == 0x1c2);
  BOOST_TEST(tcp(0).options.at(0).value == 254);
  BOOST_TEST(tcp(0).options.at(0).bytes.size() == 4);
  BOOST_TEST(tcp(1).flags == (0x18 | 5 << 6));
  BOOST_TEST(packet(2).any_ect);
  BOOST_TEST(tcp(2).options.at(0).value == 172);
  BOOST_TEST(tcp(2).options.at(0).bytes.size() == 6);
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused) {
  const std::string deep = "+0 poll(" + std::string(100000, '[') + ") = 0";
  const auto script = parse(deep);
  BOOST_REQUIRE(!script.ok());
  BOOST_TEST(script.error().message == "these values are nested too deeply");
}

BOOST_AUTO_TEST_CASE(a_colon_before_an_address_is_no_address) {
  for (const char* text :
       {"+0 dns add :1.2.3.4", "+0 dns add 1:1.2.3.4", "+0 < :1.2.3.4:5 > S 0:0(0)"}) {
    const auto script = parse(text);
    BOOST_REQUIRE_MESSAGE(!script.ok(), text);
    BOOST_TEST(script.error().where.line == 1u);
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_of_a_script_is_read_or_refused) {
  const std::string whole =
      "--mtu=1500\n`x`\n+.1...0.2 read(3, {a=[1, \"b\"|C]}, 4) = -1 EAGAIN (no (more))\n"
      "+0 < [ttl 3] from [fd00::2]:1 > [fd00::3]:2 FP. 1:3(2) ack 1 <mss 1,TS val 1 ecr 2> \"ab\" "
      "drop\n"
      "+0 > icmp unreachable frag_needed mtu 1200 [1:3(2)]\n+0 %{ x }%\n";
  BOOST_REQUIRE(parse(whole).ok());
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto script = parse(std::string_view(whole).substr(0, length));
    if (!script.ok()) BOOST_TEST(!script.error().message.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()
