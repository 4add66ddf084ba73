// The messages a script can write, as data: of each protocol its verbs, what follows a verb without a
// name, and its fields with their types. Parsing, building and reading go by this one table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/script/script.hh"

namespace dashi::script {

enum class FieldType : uint8_t {
  kFlag,     // stands alone
  kNumber,   // decimal or 0x; compared by value
  kNumbers,  // 1,3,6
  kAddress,  // one or several by commas; also a name: gateway, guest, server, ...
  kMac,
  kText,      // a domain name, a word, or "text"; letters of any case
  kHex,       // "00030001..."
  kDnsType,   // AAAA, TYPE28, 28
  kDnsRcode,  // servfail, 2
  kNames      // what must not be there: names of fields
};

bool is_message(const std::string& protocol);
// What may stand after a verb without a name; nothing: the protocol has no such verb.
const std::vector<std::string>* positions_of(const std::string& protocol, const std::string& verb);
std::optional<FieldType> type_of(const std::string& protocol, const std::string& field);
// The value in the one form that comparing and building use; nothing: not a value of this type. Names
// of places and variables stay as they are.
std::optional<std::string> canonical(FieldType type, const std::string& text);

// --- For what builds and reads messages ---
const std::string* find(const MessageSpec& message, const char* field);
bool has(const MessageSpec& message, const char* field);
uint64_t number_of(const MessageSpec& message, const char* field, uint64_t otherwise);
IpAddress address_of(const MessageSpec& message, const char* field, const IpAddress& otherwise);
std::vector<std::string> items_of(const std::string& list);
std::vector<uint8_t> bytes_of_hex(const std::string& hex);
std::string hex_of(Bytes bytes);
void add(MessageSpec& message, const char* field, std::string value);
void add(MessageSpec& message, const char* field, uint64_t value);

std::string written(const MessageSpec& message);
// Empty: `seen` says all that `line` says. Else the first field that differs.
std::string difference(const MessageSpec& line, const MessageSpec& seen);

}  // namespace dashi::script
