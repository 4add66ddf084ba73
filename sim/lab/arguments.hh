// What several verbs read from their arguments.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace dashi::lab {

// Whether `text` is a whole number, nothing before and nothing behind it.
inline bool parse_number(std::string_view text, uint64_t& into) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), into);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

}  // namespace dashi::lab
