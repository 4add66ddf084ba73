// Opening: from the guest's SYN over the host's connect to ESTABLISHED, and from a forwarded port's
// accept over our SYN to it. The SYN-ACK goes out only after the host connected.
#pragma once

#include "core/base/siphash.hh"
#include "core/tcp/tcp_room.hh"
#include "core/wire/packet.hh"

namespace dashi {

// Chooses our initial sequence number, a 4 us clock plus a keyed hash of the tuple (RFC 9293 3.4.1), and
// where our timestamps begin, by the same hash (RFC 7323 5.4).
void choose_numbers(const SipKey& secret, uint32_t bits, Instant now, Connection& c);

// Notes what a guest's SYN says: numbers, window, options.
void take_guest_syn(TcpRoom& room, Instant now, Connection& c, const TcpSegment& segment);

// Sends the SYN or SYN-ACK, or owes it while the link is full.
void transmit_syn(TcpRoom& room, Instant now, Connection& c);

// The host connected: sends the SYN-ACK.
void host_connected(TcpRoom& room, Instant now, Connection& c);

// A host peer was accepted: sends the SYN.
void host_accepted(TcpRoom& room, Instant now, Connection& c);

// A segment in SYN-SENT (RFC 9293 3.10.7.3).
Fate receive_in_syn_sent(TcpRoom& room, Instant now, Connection& c, const Packet& packet);

// The guest acknowledged our SYN: both halves open.
void established(TcpRoom& room, Instant now, Connection& c);

// The SYN or SYN-ACK was not answered.
Fate syn_timeout(TcpRoom& room, Instant now, Connection& c);

}  // namespace dashi
