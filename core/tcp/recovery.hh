// What ACKs do to the downlink: the send window, the RTT, what was delivered and what was lost (RACK with
// SACK, NewReno without), and how the congestion window answers. Timeouts are loss_timers'.
#pragma once

#include "core/tcp/tcp_room.hh"
#include "core/wire/packet.hh"

namespace dashi {

// Takes in the acknowledgment, SACK blocks and window of an acceptable segment. False: the ACK is for
// something never sent or long gone, and the segment goes no further (RFC 5961 5).
bool receive_ack(TcpRoom& room, Instant now, Connection& c, const Packet& packet);

// Losses were found that no recovery is for yet: begins one.
void enter_recovery(TcpRoom& room, Connection& c, uint32_t flight);

// What is sent again from now on may yet turn out to have come in time: forgets what led here before.
void may_be_undone(Connection& c);

// Looks for what RACK takes for lost by now. Gives how long to wait before looking again, or zero.
Duration detect_losses(Instant now, Connection& c, uint32_t& found);

}  // namespace dashi
