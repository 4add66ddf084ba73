#include "sim/sim_sockets.hh"

#include "sim/sim_socket_handles.hh"

namespace dashi {

namespace {

constexpr uint32_t kSocketsMax = 1u << 16;

Endpoint wildcard(const Endpoint& at) {
  return {at.address.is_v4() ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{}), at.port};
}

}  // namespace

SimSockets::SimSockets(SimNet& net, const SocketFaults& faults, uint64_t seed, FaultPlan* plan)
    : net_(net), faults_(faults, Prng(seed, "socket-calls", 0), plan), sockets_(kSocketsMax) {}

SimSockets::~SimSockets() = default;

// --- Events ---

// Readiness is announced once until the driver has taken the event.
void SimSockets::announce(uint32_t slot, SocketEvent::Kind kind, const NetError& error) {
  HostSocket& socket = sockets_[slot];
  const bool readiness = kind == SocketEvent::Kind::kReadable ||
                         kind == SocketEvent::Kind::kWritable ||
                         kind == SocketEvent::Kind::kAcceptable;
  if (readiness) {
    bool& announced = socket.announced[static_cast<size_t>(kind)];
    if (announced) return;
    announced = true;
  }
  Events& own = events_of(socket.id);
  const bool first = own.events.empty();
  own.events.push_back({SocketEvent{socket.id, kind, error}, slot, sockets_.generation(slot)});
  if (first && own.wake) own.wake();
}

void SimSockets::announce_later(uint32_t slot, SocketEvent::Kind kind, Duration after) {
  const uint32_t generation = sockets_.generation(slot);
  net_.queue().schedule_after(after, [this, slot, generation, kind] {
    if (sockets_.contains(slot, generation)) announce(slot, kind, NetError{});
  });
}

void SimSockets::take(Events& from, std::vector<SocketEvent>& into, size_t most) {
  from.delivered_quoted.clear();
  for (; most != 0 && !from.events.empty(); --most) {
    const Pending pending = from.events.front();
    from.events.pop_front();
    SocketEvent event = pending.event;
    if (!event.error.quoted.empty()) {
      from.delivered_quoted.push_back(std::move(from.quoted.front()));
      from.quoted.pop_front();
      event.error.quoted = from.delivered_quoted.back();
    }
    if (sockets_.contains(pending.slot, pending.generation)) {
      sockets_[pending.slot].announced[static_cast<size_t>(event.kind)] = false;
    }
    into.push_back(event);
  }
}

void SimSockets::observe(uint32_t slot, SocketCall call, bool ok, uint64_t value, Bytes bytes) {
  if (observer_) observer_(ObservedCall{sockets_[slot].id, call, ok, value, bytes});
}

// --- The table ---

Result<uint32_t, SocketError> SimSockets::open(Kind kind, FlowId id, const CallFate& fate) {
  if (fate.too_many_sockets || sockets_.size() >= net_.spec().open_files) {
    return SocketError::kTooManySockets;
  }
  if (fate.no_buffers) return SocketError::kNoBuffers;
  const uint32_t slot = sockets_.emplace();
  if (slot == kNone) return SocketError::kTooManySockets;
  sockets_[slot].kind = kind;
  sockets_[slot].id = id;
  ++counts_.opened;
  return slot;
}

void SimSockets::let_go(uint32_t slot) {
  if (handing_over_) {
    sockets_[slot].held = false;
  } else {
    close(slot);
  }
}

void SimSockets::close(uint32_t slot) {
  HostSocket& socket = sockets_[slot];
  observe(slot, SocketCall::kClose, true, 0, Bytes{});
  switch (socket.kind) {
    case Kind::kStream: {
      SimConnection* connection = net_.find(socket.connection);
      if (connection == nullptr) break;
      const SimStreamEnd& end = connection->end(Side::kHere);
      const bool unread = connection->read_by(Side::kHere).readable() != 0;
      if (unread && end.connected && !end.error.has_value()) ++counts_.closed_over_unread;
      connection->end(Side::kHere).owner = kNone;
      net_.release(socket.connection, Side::kHere);
      break;
    }
    case Kind::kListener:
      listeners_.erase(socket.local);
      for (const ConnectionId waiting : socket.waiting) {
        net_.abort(waiting, Side::kHere);
        net_.release(waiting, Side::kHere);
      }
      break;
    case Kind::kDatagram:
      datagram_sockets_.erase(socket.local);
      break;
    case Kind::kEcho:
      break;
  }
  ++counts_.closed;
  sockets_.erase(slot);
}

uint32_t SimSockets::find_held_out(Kind kind, FlowId id) {
  for (uint32_t slot = sockets_.next(0); slot != kNone; slot = sockets_.next(slot + 1)) {
    HostSocket& socket = sockets_[slot];
    if (socket.held || socket.kind != kind || socket.id != id) continue;
    socket.held = true;
    return slot;
  }
  return kNone;
}

