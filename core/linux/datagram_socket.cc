#include "core/linux/datagram_socket.hh"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "core/linux/error_queue.hh"

namespace dashi {
namespace {

constexpr int kTries = 8;  // of a call that reports another datagram's error
constexpr uint32_t kWatched = EPOLLIN;
constexpr size_t kJoinedMax = 65'000;  // bytes of one super-datagram, headers not counted

bool offload_refused(int error) {
  return error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP ||
         error == ENOPROTOOPT;
}

}  // namespace

LinuxDatagram::LinuxDatagram(SocketTable& table, DatagramScratch& scratch, Fd fd, Family family,
                             FlowId id)
    : table_(table),
      scratch_(scratch),
      fd_(std::move(fd)),
      id_(id),
      slot_(table.add(fd_.get(), this, kWatched)),
      family_(family) {
  set_error_queue(fd_.get(), family_, true);
  request_control(fd_.get(), family_);
  // Rows of datagrams of one size come as one, up to 64 KiB: only where the reader has that room.
  const bool has_room = id.kind == FlowKind::kUdp || id.kind == FlowKind::kUdpForward;
  if (has_room) request_coalescing(fd_.get());
  if (has_room && can_segment(fd_.get())) join_max_ = kJoinedMax;
}

LinuxDatagram::~LinuxDatagram() { table_.remove(slot_); }

void LinuxDatagram::handle_ready(uint32_t epoll_events, EventBatch& out) {
  if ((epoll_events & EPOLLERR) != 0) take_errors(out);
  if ((epoll_events & EPOLLIN) != 0) out.push(id_, SocketEvent::Kind::kReadable);
  if (write_blocked_ && (epoll_events & EPOLLOUT) != 0) {
    write_blocked_ = false;
    table_.change(slot_, fd_.get(), kWatched);
    out.push(id_, SocketEvent::Kind::kWritable);
  }
}

// Queues what the network said. Whether it said anything: the kernel also reports an ICMP error as the
// result of whatever call comes next, which is then to be tried again.
bool LinuxDatagram::take_errors(EventBatch& out) {
  bool from_network = false;
  while (auto error = read_error_queue(fd_.get(), scratch_.quote)) {
    // The kernel's own "too long" comes without port or payload: send says it better.
    if (error->icmp_type == 0 && error->error == SocketError::kMessageTooLong) {
      local_mtu_ = error->mtu;
      continue;
    }
    from_network = true;
    out.push(id_, SocketEvent::Kind::kNetError, *error);
  }
  return from_network;
}

// EPOLLOUT is watched only while somebody waits: UDP raises it for every datagram that left.
void LinuxDatagram::await_room() {
  if (write_blocked_) return;
  write_blocked_ = true;
  table_.change(slot_, fd_.get(), kWatched | EPOLLOUT);
}

// No control message carries DF, so it is the socket's, changed where the guest's flag does.
void LinuxDatagram::set_dont_fragment(bool on) {
  if (dont_fragment_ == on) return;
  dont_fragment_ = on;
  if (family_ == Family::kIpv4) {
    const int value = on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
    ::setsockopt(fd_.get(), IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof value);
  } else {
    const int value = on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT;
    const int whole = on ? 1 : 0;
    ::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, sizeof value);
    ::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_DONTFRAG, &whole, sizeof whole);
  }
}

Result<size_t, SocketError> LinuxDatagram::send(std::span<const OutDatagram> datagrams) {
  size_t sent = 0;
  while (sent < datagrams.size()) {
    const auto rest = datagrams.subspan(sent);
    // As many as one call can carry under one DF setting.
    size_t n = 1;
    while (n < rest.size() && n < DatagramScratch::kBatch &&
           rest[n].dont_fragment == rest[0].dont_fragment) {
      ++n;
    }
    set_dont_fragment(rest[0].dont_fragment);
    auto result = send_batch(rest.first(n));
    if (!result.ok()) {
      if (sent != 0) return sent;
      return result.error();
    }
    sent += result.value();
    if (result.value() < n && write_blocked_) break;
  }
  return sent;
}

// How many from the front may leave as one super-datagram: all of the first one's size, the last maybe
// shorter, and alike in everything else. The stack is then gone through once and not once a datagram.
size_t LinuxDatagram::joinable(std::span<const OutDatagram> datagrams) const {
  const OutDatagram& first = datagrams.front();
  const size_t each = first.payload.size();
  if (first.segment_size != 0 || each == 0 || each > join_max_) return 1;
  size_t n = 1;
  while (n < datagrams.size() && (n + 1) * each <= kJoinedMax) {
    const OutDatagram& d = datagrams[n];
    const bool alike = d.segment_size == 0 && d.remote == first.remote && d.local == first.local &&
                       d.ttl == first.ttl && d.tos == first.tos;
    if (!alike || d.payload.empty() || d.payload.size() > each) break;
    ++n;
    if (d.payload.size() < each) break;
  }
  return n;
}

