// DNS record types and response codes by their names, of letters of any case, or as numbers: AAAA, TYPE65
// (RFC 3597 5), 65.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dashi::script {

// Nothing: there is no such name, or the number is out of range.
std::optional<uint16_t> dns_type(const std::string& text);
std::optional<uint16_t> dns_rcode(const std::string& text);
// In small letters; the number, if it has no name.
std::string name_of_dns_type(uint16_t type);
std::string name_of_dns_rcode(uint16_t rcode);

}  // namespace dashi::script
