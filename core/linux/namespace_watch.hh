// Tells `attach` when what it was attached to is gone: the process ended, or the namespace's name was
// taken away, as `ip netns del` does. Needed because the TAP itself keeps a namespace alive: without a
// watch dashi and the namespace would keep each other for ever. Owns its descriptor.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "core/linux/fd.hh"
#include "core/linux/system_error.hh"

namespace dashi {

class NamespaceWatch {
 public:
  // Before the namespace is entered, so that nothing is missed. `path` under /proc/PID is watched by
  // its process, any other by its name.
  static Result<NamespaceWatch, SystemError> of(const std::string& path);

  int fd() const { return fd_.get(); }  // readable: ask ended(); -1 if it cannot be watched
  bool ended();
  std::string text() const;  // what ended, for people

 private:
  NamespaceWatch() = default;

  Fd fd_;  // a pidfd, or an inotify descriptor
  std::optional<pid_t> pid_;
  std::string path_;
  struct stat identity_ {};
};

}  // namespace dashi
