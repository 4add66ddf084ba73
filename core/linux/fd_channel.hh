// A socket pair between us and a child, over which the child hands back what it made: a descriptor, or
// why not. Small messages, one at a time; blocking.
#pragma once

#include <optional>
#include <string>

#include "core/linux/fd.hh"
#include "core/linux/system_error.hh"

namespace dashi {

struct Channel {
  Fd ours;
  Fd childs;
  static Result<Channel, SystemError> create();
};

// False if the other end is gone.
bool send_fd(int channel, int fd);
bool send_failure(int channel, const SystemError& error);
bool send_byte(int channel, uint8_t byte);
// What the other end sent: the descriptor, or its failure.
Result<Fd, SystemError> receive_fd(int channel);
std::optional<uint8_t> receive_byte(int channel);  // empty: the other end is gone

}  // namespace dashi
