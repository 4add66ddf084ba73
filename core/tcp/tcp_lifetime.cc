// How connections end: failed connects, aborts, graceful closes, TIME-WAIT. Part of TcpProxy.
#include <algorithm>
#include <array>

#include "core/tcp/segment_writer.hh"
#include "core/tcp/tcp_proxy.hh"
#include "core/wire/checksum.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"

namespace dashi {

void TcpProxy::settle(Instant now, uint32_t slot, Fate fate) {
  Connection& c = room_.connections[slot];
  switch (fate) {
    case Fate::kLives:
      finish_if_done(now, slot);
      return;
    case Fate::kReset:
      if (!c.detached) send_reset(room_, c);
      break;
    case Fate::kAbandoned:
      break;
  }
  if (c.socket != nullptr) c.socket->abort();
  remove(slot);
}

// Both FINs acknowledged on the guest's side: the tuple is free, or waits in TIME-WAIT; the connection
// goes on without it while the host has bytes to take.
void TcpProxy::finish_if_done(Instant now, uint32_t slot) {
  Connection& c = room_.connections[slot];
  const bool guest_done = c.opening == Opening::kDone && !c.detached &&
                          c.down.state == DownlinkState::kFinAcked &&
                          c.up.state >= UplinkState::kFinReceived;
  room_.trace_state(c);
  if (guest_done) {
    if (c.up.ack_now) send_ack(room_, c);  // of the FIN; if lost, TIME-WAIT answers the next one
    index_.erase(c.key());
    if (!c.guest_closed_first) enter_time_wait(now, c);
    c.detached = true;
    c.up.ack_now = false;
    c.up.ack_deadline = kNever;
    c.linger_deadline = now + room_.config.linger;
  }
  if (c.detached && c.up.state == UplinkState::kClosed) {
    remove(slot);  // destroys the socket: all was consumed, and both directions ended
    return;
  }
  room_.arm(c);
}

void TcpProxy::enter_time_wait(Instant now, const Connection& c) {
  if (time_wait_.full()) {
    const uint32_t oldest = time_wait_.oldest();
    index_.erase(time_wait_[oldest].key);
    time_wait_.erase(oldest);
    room_.context.counters.increment(Counter::kTcpTimeWaitEvicted);
  }
  const FlowKey key = c.key();
  const uint32_t slot =
      time_wait_.insert({key, c.down.max, c.receive_next(), now + room_.config.time_wait});
  index_.insert(key, slot | kTimeWaitBit);
}

void TcpProxy::remove(uint32_t slot) {
  Connection& c = room_.connections[slot];
  if (c.opening == Opening::kConnecting && connects_pending_ > 0) --connects_pending_;
  if (!c.detached) index_.erase(c.key());
  room_.trace(TraceEvent::Kind::kFlowClosed, c, static_cast<uint32_t>(state_of(c)), 0, 0);
  room_.context.counters.increment(Counter::kTcpClosed);
  room_.ready.clear(slot);
  room_.timers.clear(slot);
  room_.connections.erase(slot);
}

void TcpProxy::connect_failed(Instant now, Connection& c, const NetError& error) {
  const uint32_t slot = c.id.slot;
  if (c.opening != Opening::kConnecting) return;
  room_.context.counters.increment(Counter::kTcpConnectFailed);
  const FlowKey key = c.key();
  answer_failure(now, key, c.irs, error);
  if (failures_.full()) {
    const uint32_t oldest = failures_.oldest();
    failure_index_.erase(failures_[oldest].key);
    failures_.erase(oldest);
  }
  NetError remembered = error;
  remembered.quoted = {};  // borrowed
  if (failure_index_.find(key) == FlowIndex<FlowKey>::kNone) {
    failure_index_.insert(key,
                          failures_.insert({key, remembered, now + room_.config.failure_memory}));
  }
  remove(slot);
}

namespace {

struct Quote {
  std::array<uint8_t, 48> raw{};
  size_t size = 0;
};

// The guest's SYN as far as an ICMP error quotes it: the IP header and eight bytes (RFC 792).
Quote quote_syn(const Endpoint& guest, const Endpoint& remote, SeqNum syn) {
  Quote quote;
  size_t at = 0;
  if (guest.address.is_v4()) {
    Ipv4Header ip;
    ip.total_length = sizeof(Ipv4Header) + sizeof(TcpHeader);
    ip.fragment = kIpv4DontFragment;
    ip.ttl = 64;
    ip.protocol = static_cast<uint8_t>(IpProtocol::kTcp);
    ip.source = guest.address.v4();
    ip.destination = remote.address.v4();
    store(quote.raw, ip);
    Checksum sum;
    sum.add(Bytes(quote.raw).first(sizeof(Ipv4Header)));
    ip.checksum = sum.value();
    store(quote.raw, ip);
    at = sizeof(Ipv4Header);
  } else {
    Ipv6Header ip;
    ip.payload_length = sizeof(TcpHeader);
    ip.next_header = static_cast<uint8_t>(IpProtocol::kTcp);
    ip.hop_limit = 64;
    ip.source = guest.address.v6();
    ip.destination = remote.address.v6();
    store(quote.raw, ip);
    at = sizeof(Ipv6Header);
  }
  const MutableBytes tcp = MutableBytes(quote.raw).subspan(at);
  store(tcp, Be16(guest.port.number));
  store(tcp.subspan(2), Be16(remote.port.number));
  store(tcp.subspan(4), Be32(syn.raw()));
  quote.size = at + 8;
  return quote;
}

Endpoint endpoint_of(const Ipv6Address& raw, uint16_t port, Family family) {
  if (family == Family::kIpv6) return {raw, {port}};
  return {Ipv4Address{{raw.bytes[12], raw.bytes[13], raw.bytes[14], raw.bytes[15]}}, {port}};
}

std::optional<IcmpReport> report_for(SocketError error) {
  switch (error) {
    case SocketError::kNetworkUnreachable:
      return IcmpReport::kNetworkUnreachable;
    case SocketError::kHostUnreachable:
    case SocketError::kAddressNotAvailable:
    case SocketError::kTimedOut:
      return IcmpReport::kHostUnreachable;
    case SocketError::kTtlExceeded:
      return IcmpReport::kTimeExceeded;
    case SocketError::kAccessDenied:
      return IcmpReport::kAdminProhibited;
    default:
      return std::nullopt;
  }
}

}  // namespace

// The table of how a connect fails: refused and our own limits are a RST; what the network reported is
// relayed as it was reported; the rest is the ICMP error that says the same.
void TcpProxy::answer_failure(Instant now, const FlowKey& key, SeqNum syn, const NetError& error) {
  const Endpoint guest = endpoint_of(key.guest_address, key.guest_port, key.family);
  const Endpoint remote = endpoint_of(key.remote_address, key.remote_port, key.family);
  const std::optional<IcmpReport> report = report_for(error.error);
  if (!report.has_value()) {
    if (room_.resets.allow(now)) {
      refuse_syn(room_, guest, remote, syn);
    } else {
      room_.context.counters.increment(Counter::kTcpResetsLimited);
    }
    return;
  }
  const Quote quote = quote_syn(guest, remote, syn);
  const Bytes quoted = Bytes(quote.raw).first(quote.size);
  if (error.icmp_type != 0 && !error.reporter.is_unspecified()) {
    icmp_errors_.relay_raw(now, error.icmp_type, error.icmp_code, error.mtu, error.reporter,
                           guest.address, quoted);
  } else {
    icmp_errors_.relay(now, *report, {}, guest.address, quoted, 0);
  }
}

void TcpProxy::restart_link(Instant now) {
  (void)now;
  SlotMap<Connection>& connections = room_.connections;
  for (uint32_t slot = connections.next(0); slot != SlotBitmap::kNone;
       slot = connections.next(slot + 1)) {
    if (connections[slot].socket != nullptr) connections[slot].socket->abort();
    remove(slot);
  }
  while (time_wait_.size() != 0) {
    const uint32_t slot = time_wait_.oldest();
    index_.erase(time_wait_[slot].key);
    time_wait_.erase(slot);
  }
  while (failures_.size() != 0) {
    const uint32_t slot = failures_.oldest();
    failure_index_.erase(failures_[slot].key);
    failures_.erase(slot);
  }
  room_.link_blocked = false;
}

}  // namespace dashi
