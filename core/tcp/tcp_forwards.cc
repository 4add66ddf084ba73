// Forwarded ports: host listeners whose connections lead to the guest. Part of TcpProxy.
#include <algorithm>

#include "core/tcp/handshake.hh"
#include "core/tcp/tcp_proxy.hh"

namespace dashi {
namespace {

constexpr Duration kAcceptRetry = 100ms;  // after the host ran out of descriptors or memory

}  // namespace

Result<Endpoint, SocketError> TcpProxy::add_forward(const Endpoint& host,
                                                    const std::optional<IpAddress>& guest,
                                                    Port guest_port) {
  for (uint32_t i = forwards_.next(0); i != SlotBitmap::kNone; i = forwards_.next(i + 1)) {
    if (host.port.number != 0 && forwards_[i].host == host) return SocketError::kAddressInUse;
  }
  const uint32_t slot = forwards_.emplace();
  if (slot == SlotBitmap::kNone) return SocketError::kTooManySockets;
  const FlowId id{FlowKind::kTcpForward, slot, forwards_.generation(slot)};
  auto listener = room_.context.env.sockets.listen(host, id);
  if (!listener) {
    forwards_.erase(slot);
    return listener.error();
  }
  TcpForward& forward = forwards_[slot];
  forward.listener = std::move(*listener);
  forward.host = forward.listener->local();
  forward.guest = guest;
  forward.guest_port = guest_port;
  return forward.host;
}

Result<Done, SocketError> TcpProxy::remove_forward(const Endpoint& host) {
  for (uint32_t i = forwards_.next(0); i != SlotBitmap::kNone; i = forwards_.next(i + 1)) {
    if (forwards_[i].host != host) continue;
    acceptable_.clear(i);
    accept_retries_.clear(i);
    forwards_.erase(i);
    return Done{};
  }
  return SocketError::kAddressNotAvailable;
}

// Peers the guest has not answered hold places in the table for as long as it is silent, and anybody can
// be one: of them the table takes a few, so that the guest's own connections find room.
bool TcpProxy::may_accept() const {
  const Limits& limits = room_.context.limits;
  const uint32_t share = std::max(limits.tcp_connections / 2, 1u);
  return accepts_pending_ < std::min(limits.tcp_accepts_pending, share) &&
         !room_.connections.full();
}

void TcpProxy::retry_accepts(Instant now) {
  for (uint32_t slot = accept_retries_.pop_due(now); slot != Timers::kNone;
       slot = accept_retries_.pop_due(now)) {
    room_.trace_fired({FlowKind::kTcpForward, slot, forwards_.generation(slot)},
                      TcpTimer::kAcceptRetry);
    if (forwards_.contains(slot)) acceptable_.set(slot);
  }
  accept_waiting(now);
}

// Edges said there are peers: takes them until there are none or no room, the forwards in turn. The
// host's backlog holds the others meanwhile.
void TcpProxy::accept_waiting(Instant now) {
  while (!acceptable_.empty() && may_accept()) {
    uint32_t slot = acceptable_.next_set(accept_cursor_);
    if (slot == SlotBitmap::kNone) slot = acceptable_.next_set(0);
    accept_cursor_ = slot + 1;
    accept_next(now, slot);
  }
}

void TcpProxy::accept_next(Instant now, uint32_t forward_slot) {
  TcpForward& forward = forwards_[forward_slot];
  accept_retries_.clear(forward_slot);
  const Limits& limits = room_.context.limits;
  const uint32_t slot =
      room_.connections.emplace(FlowId{}, Endpoint{}, Endpoint{}, room_.config, room_.pool,
                                limits.tcp_uplink_bytes_each, limits.tcp_reassembly_gaps);
  const FlowId id{FlowKind::kTcp, slot, room_.connections.generation(slot)};
  auto result = forward.listener->accept(id);
  if (result) {
    accepted(now, forward, slot, std::move(*result));
    return;
  }
  room_.connections.erase(slot);
  acceptable_.clear(forward_slot);
  if (result.error() == SocketError::kWouldBlock) return;
  accept_retries_.arm(forward_slot, now + kAcceptRetry);
}

void TcpProxy::accepted(Instant now, const TcpForward& forward, uint32_t slot, Accepted accepted) {
  const FlowId id{FlowKind::kTcp, slot, room_.connections.generation(slot)};
  std::optional<IpAddress> guest = forward.guest;
  if (!guest.has_value() && accepted.local.address.is_v4()) {
    guest = room_.context.topology.guest_v4;
  } else if (!guest.has_value()) {
    const auto v6 = room_.context.guest.forward_target_v6();
    if (v6.has_value()) guest = *v6;
  }
  const Endpoint to{guest.value_or(IpAddress{}), forward.guest_port};
  const std::optional<Endpoint> from =
      guest.has_value() ? source_for(accepted.remote, to) : std::nullopt;
  if (!from.has_value()) {  // no such guest yet, or no free tuple
    accepted.socket->abort();
    room_.context.counters.increment(Counter::kTcpLimit);
    room_.connections.erase(slot);
    return;
  }
  Connection& c = room_.connections[slot];
  c.id = id;
  c.guest = to;
  c.remote = *from;
  c.socket = std::move(accepted.socket);
  c.last_heard = now;
  choose_numbers(isn_secret_, room_.config.initial_sequence_bits, now, c);
  index_.insert(c.key(), slot);
  room_.context.counters.increment(Counter::kTcpAccepted);
  room_.trace_opened(c.id, TcpOrigin::kForward);
  host_accepted(room_, now, c);
  ++accepts_pending_;
  room_.trace_state(c);
  room_.arm(c);
}

// Who the guest sees: the peer itself, unless its address means something else on the guest's link;
// then the gateway, under the peer's port or the next free one, for this one flow.
std::optional<Endpoint> TcpProxy::source_for(const Endpoint& peer, const Endpoint& guest) const {
  const Topology& topology = room_.context.topology;
  const bool foreign = peer.address.family() == guest.address.family() &&
                       policy_.resolve(peer.address).verdict == Destination::Verdict::kForward;
  Endpoint from = peer;
  if (!foreign) {
    from.address =
        guest.address.is_v4() ? IpAddress(topology.gateway_v4) : IpAddress(topology.gateway_v6());
  }
  constexpr uint32_t kTries = 4096;
  for (uint32_t i = 0; i < kTries; ++i) {
    const uint32_t found = index_.find(flow_key(guest, from));
    if (found == FlowIndex<FlowKey>::kNone) return from;
    if (foreign) return std::nullopt;  // the peer reuses its tuple before the guest forgot it
    from.port.number = from.port.number < 1024 || from.port.number == 65535
                           ? uint16_t{1024}
                           : static_cast<uint16_t>(from.port.number + 1);
  }
  return std::nullopt;
}

}  // namespace dashi
