// The code between %{ and }%: assertions in Python's notation, as far as scripts use it. Whole numbers,
// names, comparisons (chained too), arithmetic and bits, `and`, `or`, `not`; variables live as long as
// the script. What is more than that is not served, and says so.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace dashi::script {

struct CodeVerdict {
  // kLess: all holds but that a number which may be less is less.
  enum class Kind : uint8_t { kHolds, kLess, kFails, kNotServed };
  Kind kind = Kind::kHolds;
  std::string why;  // of the others: which assertion, and what its names are; what is missing
  size_t at = 0;    // where in the text the statement begins that does not hold, or is not served
};

class Code {
 public:
  // What a name that is no variable stands for; nothing: it is not known.
  using Lookup = std::function<std::optional<int64_t>(const std::string&)>;

  // An assertion NAME == ... or NAME >= ..., and nothing more, may not hold where the name's is less.
  void let_be_less(std::string name) { may_be_less_ = std::move(name); }

  CodeVerdict run(const std::string& text, const Lookup& lookup);

 private:
  std::map<std::string, int64_t> variables_;
  std::string may_be_less_;
};

}  // namespace dashi::script
