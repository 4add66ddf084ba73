#include "sim/script/lexer.hh"

#include <algorithm>

namespace dashi::script {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
unsigned hex_value(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  return static_cast<unsigned>((c | 0x20) - 'a') + 10;
}

char escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case '0':
      return '\0';
    default:
      return c;
  }
}

}  // namespace

Token Lexer::take() {
  Token taken = std::move(token_);
  advance();
  return taken;
}

std::string Lexer::take_note() {
  if (!token_.is('(')) return {};
  size_t depth = 0;
  size_t end = token_at_;
  for (; end < text_.size() && text_[end] != '\n'; ++end) {
    if (text_[end] == '(') ++depth;
    if (text_[end] == ')' && --depth == 0) break;
  }
  if (end >= text_.size() || text_[end] != ')') {
    fail("this '(' has no ')' on its line");
    return {};
  }
  std::string note(text_.substr(token_at_ + 1, end - token_at_ - 1));
  move(end + 1 - at_);
  advance();
  return note;
}

void Lexer::move(size_t n) {
  for (; n > 0 && at_ < text_.size(); --n) {
    if (text_[at_++] == '\n') {
      ++where_.line;
      where_.column = 1;
    } else {
      ++where_.column;
    }
  }
}

void Lexer::fail(std::string message) {
  if (!error_) error_ = ScriptError{token_.where, std::move(message)};
  at_ = text_.size();
  token_ = Token{};
  token_.where = error_->where;
}

void Lexer::skip_space() {
  for (;;) {
    if (is_space(at(0)) && at_ < text_.size()) {
      move(1);
    } else if (at(0) == '#' || (at(0) == '/' && at(1) == '/')) {
      while (at_ < text_.size() && at(0) != '\n') move(1);
    } else if (at(0) == '/' && at(1) == '*') {
      token_.where = where_;
      const size_t end = text_.find("*/", at_ + 2);
      if (end == std::string_view::npos) return fail("a comment is not closed");
      move(end + 2 - at_);
    } else {
      return;
    }
  }
}

void Lexer::until(std::string_view closer, Token::Kind kind, std::string_view what) {
  const size_t end = text_.find(closer, at_);
  if (end == std::string_view::npos) return fail(std::string(what) + " is not closed");
  token_.kind = kind;
  token_.text = text_.substr(at_, end - at_);
  move(end + closer.size() - at_);
}

void Lexer::quoted() {
  token_.kind = Token::Kind::kString;
  for (move(1);; move(1)) {
    if (at_ >= text_.size() || at(0) == '\n') return fail("a string is not closed");
    if (at(0) == '"') break;
    if (at(0) != '\\') {
      token_.text += at(0);
    } else if (at(1) == 'x' && is_hex(at(2)) && is_hex(at(3))) {
      token_.text += static_cast<char>(hex_value(at(2)) << 4 | hex_value(at(3)));
      move(3);
    } else {
      token_.text += escape(at(1));
      move(1);
    }
  }
  move(1);
}

// An IPv4 address has three points between digits; an IPv6 address seven colons or "::"; a MAC five
// colons. Anything else of this shape (1:1001, 0.5, 12ab) is not an address.
bool Lexer::address() {
  size_t length = 0;
  size_t colons = 0;
  size_t points = 0;
  bool hex = false;
  bool doubled = false;
  while (is_hex(at(length)) || at(length) == ':' ||
         (at(length) == '.' && is_digit(at(length + 1)))) {
    if (at(length) == ':' && points == 3 && colons == 0)
      break;  // of the port behind an IPv4 address
    colons += at(length) == ':';
    points += at(length) == '.';
    hex = hex || (is_hex(at(length)) && !is_digit(at(length)));
    doubled = doubled || (at(length) == ':' && at(length + 1) == ':');
    ++length;
  }
  const bool v4 = points == 3 && colons == 0 && !hex;
  if (!v4 && !(colons == 7 || colons == 5 || (doubled && colons >= 2))) return false;
  token_.kind = Token::Kind::kAddress;
  token_.text = text_.substr(at_, length);
  move(length);
  return true;
}

void Lexer::number() {
  token_.kind = Token::Kind::kInteger;
  size_t length = 0;
  const bool hex = at(0) == '0' && (at(1) == 'x' || at(1) == 'X') && is_hex(at(2));
  if (hex) length = 2;
  const uint64_t base = hex ? 16 : 10;
  for (; hex ? is_hex(at(length)) : is_digit(at(length)); ++length) {
    const uint64_t digit = hex_value(at(length));
    if (token_.number > (UINT64_MAX - digit) / base) return fail("this number is too large");
    token_.number = token_.number * base + digit;
  }
  if (!hex && at(length) == '.' && is_digit(at(length + 1))) {
    token_.kind = Token::Kind::kDecimal;
    ++length;
    while (is_digit(at(length))) ++length;
  }
  token_.text = text_.substr(at_, length);
  move(length);
}

void Lexer::word() {
  size_t length = 1;
  while (is_letter(at(length)) || is_digit(at(length))) ++length;
  token_.kind = Token::Kind::kWord;
  token_.text = text_.substr(at_, length);
  move(length);
  const auto defined = defines_.find(token_.text);
  if (defined == defines_.end()) return;
  token_.text = defined->second;
  if (token_.text.size() < 2) return;
  const char quote = token_.text.front();
  if (quote != token_.text.back() || (quote != '"' && quote != '`')) return;
  token_.kind = quote == '"' ? Token::Kind::kString : Token::Kind::kCommand;
  token_.text = token_.text.substr(1, token_.text.size() - 2);
}

// --name=value up to white space outside of quotes.
void Lexer::option() {
  token_.kind = Token::Kind::kOption;
  size_t length = 2;
  char quote = '\0';
  for (; at_ + length < text_.size() && (quote != '\0' || !is_space(at(length))); ++length) {
    const char c = at(length);
    if (quote != '\0' && c == '\n') return fail("a quote in an option is not closed");
    if (c == quote)
      quote = '\0';
    else if (quote == '\0' && (c == '"' || c == '`'))
      quote = c;
  }
  token_.text = text_.substr(at_, length);
  move(length);
}

void Lexer::advance() {
  const size_t before = at_;
  end_before_ = where_;
  token_ = Token{};
  skip_space();
  if (error_) return;
  token_.after_space = at_ != before || at_ == 0;
  token_.where = where_;
  token_at_ = at_;
  if (at_ >= text_.size()) return;
  const char c = at(0);
  if (c == '"') return quoted();
  if (c == '`') return move(1), until("`", Token::Kind::kCommand, "a command");
  if (c == '%' && at(1) == '{') return move(2), until("}%", Token::Kind::kCode, "a code block");
  if (c == '.' && at(1) == '.' && at(2) == '.') {
    token_.kind = Token::Kind::kEllipsis;
    token_.text = "...";
    return move(3);
  }
  if (c == '-' && at(1) == '-' && is_letter(at(2))) {
    return option();
  }
  if ((is_hex(c) || c == ':') && address()) return;
  if (is_digit(c) || (c == '.' && is_digit(at(1)))) return number();
  if (is_letter(c)) return word();
  if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
    return fail("a byte that is not text");
  }
  token_.kind = Token::Kind::kPunctuation;
  token_.text = c;
  move(1);
}

}  // namespace dashi::script
