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
  enum class Kind : uint8_t { kHolds, kFails, kNotServed };
  Kind kind = Kind::kHolds;
  std::string why;  // of the other two: which assertion, and what its names are; what is missing
  size_t at = 0;    // where in the text the statement begins that does not hold, or is not served
};

class Code {
 public:
  // What a name that is no variable stands for; nothing: it is not known.
  using Lookup = std::function<std::optional<int64_t>(const std::string&)>;

  CodeVerdict run(const std::string& text, const Lookup& lookup);

 private:
  std::map<std::string, int64_t> variables_;
};

}  // namespace dashi::script
