// What ACKs and timeouts do to the downlink: the send window, the RTT, congestion control with
// NewReno (RFC 5681, RFC 6582), retransmission timeouts (RFC 6298).
#pragma once

#include "core/tcp/tcp_room.hh"
#include "core/wire/packet.hh"

namespace dashi {

// Sets the congestion window for a connection that just opened (RFC 6928).
void start_congestion_control(const TcpConfig& config, Connection& c);

// Takes in the acknowledgment and window of an acceptable segment. False: the ACK is for something
// never sent or long gone, and the segment goes no further (RFC 5961 5).
bool receive_ack(TcpRoom& room, Instant now, Connection& c, const Packet& packet, Fate& fate);

// The retransmission timer fired.
Fate retransmission_timeout(TcpRoom& room, Instant now, Connection& c);

}  // namespace dashi
