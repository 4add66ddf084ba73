// What an ICMP error from the guest's side does to the connection it quotes: a path that takes only smaller
// packets (RFC 1191, RFC 8201), a hard error while it opens (RFC 9293 3.9.2.2). Anybody behind the guest
// may have written it, so it has to quote what is outstanding, and say what could be (RFC 5927).
#pragma once

#include "core/tcp/tcp_room.hh"
#include "core/wire/icmp_quote.hh"

namespace dashi {

// Whether `quote` may be of a segment that the guest has not acknowledged (RFC 5927 4.1).
bool is_outstanding(const Connection& c, const IcmpQuote& quote);

// The error of `packet` about `c`, of which `quote` is outstanding. Counts it, and drops it if it is of no use.
Fate receive_icmp_error(TcpRoom& room, Instant now, Connection& c, const Packet& packet,
                        const IcmpQuote& quote);

}  // namespace dashi
