// Segments towards the guest that carry no data: SYN, SYN-ACK, ACK, RST. And the header that those
// with data share.
#pragma once

#include "core/tcp/tcp_room.hh"
#include "core/wire/packet.hh"

namespace dashi {

// The window to announce, unscaled as it goes into the header, after moving the edges as far as
// memory allows. Never to the left (RFC 9293 3.8.6) but for what rounding had added, and to the right
// only by steps worth an ACK (receiver SWS avoidance, 3.8.6.2.2). `scaled` is false in SYN segments
// (RFC 7323 2.2).
uint16_t announce_window(TcpRoom& room, Connection& c, bool scaled);

// The most we would hold for this connection, leaving room for the rounding of scaled windows; no more than
// the header's field can say.
uint32_t receive_window_max(const Limits& limits, const Connection& c);
// How far the edge could be moved now, if an ACK were sent.
uint32_t window_gain(const TcpRoom& room, const Connection& c);

// A TCP header and its options.
struct RawHeader {
  std::array<uint8_t, 60> raw{};
  size_t size = 0;
  Bytes bytes() const { return Bytes(raw).first(size); }
};

// The options of any segment but a SYN: timestamps, and SACK blocks while there is something to say.
size_t options_size(const Connection& c);
// A header with everything but its checksum, for a segment of `c` with ACK set. It announces a window.
RawHeader data_header(TcpRoom& room, Instant now, Connection& c, SeqNum sequence, uint8_t flags);
// Such a segment left: it carried all ACKs that were owed.
void acknowledged(TcpRoom& room, Connection& c);

bool send_syn(TcpRoom& room, Instant now, Connection& c);  // SYN, or SYN-ACK, as c.opening says
bool send_ack(TcpRoom& room, Instant now, Connection& c);
// Keep-alive: an old sequence number, no data. False: the link had no room.
bool send_probe(TcpRoom& room, Instant now, Connection& c);
// Rate-limited (RFC 5961 7). For segments that are not acceptable and may be forged. The caller has
// settled what was gathered.
void send_challenge_ack(TcpRoom& room, Instant now, Connection& c);
// What a bare ACK says.
struct BareAck {
  SeqNum sequence;
  SeqNum acknowledgment;
  std::optional<TcpTimestamps> timestamps;
};
// For a connection in TIME-WAIT, of which only the numbers are left; with a window of 0.
void send_bare_ack(TcpRoom& room, const Endpoint& guest, const Endpoint& remote,
                   const BareAck& ack);
// RST of a connection we know. False: the link had no room.
bool send_reset(TcpRoom& room, Instant now, Connection& c);
// RST in answer to a segment of no connection (RFC 9293 3.10.7.1); never to a RST. Rate-limited.
void send_reset_for(TcpRoom& room, Instant now, const Packet& packet);
// The same for a SYN remembered only by its numbers.
void refuse_syn(TcpRoom& room, const Endpoint& guest, const Endpoint& remote, SeqNum syn);

// The MSS we announce: payload bytes of a full-sized segment of the guest.
uint16_t announced_mss(const TcpRoom& room, Family family);

IpOut ip_out(const TcpRoom& room, const Endpoint& from, const Endpoint& to);

}  // namespace dashi
