// TCP options as packet lines write them: <mss 1460,nop,wscale 7>.
#include <iterator>

#include "sim/script/parser_state.hh"

namespace dashi::script {
namespace {

constexpr uint32_t kFastOpen = 34;
constexpr uint32_t kExperiment = 254;
constexpr uint8_t kFastOpenMagic[] = {0xf9, 0x89};  // RFC 7413 4.1.1
constexpr uint32_t kMd5 = 19;
constexpr uint32_t kAccurateEcn0 = 172;  // RFC 9768 3.2.3
constexpr uint32_t kAccurateEcn1 = 174;
// What packetdrill's own runs define; a cookie is the server's to make, so one is as good as another.
constexpr const char* kDefinedCookies[] = {"TFO_COOKIE", "TFO_COOKIE_ZERO"};

unsigned hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  return static_cast<unsigned>((c | 0x20) - 'a') + 10;
}

// A cookie or digest: hexadecimal digits, which the lexer may have cut into words and numbers.
std::vector<uint8_t> parse_hex(ParserState& in) {
  const Where where = in.peek().where;
  std::string digits;
  while (in.peek().kind == Token::Kind::kWord || in.peek().kind == Token::Kind::kInteger) {
    digits += in.take().text;
  }
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(hex_digit(digits[i]) << 4 | hex_digit(digits[i + 1])));
  }
  const bool hex = digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!hex || digits.size() % 2 != 0) in.fail(where, "not an even number of hexadecimal digits");
  return bytes;
}

// ECN e1b N ceb N e0b N: AccECN's byte counters, in one order or the other, perhaps fewer.
void parse_accurate_ecn(ParserState& in, TcpOption& option) {
  constexpr uint32_t kMax = 0xffffff;
  option.kind = TcpOption::Kind::kRaw;
  option.value = in.peek().is_word("e0b") ? kAccurateEcn0 : kAccurateEcn1;
  while (in.peek().kind == Token::Kind::kWord && !in.failed()) {
    const Token name = in.take();
    if (name.text != "e0b" && name.text != "e1b" && name.text != "ceb") {
      return in.fail(name.where, "not a counter of AccECN (e0b, ceb, e1b): " + name.text);
    }
    const auto n = static_cast<uint32_t>(in.integer("a counter", kMax));
    for (const int shift : {16, 8, 0}) option.bytes.push_back(static_cast<uint8_t>(n >> shift));
  }
}

void parse_cookie(ParserState& in, TcpOption& option, bool experimental) {
  option.kind = TcpOption::Kind::kRaw;
  option.value = experimental ? kExperiment : kFastOpen;
  if (experimental) option.bytes.assign(std::begin(kFastOpenMagic), std::end(kFastOpenMagic));
  for (const char* defined : kDefinedCookies) {
    if (!in.accept_word(defined)) continue;
    option.bytes.insert(option.bytes.end(), 8, 0x5a);
    return;
  }
  const std::vector<uint8_t> cookie = parse_hex(in);  // or none: a request for one
  option.bytes.insert(option.bytes.end(), cookie.begin(), cookie.end());
}

void parse_blocks(ParserState& in, TcpOption& option) {
  option.kind = TcpOption::Kind::kSack;
  do {
    const auto left = static_cast<uint32_t>(in.integer("a SACK block", UINT32_MAX));
    in.expect(':');
    option.blocks.emplace_back(left, static_cast<uint32_t>(in.integer("a SACK block", UINT32_MAX)));
  } while (in.peek().kind == Token::Kind::kInteger && !in.failed());
}

bool is_multipath(const std::string& name) {
  return name.rfind("mp", 0) == 0 || name.rfind("dss", 0) == 0 ||
         name.find("_addr") != std::string::npos;
}

TcpOption parse_option(ParserState& in) {
  TcpOption option;
  const Token token = in.peek();
  const std::string name = in.word("a TCP option");
  if (name == "nop") {
    option.kind = TcpOption::Kind::kNop;
  } else if (name == "eol") {
    option.kind = TcpOption::Kind::kEol;
  } else if (name == "mss") {
    option.kind = TcpOption::Kind::kMss;
    option.value = static_cast<uint32_t>(in.integer("an MSS", UINT16_MAX));
  } else if (name == "wscale") {
    option.kind = TcpOption::Kind::kWindowScale;
    option.value = static_cast<uint32_t>(in.integer("a window scale", UINT8_MAX));
  } else if (name == "sackOK") {
    option.kind = TcpOption::Kind::kSackPermitted;
  } else if (name == "sack") {
    parse_blocks(in, option);
  } else if (name == "TS") {
    option.kind = TcpOption::Kind::kTimestamps;
    if (!in.accept_word("val")) in.expected("'val'");
    option.value = static_cast<uint32_t>(
        in.integer_or_variable("a timestamp", UINT32_MAX, VariableUse::Slot::kTimestamp));
    if (!in.accept_word("ecr")) in.expected("'ecr'");
    option.echo = static_cast<uint32_t>(
        in.integer_or_variable("a timestamp", UINT32_MAX, VariableUse::Slot::kEcho));
  } else if (name == "FO" || name == "FOEXP") {
    parse_cookie(in, option, name == "FOEXP");
  } else if (name == "ECN") {
    parse_accurate_ecn(in, option);
  } else if (name == "md5") {
    option.kind = TcpOption::Kind::kRaw;
    option.value = kMd5;
    option.bytes = parse_hex(in);
  } else if (is_multipath(name)) {
    in.not_served(token.where, "MPTCP");
  } else if (!in.failed()) {
    in.fail(token.where, "not a TCP option: " + name);
  }
  return option;
}

constexpr size_t kOptionsMax = 40;  // RFC 9293 3.1: the data offset has four bits

size_t size_of(const TcpOption& option) {
  switch (option.kind) {
    case TcpOption::Kind::kEol:
    case TcpOption::Kind::kNop:
      return 1;
    case TcpOption::Kind::kMss:
      return 4;
    case TcpOption::Kind::kWindowScale:
      return 3;
    case TcpOption::Kind::kSackPermitted:
      return 2;
    case TcpOption::Kind::kSack:
      return 2 + 8 * option.blocks.size();
    case TcpOption::Kind::kTimestamps:
      return 10;
    case TcpOption::Kind::kRaw:
      break;
  }
  return 2 + option.bytes.size();
}

}  // namespace

std::vector<TcpOption> parse_tcp_options(ParserState& in, bool& any) {
  const Where where = in.peek().where;
  size_t size = 0;
  std::vector<TcpOption> options;
  if (in.peek().kind == Token::Kind::kEllipsis) {
    in.take();
    any = true;
  } else {
    do options.push_back(parse_option(in));
    while (in.accept(',') && !in.failed());
  }
  in.expect('>');
  for (const TcpOption& option : options) size += size_of(option);
  if (size > kOptionsMax) in.fail(where, "these options take more than 40 bytes");
  return options;
}

}  // namespace dashi::script
