// Domain names and lists of them as router advertisements (RFC 8106 5.2), DHCPv6 (RFC 8415 10) and
// DHCPv4 (RFC 3397) carry them: labels in RFC 1035 form, compressed in the last. Not the DNS
// messages' own names: those are dns's.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.hh"

namespace dashi {

// Labels of 1..63 bytes, at most 255 bytes as encoded (RFC 1035 2.3.4); one trailing dot is taken.
bool is_domain_name(std::string_view name);

// Each name with its terminating zero, none compressed. Names that are not names or do not fit are
// left out, the others kept. Gives the bytes written.
size_t encode_search_list(std::span<const std::string> names, MutableBytes to);

// The same with pointers to earlier names (RFC 1035 4.1.4), counted from the start of the list.
size_t encode_search_list_compressed(std::span<const std::string> names, MutableBytes to);

// The names of either form; nothing if it is malformed. A pointer must lead backwards, so that
// every list ends. Zeros between names are padding (RFC 8106 5.2).
std::optional<std::vector<std::string>> decode_search_list(Bytes list);

}  // namespace dashi
