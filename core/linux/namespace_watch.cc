#include "core/linux/namespace_watch.hh"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

namespace dashi {
namespace {

// 42 of /proc/42/ns/net. Files under /proc come and go without inotify's knowing.
std::optional<pid_t> process_of(const std::string& path) {
  const std::string folder = "/proc/";
  if (!path.starts_with(folder)) return std::nullopt;
  pid_t pid = 0;
  const char* end = path.data() + path.size();
  const auto parsed = std::from_chars(path.data() + folder.size(), end, pid);
  if (parsed.ec != std::errc{} || parsed.ptr == end || *parsed.ptr != '/') return std::nullopt;
  return pid;
}

// The path without links. Namespaces under /proc are links to no file: what leads there is left as it
// is, but for a name that is itself such a link, as made for containers that `ip netns` is to know.
std::string resolve(const std::string& path) {
  char link[256];
  const ssize_t n = ::readlink(path.c_str(), link, sizeof link);
  std::string target = n > 0 ? std::string(link, static_cast<size_t>(n)) : std::string();
  if (process_of(target)) return target;
  char* real = ::realpath(path.c_str(), nullptr);
  std::string resolved = real == nullptr ? path : real;
  std::free(real);
  return resolved;
}

}  // namespace

Result<NamespaceWatch, SystemError> NamespaceWatch::of(const std::string& path) {
  NamespaceWatch out;
  out.path_ = resolve(path);
  out.pid_ = process_of(out.path_);
  if (out.pid_) {
    out.fd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, *out.pid_, 0)));
    if (!out.fd_) return last_error("cannot watch process " + std::to_string(*out.pid_));
    return out;
  }
  out.fd_ = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  const std::string folder = out.path_.substr(0, out.path_.rfind('/') + 1) + ".";
  constexpr uint32_t kEvents =
      IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
  // A folder we may not read is not watched: as without a watch, a signal ends us.
  if (out.fd_ && ::inotify_add_watch(out.fd_.get(), folder.c_str(), kEvents) < 0) out.fd_.reset();
  if (::stat(out.path_.c_str(), &out.identity_) != 0) {
    return last_error("cannot open the namespace " + path);
  }
  return out;
}

bool NamespaceWatch::ended() {
  if (pid_) {
    pollfd p{fd_.get(), POLLIN, 0};
    return ::poll(&p, 1, 0) == 1;
  }
  alignas(inotify_event) char scratch[4096];
  while (::read(fd_.get(), scratch, sizeof scratch) > 0) {
  }
  // Whatever happened in the folder: is it still the same namespace?
  struct stat now {};
  return ::stat(path_.c_str(), &now) != 0 || now.st_dev != identity_.st_dev ||
         now.st_ino != identity_.st_ino;
}

std::string NamespaceWatch::text() const {
  if (pid_) return "process " + std::to_string(*pid_) + " ended";
  return "the namespace " + path_ + " is gone";
}

}  // namespace dashi
