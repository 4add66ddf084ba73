// The downlink half: the host's bytes to the guest. Bytes stay in the host socket until the guest
// acknowledges them: sending peeks at an offset straight into frames, retransmitting peeks again.
#pragma once

#include "core/tcp/tcp_room.hh"

namespace dashi {

// Sends what window, congestion control, the link and a turn's budget allow, and arms the timers. The
// connection stays ready when the budget ended it.
Fate pump(TcpRoom& room, Instant now, Connection& c);

// One segment beyond what cwnd allows, new or the last one again, so that the guest's ACK shows whether
// the end of a flight was lost (RFC 8985 7.3).
Fate probe_tail(TcpRoom& room, Instant now, Connection& c);

// One byte (or the FIN) beyond a closed window (RFC 9293 3.8.6.1).
Fate probe_window(TcpRoom& room, Instant now, Connection& c);

// As much as a window has room for that is too small to be worth a segment, and stayed so for as long as the
// override timer (RFC 9293 3.8.6.2.1).
Fate fill_silly_window(TcpRoom& room, Instant now, Connection& c);

// Whether the host aborted, where pump would not look: the guest has not opened, or its window is full.
Fate check_host(Connection& c);

}  // namespace dashi
