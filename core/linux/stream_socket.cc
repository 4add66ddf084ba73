#include "core/linux/stream_socket.hh"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/sockios.h>

#include <algorithm>
#include <cerrno>

#include "core/linux/error_queue.hh"
#include "core/linux/sockaddr.hh"

namespace dashi {
namespace {

constexpr int kMaxPieces = 64;            // of one gathered or scattered call
constexpr int kNotSentBytes = 256 << 10;  // the uplink's pacing: what write may queue unsent
constexpr uint32_t kWatched = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

// The pieces of `spans` from `skip` bytes on, as many as fit.
template <typename Span>
size_t gather(std::span<const Span> spans, size_t skip, iovec (&out)[kMaxPieces]) {
  size_t n = 0;
  for (const Span& span : spans) {
    if (n == kMaxPieces) break;
    if (skip >= span.size()) {
      skip -= span.size();
      continue;
    }
    out[n++] = {const_cast<uint8_t*>(span.data()) + skip, span.size() - skip};
    skip = 0;
  }
  return n;
}

template <typename Span>
size_t total_bytes(std::span<const Span> spans) {
  size_t total = 0;
  for (const Span& span : spans) total += span.size();
  return total;
}

// What closing does: hand on what is unsent and send a FIN, or a RST. A RST is what every stream begins with,
// so that however this process ends, no peer takes a part for the whole.
void set_abort_on_close(int fd, bool on) {
  const linger value{on ? 1 : 0, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value);
}

int take_so_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace

void LinuxStream::set_options(int fd, const KeepAlive& keep_alive) {
  const int on = 1;
  // In-line, or an urgent byte is peeked twice and skipped by a read.
  ::setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  // The guest's own Nagle already decided.
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kNotSentBytes, sizeof kNotSentBytes);
  set_abort_on_close(fd, true);
  const auto seconds = [](Duration d) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(d).count());
  };
  const int idle = seconds(keep_alive.idle);
  const int interval = seconds(keep_alive.interval);
  const int probes = keep_alive.probes;
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

LinuxStream::LinuxStream(SocketTable& table, Fd fd, Family family, FlowId id, RingBudget* rings,
                         Start start)
    : table_(table),
      fd_(std::move(fd)),
      id_(id),
      family_(family),
      rings_(rings),
      connecting_(start == Start::kConnecting) {
  if (rings_ == nullptr) {
    const int zero = 0;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof zero);
  }
  slot_ = table_.add(fd_.get(), this, kWatched);
}

LinuxStream::~LinuxStream() {
  if (fd_ && !write_shut_) set_abort_on_close(fd_.get(), false);
  table_.remove(slot_);
}

void LinuxStream::latch(SocketError error) {
  if (!error_) error_ = error;
}

// The kernel tells a socket's error once, to whoever asks first, and says EOF from then on.
void LinuxStream::take_pending_error() {
  const int error = take_so_error(fd_.get());
  if (error != 0) latch(error_from_errno(error));
}

void LinuxStream::handle_ready(uint32_t epoll_events, EventBatch& out) {
  if (connecting_) return finish_connect(epoll_events, out);
  if ((epoll_events & EPOLLERR) != 0) take_pending_error();
  if ((epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    drained_ = false;
    out.push(id_, SocketEvent::Kind::kReadable);
  }
  if (write_blocked_ && (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    write_blocked_ = false;
    out.push(id_, SocketEvent::Kind::kWritable);
  }
}

void LinuxStream::finish_connect(uint32_t epoll_events, EventBatch& out) {
  const int error = take_so_error(fd_.get());
  if (error == 0 && (epoll_events & EPOLLOUT) == 0) return;
  connecting_ = false;
  if (error == 0) {
    // From here on an ICMP error is a hint, not an end (RFC 1122 4.2.3.9).
    set_error_queue(fd_.get(), family_, false);
    out.push(id_, SocketEvent::Kind::kConnected);
    if ((epoll_events & (EPOLLIN | EPOLLRDHUP)) != 0) out.push(id_, SocketEvent::Kind::kReadable);
    return;
  }
  NetError failure;
  uint8_t scratch[576];
  // The last message is the one that ended the connect; earlier ones it outlived.
  while (auto reported = read_error_queue(fd_.get(), scratch)) failure = *reported;
  failure.quoted = {};
  // SO_ERROR cannot tell TTL exceeded from host unreachable; the message can.
  if (failure.error != SocketError::kTtlExceeded) failure.error = error_from_errno(error);
  latch(failure.error);
  out.push(id_, SocketEvent::Kind::kConnectFailed, failure);
}

Result<Peeked, SocketError> LinuxStream::peek(size_t offset, std::span<const MutableBytes> into) {
  if (error_) return *error_;
  if (connecting_) return SocketError::kWouldBlock;
  const bool beyond = (drained_ || eof_) && offset >= known_end_;
  size_t bytes = 0;
  if (rings_ != nullptr) {
    if (!beyond) fill_ring(offset + total_bytes(into));
    if (!error_ && ring_) bytes = ring_->peek(offset, into);
  } else if (!beyond) {
    bytes = peek_kernel(offset, into);
  }
  if (error_) return *error_;
  const bool eof = eof_ && offset + bytes >= known_end_;
  if (bytes == 0 && !eof) return SocketError::kWouldBlock;
  return Peeked{bytes, eof};
}

// Loops, because a peek stops at an urgent mark, until `into` is full or the kernel has no more.
size_t LinuxStream::peek_kernel(size_t offset, std::span<const MutableBytes> into) {
  const size_t want = total_bytes(into);
  size_t got = 0;
  while (got < want) {
    if (peek_off_ != offset + got) {
      const int value = static_cast<int>(offset + got);
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_PEEK_OFF, &value, sizeof value);
      peek_off_ = offset + got;
    }
    iovec pieces[kMaxPieces];
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = gather(into, got, pieces);
    const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0) {
      got += static_cast<size_t>(n);
      peek_off_ += static_cast<size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) {
      latch(error_from_errno(errno));
      break;
    }
    drained_ = true;
    eof_ = n == 0;
    known_end_ = offset + got;
    break;
  }
  return got;
}

