#include "core/linux/echo_socket.hh"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>

#include <linux/filter.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/linux/error_queue.hh"

namespace dashi {
namespace {

constexpr int kTries = 8;  // of a call that reports another packet's error
constexpr uint32_t kWatched = EPOLLIN;

struct EchoHeader {
  uint8_t type = 0;
  uint8_t code = 0;
  Be16 checksum;
  Be16 identifier;
  Be16 sequence;
};
static_assert(sizeof(EchoHeader) == 8);

uint8_t request_type(Family family) {
  return family == Family::kIpv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
}
uint8_t reply_type(Family family) {
  return family == Family::kIpv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
}

uint32_t sum_words(Bytes bytes, uint32_t sum) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += static_cast<uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
  }
  return sum;
}

// RFC 1071, for raw IPv4 sockets; elsewhere the kernel fills it in.
uint16_t checksum(Bytes header, Bytes payload) {
  uint32_t sum = sum_words(payload, sum_words(header, 0));
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace

Result<Fd, SocketError> LinuxEcho::open(Family family, Type& type) {
  const int protocol = family == Family::kIpv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  const int domain = address_family(family);
  type = Type::kPing;
  Fd ping(::socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (ping) return ping;
  const int error = errno;
  if (error != EACCES && error != EPERM && error != EPROTONOSUPPORT) return error_from_errno(error);
  type = Type::kRaw;
  Fd raw(::socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (raw) return raw;
  return error_from_errno(errno);
}

LinuxEcho::LinuxEcho(SocketTable& table, DatagramScratch& scratch, Fd fd, Type type, Family family,
                     FlowId id, uint16_t id_base)
    : table_(table),
      scratch_(scratch),
      fd_(std::move(fd)),
      id_(id),
      slot_(table.add(fd_.get(), this, kWatched)),
      type_(type),
      family_(family),
      identifier_(static_cast<uint16_t>(id_base + slot_)) {
  set_error_queue(fd_.get(), family_, true);
  request_control(fd_.get(), family_);
  if (type_ == Type::kRaw) filter_raw();
}

LinuxEcho::~LinuxEcho() { table_.remove(slot_); }

// Every raw socket sees every ICMP message: let through echo replies with our identifier only.
void LinuxEcho::filter_raw() {
  const bool v4 = family_ == Family::kIpv4;
  const auto op = [](int code) { return static_cast<uint16_t>(code); };
  // X = length of the IPv4 header; an IPv6 raw socket's packets begin at the ICMPv6 header.
  sock_filter program[] = {
      v4 ? sock_filter BPF_STMT(op(BPF_LDX | BPF_B | BPF_MSH), 0)
         : sock_filter BPF_STMT(op(BPF_LDX | BPF_IMM), 0),
      BPF_STMT(op(BPF_LD | BPF_B | BPF_IND), 0),
      BPF_JUMP(op(BPF_JMP | BPF_JEQ | BPF_K), reply_type(family_), 0, 3),
      BPF_STMT(op(BPF_LD | BPF_H | BPF_IND), 4),
      BPF_JUMP(op(BPF_JMP | BPF_JEQ | BPF_K), identifier_, 0, 1),
      BPF_STMT(op(BPF_RET | BPF_K), 0xffffffff),
      BPF_STMT(op(BPF_RET | BPF_K), 0),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

void LinuxEcho::handle_ready(uint32_t epoll_events, EventBatch& out) {
  if ((epoll_events & EPOLLERR) != 0) take_errors(out);
  if ((epoll_events & EPOLLIN) != 0) out.push(id_, SocketEvent::Kind::kReadable);
  if (write_blocked_ && (epoll_events & EPOLLOUT) != 0) {
    write_blocked_ = false;
    table_.change(slot_, fd_.get(), kWatched);
    out.push(id_, SocketEvent::Kind::kWritable);
  }
}

// Queues what the network said about our requests; whether it said anything (see LinuxDatagram).
bool LinuxEcho::take_errors(EventBatch& out) {
  bool from_network = false;
  while (auto error = read_error_queue(fd_.get(), scratch_.quote)) {
    if (error->icmp_type == 0) {
      local_mtu_ = error->mtu;
      continue;
    }
    from_network = true;
    // The quote begins with our request's ICMP header.
    if (error->quoted.size() < sizeof(EchoHeader)) continue;
    const auto header = load<EchoHeader>(error->quoted);
    if (header.type != request_type(family_)) continue;
    if (type_ == Type::kRaw && uint16_t{header.identifier} != identifier_) continue;
    error->echo_sequence = header.sequence;
    error->quoted = error->quoted.subspan(sizeof header);
    error->original_remote.port = {};
    out.push(id_, SocketEvent::Kind::kNetError, *error);
  }
  return from_network;
}

void LinuxEcho::report_too_long(const OutEcho& echo) {
  NetError error;
  error.error = SocketError::kMessageTooLong;
  error.mtu = local_mtu_;
  error.original_remote.address = echo.remote;
  error.echo_sequence = echo.sequence;
  error.quoted = echo.payload.first(std::min<size_t>(echo.payload.size(), 512));
  table_.events().push(id_, SocketEvent::Kind::kNetError, error);
}

void LinuxEcho::set_dont_fragment(bool on) {
  if (dont_fragment_ == (on ? 1 : 0)) return;
  dont_fragment_ = on ? 1 : 0;
  if (family_ == Family::kIpv4) {
    const int value = on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
    ::setsockopt(fd_.get(), IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof value);
  } else {
    const int value = on ? 1 : 0;
    ::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_DONTFRAG, &value, sizeof value);
  }
}

Result<size_t, SocketError> LinuxEcho::send(std::span<const OutEcho> echoes) {
  size_t sent = 0;
  for (const OutEcho& echo : echoes) {
    auto result = send_one(echo);
    if (result.ok()) {
      ++sent;
    } else if (sent == 0) {
      return result.error();
    } else {
      break;
    }
  }
  return sent;
}

Result<Done, SocketError> LinuxEcho::send_one(const OutEcho& echo) {
  set_dont_fragment(echo.dont_fragment);
  EchoHeader header;
  header.type = request_type(family_);
  header.identifier = identifier_;
  header.sequence = echo.sequence;
  const Bytes raw(reinterpret_cast<const uint8_t*>(&header), sizeof header);
  if (type_ == Type::kRaw && family_ == Family::kIpv4)
    header.checksum = checksum(raw, echo.payload);

  iovec pieces[2] = {{&header, sizeof header},
                     {const_cast<uint8_t*>(echo.payload.data()), echo.payload.size()}};
  scratch_.addresses[0] = to_sockaddr({echo.remote, {}});
  scratch_.point(0, 0);
  msghdr& message = scratch_.messages[0].msg_hdr;
  message.msg_namelen = scratch_.addresses[0].size;
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  ControlWriter control(message);
  if (echo.ttl != 0) control.ttl(family_, echo.ttl);
  if (echo.tos != 0) control.tos(family_, echo.tos);
  if (message.msg_controllen == 0) message.msg_control = nullptr;
  for (int tries = 0;;) {
    if (::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return Done{};
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN) {
      if (!write_blocked_) table_.change(slot_, fd_.get(), kWatched | EPOLLOUT);
      write_blocked_ = true;
      return SocketError::kWouldBlock;
    }
    local_mtu_ = 0;
    if (take_errors(table_.events()) && ++tries < kTries) continue;
    if (error == EMSGSIZE) report_too_long(echo);
    return error_from_errno(error);
  }
}

Result<size_t, SocketError> LinuxEcho::receive(std::span<InEcho> echoes) {
  size_t got = 0;
  int tries = 0;
  while (got < echoes.size()) {
    InEcho& echo = echoes[got];
    // A raw IPv4 socket's packets begin with the IP header.
    const bool with_ip = type_ == Type::kRaw && family_ == Family::kIpv4;
    uint8_t head[60 + sizeof(EchoHeader)];
    const size_t ip_bytes = with_ip ? 20 : 0;
    iovec pieces[2] = {{head, ip_bytes + sizeof(EchoHeader)},
                       {echo.buffer.data(), echo.buffer.size()}};
    scratch_.point(0, DatagramScratch::kControlBytes);
    msghdr& message = scratch_.messages[0].msg_hdr;
    message.msg_iov = pieces;
    message.msg_iovlen = 2;
    const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      const int error = errno;
      if (take_errors(table_.events()) && ++tries < kTries) continue;
      if (got == 0) return error_from_errno(error);
      break;
    }
    const size_t head_bytes = pieces[0].iov_len;
    if (static_cast<size_t>(n) < head_bytes) continue;
    if (with_ip && (head[0] & 0x0f) != 5) continue;  // options: nobody asked for them
    const auto header = load<EchoHeader>(Bytes(head).subspan(ip_bytes, sizeof(EchoHeader)));
    if (header.type != reply_type(family_)) continue;
    if (type_ == Type::kRaw && uint16_t{header.identifier} != identifier_) continue;
    const ReceivedControl control = read_control(message);
    echo.size = static_cast<size_t>(n) - head_bytes;
    echo.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    echo.remote = from_sockaddr(scratch_.addresses[0].storage).address;
    echo.sequence = header.sequence;
    echo.ttl = control.ttl;
    echo.tos = control.tos;
    ++got;
  }
  if (got == 0) return SocketError::kWouldBlock;
  return got;
}

}  // namespace dashi
