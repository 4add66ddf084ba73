// Sockets that do what a test says: recorded calls, scripted arrivals and errors. Not a network: the
// simulator's sockets are. The state of each socket stays with FakeSockets, so that a test can look at
// it after its owner let go of it.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/env/sockets.hh"

namespace dashi::test {

using SocketBytes = std::vector<uint8_t>;

struct SentDatagram {
  Endpoint remote;
  IpAddress local;
  SocketBytes payload;
  uint16_t segment_size = 0;
  uint8_t ttl = 0;
  uint8_t tos = 0;
  bool dont_fragment = false;
};

struct Arrival {
  Endpoint remote;
  SocketBytes payload;
  Endpoint local;
  uint16_t segment_size = 0;
  uint8_t ttl = 0;
  uint8_t tos = 0;
};

struct DatagramState {
  FlowId id;
  Endpoint local;
  bool closed = false;
  std::deque<SentDatagram> sent;
  std::deque<Arrival> incoming;
  std::optional<SocketError> send_error;   // of every send while set
  size_t send_room = ~size_t{0};           // datagrams taken before kWouldBlock
  std::optional<Endpoint> refused_remote;  // a datagram to it stops with `refusal`
  SocketError refusal = SocketError::kAccessDenied;
  size_t send_calls = 0;
};

struct SentEcho {
  IpAddress remote;
  uint16_t sequence = 0;
  SocketBytes payload;
  uint8_t ttl = 0;
  uint8_t tos = 0;
  bool dont_fragment = false;
};

struct EchoArrival {
  IpAddress remote;
  uint16_t sequence = 0;
  SocketBytes payload;
  uint8_t ttl = 0;
  uint8_t tos = 0;
};

struct EchoState {
  FlowId id;
  Family family{};
  bool closed = false;
  std::deque<SentEcho> sent;
  std::deque<EchoArrival> incoming;
  std::optional<SocketError> send_error;
};

struct StreamState {
  FlowId id;
  Endpoint remote;  // of connect or accept
  Endpoint local;
  ConnectOptions options;
  bool closed = false;  // destroyed
  bool aborted = false;
  bool fin_written = false;
  SocketBytes incoming;  // received and not yet consumed
  bool eof = false;      // the peer's FIN follows `incoming`
  SocketBytes written;
  size_t write_room = ~size_t{0};    // bytes taken before kWouldBlock
  size_t consumed = 0;               // bytes, in all
  std::optional<SocketError> error;  // terminal: of every call once set
};

struct ListenerState {
  FlowId id;
  Endpoint local;
  bool closed = false;
  std::deque<Endpoint> pending;             // remotes of connections to be accepted
  std::optional<SocketError> accept_error;  // while set
};

namespace detail {

class Datagram final : public DatagramSocket {
 public:
  explicit Datagram(DatagramState& state) : state_(state) {}
  ~Datagram() override { state_.closed = true; }
  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override {
    ++state_.send_calls;
    if (state_.send_error) return *state_.send_error;
    size_t taken = 0;
    for (const OutDatagram& d : datagrams) {
      if (state_.send_room == 0) break;
      if (state_.refused_remote == d.remote) {
        if (taken == 0) return state_.refusal;
        break;
      }
      if (state_.send_room != ~size_t{0}) --state_.send_room;
      state_.sent.push_back({d.remote,
                             d.local,
                             {d.payload.begin(), d.payload.end()},
                             d.segment_size,
                             d.ttl,
                             d.tos,
                             d.dont_fragment});
      ++taken;
    }
    if (taken == 0) return SocketError::kWouldBlock;
    return taken;
  }
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override {
    size_t taken = 0;
    for (InDatagram& in : datagrams) {
      if (state_.incoming.empty()) break;
      const Arrival& arrival = state_.incoming.front();
      in.size = copy_bytes(in.buffer, arrival.payload);
      in.truncated = in.size < arrival.payload.size();
      in.segment_size = arrival.segment_size;
      in.remote = arrival.remote;
      in.local = arrival.local;
      in.ttl = arrival.ttl;
      in.tos = arrival.tos;
      state_.incoming.pop_front();
      ++taken;
    }
    if (taken == 0) return SocketError::kWouldBlock;
    return taken;
  }
  Endpoint local() const override { return state_.local; }

