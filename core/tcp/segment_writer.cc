#include "core/tcp/segment_writer.hh"

#include <algorithm>
#include <array>
#include <cstddef>

namespace dashi {
namespace {

constexpr uint32_t kUnscaledWindowMax = 0xffff;

TcpHeader plain_header(const Endpoint& from, const Endpoint& to, SeqNum sequence, uint8_t flags) {
  TcpHeader header;
  header.source_port = from.port.number;
  header.destination_port = to.port.number;
  header.sequence = sequence.raw();
  header.data_offset = sizeof(TcpHeader) / 4 << 4;
  header.flags = flags;
  return header;
}

RawHeader with_options(TcpHeader header, const TcpOptions& options) {
  RawHeader out;
  out.size = sizeof(TcpHeader) +
             write_tcp_options(MutableBytes(out.raw).subspan(sizeof(TcpHeader)), options);
  header.data_offset = static_cast<uint8_t>(out.size / 4 << 4);
  store(out.raw, header);
  return out;
}

bool send_header(TcpRoom& room, const Endpoint& from, const Endpoint& to, const RawHeader& header) {
  const bool sent = room.context.writer.send_ip(ip_out(room, from, to), header.bytes(), {},
                                                offsetof(TcpHeader, checksum));
  if (!sent) room.link_blocked = true;
  return sent;
}

// The right edge that memory would allow now. What waits for the host counts against the window; what
// is out of order lies inside it and is already paid for.
SeqNum possible_edge(const TcpRoom& room, const Connection& c) {
  size_t free = room.pool.free_bytes();
  if (c.held.empty()) {  // the host keeps up: it needs no memory of ours as long as that lasts
    free = std::max<size_t>(free, 2u * announced_mss(room, c.guest.address.family()));
  }
  const size_t reach = c.held.extent() + c.up.gathered + free;
  return c.up.base +
         static_cast<uint32_t>(std::min<size_t>(receive_window_max(room.context.limits, c), reach));
}

// The sequence number of a segment without data: SND.NXT;
// but within the guest's window, or it would be dropped.
SeqNum sequence_now(const Connection& c) {
  if (c.opening != Opening::kDone) return c.down.nxt;
  const SeqNum edge = c.down.una + c.down.window;
  return c.down.nxt.after(edge) ? edge : c.down.nxt;
}

}  // namespace

IpOut ip_out(const TcpRoom& room, const Endpoint& from, const Endpoint& to) {
  IpOut ip;
  ip.ttl = room.config.ttl;
  ip.source = from.address;
  ip.destination = to.address;
  ip.protocol = IpProtocol::kTcp;
  return ip;
}

uint16_t announced_mss(const TcpRoom& room, Family family) {
  const uint32_t headers = family == Family::kIpv4 ? 40 : 60;
  const auto most = static_cast<uint16_t>(room.context.topology.mtu - headers);
  return room.config.mss != 0 ? std::min(room.config.mss, most) : most;
}

uint32_t receive_window_max(const Limits& limits, const Connection& c) {
  const size_t each = limits.tcp_uplink_bytes_each;
  const size_t most = std::min<size_t>(c.up.window, each - each / 8);
  const size_t field_max = size_t{kUnscaledWindowMax} << c.up.shift;
  return static_cast<uint32_t>(std::min(most, field_max));
}

uint32_t window_gain(const TcpRoom& room, const Connection& c) {
  const SeqNum possible = possible_edge(room, c);
  return possible.after(c.up.edge) ? bytes_between(c.up.edge, possible) : 0;
}

uint16_t announce_window(TcpRoom& room, Connection& c, bool scaled) {
  const uint32_t gain = window_gain(room, c);
  const uint16_t announced = announced_mss(room, c.guest.address.family());
  const uint32_t step =
      std::min<uint32_t>({receive_window_max(room.context.limits, c) / 2, c.down.mss, announced});
  if (gain >= step) c.up.edge += gain;
  const SeqNum next = c.secured();
  const uint32_t window = c.up.edge.after(next) ? bytes_between(next, c.up.edge) : 0;
  const uint8_t shift = scaled ? c.up.shift : uint8_t{0};
  // Rounded up, but never beyond less than a unit from what is meant: the next may have to be told less, by less
  // than a unit (RFC 7323 2.4). Were what was told rounded up again, ACKs of little would move it without end.
  const uint32_t unit = uint32_t{1} << shift;
  const uint32_t field = std::min((window + unit - 1) >> shift, kUnscaledWindowMax);
  c.up.offered = later(c.up.offered, next + (field << shift));
  return static_cast<uint16_t>(field);
}

namespace {

// RFC 2018 3: as many blocks as 40 bytes of options have room for, and half of the smallest segments.
size_t sack_blocks_max(const Connection& c) {
  const size_t room = c.down.mss / 2u;
  return std::min<size_t>(c.stamps.on ? 3 : 4, room > 4 ? (room - 4) / 8 : 0);
}

void add_sack(const Connection& c, TcpOptions& options) {
  if (!c.sack || (!c.held.has_gaps() && !c.report.has_duplicate())) return;
  c.report.write(options, c.held, c.up.base, sack_blocks_max(c));
}

}  // namespace

size_t options_size(const Connection& c) {
  TcpOptions options;
  add_sack(c, options);
  const size_t sack = options.sack_count != 0 ? 4 + 8u * options.sack_count : 0;
  return sack + (c.stamps.on ? kTimestampsBytes : 0);
}

RawHeader data_header(TcpRoom& room, Instant now, Connection& c, SeqNum sequence, uint8_t flags) {
  TcpHeader header =
      plain_header(c.remote, c.guest, sequence, static_cast<uint8_t>(flags | kTcpAck));
  header.acknowledgment = c.secured().raw();
  header.window = announce_window(room, c, true);
  TcpOptions options;
  if (c.stamps.on) options.timestamps = c.stamps.option(now);
  add_sack(c, options);
  return with_options(header, options);
}

void acknowledged(TcpRoom& room, Connection& c) {
  c.stamps.last_ack_sent = c.secured();
  c.report.told();
  c.up.ack_now = false;
  c.up.since_ack = 0;
  room.cancel_delayed_ack(c);
}

namespace {

bool send_without_data(TcpRoom& room, Instant now, Connection& c, SeqNum sequence) {
  const SeqNum edge = c.up.edge;
  const SeqNum offered = c.up.offered;
  const RawHeader header = data_header(room, now, c, sequence, 0);
  if (send_header(room, c.remote, c.guest, header)) {
    acknowledged(room, c);
    return true;
  }
  c.up.edge = edge;  // lost before it left: the guest was told nothing, and the ACK is still owed
  c.up.offered = offered;
  return false;
}

}  // namespace

bool send_syn(TcpRoom& room, Instant now, Connection& c) {
  const bool answer = c.opening == Opening::kSynReceived;
  TcpHeader header = plain_header(c.remote, c.guest, c.down.iss, kTcpSyn);
  if (answer) {
    header.flags = kTcpSyn | kTcpAck;
    header.acknowledgment = c.receive_next().raw();
  }
  header.window = announce_window(room, c, false);
  TcpOptions options;
  options.mss = announced_mss(room, c.guest.address.family());
  if (!answer || c.window_scaling) {
    options.window_scale = std::min(room.config.window_scale, kWindowScaleMax);
  }
  options.sack_permitted = answer ? c.sack : room.config.sack;
  if (answer ? c.stamps.on : room.config.timestamps) options.timestamps = c.stamps.option(now);
  if (answer) c.stamps.last_ack_sent = c.receive_next();
  return send_header(room, c.remote, c.guest, with_options(header, options));
}

bool send_ack(TcpRoom& room, Instant now, Connection& c) {
  return send_without_data(room, now, c, sequence_now(c));
}

bool send_probe(TcpRoom& room, Instant now, Connection& c) {
  return send_without_data(room, now, c, c.down.una - 1);
}

void send_challenge_ack(TcpRoom& room, Instant now, Connection& c) {
  if (!room.challenge_acks.allow(now)) {
    room.context.counters.increment(Counter::kTcpChallengeAcksLimited);
    return;
  }
  room.context.counters.increment(Counter::kTcpChallengeAcks);
  send_ack(room, now, c);
}

void send_bare_ack(TcpRoom& room, const Endpoint& guest, const Endpoint& remote,
                   const BareAck& ack) {
  TcpHeader header = plain_header(remote, guest, ack.sequence, kTcpAck);
  header.acknowledgment = ack.acknowledgment.raw();
  TcpOptions options;
  options.timestamps = ack.timestamps;
  send_header(room, remote, guest, with_options(header, options));
}

bool send_reset(TcpRoom& room, Instant now, Connection& c) {
  TcpHeader header = plain_header(c.remote, c.guest, sequence_now(c), kTcpRst);
  if (c.opening != Opening::kSynSent) {  // else nothing was heard that could be acknowledged
    header.flags = kTcpRst | kTcpAck;
    header.acknowledgment = c.secured().raw();
  }
  TcpOptions options;  // RFC 7323 3.2
  if (c.stamps.on) options.timestamps = c.stamps.option(now);
  if (!send_header(room, c.remote, c.guest, with_options(header, options))) return false;
  room.context.counters.increment(Counter::kTcpResetsSent);
  return true;
}

void send_reset_for(TcpRoom& room, Instant now, const Packet& packet) {
  const TcpSegment& segment = packet.tcp;
  if (segment.rst()) return;
  if (!room.resets.allow(now)) {
    room.context.counters.increment(Counter::kTcpResetsLimited);
    return;
  }
  TcpHeader header = plain_header(packet.destination(), packet.source(), SeqNum(0), kTcpRst);
  if (segment.ack()) {
    header.sequence = segment.acknowledgment;
  } else {
    const auto length = static_cast<uint32_t>(packet.payload.size()) + (segment.syn() ? 1u : 0u) +
                        (segment.fin() ? 1u : 0u);
    header.flags = kTcpRst | kTcpAck;
    header.acknowledgment = segment.sequence + length;
  }
  if (send_header(room, packet.destination(), packet.source(), with_options(header, {}))) {
    room.context.counters.increment(Counter::kTcpResetsSent);
  }
}

void refuse_syn(TcpRoom& room, const Endpoint& guest, const Endpoint& remote, SeqNum syn) {
  TcpHeader header = plain_header(remote, guest, SeqNum(0), kTcpRst | kTcpAck);
  header.acknowledgment = (syn + 1).raw();
  if (send_header(room, remote, guest, with_options(header, {}))) {
    room.context.counters.increment(Counter::kTcpResetsSent);
  }
}

}  // namespace dashi
