// The timer of what is unacknowledged: retransmission (RFC 6298), tail loss probe and reordering (RFC
// 8985), of which one runs at a time.
#pragma once

#include "core/tcp/tcp_room.hh"

namespace dashi {

// The guest acknowledged or reported something, or the first byte was sent: begins anew.
void restart_loss_timer(Instant now, Connection& c);
// More was sent: the probe, if one is due, comes after that.
void put_off_tail_probe(Instant now, Connection& c);
// RACK wants to look again after `wait`.
void await_reordering(Instant now, Connection& c, Duration wait);

// loss_deadline came.
Fate loss_timeout(TcpRoom& room, Instant now, Connection& c);

}  // namespace dashi
