#include "tests/fuzz/fuzz_sockets.hh"

#include "tests/fuzz/failure.hh"

namespace dashi::fuzz {
namespace {

// What a call was, in the digest.
enum Call : uint64_t {
  kPeek = 1,
  kConsume,
  kWrite,
  kShutdown,
  kAbort,
  kClose,
  kConnect,
  kListen,
  kOpen,
  kOpenEcho,
  kAccept,
  kSend,
  kReceive,
};

constexpr size_t kKept = 600;  // bytes of what was sent, to answer it

Endpoint host_end(Family family, uint16_t port) {
  if (family == Family::kIpv4) return {Ipv4Address{{192, 168, 1, 5}}, Port{port}};
  return {Ipv6Address{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}}, Port{port}};
}

class Stream final : public StreamSocket {
 public:
  Stream(FuzzSockets& sockets, StreamState& state) : sockets_(sockets), state_(state) {}
  ~Stream() override {
    if (sockets_.handing_over || sockets_.ending) return;
    sockets_.log().call(kClose, state_.id.slot, {});
    // Nobody would ever read them, and the peer would not be told.
    expect(state_.aborted || state_.error || state_.connecting || state_.is_dns() ||
               state_.peeked == state_.consumed,
           "a stream was closed over bytes that were peeked");
    state_.closed = true;
  }
  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    if (state_.error) return *state_.error;
    uint64_t at = state_.consumed + offset;
    Peeked out;
    if (at >= state_.received && !state_.eof) return SocketError::kWouldBlock;
    for (MutableBytes piece : into) {
      const auto n = static_cast<size_t>(
          std::min<uint64_t>(piece.size(), state_.received - std::min(at, state_.received)));
      for (size_t i = 0; i < n; ++i) {
        piece[i] = state_.is_dns() ? state_.scripted[at + i] : stream_byte(at + i);
      }
      at += n;
      out.bytes += n;
    }
    out.eof = state_.eof && at >= state_.received;
    state_.peeked = std::max(state_.peeked, std::min(at, state_.received));
    sockets_.log().call(kPeek, state_.id.slot, {});
    return out;
  }
  void consume(size_t n) override {
    expect(n <= state_.peeked - state_.consumed, "more was consumed than was peeked");
    state_.consumed += n;
    sockets_.log().call(kConsume, n, {});
  }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    if (state_.error) return *state_.error;
    if (state_.fin_written) return SocketError::kClosed;
    if (state_.connecting) return SocketError::kWouldBlock;
    size_t taken = 0;
    size_t offered = 0;
    for (Bytes piece : from) {
      offered += piece.size();
      const Bytes fits = piece.first(std::min(piece.size(), state_.room));
      if (state_.room != ~size_t{0}) state_.room -= fits.size();
      take(fits);
      taken += fits.size();
    }
    state_.blocked = taken < offered;
    if (taken == 0 && offered != 0) return SocketError::kWouldBlock;
    return taken;
  }
  void shutdown_write() override {
    sockets_.log().call(kShutdown, state_.id.slot, {});
    state_.fin_written = true;
  }
  void abort() override {
    if (sockets_.handing_over) return;
    sockets_.log().call(kAbort, state_.id.slot, {});
    state_.aborted = true;
    if (!state_.error) state_.error = SocketError::kReset;
  }
  HostTcpInfo info() const override { return {}; }
  Endpoint local() const override { return host_end(Family::kIpv4, 30000); }

 private:
  void take(Bytes bytes) {
    if (bytes.empty()) return;
    sockets_.log().call(kWrite, state_.id.slot, bytes);
    if (state_.is_dns()) {
      const size_t kept = std::min(bytes.size(), kKept);
      state_.last_write.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(kept));
    } else if (sockets_.check_uplink) {
      if (state_.written == 0) state_.first_byte = bytes[0];
      for (size_t i = 0; i < bytes.size(); ++i) {
        const auto right =
            static_cast<uint8_t>(state_.first_byte + stream_byte(state_.written + i));
        expect(bytes[i] == right, "the host was written another byte than the guest sent");
      }
    }
    state_.written += bytes.size();
  }

  FuzzSockets& sockets_;
  StreamState& state_;
};

class Packets final : public DatagramSocket {
 public:
  Packets(FuzzSockets& sockets, PacketState& state) : sockets_(sockets), state_(state) {}
  ~Packets() override {
    if (!sockets_.handing_over) state_.closed = true;
  }
  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override {
    size_t taken = 0;
    for (const OutDatagram& d : datagrams) {
      if (state_.send_error || state_.send_room == 0) break;
      if (state_.send_room != ~size_t{0}) --state_.send_room;
      sockets_.log().call(kSend, d.remote.port.number, d.payload);
      state_.last_remote = d.remote;
      const size_t kept = std::min(d.payload.size(), kKept);
      state_.last_payload.assign(d.payload.begin(),
                                 d.payload.begin() + static_cast<ptrdiff_t>(kept));
      ++taken;
    }
    if (taken != 0) return taken;
    const SocketError error = state_.send_error.value_or(SocketError::kWouldBlock);
    if (error == SocketError::kMessageTooLong) {
      SocketEvent event{state_.id, SocketEvent::Kind::kNetError, {}};
      event.error.error = error;
      event.error.mtu = 1400;
      event.error.original_remote = datagrams[0].remote;
      sockets_.events.push_back(event);
    }
    return error;
  }
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override {
    size_t taken = 0;
    for (InDatagram& in : datagrams) {
      if (state_.incoming.empty()) break;
      const Datagram& d = state_.incoming.front();
      in.size = copy_bytes(in.buffer, d.payload);
      in.truncated = in.size < d.payload.size();
      in.segment_size = d.segment_size;
      in.remote = d.remote;
      in.local = d.local;
      in.ttl = d.ttl;
      in.tos = 0;
      state_.incoming.pop_front();
      ++taken;
    }
    sockets_.log().call(kReceive, taken, {});
    if (taken == 0) return SocketError::kWouldBlock;
    return taken;
  }
  Endpoint local() const override { return state_.local; }

