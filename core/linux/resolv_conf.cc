#include "core/linux/resolv_conf.hh"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <fstream>
#include <sstream>

namespace dashi {
namespace {

constexpr size_t kMaxResolvers = 8;
constexpr int kMaxLinks = 8;

// Why a server is not asked; null if it can be.
const char* why_not(const std::string& address, const std::optional<IpAddress>& parsed) {
  const auto bare = parse_ip(std::string_view(address).substr(0, address.find('%')));
  // Without its interface it has no meaning, and an address of ours knows none.
  if (bare && bare->is_v6() && bare->is_link_local()) return "a link-local server cannot be asked";
  return parsed ? nullptr : "not an address";
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf out;
  std::istringstream lines{std::string(text)};
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    std::string keyword;
    words >> keyword;
    if (keyword == "nameserver") {
      std::string address;
      words >> address;
      const auto parsed = parse_ip(address);
      if (const char* why = why_not(address, parsed)) {
        out.left_out.push_back(std::to_string(number) + ": nameserver " + address +
                               " is left out: " + why);
      } else if (out.resolvers.size() < kMaxResolvers) {
        out.resolvers.push_back({*parsed, {53}});
      }
    } else if (keyword == "search" || keyword == "domain") {
      // The last of these lines counts.
      out.search.clear();
      for (std::string name; words >> name;) {
        if (name != ".") out.search.push_back(name);
      }
    }
  }
  return out;
}

ResolvConf read_resolv_conf(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  ResolvConf out = parse_resolv_conf(text.str());
  for (std::string& line : out.left_out) line.insert(0, path + ":");
  return out;
}

ResolvConfWatch::ResolvConfWatch(std::string path)
    : path_(std::move(path)), fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  watch();
}

// The file itself, for what is written into it; the folder it is in and, if it is a link, those of every
// link on the way, for what takes its place. Watching again what is watched changes nothing.
void ResolvConfWatch::watch() {
  if (!fd_) return;
  ::inotify_add_watch(fd_.get(), path_.c_str(), IN_MODIFY | IN_CLOSE_WRITE | IN_MOVE_SELF);
  std::string path = path_;
  for (int links = 0; links < kMaxLinks && !path.empty(); ++links) {
    watch_folder(path.substr(0, path.rfind('/') + 1));
    char target[PATH_MAX];
    const ssize_t n = ::readlink(path.c_str(), target, sizeof target);
    if (n <= 0) return;
    // A relative target counts from where the link is.
    path.resize(target[0] == '/' ? 0 : path.rfind('/') + 1);
    path.append(target, static_cast<size_t>(n));
  }
}

// Or the nearest above it that is there: the folder of a link's target may be made later.
void ResolvConfWatch::watch_folder(std::string folder) {
  constexpr uint32_t kEvents = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE;
  while (::inotify_add_watch(fd_.get(), folder.c_str(), kEvents) < 0 && errno == ENOENT &&
         folder.size() > 1) {
    folder.resize(folder.rfind('/', folder.size() - 2) + 1);
  }
}

void ResolvConfWatch::drain() {
  alignas(inotify_event) char scratch[4096];
  while (::read(fd_.get(), scratch, sizeof scratch) > 0) {
  }
  watch();
}

}  // namespace dashi
