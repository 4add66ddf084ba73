// What the kernel keeps in a socket's error queue (IP_RECVERR, IPV6_RECVERR) as NetErrors: who
// reported what about which destination. Reads, and owns nothing.
#pragma once

#include <optional>

#include "core/env/sockets.hh"

namespace dashi {

// Turns the queue on or off for a socket of `family`.
void set_error_queue(int fd, Family family, bool on);

// Takes the oldest message off the queue; empty when there is none. `scratch` holds the quoted bytes:
// what followed the UDP header, or for other sockets the packet from its transport header on.
std::optional<NetError> read_error_queue(int fd, MutableBytes scratch);

}  // namespace dashi
