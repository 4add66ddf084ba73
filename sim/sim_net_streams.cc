// The half of SimNet that moves a connection's bytes and ends it.
#include "sim/sim_apps.hh"
#include "sim/sim_net.hh"
#include "sim/sim_sockets.hh"

namespace dashi {

namespace {

constexpr size_t kHeaderBytes = 54;  // what a chunk's headers cost on the path

}  // namespace

// --- Bytes ---

size_t SimNet::write(ConnectionId id, Side side, std::span<const Bytes> from) {
  SimConnection* connection = find(id);
  StreamPipe& pipe = connection->written_by(side);
  size_t taken = 0;
  bool fell_short = false;
  for (const Bytes bytes : from) {
    const size_t n = std::min(bytes.size(), pipe.room());
    pipe.write(bytes.first(n));
    taken += n;
    if (n < bytes.size()) {
      fell_short = true;
      break;
    }
  }
  if (fell_short) connection->end(side).wants_writable = true;
  if (taken != 0) show(side, {FarEndMove::Kind::kWrites, id, taken});
  pump(id, side);
  return taken;
}

void SimNet::pump(ConnectionId id, Side writer) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  const SimStreamEnd& end = connection->end(writer);
  if (!end.connected || end.error.has_value()) return;
  if (connection->in_order[static_cast<size_t>(writer)] == kNever) return;  // given up
  StreamPipe& pipe = connection->written_by(writer);
  // A chunk is what the path carries in a millisecond, so that connections share it.
  const uint64_t rate = path(connection->host).spec.rate_bps;
  const uint64_t chunk = rate == 0 ? 65536 : std::clamp<uint64_t>(rate / 8000, 1448, 65536);
  while (pipe.sendable() != 0 || pipe.fin_due()) {
    const auto n = static_cast<uint32_t>(std::min<uint64_t>(pipe.sendable(), chunk));
    const Arrival chunk_arrives = transit_in_order(*connection, writer, n + kHeaderBytes);
    if (chunk_arrives.given_up) {
      give_up(id, writer, chunk_arrives.at);
      return;
    }
    pipe.send(n);
    const bool fin = pipe.fin_due();
    if (fin) pipe.send_fin();
    queue_.schedule(chunk_arrives.at, [this, id, writer, n, fin] { arrive(id, writer, n, fin); });
  }
}

// The writer has tried in vain: its end times out. The other end, which sees nothing of it, waits on.
void SimNet::give_up(ConnectionId id, Side writer, Instant at) {
  queue_.schedule(at, [this, id, writer] { reset_arrives(id, writer, SocketError::kTimedOut); });
}

void SimNet::arrive(ConnectionId id, Side writer, uint32_t n, bool fin) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  const Side reader = other(writer);
  SimStreamEnd& end = connection->end(reader);
  if (end.error.has_value()) return;
  StreamPipe& pipe = connection->written_by(writer);
  pipe.arrive(n);
  if (fin) pipe.arrive_fin();
  if (end.released) {
    if (n != 0) {  // nobody will ever read it
      end.error = SocketError::kReset;
      send_reset(id, reader);
    }
    collect(id);
    return;
  }
  if (n != 0) {
    const uint64_t up_to = pipe.arrived();
    queue_.schedule_after(path(connection->host).spec.delay,
                          [this, id, writer, up_to] { acknowledge(id, writer, up_to); });
  }
  notify(id, reader, StreamNotice::kReadable, NetError{});
}

void SimNet::acknowledge(ConnectionId id, Side writer, uint64_t up_to) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  SimStreamEnd& end = connection->end(writer);
  StreamPipe& pipe = connection->written_by(writer);
  pipe.acknowledge(up_to);
  if (!end.wants_writable || end.released || end.error.has_value()) return;
  if (pipe.buffered() > pipe.room()) return;  // an edge a half, not one an ACK
  end.wants_writable = false;
  notify(id, writer, StreamNotice::kWritable, NetError{});
}

