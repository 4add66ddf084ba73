#include "core/linux/sockaddr.hh"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace dashi {

SockAddr to_sockaddr(const Endpoint& endpoint) {
  SockAddr out;
  const Bytes bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port.number);
    std::memcpy(&in.sin_addr, bytes.data(), 4);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(endpoint.port.number);
    std::memcpy(&in.sin6_addr, bytes.data(), 16);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  }
  return out;
}

Endpoint from_sockaddr(const sockaddr_storage& storage) {
  Endpoint out;
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    Ipv4Address address;
    std::memcpy(address.bytes.data(), &in.sin_addr, 4);
    out = {address, {ntohs(in.sin_port)}};
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    Ipv6Address address;
    std::memcpy(address.bytes.data(), &in.sin6_addr, 16);
    out = {address, {ntohs(in.sin6_port)}};
  }
  return out;
}

Endpoint local_endpoint(int fd) {
  SockAddr address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.size) != 0) return {};
  return from_sockaddr(address.storage);
}

int address_family(Family family) { return family == Family::kIpv4 ? AF_INET : AF_INET6; }

SocketError error_from_errno(int error) {
  switch (error) {
    case EAGAIN:
    case EINPROGRESS:
      return SocketError::kWouldBlock;
    case ECONNREFUSED:
    case ENOPROTOOPT:  // ICMP protocol unreachable
      return SocketError::kRefused;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:  // a reset after the peer's FIN; our own shutdown is told apart before the call
      return SocketError::kReset;
    case ETIMEDOUT:
      return SocketError::kTimedOut;
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return SocketError::kHostUnreachable;
    case ENETUNREACH:
    case ENETDOWN:
    case ENONET:
    case EAFNOSUPPORT:  // a host without IPv6 has no network of that kind
      return SocketError::kNetworkUnreachable;
    case EACCES:
    case EPERM:
      return SocketError::kAccessDenied;
    case EMFILE:
    case ENFILE:
      return SocketError::kTooManySockets;
    case ENOBUFS:
    case ENOMEM:
      return SocketError::kNoBuffers;
    case EMSGSIZE:
      return SocketError::kMessageTooLong;
    case EADDRINUSE:
      return SocketError::kAddressInUse;
    case EADDRNOTAVAIL:
      return SocketError::kAddressNotAvailable;
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
      return SocketError::kNotSupported;
    default:
      return SocketError::kOther;
  }
}

const char* message_of(SocketError error) {
  switch (error) {
    case SocketError::kWouldBlock:
      return "would block";
    case SocketError::kRefused:
      return "refused";
    case SocketError::kReset:
      return "reset";
    case SocketError::kTimedOut:
      return "timed out";
    case SocketError::kHostUnreachable:
      return "host unreachable";
    case SocketError::kNetworkUnreachable:
      return "network unreachable";
    case SocketError::kTtlExceeded:
      return "TTL exceeded";
    case SocketError::kAccessDenied:
      return "access denied";
    case SocketError::kTooManySockets:
      return "too many sockets";
    case SocketError::kNoBuffers:
      return "no buffers";
    case SocketError::kMessageTooLong:
      return "message too long";
    case SocketError::kAddressInUse:
      return "address in use";
    case SocketError::kAddressNotAvailable:
      return "address not available";
    case SocketError::kClosed:
      return "closed";
    case SocketError::kNotSupported:
      return "not supported";
    case SocketError::kOther:
      break;
  }
  return "error";
}

}  // namespace dashi
