// A private network namespace for a test program: loopback is up, the program is root in it, nothing
// reaches or is seen by the machine. Where namespaces are not to be had the program exits with 77, which
// ctest shows as skipped.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace dashi::test {

inline bool write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return done;
}

[[noreturn]] inline void skip(const char* what) {
  std::printf("SKIPPED: %s: %s\n", what, std::strerror(errno));
  std::fflush(stdout);
  std::_Exit(77);
}

inline void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) skip(command.c_str());
}

inline void enter_network_namespace() {
  const std::string uid_map = "0 " + std::to_string(::getuid()) + " 1";
  const std::string gid_map = "0 " + std::to_string(::getgid()) + " 1";
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) skip("no user and network namespaces");
  write_file("/proc/self/setgroups", "deny");
  if (!write_file("/proc/self/uid_map", uid_map) || !write_file("/proc/self/gid_map", gid_map)) {
    skip("no user map");
  }
  run("ip link set lo up");
}

}  // namespace dashi::test
