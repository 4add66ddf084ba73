#include "core/linux/command.hh"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdlib>

#include "core/linux/log.hh"

namespace dashi {
namespace {

using Outcome = Result<Done, SystemError>;

Outcome write_file(const char* path, const std::string& text) {
  const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) < 0) {
    return last_error(std::string("cannot write ") + path);
  }
  return Done{};
}

// Root inside, ourselves outside (user_namespaces(7)).
Outcome enter_namespaces() {
  const std::string uid_map = "0 " + std::to_string(::getuid()) + " 1";
  const std::string gid_map = "0 " + std::to_string(::getgid()) + " 1";
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0) {
    return last_error("cannot make user, mount and network namespaces");
  }
  // Without it an unprivileged process may not map groups.
  Outcome done = write_file("/proc/self/setgroups", "deny");
  if (done.ok()) done = write_file("/proc/self/uid_map", uid_map);
  if (done.ok()) done = write_file("/proc/self/gid_map", gid_map);
  return done;
}

// Where there is no file to mount over, or only a link to none, as without systemd-resolved: /etc becomes
// itself with a resolv.conf laid over it (Linux 5.11). Without that the command goes without names.
void overlay_resolv_conf(const char* folder, const std::string& text) {
  const Fd here(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  // The overlay keeps the file system that holds its upper layer: it need not stay in sight.
  bool done = ::mount("dashi", folder, "tmpfs", 0, "mode=755,size=1m") == 0;
  if (done) {
    done = ::chdir(folder) == 0 && ::mkdir("upper", 0755) == 0 && ::mkdir("work", 0755) == 0;
    const Fd fd(::open("upper/resolv.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    done = done && fd && ::write(fd.get(), text.data(), text.size()) >= 0;
    // Relative names: nothing in TMPDIR can be taken for an option's end.
    const char* layers = "lowerdir=/etc,upperdir=upper,workdir=work";
    done = done && ::mount("dashi", "/etc", "overlay", 0, layers) == 0;
    ::umount2(folder, MNT_DETACH);
  }
  if (here && ::fchdir(here.get()) != 0) done = false;
  if (!done) log_warning("there is no /etc/resolv.conf: the command will not find names");
}

// Over whatever /etc/resolv.conf is, or points to. The file itself is gone at once: the mount keeps it.
Outcome mount_resolv_conf(const std::string& text) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return last_error("cannot make mounts private");
  }
  const char* given = std::getenv("TMPDIR");
  const char* folder = given == nullptr || *given == '\0' ? "/tmp" : given;
  std::string path = std::string(folder) + "/dashi-resolv-XXXXXX";
  const Fd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd) return last_error("cannot make " + path);
  const bool written =
      ::fchmod(fd.get(), 0644) == 0 && ::write(fd.get(), text.data(), text.size()) >= 0;
  const bool mounted =
      written && ::mount(path.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) == 0;
  const SystemError error = last_error("cannot mount a file over /etc/resolv.conf");
  ::unlink(path.c_str());
  if (mounted) return Done{};
  if (!written || error.error != ENOENT) return error;
  overlay_resolv_conf(folder, text);
  return Done{};
}

Result<Fd, SystemError> set_up_child(const GuestNetwork& network, const std::string& resolv_conf) {
  Outcome done = enter_namespaces();
  if (done.ok()) done = mount_resolv_conf(resolv_conf);
  if (!done.ok()) return done.error();
  return make_guest_network(network);
}

[[noreturn]] void run_child(int channel, std::vector<std::string>& arguments,
                            const GuestNetwork& network, const std::string& resolv_conf) {
  {
    const auto tap = set_up_child(network, resolv_conf);
    if (!tap.ok()) {
      send_failure(channel, tap.error());
      ::_exit(1);
    }
    send_fd(channel, tap.value().get());
  }
  if (!receive_byte(channel)) ::_exit(1);
  // Without us there is no network to run in.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execvp(pointers[0], pointers.data());
  send_byte(channel, static_cast<uint8_t>(errno));
  ::_exit(127);
}

}  // namespace

Command::Command(pid_t pid, Fd pid_fd, Fd tap, Fd channel)
    : pid_(pid), pid_fd_(std::move(pid_fd)), tap_(std::move(tap)), channel_(std::move(channel)) {}

Command::Command(Command&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::move(other.pid_fd_)),
      tap_(std::move(other.tap_)),
      channel_(std::move(other.channel_)) {}

Command::~Command() {
  if (pid_ < 0) return;
  if (channel_) ::kill(pid_, SIGKILL);
  channel_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<Command, SystemError> Command::prepare(std::vector<std::string> arguments,
                                              const GuestNetwork& network,
                                              const std::string& resolv_conf) {
  auto channel = Channel::create();
  if (!channel.ok()) return channel.error();
  const pid_t pid = ::fork();
  if (pid < 0) return last_error("cannot fork");
  if (pid == 0) {
    channel->ours.reset();
    run_child(channel->childs.get(), arguments, network, resolv_conf);
  }
  channel->childs.reset();
  Fd pid_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  Result<Fd, SystemError> tap = last_error("cannot watch the command");
  if (pid_fd) tap = receive_fd(channel->ours.get());
  if (!tap.ok()) {
    channel->ours.reset();  // so that it does not wait to be told to go
    ::waitpid(pid, nullptr, 0);
    return tap.error();
  }
  return Command(pid, std::move(pid_fd), std::move(tap.value()), std::move(channel->ours));
}

int Command::start() {
  send_byte(channel_.get(), 1);
  // The channel closes by itself when the command runs.
  const auto error = receive_byte(channel_.get());
  channel_.reset();
  return error ? *error : 0;
}

void Command::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int Command::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace dashi