// Reads until the ring holds `want` bytes, or the kernel has no more, or the ring may not grow.
void LinuxStream::fill_ring(size_t want) {
  if (!ring_) ring_ = std::make_unique<PeekRing>(*rings_);
  while (ring_->size() < want && !eof_) {
    iovec pieces[2];
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = ring_->free_space(pieces);
    if (message.msg_iovlen == 0) {
      starved_ = true;
      return;
    }
    const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (n > 0) {
      ring_->fill(static_cast<size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return latch(error_from_errno(errno));
    drained_ = true;
    eof_ = n == 0;
    known_end_ = ring_->size();
    return;
  }
}

void LinuxStream::consume(size_t n) {
  if (error_ || !fd_) return;
  known_end_ = known_end_ > n ? known_end_ - n : 0;
  if (rings_ != nullptr) {
    DASHI_CHECK(ring_ && n <= ring_->size());
    ring_->drop(n);
    if (starved_ && n != 0) {
      // The kernel's edge is long past: the room we just made is the edge.
      starved_ = false;
      table_.events().push(id_, SocketEvent::Kind::kReadable);
    }
    return;
  }
  while (n != 0) {
    // With MSG_TRUNC TCP discards; it stops at an urgent mark, so again until all are gone.
    const ssize_t taken = ::recv(fd_.get(), nullptr, n, MSG_TRUNC | MSG_DONTWAIT);
    if (taken < 0 && errno == EINTR) continue;
    if (taken <= 0) {
      // Bytes that were peeked are there until read: only a reset took them away.
      return latch(taken < 0 && errno != EAGAIN ? error_from_errno(errno) : SocketError::kReset);
    }
    n -= static_cast<size_t>(taken);
    // The kernel moves its peek offset back by what was read.
    peek_off_ = peek_off_ > static_cast<size_t>(taken) ? peek_off_ - static_cast<size_t>(taken) : 0;
  }
}

Result<size_t, SocketError> LinuxStream::write(std::span<const Bytes> from) {
  if (error_) return *error_;
  if (write_shut_) return SocketError::kClosed;
  if (connecting_) return SocketError::kWouldBlock;
  const size_t want = total_bytes(from);
  size_t sent = 0;
  while (sent < want) {
    iovec pieces[kMaxPieces];
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = gather(from, sent, pieces);
    const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
      if (message.msg_iovlen == kMaxPieces) continue;
      if (sent < want) write_blocked_ = true;
      break;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      // After the peer's FIN a reset shows as EPIPE; the socket's own word comes first.
      const int error = errno;
      take_pending_error();
      latch(error_from_errno(error));
      return *error_;
    }
    write_blocked_ = true;
    if (sent == 0) return SocketError::kWouldBlock;
    break;
  }
  return sent;
}

void LinuxStream::shutdown_write() {
  if (write_shut_) return;
  write_shut_ = true;
  if (!fd_) return;
  set_abort_on_close(fd_.get(), false);
  ::shutdown(fd_.get(), SHUT_WR);
}

void LinuxStream::abort() {
  if (!fd_) return;
  set_abort_on_close(fd_.get(), true);
  table_.remove(slot_);
  slot_ = SocketTable::kNone;
  fd_.reset();
  ring_.reset();
  latch(SocketError::kReset);
}

HostTcpInfo LinuxStream::info() const {
  HostTcpInfo out;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return out;
  out.rtt_ns = uint64_t{info.tcpi_rtt} * 1000;
  out.cwnd_bytes = uint64_t{info.tcpi_snd_cwnd} * info.tcpi_snd_mss;
  int queued = 0;
  int unsent = 0;
  ::ioctl(fd_.get(), SIOCOUTQ, &queued);
  ::ioctl(fd_.get(), SIOCOUTQNSD, &unsent);
  out.unsent_bytes = static_cast<uint64_t>(std::max(unsent, 0));
  out.unacked_bytes = static_cast<uint64_t>(std::max(queued - unsent, 0));
  return out;
}

Endpoint LinuxStream::local() const { return local_endpoint(fd_.get()); }

}  // namespace dashi
