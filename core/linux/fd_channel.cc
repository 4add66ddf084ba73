#include "core/linux/fd_channel.hh"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

namespace dashi {
namespace {

struct Message {
  int error = 0;
  char what[500] = {};  // empty: a descriptor comes along
};

union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int))];
};

ssize_t send_message(int channel, msghdr& message) {
  ssize_t n = 0;
  do {
    n = ::sendmsg(channel, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n;
}

}  // namespace

Result<Channel, SystemError> Channel::create() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return last_error("cannot make a socket pair");
  }
  return Channel{Fd(pair[0]), Fd(pair[1])};
}

bool send_fd(int channel, int fd) {
  Message body;
  iovec piece{&body, sizeof body};
  Control control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return send_message(channel, message) > 0;
}

bool send_failure(int channel, const SystemError& error) {
  Message body;
  body.error = error.error;
  const size_t n = std::min(error.what.size(), sizeof body.what - 1);
  std::memcpy(body.what, error.what.data(), n);
  iovec piece{&body, sizeof body};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return send_message(channel, message) > 0;
}

bool send_byte(int channel, uint8_t byte) {
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return send_message(channel, message) == 1;
}

Result<Fd, SystemError> receive_fd(int channel) {
  Message body;
  iovec piece{&body, sizeof body};
  Control control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t n = 0;
  do {
    n = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < static_cast<ssize_t>(sizeof body)) return SystemError{"the child ended early", 0};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (body.what[0] != 0 || header == nullptr) return SystemError{body.what, body.error};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

std::optional<uint8_t> receive_byte(int channel) {
  uint8_t byte = 0;
  ssize_t n = 0;
  do {
    n = ::recv(channel, &byte, 1, 0);
  } while (n < 0 && errno == EINTR);
  if (n != 1) return std::nullopt;
  return byte;
}

}  // namespace dashi
