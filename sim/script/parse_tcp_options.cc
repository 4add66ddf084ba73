// TCP options as packet lines write them: <mss 1460,nop,wscale 7>.
#include "sim/script/parser_state.hh"

namespace dashi::script {
namespace {

constexpr uint32_t kFastOpen = 34;
constexpr uint32_t kMd5 = 19;

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

void parse_blocks(ParserState& in, TcpOption& option) {
  option.kind = TcpOption::Kind::kSack;
  do {
    const auto left = static_cast<uint32_t>(in.integer("a SACK block", UINT32_MAX));
    in.expect(':');
    option.blocks.emplace_back(left, static_cast<uint32_t>(in.integer("a SACK block", UINT32_MAX)));
  } while (in.peek().kind == Token::Kind::kInteger && !in.failed());
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
  } else if (name == "FO" || name == "md5") {
    option.kind = TcpOption::Kind::kRaw;
    option.value = name == "FO" ? kFastOpen : kMd5;
    option.bytes = parse_hex(in);
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
