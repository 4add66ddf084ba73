#include "sim/script/code.hh"

#include <array>
#include <vector>

namespace dashi::script {
namespace {

constexpr unsigned kDepthMax = 64;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Statement {
  std::string text;
  size_t at = 0;  // where it begins
};

// Statements end with a line or a semicolon outside of brackets; a backslash joins lines.
std::vector<Statement> statements(const std::string& text) {
  std::vector<Statement> all(1);
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      while (i + 1 < text.size() && text[i + 1] != '\n') ++i;
      ++i;
      if (!all.back().text.empty()) all.back().text += ' ';
      continue;
    }
    if (c == '#') {
      while (i + 1 < text.size() && text[i + 1] != '\n') ++i;
      continue;
    }
    depth += (c == '(' || c == '[') - (c == ')' || c == ']');
    if (c == ';' || (c == '\n' && depth == 0)) {
      all.emplace_back();
    } else if (!all.back().text.empty() || (c != ' ' && c != '\t' && c != '\r' && c != '\n')) {
      if (all.back().text.empty()) all.back().at = i;
      all.back().text += c;
    }
  }
  return all;
}

struct Operator {
  const char* text;
  unsigned rank;  // higher binds closer
};
// The longer of two that begin alike stands first.
constexpr std::array<Operator, 18> kOperators{{{"or", 1},
                                               {"and", 2},
                                               {"==", 4},
                                               {"!=", 4},
                                               {"<=", 4},
                                               {">=", 4},
                                               {"<<", 8},
                                               {">>", 8},
                                               {"<", 4},
                                               {">", 4},
                                               {"|", 5},
                                               {"^", 6},
                                               {"&", 7},
                                               {"+", 9},
                                               {"-", 9},
                                               {"//", 10},
                                               {"*", 10},
                                               {"%", 10}}};
constexpr unsigned kNotRank = 3;
constexpr unsigned kComparisonRank = 4;
constexpr unsigned kSignRank = 11;

class Expression {
 public:
  Expression(const std::string& text, const Code::Lookup& lookup) : text_(text), lookup_(lookup) {}

  int64_t value(unsigned rank) {
    if (++depth_ > kDepthMax) wrong("it is nested too deeply");
    int64_t left = prefix();
    for (;;) {
      const Operator* next = peek_operator();
      if (!wrong_.empty() || next == nullptr || next->rank < rank) break;
      if (next->rank == kComparisonRank) {
        left = comparisons(left);
      } else {
        at_ += std::string(next->text).size();
        left = apply(next->text, left, value(next->rank + 1));
      }
    }
    --depth_;
    return left;
  }

  // A comma ends an assertion's condition: what follows is for people.
  bool ended() {
    skip_space();
    return at_ == text_.size() || text_[at_] == ',';
  }
  const std::string& wrong() const { return wrong_; }
  const std::string& names() const { return names_; }
  bool not_known() const { return not_known_; }

 private:
  void wrong(std::string why) {
    if (wrong_.empty()) wrong_ = std::move(why);
    at_ = text_.size();
  }
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }

  // 990 <= x <= 1010 is both comparisons.
  int64_t comparisons(int64_t left) {
    bool all = true;
    for (;;) {
      const Operator* next = peek_operator();
      if (next == nullptr || next->rank != kComparisonRank) return all;
      at_ += std::string(next->text).size();
      const int64_t right = value(kComparisonRank + 1);
      all = all && apply(next->text, left, right) != 0;
      left = right;
    }
  }

  const Operator* peek_operator() {
    skip_space();
    for (const Operator& one : kOperators) {
      const std::string text = one.text;
      if (text_.compare(at_, text.size(), text) != 0) continue;
      const bool word = is_name(text[0]);
      if (word && at_ + text.size() < text_.size() && is_name(text_[at_ + text.size()])) continue;
      return &one;
    }
    return nullptr;
  }

  int64_t prefix() {
    skip_space();
    if (at_ == text_.size()) {
      wrong("an expression is missing");
      return 0;
    }
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      const int64_t inner = value(0);
      skip_space();
      if (at_ == text_.size() || text_[at_] != ')')
        wrong("a ')' is missing");
      else
        ++at_;
      return inner;
    }
    if (c == '-') {
      ++at_;
      return apply("-", 0, value(kSignRank));
    }
    if (is_digit(c)) return number();
    if (is_name(c)) return name();
    wrong(std::string("'") + c + "' is not served");
    return 0;
  }

  int64_t number() {
    const bool hex = text_.compare(at_, 2, "0x") == 0;
    if (hex) at_ += 2;
    uint64_t n = 0;
    for (; at_ < text_.size() && is_name(text_[at_]); ++at_) {
      const char c = static_cast<char>(text_[at_] | 0x20);
      const bool letter = hex && c >= 'a' && c <= 'f';
      if (!letter && !is_digit(text_[at_])) break;
      n = n * (hex ? 16u : 10u) + static_cast<uint64_t>(letter ? c - 'a' + 10 : c - '0');
      if (n > uint64_t{1} << 60) {
        wrong("a number is too large");
        return 0;
      }
    }
    if (at_ < text_.size() && text_[at_] == '.') wrong("fractions are not served");
    return static_cast<int64_t>(n);
  }

  int64_t name() {
    std::string word;
    while (at_ < text_.size() && is_name(text_[at_])) word += text_[at_++];
    if (word == "not") return value(kNotRank) == 0;
    if (word == "True" || word == "False") return word == "True";
    const std::optional<int64_t> known = lookup_(word);
    if (!known) {
      not_known_ = true;
      wrong(word + " is not known of a NAT's connection");
      return 0;
    }
    if (word.rfind("TCP", 0) != 0) {
      names_ += (names_.empty() ? "" : ", ") + word + " is " + std::to_string(*known);
    }
    return *known;
  }

  int64_t apply(const std::string& op, int64_t a, int64_t b) {
    const auto ua = static_cast<uint64_t>(a);
    const auto ub = static_cast<uint64_t>(b);
    if (op == "or") return a != 0 ? a : b;
    if (op == "and") return a != 0 ? b : a;
    if (op == "==") return a == b;
    if (op == "!=") return a != b;
    if (op == "<") return a < b;
    if (op == ">") return a > b;
    if (op == "<=") return a <= b;
    if (op == ">=") return a >= b;
    if (op == "|") return a | b;
    if (op == "^") return a ^ b;
    if (op == "&") return a & b;
    if (op == "+") return static_cast<int64_t>(ua + ub);
    if (op == "-") return static_cast<int64_t>(ua - ub);
    if (op == "*") return static_cast<int64_t>(ua * ub);
    if (op == "<<") return b >= 0 && b < 63 ? static_cast<int64_t>(ua << ub) : 0;
    if (op == ">>") return b >= 0 && b < 63 ? a >> b : 0;
    if (b <= 0) {
      wrong("only a positive number divides");
      return 0;
    }
    const int64_t rest = (a % b + b) % b;  // Python's division rounds down
    return op == "%" ? rest : (a - rest) / b;
  }

  const std::string& text_;
  const Code::Lookup& lookup_;
  size_t at_ = 0;
  unsigned depth_ = 0;
  std::string wrong_;
  std::string names_;
  bool not_known_ = false;
};

