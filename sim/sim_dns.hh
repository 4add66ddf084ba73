// A DNS server's answer for the in-memory net: A, AAAA and TXT from a table, NXDOMAIN for other names,
// and the faults a server may have. Written for itself, not with core/wire/dns: a reading both sides
// share would hide its own mistakes.
#pragma once

#include <optional>

#include "sim/net_spec.hh"

namespace dashi {

// The answer to one query message; empty: none is given (malformed query, or a silent server).
std::vector<uint8_t> answer_dns(Bytes query, const std::vector<DnsTableEntry>& table,
                                DnsFault fault, bool over_tcp);

// A query for `name`; type 1 = A, 28 = AAAA, 16 = TXT.
std::vector<uint8_t> make_dns_query(uint16_t id, const std::string& name, uint16_t type);

// What an answer said, for guests and tests.
struct DnsAnswer {
  uint16_t id = 0;
  uint8_t rcode = 0;
  bool truncated = false;
  std::vector<IpAddress> addresses;
  std::vector<std::string> texts;
};
std::optional<DnsAnswer> parse_dns_answer(Bytes message);

}  // namespace dashi
