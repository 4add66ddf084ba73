#include "sim/script/parser.hh"

#include "sim/script/host_faults.hh"
#include "sim/script/nat_commands.hh"
#include "sim/script/parser_state.hh"

namespace dashi::script {

std::string shown(const Token& token) {
  switch (token.kind) {
    case Token::Kind::kEnd:
      return "the end of the script";
    case Token::Kind::kString:
      return "a string";
    case Token::Kind::kCommand:
      return "a command";
    case Token::Kind::kCode:
      return "a code block";
    default:
      return "'" + token.text + "'";
  }
}

std::optional<Duration> seconds(std::string_view text) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t whole = 0;
  size_t at = 0;
  for (; at < text.size() && text[at] != '.'; ++at) {
    whole = whole * 10 + (text[at] - '0');
    if (whole > 1'000'000'000) return std::nullopt;
  }
  int64_t fraction = 0;
  int64_t unit = kSecond;
  for (++at; at < text.size(); ++at) {
    if (unit == 1) return std::nullopt;
    unit /= 10;
    fraction += unit * (text[at] - '0');
  }
  return Duration(whole * kSecond + fraction);
}

void ParserState::expected(const char* what) {
  const Where next = peek().where;
  const Where end = lexer_.end_before();
  const bool line_ended = next.line > end.line && next.line != event_at_.line;
  fail(line_ended ? end : next, std::string("expected ") + what + " before " +
                                    (line_ended ? "the end of the line" : shown(peek())));
}

bool ParserState::accept(char punctuation) {
  if (failed() || !peek().is(punctuation)) return false;
  take();
  return true;
}

bool ParserState::accept_word(std::string_view word) {
  if (failed() || !peek().is_word(word)) return false;
  take();
  return true;
}

void ParserState::expect(char punctuation) {
  const char text[] = {'\'', punctuation, '\'', '\0'};
  if (!accept(punctuation)) expected(text);
}

uint64_t ParserState::integer(const char* what, uint64_t most) {
  if (failed() || peek().kind != Token::Kind::kInteger) {
    expected(what);
    return 0;
  }
  const Token token = take();
  if (token.number > most) {
    fail(token.where, std::string(what) + " is out of range: " + token.text);
  }
  return token.number;
}

std::string ParserState::word(const char* what) {
  if (failed() || peek().kind != Token::Kind::kWord) {
    expected(what);
    return {};
  }
  return take().text;
}

Duration ParserState::time() {
  const Token::Kind kind = peek().kind;
  if (failed() || (kind != Token::Kind::kInteger && kind != Token::Kind::kDecimal)) {
    expected("a time");
    return {};
  }
  const Token token = take();
  const std::optional<Duration> time = seconds(token.text);
  if (!time) fail(token.where, "not a time in seconds: " + token.text);
  return time.value_or(Duration{});
}

Duration ParserState::duration() {
  const Where where = peek().where;
  const Duration time = this->time();
  if (failed() || peek().kind != Token::Kind::kWord || peek().after_space) return time;
  if (accept_word("s")) return time;
  if (accept_word("ms")) return time / 1000;
  if (accept_word("us")) return time / 1'000'000;
  fail(where, "not a unit of time: " + peek().text);
  return {};
}

namespace {

When parse_when(ParserState& in) {
  When when;
  if (in.accept('*')) {
    when.kind = When::Kind::kAny;
    return when;
  }
  if (in.accept_word("and")) {
    when.kind = When::Kind::kTogether;
    return when;
  }
  const Token::Kind kind = in.peek().kind;
  const bool relative = in.accept('+');
  if (!relative && kind != Token::Kind::kInteger && kind != Token::Kind::kDecimal) return when;
  when.kind = relative ? When::Kind::kRelative : When::Kind::kAbsolute;
  when.from = when.to = in.time();
  const Where where = in.peek().where;
  if (in.accept('~')) {
    if (relative) in.expect('+');
    when.to = in.time();
    if (when.to < when.from) in.fail(where, "this range of time ends before it begins");
  } else if (in.peek().kind == Token::Kind::kEllipsis) {
    in.take();
    when.until = in.time();
    if (*when.until < when.from) in.fail(where, "this call ends before it begins");
  }
  return when;
}

DirectiveSpec parse_directive(ParserState& in, uint32_t line) {
  DirectiveSpec directive;
  const Where where = in.peek().where;
  directive.name = in.take().text;
  const bool fault = directive.name == "fail";  // whose words are single tokens
  while (in.on_line(line) && !in.failed()) {
    directive.words.push_back(fault ? in.take().text : in.term());
  }
  std::string wrong = wrong_form(directive);
  if (const auto failure = fault_of(directive.words); fault && !failure.ok())
    wrong = failure.error();
  if (!wrong.empty()) in.fail(where, wrong);
  return directive;
}

bool is_directive(const Token& token) {
  return token.kind == Token::Kind::kWord && (token.text == "fail" || is_command(token.text));
}

Event parse_event(ParserState& in, bool after_call) {
  Event event;
  in.begin_event();
  event.where = in.peek().where;
  event.when = parse_when(in);
  event.of_second_guest = in.accept_word("guest2");
  const Token& next = in.peek();
  const bool packet = next.is('<') || next.is('>');
  if (packet) {
    event.what = parse_packet(in);
  } else if (next.kind == Token::Kind::kCommand) {
    event.what = CommandSpec{in.take().text};
  } else if (next.kind == Token::Kind::kCode) {
    Token code = in.take();
    event.what = CodeSpec{code.where, std::move(code.text)};
  } else if (is_directive(next)) {
    event.what = parse_directive(in, next.where.line);
  } else if (next.kind == Token::Kind::kWord) {
    event.what = parse_call(in);
  } else {
    in.expected("a packet, a call, a command or code");
  }
  const bool from_nat = packet && std::get_if<PacketSpec>(&event.what) != nullptr &&
                        std::get<PacketSpec>(event.what).side == Side::kNat;
  const bool ranged = event.when.kind == When::Kind::kAny || event.when.from != event.when.to;
  if (ranged && !from_nat) {
    in.fail(event.where, "only a packet of the NAT's ('>') may have '*' or a range as its time");
  }
  const bool call = std::holds_alternative<CallSpec>(event.what);
  if (event.when.kind == When::Kind::kTogether && !(call && after_call)) {
    in.fail(event.where, "'and' stands before a call that follows a call");
  }
  return event;
}

OptionLine parse_option(ParserState& in) {
  const Token token = in.take();
  const size_t equals = token.text.find('=');
  OptionLine option{token.where, token.text.substr(2, equals - 2), {}};
  if (equals != std::string::npos) option.value = token.text.substr(equals + 1);
  if (option.name.rfind("psp_", 0) == 0) in.not_served(token.where, "PSP");
  if (option.name == "define") {  // NAME=VALUE, quotes and all
    const size_t at = option.value.find('=');
    if (at == 0 || at == std::string::npos) {
      in.fail(token.where, "--define needs NAME=VALUE");
    } else {
      in.define(option.value.substr(0, at), option.value.substr(at + 1));
    }
    return option;
  }
  if (option.value.size() >= 2 && option.value.front() == '"' && option.value.back() == '"') {
    option.value = option.value.substr(1, option.value.size() - 2);
  }
  return option;
}

}  // namespace

Result<Script, ScriptError> parse(std::string_view text) {
  ParserState in(text);
  Script script;
  while (in.peek().kind == Token::Kind::kOption) script.options.push_back(parse_option(in));
  while (in.peek().kind == Token::Kind::kCommand) {
    const Token command = in.take();
    script.commands.emplace_back(command.where, CommandSpec{command.text});
  }
  Duration latest{};  // of the times that are absolute
  while (!in.at_end() && !in.failed()) {
    const bool after_call =
        !script.events.empty() && std::holds_alternative<CallSpec>(script.events.back().what);
    Event event = parse_event(in, after_call);
    const bool absolute = event.when.kind == When::Kind::kAbsolute;
    if (absolute && event.when.to < latest) in.fail(event.where, "this is before a line above it");
    if (absolute) latest = event.when.from;
    if (!in.failed()) script.events.push_back(std::move(event));
  }
  if (script.events.empty() && !in.unserved()) in.fail(in.peek().where, "a script without a line");
  if (in.unserved()) {
    script.unserved = in.unserved();
    return script;
  }
  if (in.failed()) return in.error();
  return script;
}

}  // namespace dashi::script