 private:
  DatagramState& state_;
};

class Echo final : public EchoSocket {
 public:
  explicit Echo(EchoState& state) : state_(state) {}
  ~Echo() override { state_.closed = true; }
  Result<size_t, SocketError> send(std::span<const OutEcho> echoes) override {
    if (state_.send_error) return *state_.send_error;
    for (const OutEcho& e : echoes) {
      state_.sent.push_back({e.remote,
                             e.sequence,
                             {e.payload.begin(), e.payload.end()},
                             e.ttl,
                             e.tos,
                             e.dont_fragment});
    }
    return echoes.size();
  }
  Result<size_t, SocketError> receive(std::span<InEcho> echoes) override {
    size_t taken = 0;
    for (InEcho& in : echoes) {
      if (state_.incoming.empty()) break;
      const EchoArrival& arrival = state_.incoming.front();
      in.size = copy_bytes(in.buffer, arrival.payload);
      in.truncated = in.size < arrival.payload.size();
      in.remote = arrival.remote;
      in.sequence = arrival.sequence;
      in.ttl = arrival.ttl;
      in.tos = arrival.tos;
      state_.incoming.pop_front();
      ++taken;
    }
    if (taken == 0) return SocketError::kWouldBlock;
    return taken;
  }

 private:
  EchoState& state_;
};

class Stream final : public StreamSocket {
 public:
  explicit Stream(StreamState& state) : state_(state) {}
  ~Stream() override { state_.closed = true; }
  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    if (state_.error) return *state_.error;
    Bytes rest = state_.incoming;
    rest = rest.subspan(std::min(offset, rest.size()));
    if (rest.empty() && !state_.eof) return SocketError::kWouldBlock;
    Peeked out;
    for (MutableBytes piece : into) {
      const size_t n = copy_bytes(piece, rest);
      rest = rest.subspan(n);
      out.bytes += n;
    }
    out.eof = state_.eof && rest.empty();
    return out;
  }
  void consume(size_t n) override {
    DASHI_CHECK(n <= state_.incoming.size());
    state_.incoming.erase(state_.incoming.begin(),
                          state_.incoming.begin() + static_cast<ptrdiff_t>(n));
    state_.consumed += n;
  }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    if (state_.error) return *state_.error;
    if (state_.fin_written) return SocketError::kClosed;
    size_t taken = 0;
    size_t offered = 0;
    for (Bytes piece : from) {
      offered += piece.size();
      const size_t n = std::min(piece.size(), state_.write_room);
      state_.written.insert(state_.written.end(), piece.begin(),
                            piece.begin() + static_cast<ptrdiff_t>(n));
      if (state_.write_room != ~size_t{0}) state_.write_room -= n;
      taken += n;
    }
    if (taken == 0 && offered != 0) return SocketError::kWouldBlock;
    return taken;
  }
  void shutdown_write() override { state_.fin_written = true; }
  void abort() override {
    state_.aborted = true;
    if (!state_.error) state_.error = SocketError::kReset;
  }
  HostTcpInfo info() const override { return {}; }
  Endpoint local() const override { return state_.local; }

 private:
  StreamState& state_;
};

}  // namespace detail

