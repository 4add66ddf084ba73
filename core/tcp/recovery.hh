// What ACKs do to the downlink: the send window, the RTT, what was delivered and what was lost (RACK with
// SACK, NewReno without), and how the congestion window answers. Timeouts are loss_timers'.
#pragma once

#include "core/tcp/tcp_room.hh"
#include "core/wire/packet.hh"

namespace dashi {

// Takes in the acknowledgment, SACK blocks and window of an acceptable segment. False: the ACK is for
// something never sent or long gone, and the segment goes no further (RFC 5961 5).
bool receive_ack(TcpRoom& room, Instant now, Connection& c, const Packet& packet);

// Losses were found. Where no recovery is for them yet, begins one with this much outstanding, and of it arrived, before
// the news; within one, the window falls again if they are of a later window, or of what was sent again since it fell.
void reduce_for(TcpRoom& room, Instant now, Connection& c, const Rack::Found& lost,
                uint32_t outstanding, uint32_t arrived);

// The window falls again, before all that it fell for is repaired (RFC 5681 4.3).
void reduce_again(TcpRoom& room, Connection& c);

// What is sent again from now on may yet turn out to have come in time: forgets what led here before.
void may_be_undone(Connection& c);

// Looks for what RACK takes for lost by now.
Rack::Found detect_losses(const TcpConfig& config, Instant now, Connection& c);

}  // namespace dashi
