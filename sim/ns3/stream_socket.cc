#include "sim/ns3/stream_socket.hh"

#include <algorithm>
#include <utility>

#include "sim/ns3/convert.hh"
#include "sim/ns3/sockets.hh"

namespace dashi {

using Kind = SocketEvent::Kind;

StreamState::StreamState(SocketEvents& events, const HostTcpOptions& options, FlowId id,
                         ns3::Ptr<Ns3TcpSocket> socket)
    : events_(events), options_(options), id_(id), socket_(std::move(socket)) {
  ns3::Address address;
  socket_->GetSockName(address);
  local_ = from_ns3(address);
  socket_->observe([this] { look(); });
}

// Closing over bytes that were never read is a reset, as on any host.
StreamState::~StreamState() {
  if (size_ > 0 && !error_) socket_->abort();
  socket_->detach();
}

void StreamState::look() {
  if (socket_->failure() && !error_) {
    error_ = socket_->failure()->error;
    size_ = 0;
    if (!announced_) {
      announced_ = true;
      events_.push(id_, Kind::kConnectFailed, *socket_->failure());
    } else {
      tell_readable();
    }
    return;
  }
  if (error_) return;
  if (!announced_ && socket_->connected()) {
    announced_ = true;
    events_.push(id_, Kind::kConnected);
  }
  pull();
  if (write_fell_short_ && 2 * room_to_write() >= most_unsent()) {
    write_fell_short_ = false;
    events_.push(id_, Kind::kWritable);
  }
}

void StreamState::tell_readable() {
  if (readable_turn_ == events_.turn()) return;
  readable_turn_ = events_.turn();
  events_.push(id_, Kind::kReadable);
}

// Moves what ns-3 received into the ring, as far as there is room.
void StreamState::pull() {
  bool news = false;
  while (!eof_) {
    const size_t room = options_.ring_bytes - size_;
    const size_t n = std::min<size_t>(room, socket_->readable_bytes());
    if (n == 0) break;
    if (ring_.empty()) ring_.resize(options_.ring_bytes);
    const size_t tail = (head_ + size_) % ring_.size();
    const auto contiguous = static_cast<uint32_t>(std::min(n, ring_.size() - tail));
    const ns3::Ptr<ns3::Packet> packet = socket_->take(contiguous);
    if (packet == nullptr || packet->GetSize() == 0) break;
    packet->CopyData(ring_.data() + tail, packet->GetSize());
    size_ += packet->GetSize();
    news = true;
  }
  if (!eof_ && socket_->at_eof()) {
    eof_ = true;
    news = true;
  }
  if (news) tell_readable();
}

Result<Peeked, SocketError> StreamState::peek(size_t offset,
                                              std::span<const MutableBytes> into) const {
  if (error_) return *error_;
  if (offset >= size_) {
    if (eof_) return Peeked{0, true};
    return SocketError::kWouldBlock;
  }
  size_t at = offset;
  for (MutableBytes area : into) {
    while (!area.empty() && at < size_) {
      const size_t from = (head_ + at) % ring_.size();
      const size_t n =
          copy_bytes(area, Bytes(ring_).subspan(from, std::min(size_ - at, ring_.size() - from)));
      area = area.subspan(n);
      at += n;
    }
  }
  return Peeked{at - offset, eof_ && at == size_};
}

void StreamState::consume(size_t n) {
  if (error_) return;
  DASHI_CHECK(n <= size_);
  if (n == 0) return;
  head_ = (head_ + n) % ring_.size();
  size_ -= n;
  pull();
}

size_t StreamState::most_unsent() const {
  return std::min(options_.unsent_bytes, options_.tcp.buffer_bytes);
}

size_t StreamState::room_to_write() const {
  const uint64_t unsent = socket_->info().unsent_bytes;
  if (unsent >= most_unsent()) return 0;
  return std::min<size_t>(most_unsent() - static_cast<size_t>(unsent), socket_->GetTxAvailable());
}

Result<size_t, SocketError> StreamState::write(std::span<const Bytes> from) {
  if (error_) return *error_;
  if (socket_->fin_asked()) return SocketError::kClosed;
  size_t room = socket_->connected() ? room_to_write() : 0;
  size_t taken = 0;
  size_t asked = 0;
  for (const Bytes part : from) {
    asked += part.size();
    const auto n = static_cast<uint32_t>(std::min(room, part.size()));
    if (n == 0) continue;
    socket_->put(ns3::Create<ns3::Packet>(part.data(), n));
    room -= n;
    taken += n;
  }
  if (taken < asked) write_fell_short_ = socket_->connected();
  if (taken == 0 && asked != 0) return SocketError::kWouldBlock;
  return taken;
}

void StreamState::shutdown_write() {
  if (!error_) socket_->finish();
}

void StreamState::abort() {
  if (error_) return;
  error_ = SocketError::kReset;
  size_ = 0;
  socket_->abort();
}

Ns3StreamSocket::~Ns3StreamSocket() { owner_.release(std::move(state_)); }

// --- Listening ---

ListenerState::ListenerState(SocketEvents& events, const HostTcpOptions& options, FlowId id,
                             ns3::Ptr<Ns3TcpSocket> socket)
    : events_(events), options_(options), id_(id), socket_(std::move(socket)) {}

bool ListenerState::begin(const Endpoint& local) {
  if (socket_->Bind(to_ns3(local)) != 0 || socket_->Listen() != 0) return false;
  ns3::Address address;
  socket_->GetSockName(address);
  local_ = from_ns3(address);
  const ns3::Ptr<ListenerState> self(this);
  socket_->SetAcceptCallback(ns3::MakeBoundCallback(&ListenerState::welcome, self),
                             ns3::MakeBoundCallback(&ListenerState::created, self));
  return true;
}

void ListenerState::close() {
  if (socket_ == nullptr) return;
  for (const Waiting& waiting : waiting_) {
    waiting.socket->abort();
    waiting.socket->detach();
  }
  waiting_.clear();
  socket_->SetAcceptCallback(
      ns3::MakeNullCallback<bool, ns3::Ptr<ns3::Socket>, const ns3::Address&>(),
      ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>, const ns3::Address&>());
  socket_->detach();
  socket_ = nullptr;
}

// A full backlog leaves the SYN unanswered, as Linux does: the peer tries again.
bool ListenerState::welcome(ns3::Ptr<ListenerState> self, ns3::Ptr<ns3::Socket> /*socket*/,
                            const ns3::Address& /*from*/) {
  return self->socket_ != nullptr && self->waiting_.size() < self->options_.backlog;
}

void ListenerState::created(ns3::Ptr<ListenerState> self, ns3::Ptr<ns3::Socket> socket,
                            const ns3::Address& from) {
  const auto connection = ns3::StaticCast<Ns3TcpSocket>(socket);
  if (self->socket_ == nullptr) {
    connection->abort();
    connection->detach();
    return;
  }
  self->waiting_.push_back({connection, from_ns3(from)});
  self->events_.push(self->id_, Kind::kAcceptable);
}

ns3::Ptr<Ns3TcpSocket> ListenerState::accept_socket(Endpoint& remote) {
  while (!waiting_.empty()) {
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    if (next.socket->failure()) continue;  // gone before anybody came for it
    // The fork was copied with the listener's callbacks, and kept the listener alive by them.
    next.socket->SetAcceptCallback(
        ns3::MakeNullCallback<bool, ns3::Ptr<ns3::Socket>, const ns3::Address&>(),
        ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>, const ns3::Address&>());
    remote = next.remote;
    return next.socket;
  }
  return nullptr;
}

Result<std::unique_ptr<StreamState>, SocketError> ListenerState::accept(FlowId id,
                                                                        Endpoint& remote) {
  const ns3::Ptr<Ns3TcpSocket> socket = accept_socket(remote);
  if (socket == nullptr) return SocketError::kWouldBlock;
  auto state = std::make_unique<StreamState>(events_, options_, id, socket);
  state->set_accepted();
  state->look();
  return state;
}

Ns3Listener::~Ns3Listener() { owner_.release(std::move(state_)); }

Result<Accepted, SocketError> Ns3Listener::accept(FlowId id) {
  Accepted accepted;
  auto state = state_->accept(id, accepted.remote);
  if (!state.ok()) return state.error();
  accepted.local = state.value()->local();
  accepted.socket = std::make_unique<Ns3StreamSocket>(owner_, std::move(state.value()));
  return accepted;
}

}  // namespace dashi