bool takes_word(std::string& statement, const std::string& word) {
  if (statement.compare(0, word.size(), word) != 0) return false;
  if (statement.size() > word.size() && is_name(statement[word.size()])) return false;
  statement = statement.substr(word.size());
  return true;
}

// NAME = ..., NAME += ..., NAME -= ...: the name; what is left in `statement` is its new value.
std::string takes_target(std::string& statement) {
  size_t end = 0;
  while (end < statement.size() && is_name(statement[end])) ++end;
  size_t at = end;
  while (at < statement.size() && statement[at] == ' ') ++at;
  if (end == 0 || is_digit(statement[0]) || at + 1 >= statement.size()) return {};
  std::string name = statement.substr(0, end);
  if (statement[at] == '=' && statement[at + 1] != '=') {
    statement = statement.substr(at + 1);
    return name;
  }
  if ((statement[at] != '+' && statement[at] != '-') || statement[at + 1] != '=') return {};
  statement = name + " " + statement[at] + " (" + statement.substr(at + 2) + ")";
  return name;
}

// Whether an assertion says no more than that the name is a number, or no less than it, and it is less,
// but something.
bool is_less(std::string assertion, const std::string& name, const Code::Lookup& lookup) {
  const auto skip_space = [&] { assertion.erase(0, assertion.find_first_not_of(' ')); };
  skip_space();
  if (name.empty() || !takes_word(assertion, name)) return false;
  skip_space();
  const std::string relation = assertion.substr(0, 2);
  if (relation != "==" && relation != ">=") return false;
  assertion.erase(0, relation.size());
  Expression due(assertion, lookup);
  const int64_t number = due.value(kComparisonRank + 1);
  const std::optional<int64_t> is = lookup(name);
  return due.ended() && due.wrong().empty() && is && *is > 0 && *is < number;
}

}  // namespace

CodeVerdict Code::run(const std::string& text, const Lookup& lookup) {
  const Lookup look = [&](const std::string& name) {
    const auto variable = variables_.find(name);
    return variable == variables_.end() ? lookup(name) : std::optional(variable->second);
  };
  CodeVerdict verdict;
  for (auto& [statement, at] : statements(text)) {
    while (!statement.empty() && (statement.back() == ' ' || statement.back() == '\r'))
      statement.pop_back();
    if (statement.empty() || takes_word(statement, "print")) continue;
    const std::string whole = statement;
    const bool assertion = takes_word(statement, "assert");
    const std::string target = assertion ? "" : takes_target(statement);
    if (!assertion && target.empty()) return {CodeVerdict::Kind::kNotServed, "code: " + whole, at};
    Expression expression(statement, look);
    const int64_t value = expression.value(0);
    if (!expression.wrong().empty() || !expression.ended()) {
      if (expression.not_known()) return {CodeVerdict::Kind::kNotServed, expression.wrong(), at};
      std::string why = "code: " + whole;
      if (!expression.wrong().empty()) why.append(": ").append(expression.wrong());
      return {CodeVerdict::Kind::kNotServed, std::move(why), at};
    }
    if (!assertion) variables_[target] = value;
    if (!assertion || value != 0) continue;
    std::string why = whole.substr(0, whole.find(',')) + " does not hold: " + expression.names();
    if (!is_less(statement, may_be_less_, look)) {
      return {CodeVerdict::Kind::kFails, std::move(why), at};
    }
    if (verdict.kind == CodeVerdict::Kind::kHolds) {
      verdict = {CodeVerdict::Kind::kLess, std::move(why), at};
    }
  }
  return verdict;
}

}  // namespace dashi::script
