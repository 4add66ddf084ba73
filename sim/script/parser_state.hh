// What the parts of the parser share: the tokens, the first error, and the small readers everything is
// made of. After an error every reader gives a default and takes nothing more.
#pragma once

#include <string>
#include <utility>

#include "sim/script/lexer.hh"

namespace dashi::script {

class ParserState {
 public:
  explicit ParserState(std::string_view text) : lexer_(text) {}

  const Token& peek() const { return lexer_.peek(); }
  Token take() { return lexer_.take(); }
  std::string take_note() { return lexer_.take_note(); }
  bool at_end() const { return peek().kind == Token::Kind::kEnd; }
  bool failed() const { return unserved_ || error_ || lexer_.error(); }
  const ScriptError& error() const { return lexer_.error() ? *lexer_.error() : *error_; }

  void fail(Where where, std::string message) {
    if (!failed()) error_ = ScriptError{where, std::move(message)};
  }
  // "expected WHAT before ...": at the next token or, if the line ends before it, at the line's end.
  void expected(const char* what);
  void begin_event() { event_at_ = peek().where; }  // which is not what the line before lacks
  // What packetdrill knows and a NAT cannot answer: reading ends here, without an error.
  void not_served(Where where, std::string what) {
    if (!failed()) unserved_ = ScriptError{where, std::move(what)};
  }
  const std::optional<ScriptError>& unserved() const { return unserved_; }
  void define(const std::string& name, const std::string& value) { lexer_.define(name, value); }

  bool accept(char punctuation);  // takes it if it is next
  bool accept_word(std::string_view word);
  void expect(char punctuation);
  uint64_t integer(const char* what, uint64_t most);  // "expected WHAT", "WHAT is out of range"
  uint64_t integer_or_variable(const char* what, uint64_t most, VariableUse::Slot slot);
  std::vector<VariableUse> take_variables() { return std::exchange(variables_, {}); }
  std::string word(const char* what);
  std::string term();   // all up to white space, or one string: who-has, 10.0.0.0/24, $name
  Duration time();      // seconds, with or without a point
  Duration duration();  // 10ms, 3us, 2s, or seconds
  bool on_line(uint32_t line) const { return !at_end() && peek().where.line == line; }

 private:
  Lexer lexer_;
  std::optional<ScriptError> error_;
  std::vector<VariableUse> variables_;  // of the line that is being read
  std::optional<ScriptError> unserved_;
  Where event_at_;
};

// How a token reads in a message.
std::string shown(const Token& token);
// "0.25" -> 250 ms; nothing if it has more than nine decimals or is out of range.
std::optional<Duration> seconds(std::string_view text);

// The parts: each reads one construct from where the tokens stand.
Value parse_value(ParserState& in);
CallSpec parse_call(ParserState& in);
PacketSpec parse_packet(ParserState& in);
MessageSpec parse_message(ParserState& in);
std::vector<TcpOption> parse_tcp_options(ParserState& in, bool& any);

}  // namespace dashi::script