// Gives the number of messages; scratch_.datagrams says how many datagrams each carries.
size_t LinuxDatagram::fill_messages(std::span<const OutDatagram> datagrams, bool join) {
  size_t used = 0;
  for (size_t i = 0; i < datagrams.size(); ++used) {
    const OutDatagram& d = datagrams[i];
    const size_t n = join ? joinable(datagrams.subspan(i)) : 1;
    for (size_t k = i; k < i + n; ++k) {
      const Bytes payload = datagrams[k].payload;
      scratch_.pieces[k] = {const_cast<uint8_t*>(payload.data()), payload.size()};
    }
    scratch_.addresses[used] = to_sockaddr(d.remote);
    scratch_.point(used, 0);
    scratch_.datagrams[used] = n;
    msghdr& message = scratch_.messages[used].msg_hdr;
    message.msg_iov = &scratch_.pieces[i];
    message.msg_iovlen = n;
    message.msg_namelen = scratch_.addresses[used].size;
    ControlWriter control(message);
    if (!d.local.is_unspecified()) control.source(d.local);
    if (d.ttl != 0) control.ttl(family_, d.ttl);
    if (d.tos != 0) control.tos(family_, d.tos);
    if (n > 1) control.segment_size(static_cast<uint16_t>(d.payload.size()));
    if (d.segment_size != 0 && d.payload.size() > d.segment_size) {
      control.segment_size(d.segment_size);
    }
    if (message.msg_controllen == 0) message.msg_control = nullptr;
    i += n;
  }
  return used;
}

Result<size_t, SocketError> LinuxDatagram::send_batch(std::span<const OutDatagram> datagrams) {
  size_t messages = fill_messages(datagrams, true);
  for (int tries = 0;;) {
    const int n = ::sendmmsg(fd_.get(), scratch_.messages.data(), static_cast<unsigned>(messages),
                             MSG_DONTWAIT);
    if (n >= 0) {
      size_t sent = 0;
      for (size_t i = 0; i < static_cast<size_t>(n); ++i) sent += scratch_.datagrams[i];
      return sent;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN) {
      await_room();
      return SocketError::kWouldBlock;
    }
    local_mtu_ = 0;
    if (take_errors(table_.events()) && ++tries < kTries) continue;
    const OutDatagram& first = datagrams.front();
    if (scratch_.datagrams[0] > 1 && offload_refused(error)) {
      // Longer than the path's MTU, or a path that cannot do it: no more of this size.
      join_max_ = first.payload.size() - 1;
      messages = fill_messages(datagrams, false);
      continue;
    }
    if (first.segment_size != 0 && offload_refused(error)) return send_segments(first);
    if (error == EMSGSIZE) report_too_long(first);
    return error_from_errno(error);
  }
}

// The route's MTU stopped a datagram with DF: what a router would have said by ICMP.
void LinuxDatagram::report_too_long(const OutDatagram& datagram) {
  NetError error;
  error.error = SocketError::kMessageTooLong;
  error.mtu = local_mtu_;
  error.original_remote = datagram.remote;
  error.quoted = datagram.payload.first(std::min<size_t>(datagram.payload.size(), 512));
  table_.events().push(id_, SocketEvent::Kind::kNetError, error);
}

// One by one what the kernel would not cut for us. Gives 1, for the one super-datagram.
Result<size_t, SocketError> LinuxDatagram::send_segments(const OutDatagram& datagram) {
  OutDatagram one = datagram;
  one.segment_size = 0;
  Bytes left = datagram.payload;
  while (!left.empty()) {
    one.payload = left.first(std::min<size_t>(datagram.segment_size, left.size()));
    left = left.subspan(one.payload.size());
    auto result = send_batch(std::span(&one, 1));
    // A part that found no room is lost, as on a full wire: the guest must not send the whole again.
    if (!result.ok() && result.error() != SocketError::kWouldBlock) return result.error();
  }
  return size_t{1};
}

Result<size_t, SocketError> LinuxDatagram::receive(std::span<InDatagram> datagrams) {
  const size_t want = std::min(datagrams.size(), DatagramScratch::kBatch);
  for (size_t i = 0; i < want; ++i) {
    scratch_.pieces[i] = {datagrams[i].buffer.data(), datagrams[i].buffer.size()};
    scratch_.point(i, DatagramScratch::kControlBytes);
  }
  int n = 0;
  for (int tries = 0;;) {
    n = ::recvmmsg(fd_.get(), scratch_.messages.data(), static_cast<unsigned>(want), MSG_DONTWAIT,
                   nullptr);
    if (n > 0) break;
    if (n == 0) return SocketError::kWouldBlock;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return SocketError::kWouldBlock;
    const int error = errno;
    if (take_errors(table_.events()) && ++tries < kTries) continue;
    return error_from_errno(error);
  }
  const uint16_t port = local().port.number;
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    msghdr& message = scratch_.messages[i].msg_hdr;
    const ReceivedControl control = read_control(message);
    InDatagram& d = datagrams[i];
    d.size = std::min<size_t>(scratch_.messages[i].msg_len, d.buffer.size());
    d.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    d.segment_size = control.segment_size;
    d.remote = from_sockaddr(scratch_.addresses[i].storage);
    d.local = {control.destination, {port}};
    d.ttl = control.ttl;
    d.tos = control.tos;
  }
  return static_cast<size_t>(n);
}

Endpoint LinuxDatagram::local() const { return local_endpoint(fd_.get()); }

}  // namespace dashi
