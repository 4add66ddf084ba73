// The half of SimSockets that is called: what the NAT does with its sockets.
#include "sim/sim_socket_handles.hh"

namespace dashi {

namespace {

constexpr size_t kDatagramMax = 65507;

size_t total_of(std::span<const Bytes> parts) {
  size_t total = 0;
  for (const Bytes part : parts) total += part.size();
  return total;
}

}  // namespace

// --- Opening ---

Result<Endpoint, SocketError> SimSockets::bind(std::map<Endpoint, uint32_t>& bound,
                                               const Endpoint& local) {
  const IpAddress& address = local.address;
  const bool ours = address.is_unspecified() || net_.host_of(address) == SimNet::kHereHost;
  if (!ours) return SocketError::kAddressNotAvailable;
  if (local.port.number != 0) {
    if (bound_at(bound, local) != kNone) return SocketError::kAddressInUse;
    return local;
  }
  for (int tries = 0; tries < 30000; ++tries) {
    const Endpoint candidate{address, net_.fresh_port()};
    if (bound_at(bound, candidate) == kNone) return candidate;
  }
  return SocketError::kAddressInUse;
}

Result<std::unique_ptr<StreamSocket>, SocketError> SimSockets::connect(
    const Endpoint& remote, const ConnectOptions& options, FlowId id) {
  const CallFate fate = faults_.next(SocketCall::kConnect, 0);
  const IpAddress* source = net_.source_for(remote.address);
  if (source == nullptr) return SocketError::kNetworkUnreachable;
  const auto opened = open(Kind::kStream, id, fate);
  if (!opened.ok()) return opened.error();
  const uint32_t slot = *opened;
  HostSocket& socket = sockets_[slot];
  socket.local = {options.source.is_unspecified() ? *source : options.source, net_.fresh_port()};
  socket.connection = net_.connect(socket.local, remote, options.ttl, fate.connect_late);
  net_.find(socket.connection)->end(Side::kHere).owner = slot;
  if (fate.connect_fails.has_value()) {
    const ConnectionId connection = socket.connection;
    const SocketError error = *fate.connect_fails;
    net_.queue().schedule_after(
        fate.connect_late, [this, connection, error] { net_.fail_connect(connection, error); });
  }
  observe(slot, SocketCall::kConnect, true, remote.port.number, remote.address.bytes());
  return std::unique_ptr<StreamSocket>(std::make_unique<StreamHandle>(*this, slot));
}

Result<std::unique_ptr<Listener>, SocketError> SimSockets::listen(const Endpoint& local,
                                                                  FlowId id) {
  const CallFate fate = faults_.next(SocketCall::kListen, 0);
  const auto bound = bind(listeners_, local);
  if (!bound.ok()) return bound.error();
  const auto opened = open(Kind::kListener, id, fate);
  if (!opened.ok()) return opened.error();
  sockets_[*opened].local = *bound;
  listeners_.emplace(*bound, *opened);
  observe(*opened, SocketCall::kListen, true, bound->port.number, Bytes{});
  return std::unique_ptr<Listener>(std::make_unique<ListenerHandle>(*this, *opened));
}

Result<std::unique_ptr<DatagramSocket>, SocketError> SimSockets::open_datagram(
    const Endpoint& local, FlowId id) {
  const CallFate fate = faults_.next(SocketCall::kOpenDatagram, 0);
  const auto bound = bind(datagram_sockets_, local);
  if (!bound.ok()) return bound.error();
  const auto opened = open(Kind::kDatagram, id, fate);
  if (!opened.ok()) return opened.error();
  sockets_[*opened].local = *bound;
  datagram_sockets_.emplace(*bound, *opened);
  observe(*opened, SocketCall::kOpenDatagram, true, bound->port.number, Bytes{});
  return std::unique_ptr<DatagramSocket>(std::make_unique<DatagramHandle>(*this, *opened));
}

Result<std::unique_ptr<EchoSocket>, SocketError> SimSockets::open_echo(Family family, FlowId id) {
  const CallFate fate = faults_.next(SocketCall::kOpenEcho, 0);
  const auto opened = open(Kind::kEcho, id, fate);
  if (!opened.ok()) return opened.error();
  sockets_[*opened].family = family;
  observe(*opened, SocketCall::kOpenEcho, true, static_cast<uint64_t>(family), Bytes{});
  return std::unique_ptr<EchoSocket>(std::make_unique<EchoHandle>(*this, *opened));
}

// --- Streams ---

// A call that a fault makes seem premature: the edge follows.
SocketError SimSockets::block(uint32_t slot, SocketCall call, SocketEvent::Kind edge,
                              Duration until) {
  announce_later(slot, edge, until);
  observe(slot, call, false, static_cast<uint64_t>(SocketError::kWouldBlock), Bytes{});
  return SocketError::kWouldBlock;
}

std::optional<SocketError> SimSockets::stream_error(uint32_t slot) {
  const SimConnection* connection = net_.find(sockets_[slot].connection);
  DASHI_CHECK(connection != nullptr);  // a held end keeps its connection
  return connection->ends[static_cast<size_t>(Side::kHere)].error;
}

Result<Peeked, SocketError> SimSockets::peek(uint32_t slot, size_t offset,
                                             std::span<const MutableBytes> into) {
  HostSocket& socket = sockets_[slot];
  // What was peeked before is there, so only new bytes may seem not to be.
  const bool looks_further = offset >= socket.peeked;
  const CallFate fate = faults_.next(SocketCall::kPeek, 0);
  if (fate.reset && !net_.find(socket.connection)->pending) {
    net_.fail(socket.connection, SocketError::kReset);
  }
  if (const auto error = stream_error(slot)) {
    observe(slot, SocketCall::kPeek, false, static_cast<uint64_t>(*error), Bytes{});
    return *error;
  }
  if (fate.would_block.has_value() && looks_further) {
    return block(slot, SocketCall::kPeek, SocketEvent::Kind::kReadable, *fate.would_block);
  }
  const StreamPipe& pipe = net_.find(socket.connection)->read_by(Side::kHere);
  Peeked peeked;
  for (const MutableBytes area : into) {
    const size_t n = pipe.peek(offset + peeked.bytes, area);
    peeked.bytes += n;
    if (n < area.size()) break;
  }
  const size_t end = offset + peeked.bytes;
  peeked.eof = pipe.fin_arrived() && end >= pipe.readable();
  if (!peeked.eof && offset >= pipe.readable()) return SocketError::kWouldBlock;
  socket.peeked = std::max<uint64_t>(socket.peeked, std::min(end, pipe.readable()));
  observe(slot, SocketCall::kPeek, true, peeked.bytes << 1 | (peeked.eof ? 1 : 0), Bytes{});
  return peeked;
}

void SimSockets::consume(uint32_t slot, size_t n) {
  HostSocket& socket = sockets_[slot];
  if (counts_as_tcp(socket.id)) counts_.tcp_consumed += n;
  if (stream_error(slot).has_value()) return;
  DASHI_CHECK(n <= socket.peeked);
  socket.peeked -= n;
  net_.consume(socket.connection, Side::kHere, n);
  observe(slot, SocketCall::kConsume, true, n, Bytes{});
}

Result<size_t, SocketError> SimSockets::write_into(HostSocket& socket, std::span<const Bytes> from,
                                                   size_t most) {
  size_t taken = 0;
  for (const Bytes bytes : from) {
    const Bytes part = bytes.first(std::min(bytes.size(), most - taken));
    if (part.empty()) continue;
    const size_t n = net_.write(socket.connection, Side::kHere, {&part, 1});
    taken += n;
    if (n < part.size()) break;
  }
  if (taken == 0 && most != 0) return SocketError::kWouldBlock;
  return taken;
}

Result<size_t, SocketError> SimSockets::write(uint32_t slot, std::span<const Bytes> from) {
  HostSocket& socket = sockets_[slot];
  const size_t total = total_of(from);
  const CallFate fate = faults_.next(SocketCall::kWrite, total);
  if (fate.reset && !net_.find(socket.connection)->pending) {
    net_.fail(socket.connection, SocketError::kReset);
  }
  if (const auto error = stream_error(slot)) {
    observe(slot, SocketCall::kWrite, false, static_cast<uint64_t>(*error), Bytes{});
    return *error;
  }
  if (socket.write_closed) return SocketError::kClosed;
  SimStreamEnd& end = net_.find(socket.connection)->end(Side::kHere);
  if (!end.connected) return SocketError::kWouldBlock;  // kConnected says when
  if (fate.would_block.has_value()) {
    return block(slot, SocketCall::kWrite, SocketEvent::Kind::kWritable, *fate.would_block);
  }
  size_t most = total;
  if (fate.short_write.has_value() && *fate.short_write < total) {
    most = *fate.short_write;
    announce_later(slot, SocketEvent::Kind::kWritable, 1us);
  }
  const auto taken = write_into(socket, from, most);
  if (taken.ok() && counts_as_tcp(socket.id)) counts_.tcp_written += *taken;
  const bool whole = taken.ok() && from.size() == 1;
  observe(slot, SocketCall::kWrite, taken.ok(),
          taken.ok() ? *taken : static_cast<uint64_t>(taken.error()),
          whole ? from[0].first(*taken) : Bytes{});
  return taken;
}

void SimSockets::shutdown_write(uint32_t slot) {
  sockets_[slot].write_closed = true;
  net_.finish(sockets_[slot].connection, Side::kHere);
  observe(slot, SocketCall::kShutdownWrite, true, 0, Bytes{});
}

void SimSockets::abort(uint32_t slot) {
  net_.abort(sockets_[slot].connection, Side::kHere);
  observe(slot, SocketCall::kAbort, true, 0, Bytes{});
}

HostTcpInfo SimSockets::info(uint32_t slot) const {
  HostTcpInfo info;
  SimConnection* connection = net_.find(sockets_[slot].connection);
  if (connection == nullptr) return info;
  const StreamPipe& pipe = connection->written_by(Side::kHere);
  info.rtt_ns = static_cast<uint64_t>(2 * net_.path_delay(connection->host).count());
  info.cwnd_bytes = net_.spec().send_buffer;
  info.unsent_bytes = pipe.written() - pipe.sent();
  info.unacked_bytes = pipe.sent() - std::min(pipe.sent(), pipe.acked());
  return info;
}

// --- Listeners ---

Result<Accepted, SocketError> SimSockets::accept(uint32_t slot, FlowId id) {
  const CallFate fate = faults_.next(SocketCall::kAccept, 0);
  if (fate.would_block.has_value()) {
    return block(slot, SocketCall::kAccept, SocketEvent::Kind::kAcceptable, *fate.would_block);
  }
  if (sockets_[slot].waiting.empty()) return SocketError::kWouldBlock;
  const auto opened = open(Kind::kStream, id, fate);
  if (!opened.ok()) return opened.error();
  HostSocket& listener = sockets_[slot];
  const ConnectionId connection_id = listener.waiting.front();
  listener.waiting.pop_front();
  HostSocket& socket = sockets_[*opened];
  socket.connection = connection_id;
  SimConnection* connection = net_.find(connection_id);
  SimStreamEnd& end = connection->end(Side::kHere);
  end.owner = *opened;
  socket.local = end.address;
  const StreamPipe& pipe = connection->read_by(Side::kHere);
  if (pipe.readable() != 0 || pipe.fin_arrived() || end.error.has_value()) {
    announce(*opened, SocketEvent::Kind::kReadable, NetError{});
  }
  Accepted accepted;
  accepted.socket = std::make_unique<StreamHandle>(*this, *opened);
  accepted.remote = connection->end(Side::kThere).address;
  accepted.local = socket.local;
  observe(*opened, SocketCall::kAccept, true, accepted.remote.port.number, Bytes{});
  return accepted;
}

// --- Datagrams ---

std::optional<SocketError> SimSockets::send_one(uint32_t slot, const OutDatagram& out) {
  const HostSocket& socket = sockets_[slot];
  const size_t piece = out.segment_size == 0 ? out.payload.size() : out.segment_size;
  if (piece > kDatagramMax || out.payload.size() > 65535) {
    SimDatagram refused;
    refused.socket = slot;
    refused.socket_generation = sockets_.generation(slot);
    refused.error.error = SocketError::kMessageTooLong;
    refused.error.original_remote = out.remote;
    const Bytes quoted = out.payload.first(std::min<size_t>(out.payload.size(), 512));
    refused.payload.assign(quoted.begin(), quoted.end());
    on_net_error(refused);
    return SocketError::kMessageTooLong;
  }
  const IpAddress* source = net_.source_for(out.remote.address);
  if (source == nullptr) return SocketError::kNetworkUnreachable;
  IpAddress from = out.local;
  if (from.is_unspecified()) from = socket.local.address;
  if (from.is_unspecified()) from = *source;
  size_t at = 0;
  do {
    const size_t n = std::min(piece, out.payload.size() - at);
    SimDatagram datagram = net_.fresh_datagram();
    datagram.from = {from, socket.local.port};
    datagram.to = out.remote;
    datagram.socket = slot;
    datagram.socket_generation = sockets_.generation(slot);
    datagram.ttl = out.ttl;
    datagram.tos = out.tos;
    datagram.dont_fragment = out.dont_fragment;
    const Bytes bytes = out.payload.subspan(at, n);
    datagram.payload.assign(bytes.begin(), bytes.end());
    net_.send_from_here(std::move(datagram));
    at += n;
  } while (at < out.payload.size());
  observe(slot, SocketCall::kSend, true, out.remote.port.number, out.payload);
  return std::nullopt;
}

Result<size_t, SocketError> SimSockets::send(uint32_t slot,
                                             std::span<const OutDatagram> datagrams) {
  const CallFate fate = faults_.next(SocketCall::kSend, 0);
  if (fate.no_buffers) return SocketError::kNoBuffers;
  if (fate.would_block.has_value()) {
    return block(slot, SocketCall::kSend, SocketEvent::Kind::kWritable, *fate.would_block);
  }
  for (size_t i = 0; i < datagrams.size(); ++i) {
    if (const auto error = send_one(slot, datagrams[i])) {
      if (i == 0) return *error;
      return i;
    }
  }
  return datagrams.size();
}

Result<size_t, SocketError> SimSockets::receive(uint32_t slot, std::span<InDatagram> datagrams) {
  HostSocket& socket = sockets_[slot];
  const CallFate fate = faults_.next(SocketCall::kReceive, 0);
  if (fate.would_block.has_value()) {
    return block(slot, SocketCall::kReceive, SocketEvent::Kind::kReadable, *fate.would_block);
  }
  if (socket.received.empty()) return SocketError::kWouldBlock;
  size_t filled = 0;
  for (; filled < datagrams.size() && !socket.received.empty(); ++filled) {
    InDatagram& in = datagrams[filled];
    SimDatagram& datagram = socket.received.front();
    in.size = copy_bytes(in.buffer, datagram.payload);
    in.truncated = in.size < datagram.payload.size();
    in.segment_size = 0;
    in.remote = datagram.from;
    in.local = datagram.to;
    in.ttl = datagram.ttl;
    in.tos = datagram.tos;
    socket.received_bytes -= datagram.payload.size() + 256;
    net_.recycle(datagram);
    socket.received.pop_front();
  }
  observe(slot, SocketCall::kReceive, true, filled, Bytes{});
  return filled;
}

Result<size_t, SocketError> SimSockets::send_echoes(uint32_t slot,
                                                    std::span<const OutEcho> echoes) {
  const HostSocket& socket = sockets_[slot];
  const CallFate fate = faults_.next(SocketCall::kSend, 0);
  if (fate.no_buffers) return SocketError::kNoBuffers;
  if (fate.would_block.has_value()) {
    return block(slot, SocketCall::kSend, SocketEvent::Kind::kWritable, *fate.would_block);
  }
  for (size_t i = 0; i < echoes.size(); ++i) {
    const OutEcho& out = echoes[i];
    const IpAddress* source = net_.source_for(out.remote);
    if (source == nullptr || out.remote.family() != socket.family) {
      if (i == 0) return SocketError::kNetworkUnreachable;
      return i;
    }
    SimDatagram datagram = net_.fresh_datagram();
    datagram.kind = SimDatagram::Kind::kEchoRequest;
    datagram.from = {*source, Port{}};
    datagram.to = {out.remote, Port{}};
    datagram.socket = slot;
    datagram.socket_generation = sockets_.generation(slot);
    datagram.sequence = out.sequence;
    datagram.ttl = out.ttl;
    datagram.tos = out.tos;
    datagram.dont_fragment = out.dont_fragment;
    datagram.payload.assign(out.payload.begin(), out.payload.end());
    net_.send_from_here(std::move(datagram));
    observe(slot, SocketCall::kSend, true, out.sequence, out.payload);
  }
  return echoes.size();
}

Result<size_t, SocketError> SimSockets::receive_echoes(uint32_t slot, std::span<InEcho> echoes) {
  HostSocket& socket = sockets_[slot];
  const CallFate fate = faults_.next(SocketCall::kReceive, 0);
  if (fate.would_block.has_value()) {
    return block(slot, SocketCall::kReceive, SocketEvent::Kind::kReadable, *fate.would_block);
  }
  if (socket.received.empty()) return SocketError::kWouldBlock;
  size_t filled = 0;
  for (; filled < echoes.size() && !socket.received.empty(); ++filled) {
    InEcho& in = echoes[filled];
    SimDatagram& datagram = socket.received.front();
    in.size = copy_bytes(in.buffer, datagram.payload);
    in.truncated = in.size < datagram.payload.size();
    in.remote = datagram.from.address;
    in.sequence = datagram.sequence;
    in.ttl = datagram.ttl;
    in.tos = datagram.tos;
    socket.received_bytes -= datagram.payload.size() + 256;
    net_.recycle(datagram);
    socket.received.pop_front();
  }
  observe(slot, SocketCall::kReceive, true, filled, Bytes{});
  return filled;
}

}  // namespace dashi
