// core/env's StreamSocket and Listener over ns-3's TCP. ns-3 has no peek, so received bytes move to a
// bounded ring; when it is full they stay in ns-3's receive buffer, and when that is full the window
// to the peer is shut. Owned by whoever has the unique_ptr (the core); the connection itself is
// ns-3's and outlives it while it closes.
#pragma once

#include <ns3/simple-ref-count.h>

#include <deque>
#include <optional>
#include <vector>

#include "sim/ns3/socket_events.hh"
#include "sim/ns3/tcp_socket.hh"

namespace dashi {

struct HostTcpOptions {
  TcpSocketOptions tcp;
  uint32_t ring_bytes = 256u << 10;    // received and not consumed, beside ns-3's receive buffer
  uint32_t unsent_bytes = 128u << 10;  // what write takes ahead of the network (TCP_NOTSENT_LOWAT)
  uint32_t backlog = 128;              // connections a listener holds until accept
};

class Ns3Sockets;

// The connection behind a handle: what is left in place when a Nat is saved and restored.
class StreamState {
 public:
  StreamState(SocketEvents& events, const HostTcpOptions& options, FlowId id,
              ns3::Ptr<Ns3TcpSocket> socket);
  ~StreamState();
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;

  void set_accepted() { announced_ = true; }  // no kConnected, no kConnectFailed
  void look();                                // at what changed in ns-3's socket

  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) const;
  void consume(size_t n);
  Result<size_t, SocketError> write(std::span<const Bytes> from);
  void shutdown_write();
  void abort();
  HostTcpInfo info() const { return socket_->info(); }
  Endpoint local() const { return local_; }
  FlowId id() const { return id_; }

 private:
  void pull();
  void tell_readable();
  size_t most_unsent() const;
  size_t room_to_write() const;

  SocketEvents& events_;
  const HostTcpOptions options_;
  FlowId id_;
  ns3::Ptr<Ns3TcpSocket> socket_;
  Endpoint local_;
  std::optional<SocketError> error_;  // terminal, once and for ever
  bool announced_ = false;            // kConnected or kConnectFailed was said
  bool eof_ = false;                  // the peer's FIN follows what is in the ring
  bool write_fell_short_ = false;     // a kWritable edge is owed
  uint64_t readable_turn_ = 0;        // the turn in which kReadable was last pushed
  std::vector<uint8_t> ring_;
  size_t head_ = 0;
  size_t size_ = 0;
};

class Ns3StreamSocket final : public StreamSocket {
 public:
  Ns3StreamSocket(Ns3Sockets& owner, std::unique_ptr<StreamState> state)
      : owner_(owner), state_(std::move(state)) {}
  ~Ns3StreamSocket() override;

  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    return state_->peek(offset, into);
  }
  void consume(size_t n) override { state_->consume(n); }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    return state_->write(from);
  }
  void shutdown_write() override { state_->shutdown_write(); }
  void abort() override { state_->abort(); }
  HostTcpInfo info() const override { return state_->info(); }
  Endpoint local() const override { return state_->local(); }

 private:
  Ns3Sockets& owner_;
  std::unique_ptr<StreamState> state_;
};

// A listening socket and the connections nobody accepted yet. ns-3's forks carry its callbacks, so it
// is counted by reference and outlives the listener, closed.
class ListenerState final : public ns3::SimpleRefCount<ListenerState> {
 public:
  ListenerState(SocketEvents& events, const HostTcpOptions& options, FlowId id,
                ns3::Ptr<Ns3TcpSocket> socket);

  // Bound, listening: false if ns-3 refused.
  bool begin(const Endpoint& local);
  void close();
  Result<std::unique_ptr<StreamState>, SocketError> accept(FlowId id, Endpoint& remote);
  // The same without a StreamState: for a node's own servers. Null: nobody is waiting.
  ns3::Ptr<Ns3TcpSocket> accept_socket(Endpoint& remote);
  Endpoint local() const { return local_; }
  FlowId id() const { return id_; }

 private:
  struct Waiting {
    ns3::Ptr<Ns3TcpSocket> socket;
    Endpoint remote;
  };
  static bool welcome(ns3::Ptr<ListenerState> self, ns3::Ptr<ns3::Socket> socket,
                      const ns3::Address& from);
  static void created(ns3::Ptr<ListenerState> self, ns3::Ptr<ns3::Socket> socket,
                      const ns3::Address& from);

  SocketEvents& events_;
  const HostTcpOptions options_;
  FlowId id_;
  ns3::Ptr<Ns3TcpSocket> socket_;  // null: closed
  Endpoint local_;
  std::deque<Waiting> waiting_;
};

class Ns3Listener final : public Listener {
 public:
  Ns3Listener(Ns3Sockets& owner, ns3::Ptr<ListenerState> state)
      : owner_(owner), state_(std::move(state)) {}
  ~Ns3Listener() override;
  Result<Accepted, SocketError> accept(FlowId id) override;
  Endpoint local() const override { return state_->local(); }

 private:
  Ns3Sockets& owner_;
  ns3::Ptr<ListenerState> state_;
};

}  // namespace dashi