 private:
  FuzzSockets& sockets_;
  PacketState& state_;
};

class Echo final : public EchoSocket {
 public:
  Echo(FuzzSockets& sockets, PacketState& state) : sockets_(sockets), state_(state) {}
  ~Echo() override {
    if (!sockets_.handing_over) state_.closed = true;
  }
  Result<size_t, SocketError> send(std::span<const OutEcho> echoes) override {
    if (state_.send_error == SocketError::kMessageTooLong) return SocketError::kOther;
    if (state_.send_error) return *state_.send_error;
    for (const OutEcho& e : echoes) {
      sockets_.log().call(kSend, e.sequence, e.payload);
      state_.last_remote = {e.remote, Port{}};
      state_.last_sequence = e.sequence;
    }
    return echoes.size();
  }
  Result<size_t, SocketError> receive(std::span<InEcho> echoes) override {
    size_t taken = 0;
    for (InEcho& in : echoes) {
      if (state_.incoming.empty()) break;
      const Datagram& d = state_.incoming.front();
      in.size = copy_bytes(in.buffer, d.payload);
      in.truncated = in.size < d.payload.size();
      in.remote = d.remote.address;
      in.sequence = d.sequence;
      in.ttl = d.ttl;
      in.tos = 0;
      state_.incoming.pop_front();
      ++taken;
    }
    if (taken == 0) return SocketError::kWouldBlock;
    return taken;
  }

 private:
  FuzzSockets& sockets_;
  PacketState& state_;
};

class Listening final : public Listener {
 public:
  Listening(FuzzSockets& sockets, ListenerState& state) : sockets_(sockets), state_(state) {}
  ~Listening() override {
    if (!sockets_.handing_over) state_.closed = true;
  }
  Result<Accepted, SocketError> accept(FlowId id) override {
    if (state_.accept_error) return *state_.accept_error;
    if (state_.pending.empty()) return SocketError::kWouldBlock;
    StreamState& stream = sockets_.streams.emplace_back();
    stream.id = id;
    Accepted out;
    out.socket = std::make_unique<Stream>(sockets_, stream);
    out.remote = state_.pending.front();
    out.local = state_.local;
    state_.pending.pop_front();
    sockets_.log().call(kAccept, id.slot, {});
    return out;
  }
  Endpoint local() const override { return state_.local; }

 private:
  FuzzSockets& sockets_;
  ListenerState& state_;
};

// The socket that is open for this flow; a made-up one where anything is adopted.
template <typename Socket, typename States>
std::unique_ptr<Socket> adopted(FuzzSockets& sockets, States& states, FlowId id) {
  for (auto it = states.rbegin(); it != states.rend(); ++it) {
    if (!it->closed && it->id == id) return std::make_unique<Socket>(sockets, *it);
  }
  if (!sockets.adopts_anything) return nullptr;
  auto& state = states.emplace_back();
  state.id = id;
  return std::make_unique<Socket>(sockets, state);
}

}  // namespace

Result<std::unique_ptr<StreamSocket>, SocketError> FuzzSockets::connect(
    const Endpoint& remote, const ConnectOptions& options, FlowId id) {
  log_.call(kConnect, remote.port.number, remote.address.bytes());
  (void)options;
  if (open_error) return *open_error;
  StreamState& state = streams.emplace_back();
  state.id = id;
  state.connecting = true;
  return std::unique_ptr<StreamSocket>(std::make_unique<Stream>(*this, state));
}

Result<std::unique_ptr<Listener>, SocketError> FuzzSockets::listen(const Endpoint& local,
                                                                   FlowId id) {
  log_.call(kListen, local.port.number, {});
  if (open_error) return *open_error;
  ListenerState& state = listeners.emplace_back();
  state.id = id;
  state.local = local;
  if (local.port.number == 0) state.local.port.number = next_port_++;
  return std::unique_ptr<Listener>(std::make_unique<Listening>(*this, state));
}

Result<std::unique_ptr<DatagramSocket>, SocketError> FuzzSockets::open_datagram(
    const Endpoint& local, FlowId id) {
  log_.call(kOpen, local.port.number, {});
  if (open_error) return *open_error;
  PacketState& state = packets.emplace_back();
  state.id = id;
  state.local = local;
  if (local.port.number == 0) state.local.port.number = next_port_++;
  return std::unique_ptr<DatagramSocket>(std::make_unique<Packets>(*this, state));
}

Result<std::unique_ptr<EchoSocket>, SocketError> FuzzSockets::open_echo(Family family, FlowId id) {
  log_.call(kOpenEcho, static_cast<uint64_t>(family), {});
  if (open_error) return *open_error;
  PacketState& state = packets.emplace_back();
  state.id = id;
  state.local = host_end(family, 0);
  return std::unique_ptr<EchoSocket>(std::make_unique<Echo>(*this, state));
}

std::unique_ptr<StreamSocket> FuzzSockets::adopt_stream(FlowId id) {
  return adopted<Stream>(*this, streams, id);
}
std::unique_ptr<Listener> FuzzSockets::adopt_listener(FlowId id) {
  return adopted<Listening>(*this, listeners, id);
}
std::unique_ptr<DatagramSocket> FuzzSockets::adopt_datagram(FlowId id) {
  return adopted<Packets>(*this, packets, id);
}
std::unique_ptr<EchoSocket> FuzzSockets::adopt_echo(FlowId id) {
  return adopted<Echo>(*this, packets, id);
}

}  // namespace dashi::fuzz
