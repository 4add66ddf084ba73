#include "core/linux/error_queue.hh"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <sys/uio.h>

// After the headers above: it needs their types.
#include <linux/errqueue.h>

#include <cerrno>
#include <cstring>

#include "core/linux/sockaddr.hh"

namespace dashi {
namespace {

bool is_ttl_exceeded(const sock_extended_err& e) {
  return (e.ee_origin == SO_EE_ORIGIN_ICMP && e.ee_type == ICMP_TIME_EXCEEDED) ||
         (e.ee_origin == SO_EE_ORIGIN_ICMP6 && e.ee_type == ICMP6_TIME_EXCEEDED);
}

void fill_from(const cmsghdr& cmsg, NetError& out) {
  sock_extended_err e{};
  std::memcpy(&e, CMSG_DATA(&cmsg), sizeof e);
  out.error = is_ttl_exceeded(e) ? SocketError::kTtlExceeded
                                 : error_from_errno(static_cast<int>(e.ee_errno));
  if (e.ee_errno == EMSGSIZE) out.mtu = e.ee_info;
  if (e.ee_origin != SO_EE_ORIGIN_ICMP && e.ee_origin != SO_EE_ORIGIN_ICMP6) return;
  out.icmp_type = e.ee_type;
  out.icmp_code = e.ee_code;
  // SO_EE_OFFENDER: the address follows the fixed part.
  const size_t space = cmsg.cmsg_len - CMSG_LEN(sizeof e);
  sockaddr_storage offender{};
  std::memcpy(&offender, CMSG_DATA(&cmsg) + sizeof e, std::min(space, sizeof offender));
  if (offender.ss_family != AF_UNSPEC) out.reporter = from_sockaddr(offender).address;
}

}  // namespace

void set_error_queue(int fd, Family family, bool on) {
  const int value = on ? 1 : 0;
  if (family == Family::kIpv4) {
    ::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &value, sizeof value);
  } else {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &value, sizeof value);
  }
}

std::optional<NetError> read_error_queue(int fd, MutableBytes scratch) {
  SockAddr remote;
  iovec iov{scratch.data(), scratch.size()};
  alignas(cmsghdr) char control[512];
  msghdr message{};
  message.msg_name = remote.get();
  message.msg_namelen = sizeof remote.storage;
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = 0;
  do {
    n = ::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return std::nullopt;

  NetError out;
  if (message.msg_namelen != 0) out.original_remote = from_sockaddr(remote.storage);
  out.quoted = Bytes(scratch).first(static_cast<size_t>(n));
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (v4 || v6) fill_from(*c, out);
  }
  return out;
}

}  // namespace dashi
