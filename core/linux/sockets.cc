#include "core/linux/sockets.hh"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/linux/datagram_socket.hh"
#include "core/linux/echo_socket.hh"
#include "core/linux/error_queue.hh"
#include "core/linux/listener.hh"

namespace dashi {
namespace {

constexpr int kBacklog = 4096;  // the kernel takes the lesser of this and net.core.somaxconn

Fd open_socket(Family family, int type) {
  Fd fd(::socket(address_family(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  // One socket a family: no IPv4-mapped address ever comes in or goes out.
  if (fd && family == Family::kIpv6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  return fd;
}

// Linux 6.9 brought it to TCP over IPv4; over IPv6 it came later.
bool probe_peek_off(Family family) {
  const Fd fd = open_socket(family, SOCK_STREAM);
  const int zero = 0;
  return fd && ::setsockopt(fd.get(), SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof zero) == 0;
}

void set_ttl_and_tos(int fd, Family family, const ConnectOptions& options) {
  const bool v4 = family == Family::kIpv4;
  const int level = v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
  const int ttl = options.ttl;
  const int tos = options.tos;
  if (ttl != 0) ::setsockopt(fd, level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, &ttl, sizeof ttl);
  if (tos != 0) ::setsockopt(fd, level, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
}

}  // namespace

std::unique_ptr<LinuxSockets> LinuxSockets::create(const Options& options) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return nullptr;
  return std::unique_ptr<LinuxSockets>(new LinuxSockets(std::move(epoll), options));
}

LinuxSockets::LinuxSockets(Fd epoll, const Options& options)
    : table_(std::move(epoll)),
      rings_(options.ring_bytes_total),
      echo_id_base_(options.echo_id_base),
      keep_alive_(options.keep_alive),
      peek_off_v4_(!options.force_ring && probe_peek_off(Family::kIpv4)),
      peek_off_v6_(!options.force_ring && probe_peek_off(Family::kIpv6)) {}

bool LinuxSockets::peeks_at_offset(Family family) const {
  return family == Family::kIpv4 ? peek_off_v4_ : peek_off_v6_;
}

RingBudget* LinuxSockets::rings_for(Family family) {
  return peeks_at_offset(family) ? nullptr : &rings_;
}

Result<std::unique_ptr<StreamSocket>, SocketError> LinuxSockets::connect(
    const Endpoint& remote, const ConnectOptions& options, FlowId id) {
  const Family family = remote.address.family();
  Fd fd = open_socket(family, SOCK_STREAM);
  if (!fd) return error_from_errno(errno);
  LinuxStream::set_options(fd.get(), keep_alive_);
  set_error_queue(fd.get(), family, true);
  set_ttl_and_tos(fd.get(), family, options);
  if (!options.source.is_unspecified()) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const SockAddr source = to_sockaddr({options.source, {}});
    if (::bind(fd.get(), source.get(), source.size) != 0) return error_from_errno(errno);
  }
  const SockAddr address = to_sockaddr(remote);
  // Even a connect that is through at once is told by its event.
  if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
    // EAGAIN: no local port is left (connect(2)).
    return errno == EAGAIN ? SocketError::kAddressNotAvailable : error_from_errno(errno);
  }
  auto stream = std::make_unique<LinuxStream>(table_, std::move(fd), family, id, rings_for(family),
                                              LinuxStream::Start::kConnecting);
  if (!stream->watched()) return SocketError::kNoBuffers;
  return std::unique_ptr<StreamSocket>(std::move(stream));
}

Result<std::unique_ptr<Listener>, SocketError> LinuxSockets::listen(const Endpoint& local,
                                                                    FlowId id) {
  const Family family = local.address.family();
  Fd fd = open_socket(family, SOCK_STREAM);
  if (!fd) return error_from_errno(errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  LinuxStream::set_options(fd.get(), keep_alive_);
  const SockAddr address = to_sockaddr(local);
  if (::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return error_from_errno(errno);
  }
  auto listener =
      std::make_unique<LinuxListener>(table_, std::move(fd), family, id, rings_for(family));
  if (!listener->watched()) return SocketError::kNoBuffers;
  return std::unique_ptr<Listener>(std::move(listener));
}

Result<std::unique_ptr<DatagramSocket>, SocketError> LinuxSockets::open_datagram(
    const Endpoint& local, FlowId id) {
  const Family family = local.address.family();
  Fd fd = open_socket(family, SOCK_DGRAM);
  if (!fd) return error_from_errno(errno);
  // Bound at once, port 0 or not: the mapping exists before the first datagram leaves.
  const SockAddr address = to_sockaddr(local);
  if (::bind(fd.get(), address.get(), address.size) != 0) return error_from_errno(errno);
  auto socket = std::make_unique<LinuxDatagram>(table_, scratch_, std::move(fd), family, id);
  if (!socket->watched()) return SocketError::kNoBuffers;
  return std::unique_ptr<DatagramSocket>(std::move(socket));
}

Result<std::unique_ptr<EchoSocket>, SocketError> LinuxSockets::open_echo(Family family, FlowId id) {
  LinuxEcho::Type type{};
  auto fd = LinuxEcho::open(family, type);
  if (!fd.ok()) {
    if (fd.error() == SocketError::kAccessDenied) echo_denied_ = true;
    return fd.error();
  }
  auto socket = std::make_unique<LinuxEcho>(table_, scratch_, std::move(fd.value()), type, family,
                                            id, echo_id_base_);
  if (!socket->watched()) return SocketError::kNoBuffers;
  return std::unique_ptr<EchoSocket>(std::move(socket));
}

std::unique_ptr<StreamSocket> LinuxSockets::adopt_stream(FlowId /*id*/) { return nullptr; }
std::unique_ptr<Listener> LinuxSockets::adopt_listener(FlowId /*id*/) { return nullptr; }
std::unique_ptr<DatagramSocket> LinuxSockets::adopt_datagram(FlowId /*id*/) { return nullptr; }
std::unique_ptr<EchoSocket> LinuxSockets::adopt_echo(FlowId /*id*/) { return nullptr; }

}  // namespace dashi
