// The uplink half: the guest's bytes to the host. In-order payloads are gathered while a batch of
// frames is handled and written straight from the frames at its end; what the host does not take, and
// what is out of order, is held. What we acknowledge, the host took or we hold.
#pragma once

#include "core/tcp/tcp_room.hh"
#include "core/wire/packet.hh"

namespace dashi {

// Takes in payload and FIN of an acceptable segment.
Fate receive_payload(TcpRoom& room, Instant now, Connection& c, const Packet& packet);

// RFC 2883 4: what of a segment came before, be it passed on or held, is told in the next ACK.
void note_duplicate(Connection& c, const Packet& packet);

// Writes what was gathered for `c` and holds the rest.
Fate settle_gathered(TcpRoom& room, Connection& c);

// Writes held bytes while the host takes them, then passes on the guest's FIN.
Fate drain_held(TcpRoom& room, Connection& c);

}  // namespace dashi
