#include "core/linux/janitor.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace dashi {
namespace {

void remove_all(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) std::remove(path.c_str());
}

[[noreturn]] void wait_and_remove(int alive, const std::vector<std::string>& paths) {
  // A terminal's keys come here too.
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::prctl(PR_SET_NAME, "dashi-janitor");
  // The guest's interface and the rest go with dashi alone.
  if (::dup2(alive, STDIN_FILENO) < 0) ::_exit(1);
  ::close_range(STDIN_FILENO + 1, ~0U, 0);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {
  }
  remove_all(paths);
  ::_exit(0);
}

}  // namespace

Janitor::Janitor(std::vector<std::string> paths) : paths_(std::move(paths)) {
  int ends[2] = {-1, -1};
  if (paths_.empty() || ::pipe2(ends, O_CLOEXEC) != 0) return;
  const Fd childs(ends[0]);
  alive_ = Fd(ends[1]);
  child_ = ::fork();
  if (child_ == 0) wait_and_remove(childs.get(), paths_);
}

Janitor::~Janitor() {
  alive_.reset();
  // Without a child we try it ourselves.
  if (child_ < 0) {
    remove_all(paths_);
    return;
  }
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace dashi
