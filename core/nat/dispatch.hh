// From a guest frame to the one handler that answers for it, or to a DropReason. Here is decided who
// may speak (source MAC and address), what is for the gateway itself, and what is refused.
#pragma once

#include "core/nat/rooms.hh"

namespace dashi {

void dispatch(Rooms& rooms, Instant now, const GuestFrame& frame);

}  // namespace dashi
