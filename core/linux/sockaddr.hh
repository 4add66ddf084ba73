// Our addresses as the kernel writes them, and its errors as the core reads them. Values only.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "core/env/sockets.hh"
#include "core/wire/address.hh"

namespace dashi {

struct SockAddr {
  sockaddr_storage storage{};
  socklen_t size = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SockAddr to_sockaddr(const Endpoint& endpoint);
Endpoint from_sockaddr(const sockaddr_storage& storage);
// The address a socket is bound to; all zero if the kernel does not say.
Endpoint local_endpoint(int fd);
int address_family(Family family);  // AF_INET, AF_INET6

SocketError error_from_errno(int error);
// One word for people.
const char* message_of(SocketError error);

}  // namespace dashi
