// From a guest frame to the one handler that answers for it, or to a DropReason. Here is decided who
// may speak (source MAC and address), what is for the gateway itself, and what is refused.
#pragma once

#include "core/nat/rooms.hh"

namespace dashi {

// What the frame carries may be gathered: its bytes are borrowed until finish_batch.
void dispatch(Rooms& rooms, Instant now, const GuestFrame& frame);
// Sends what was gathered. A batch may be finished more than once on its way.
void finish_batch(Rooms& rooms, Instant now);

}  // namespace dashi
