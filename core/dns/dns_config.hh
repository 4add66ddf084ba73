// What may be chosen about the gateway's DNS. Times are durations, sizes are bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.hh"
#include "core/wire/address.hh"

namespace dashi {

// Names the gateway owns: answered by it alone, NODATA for types it has no address of.
struct DnsRecord {
  std::string name;  // without a trailing dot; matched without regard to case (RFC 4343)
  std::vector<IpAddress> addresses;
};

enum class DnsRecordError : uint8_t { kNameNotValid, kTooManyRecords };
const char* message_of(DnsRecordError error);

struct DnsConfig {
  std::vector<Endpoint> resolvers;  // upstream, in order of preference; changed by set_resolvers
  std::vector<DnsRecord> records;
  uint32_t record_ttl = 60;   // seconds
  Duration try_timeout = 2s;  // then the next server
  // How long another server stays in the place of the first that was silent: then one query asks them in
  // their order again, and the others follow once it was answered.
  Duration prefer_again = 30s;
  uint8_t rounds = 2;       // times through the list of servers before SERVFAIL
  Duration tcp_idle = 30s;  // a guest's DNS-over-TCP connection without a query (RFC 7766 6.2.3)
};

}  // namespace dashi