size_t SimSockets::end_handover() {
  handing_over_ = false;
  size_t orphans = 0;
  for (uint32_t slot = sockets_.next(0); slot != kNone; slot = sockets_.next(slot + 1)) {
    if (sockets_[slot].held) continue;
    ++orphans;
    close(slot);
  }
  return orphans;
}

std::unique_ptr<StreamSocket> SimSockets::adopt_stream(FlowId id) {
  const uint32_t slot = find_held_out(Kind::kStream, id);
  if (slot == kNone) return nullptr;
  return std::make_unique<StreamHandle>(*this, slot);
}

std::unique_ptr<Listener> SimSockets::adopt_listener(FlowId id) {
  const uint32_t slot = find_held_out(Kind::kListener, id);
  if (slot == kNone) return nullptr;
  return std::make_unique<ListenerHandle>(*this, slot);
}

std::unique_ptr<DatagramSocket> SimSockets::adopt_datagram(FlowId id) {
  const uint32_t slot = find_held_out(Kind::kDatagram, id);
  if (slot == kNone) return nullptr;
  return std::make_unique<DatagramHandle>(*this, slot);
}

std::unique_ptr<EchoSocket> SimSockets::adopt_echo(FlowId id) {
  const uint32_t slot = find_held_out(Kind::kEcho, id);
  if (slot == kNone) return nullptr;
  return std::make_unique<EchoHandle>(*this, slot);
}

// --- What the net tells ---

uint32_t SimSockets::bound_at(const std::map<Endpoint, uint32_t>& bound, const Endpoint& at) {
  auto found = bound.find(at);
  if (found == bound.end()) found = bound.find(wildcard(at));
  return found == bound.end() ? kNone : found->second;
}

uint32_t SimSockets::listener_at(const Endpoint& at) const { return bound_at(listeners_, at); }

uint32_t SimSockets::datagram_socket_at(const Endpoint& at) const {
  return bound_at(datagram_sockets_, at);
}

bool SimSockets::has_datagram_socket(const Endpoint& at) const {
  return datagram_socket_at(at) != kNone;
}

SimSockets::Offer SimSockets::offer_connection(ConnectionId id, const Endpoint& to) {
  const uint32_t slot = listener_at(to);
  if (slot == kNone) return Offer::kNobody;
  HostSocket& listener = sockets_[slot];
  if (listener.waiting.size() >= net_.spec().listen_backlog) return Offer::kFull;
  listener.waiting.push_back(id);
  announce(slot, SocketEvent::Kind::kAcceptable, NetError{});
  return Offer::kQueued;
}

void SimSockets::on_stream(ConnectionId id, StreamNotice notice, const NetError& error) {
  const uint32_t slot = net_.find(id)->end(Side::kHere).owner;
  if (slot == kNone) return;  // not accepted yet: told after accept
  switch (notice) {
    case StreamNotice::kConnected:
      announce(slot, SocketEvent::Kind::kConnected, NetError{});
      return;
    case StreamNotice::kConnectFailed:
      announce(slot, SocketEvent::Kind::kConnectFailed, error);
      return;
    case StreamNotice::kReadable:
    case StreamNotice::kReset:
      announce(slot, SocketEvent::Kind::kReadable, NetError{});
      return;
    case StreamNotice::kWritable:
      announce(slot, SocketEvent::Kind::kWritable, NetError{});
      return;
  }
}

void SimSockets::on_datagram(SimDatagram& datagram) {
  uint32_t slot = kNone;
  if (datagram.kind == SimDatagram::Kind::kEchoReply) {
    if (sockets_.contains(datagram.socket, datagram.socket_generation)) slot = datagram.socket;
  } else {
    slot = datagram_socket_at(datagram.to);
  }
  if (slot == kNone) return;
  HostSocket& socket = sockets_[slot];
  const size_t cost = datagram.payload.size() + 256;  // a kernel counts its own bookkeeping too
  if (socket.received_bytes + cost > net_.spec().datagram_queue) return;
  socket.received_bytes += cost;
  socket.received.push_back(std::move(datagram));
  announce(slot, SocketEvent::Kind::kReadable, NetError{});
}

void SimSockets::on_net_error(const SimDatagram& datagram) {
  if (!sockets_.contains(datagram.socket, datagram.socket_generation)) return;
  NetError error = datagram.error;
  if (!datagram.payload.empty()) {
    auto& quoted = events_of(sockets_[datagram.socket].id).quoted;
    quoted.push_back(datagram.payload);
    error.quoted = quoted.back();
  }
  announce(datagram.socket, SocketEvent::Kind::kNetError, error);
}

}  // namespace dashi
