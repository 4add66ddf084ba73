// The command of `dashi run`: a child in user, mount and network namespaces of its own, root in them
// without being root, with the guest's end of the link and a resolv.conf of ours. It waits, ready,
// until it is told to go.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/linux/fd_channel.hh"
#include "core/linux/guest_network.hh"

namespace dashi {

class Command {
 public:
  // Makes the namespaces and the child. `resolv_conf` is the text the command finds there.
  static Result<Command, SystemError> prepare(std::vector<std::string> arguments,
                                              const GuestNetwork& network,
                                              const std::string& resolv_conf);
  Command(Command&& other) noexcept;
  Command& operator=(Command&&) = delete;
  ~Command();  // ends a child that was never started

  Fd take_tap() { return std::move(tap_); }
  int pid_fd() const { return pid_fd_.get(); }  // readable when the command ended
  // Runs the command. 0, or the errno of what kept it from starting.
  int start();
  void signal(int number) const;
  // Once pid_fd() is readable: its status as a shell would say it, 128 + n for a signal.
  int wait();

 private:
  Command(pid_t pid, Fd pid_fd, Fd tap, Fd channel);

  pid_t pid_;  // -1: waited for
  Fd pid_fd_;
  Fd tap_;
  Fd channel_;  // until the command runs
};

}  // namespace dashi
