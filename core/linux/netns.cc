#include "core/linux/netns.hh"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/nsfs.h>

#include <cstdlib>

#include "core/linux/fd_channel.hh"

namespace dashi {
namespace {

bool same_file(int a, int b) {
  struct stat first {};
  struct stat second {};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

// Into the namespace, by way of the user namespace that owns it where that is not ours: there we
// have the right to make interfaces.
Result<Done, SystemError> enter(const std::string& path, bool configures) {
  const Fd net(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!net) return last_error("cannot open the namespace " + path);
  const Fd our_net(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  // Whoever bridges the interface may have it here. A default route by it would be a loop.
  if (configures && our_net && same_file(net.get(), our_net.get())) {
    return SystemError{"the namespace " + path + " is dashi's own: not to be configured", 0};
  }
  const Fd owner(::ioctl(net.get(), NS_GET_USERNS));
  const Fd ours(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  if (owner && ours && !same_file(owner.get(), ours.get())) ::setns(owner.get(), CLONE_NEWUSER);
  if (::setns(net.get(), CLONE_NEWNET) != 0)
    return last_error("cannot enter the namespace " + path);
  return Done{};
}

void make_and_send(int channel, const std::string& path, const GuestNetwork& network) {
  const auto entered = enter(path, network.configure);
  if (!entered.ok()) {
    send_failure(channel, entered.error());
    return;
  }
  const auto tap = make_guest_network(network);
  if (tap.ok()) {
    send_fd(channel, tap.value().get());
  } else {
    send_failure(channel, tap.error());
  }
}

}  // namespace

Result<Fd, SystemError> make_guest_network_in(const std::string& path,
                                              const GuestNetwork& network) {
  auto channel = Channel::create();
  if (!channel.ok()) return channel.error();
  const pid_t child = ::fork();
  if (child < 0) return last_error("cannot fork");
  if (child == 0) {
    make_and_send(channel->childs.get(), path, network);
    ::_exit(0);
  }
  channel->childs.reset();
  auto tap = receive_fd(channel->ours.get());
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return tap;
}

std::optional<std::string> netns_name(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  const std::string resolved = real == nullptr ? path : real;
  std::free(real);
  const std::string folder = "/run/netns/";
  if (!resolved.starts_with(folder)) return std::nullopt;
  const std::string name = resolved.substr(folder.size());
  if (name.empty() || name.find('/') != std::string::npos) return std::nullopt;
  return name;
}

NetnsResolvConf::NetnsResolvConf(const std::string& name, const std::string& text) {
  for (const std::string& folder : {std::string("/etc/netns"), "/etc/netns/" + name}) {
    if (::mkdir(folder.c_str(), 0755) == 0) folders_.push_back(folder);
  }
  const std::string path = "/etc/netns/" + name + "/resolv.conf";
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return;
  path_ = path;
  if (::write(fd.get(), text.data(), text.size()) < 0) return;
}

NetnsResolvConf::~NetnsResolvConf() {
  if (!path_.empty()) ::unlink(path_.c_str());
  // Only if nobody put anything else there meanwhile.
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    ::rmdir(folder->c_str());
  }
}

}  // namespace dashi
