// Cuts a .pkt script into tokens, one at a time, as the parser asks for them: what a dot or a quote is
// depends on what was read before. It knows nothing of events.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sim/script/script.hh"

namespace dashi::script {

struct Token {
  enum class Kind : uint8_t {
    kEnd,
    kWord,      // letters, digits, underscores
    kInteger,   // decimal or 0x
    kDecimal,   // with a point: text only, read by what needs it
    kAddress,   // an IPv4 or IPv6 address, a MAC
    kString,    // "text", escapes resolved
    kCommand,   // `text`
    kCode,      // %{ text }%
    kOption,    // --name=value, whole
    kEllipsis,  // ...
    kPunctuation,
  };
  Kind kind = Kind::kEnd;
  Where where;
  std::string text;
  uint64_t number = 0;       // kInteger
  bool after_space = false;  // white space stood before it

  bool is(char punctuation) const {
    return kind == Kind::kPunctuation && text.size() == 1 && text[0] == punctuation;
  }
  bool is_word(std::string_view word) const { return kind == Kind::kWord && text == word; }
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { advance(); }

  const Token& peek() const { return token_; }
  // Where the token before peek() ended.
  Where end_before() const { return end_before_; }
  Token take();
  // With '(' as the next token: all up to its ')', as written. Empty, and nothing taken, else.
  std::string take_note();
  // From now on the word `name` stands for `value`: "a string", `a command`, or another word.
  void define(const std::string& name, const std::string& value) { defines_[name] = value; }
  // What the text itself breaks: an open quote, a stray byte. The tokens end there.
  const std::optional<ScriptError>& error() const { return error_; }

 private:
  void advance();
  void skip_space();
  void quoted();
  void until(std::string_view closer, Token::Kind kind, std::string_view what);
  void number();
  void word();
  void option();
  bool address();
  char at(size_t offset) const { return at_ + offset < text_.size() ? text_[at_ + offset] : '\0'; }
  void move(size_t n);
  void fail(std::string message);

  std::string_view text_;
  size_t at_ = 0;
  Where where_;
  Token token_;
  size_t token_at_ = 0;  // where token_ starts in text_
  Where end_before_;
  std::optional<ScriptError> error_;
  std::map<std::string, std::string, std::less<>> defines_;
};

}  // namespace dashi::script
