#include "core/linux/netns.hh"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/nsfs.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "core/linux/fd_channel.hh"
#include "core/linux/log.hh"

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

std::vector<std::string> write_netns_resolv_conf(const std::string& name, const std::string& text) {
  const std::string mark = "# Made by dashi, for as long as it runs.\n";
  const std::string folder = "/etc/netns/" + name;
  const std::string path = folder + "/resolv.conf";
  std::vector<std::string> made = {path};
  if (::mkdir("/etc/netns", 0755) == 0) made.push_back("/etc/netns");
  if (::mkdir(folder.c_str(), 0755) == 0) made.insert(made.begin() + 1, folder);
  std::ifstream there(path);
  if (there) {
    const std::string old{std::istreambuf_iterator<char>(there), std::istreambuf_iterator<char>()};
    if (!old.starts_with(mark)) {
      if (old != text) log_warning(path + " is somebody else's and stays; it should say: " + text);
      return {};
    }
    // A dashi that was killed left it, with its folders.
    made = {path, folder, "/etc/netns"};
  }
  std::ofstream file(path);
  file << mark << text;
  return made;
}

}  // namespace dashi