class FakeSockets final : public Sockets {
 public:
  // In order of opening; references stay good.
  std::deque<StreamState> streams;
  std::deque<ListenerState> listeners;
  std::deque<DatagramState> datagrams;
  std::deque<EchoState> echoes;
  std::optional<SocketError> open_error;  // of every connect, listen and open while set
  uint16_t next_port = 30000;             // for port 0
  bool adopts = true;                     // the adopt calls find what they are asked for

  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                             const ConnectOptions& options,
                                                             FlowId id) override {
    if (open_error) return *open_error;
    StreamState& state = streams.emplace_back();
    state.id = id;
    state.remote = remote;
    state.options = options;
    state.local = {host_address(remote.address.family()), Port{next_port++}};
    return std::unique_ptr<StreamSocket>(std::make_unique<detail::Stream>(state));
  }
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local, FlowId id) override {
    if (open_error) return *open_error;
    ListenerState& state = listeners.emplace_back();
    state.id = id;
    state.local = with_port(local);
    return std::unique_ptr<Listener>(std::make_unique<FakeListener>(*this, state));
  }
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint& local,
                                                                     FlowId id) override {
    if (open_error) return *open_error;
    DatagramState& state = datagrams.emplace_back();
    state.id = id;
    state.local = with_port(local);
    return std::unique_ptr<DatagramSocket>(std::make_unique<detail::Datagram>(state));
  }
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) override {
    if (open_error) return *open_error;
    EchoState& state = echoes.emplace_back();
    state.id = id;
    state.family = family;
    return std::unique_ptr<EchoSocket>(std::make_unique<detail::Echo>(state));
  }

  std::unique_ptr<StreamSocket> adopt_stream(FlowId id) override {
    return adopt<StreamSocket, detail::Stream>(streams, id);
  }
  std::unique_ptr<Listener> adopt_listener(FlowId id) override {
    ListenerState* state = find(listeners, id);
    if (state == nullptr) return nullptr;
    return std::make_unique<FakeListener>(*this, *state);
  }
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId id) override {
    return adopt<DatagramSocket, detail::Datagram>(datagrams, id);
  }
  std::unique_ptr<EchoSocket> adopt_echo(FlowId id) override {
    return adopt<EchoSocket, detail::Echo>(echoes, id);
  }

  // Sockets that are open now.
  size_t open_count() const {
    const auto open = [](const auto& states) {
      return static_cast<size_t>(
          std::count_if(states.begin(), states.end(), [](const auto& s) { return !s.closed; }));
    };
    return open(streams) + open(listeners) + open(datagrams) + open(echoes);
  }

 private:
  class FakeListener final : public Listener {
   public:
    FakeListener(FakeSockets& sockets, ListenerState& state) : sockets_(sockets), state_(state) {}
    ~FakeListener() override { state_.closed = true; }
    Result<Accepted, SocketError> accept(FlowId id) override {
      if (state_.accept_error) return *state_.accept_error;
      if (state_.pending.empty()) return SocketError::kWouldBlock;
      StreamState& stream = sockets_.streams.emplace_back();
      stream.id = id;
      stream.remote = state_.pending.front();
      stream.local = state_.local;
      state_.pending.pop_front();
      Accepted out;
      out.socket = std::make_unique<detail::Stream>(stream);
      out.remote = stream.remote;
      out.local = stream.local;
      return out;
    }
    Endpoint local() const override { return state_.local; }

   private:
    FakeSockets& sockets_;
    ListenerState& state_;
  };

  static IpAddress host_address(Family family) {
    if (family == Family::kIpv4) return Ipv4Address{{192, 168, 1, 5}};
    return Ipv6Address{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}};
  }
  Endpoint with_port(Endpoint local) {
    if (local.port.number == 0) local.port.number = next_port++;
    return local;
  }
  // The newest socket of that flow, whoever held it before.
  template <typename States>
  typename States::value_type* find(States& states, FlowId id) {
    for (auto it = states.rbegin(); it != states.rend(); ++it) {
      if (!adopts || it->id != id) continue;
      it->closed = false;
      return &*it;
    }
    return nullptr;
  }
  template <typename Interface, typename Socket, typename States>
  std::unique_ptr<Interface> adopt(States& states, FlowId id) {
    auto* state = find(states, id);
    if (state == nullptr) return nullptr;
    return std::make_unique<Socket>(*state);
  }
};

}  // namespace dashi::test
