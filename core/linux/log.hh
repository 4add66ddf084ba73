// What `dashi` says to people, on stderr. The library behind it is included in one .cc only; there is
// no level but these.
#pragma once

#include <string_view>

namespace dashi {

void log_verbosely(bool verbose);  // whether log_detail says anything
void log_detail(std::string_view text);
void log_info(std::string_view text);
void log_warning(std::string_view text);
void log_error(std::string_view text);
// As it is, many lines or one.
void log_raw(std::string_view text);

}  // namespace dashi
