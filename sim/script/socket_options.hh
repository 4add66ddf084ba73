// The levels and options that setsockopt and getsockopt have on Linux, by name, and which of them the far
// end takes. Not their values, nor what they do: far_end_options.
#pragma once

#include <string_view>

namespace dashi::script {

// SOL_TCP, IPPROTO_TCP.
bool is_socket_level(std::string_view name);
bool is_socket_option(std::string_view name);
// Whether an option may be set and, of `level`, has nothing to act on here, or is served.
bool takes_option(std::string_view level, std::string_view option);

}  // namespace dashi::script