void SimNet::consume(ConnectionId id, Side side, size_t n) {
  SimConnection* connection = find(id);
  StreamPipe& pipe = connection->read_by(side);
  const bool blocked = pipe.blocked_by_reader();
  pipe.consume(n);
  show(side, {FarEndMove::Kind::kReads, id, n});
  if (!blocked || pipe.blocked_by_reader()) return;
  const Side writer = other(side);
  queue_.schedule_after(path(connection->host).spec.delay,
                        [this, id, writer] { pump(id, writer); });
}

// --- Ending ---

void SimNet::finish(ConnectionId id, Side side) {
  SimConnection* connection = find(id);
  if (connection == nullptr || connection->end(side).error.has_value()) return;
  show(side, {FarEndMove::Kind::kFinishes, id, 0});
  connection->written_by(side).finish();
  pump(id, side);
}

void SimNet::release(ConnectionId id, Side side) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  SimStreamEnd& end = connection->end(side);
  show(side, {FarEndMove::Kind::kLetsGo, id, 0});
  end.released = true;
  if (!end.error.has_value() && !end.connected) {
    // Given up while connecting; the other end may believe otherwise.
    end.error = SocketError::kReset;
    if (connection->end(other(side)).connected) send_reset(id, side);
  } else if (!end.error.has_value()) {
    if (connection->read_by(side).readable() != 0) {
      end.error = SocketError::kReset;  // RFC 9293 3.10.4, 2525 2.17: close over unread data resets
      send_reset(id, side);
    } else {
      finish(id, side);
    }
  }
  collect(id);
}

void SimNet::abort(ConnectionId id, Side side) {
  SimConnection* connection = find(id);
  if (connection == nullptr || connection->end(side).error.has_value()) return;
  show(side, {FarEndMove::Kind::kAborts, id, 0});
  connection->end(side).error = SocketError::kReset;
  if (connection->end(side).connected || connection->end(other(side)).connected) {
    send_reset(id, side);
  }
}

void SimNet::send_reset(ConnectionId id, Side from) {
  SimConnection& connection = *find(id);
  if (connection.in_order[static_cast<size_t>(from)] == kNever) return;  // lost like all before it
  const Arrival reset = transit_in_order(connection, from, kHeaderBytes);
  if (reset.given_up) return;
  queue_.schedule(reset.at,
                  [this, id, from] { reset_arrives(id, other(from), SocketError::kReset); });
}

void SimNet::reset_arrives(ConnectionId id, Side to, SocketError error) {
  SimConnection* connection = find(id);
  if (connection == nullptr || connection->end(to).error.has_value()) return;
  connection->end(to).error = error;
  if (!connection->end(to).released) notify(id, to, StreamNotice::kReset, NetError{});
  collect(id);
}

void SimNet::fail(ConnectionId id, SocketError error) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  reset_arrives(id, Side::kHere, error);
  reset_arrives(id, Side::kThere, error);
}

void SimNet::fail_connect(ConnectionId id, SocketError error) {
  SimConnection* connection = find(id);
  if (connection == nullptr || !connection->pending) return;
  connection->failure = NetError{};
  connection->failure.error = error;
  connection->failure.original_remote = connection->end(Side::kThere).address;
  if (connection->end(Side::kThere).connected) send_reset(id, Side::kHere);
  connect_failed(id, Side::kHere);
}

// Frees a connection that both ends let go of and that nothing can happen to any more.
void SimNet::collect(ConnectionId id) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  const auto over = [connection](Side side) {
    return connection->end(side).error.has_value() || connection->read_by(side).fin_arrived();
  };
  const bool both_released =
      connection->end(Side::kHere).released && connection->end(Side::kThere).released;
  if (!both_released) return;
  if (connection->pending || (over(Side::kHere) && over(Side::kThere))) {
    connections_.erase(id.slot);
  }
}

void SimNet::notify(ConnectionId id, Side side, StreamNotice notice, const NetError& error) {
  if (side == Side::kHere) {
    sockets_->on_stream(id, notice, error);
  } else {
    apps_->on_stream(id, notice);
  }
}

}  // namespace dashi
