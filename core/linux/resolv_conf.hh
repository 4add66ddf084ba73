// The host's /etc/resolv.conf (resolv.conf(5)): which resolvers to ask, and the search list; and a
// watch that tells when it may have changed. Reads only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/linux/fd.hh"
#include "core/wire/address.hh"

namespace dashi {

struct ResolvConf {
  std::vector<Endpoint> resolvers;  // port 53
  std::vector<std::string> search;
  // For people: the lines that name a server which is not asked, each with its number and why.
  std::vector<std::string> left_out;
};

ResolvConf parse_resolv_conf(std::string_view text);
// Empty lists if the file cannot be read. left_out begins with `path`.
ResolvConf read_resolv_conf(const std::string& path);

// Tells when the file was written, replaced or linked elsewhere.
class ResolvConfWatch {
 public:
  explicit ResolvConfWatch(std::string path);
  int fd() const { return fd_.get(); }  // -1: the kernel does not tell
  // After fd() was readable. What it is now is for the caller to read.
  void drain();

 private:
  void watch();
  void watch_folder(std::string folder);

  std::string path_;
  Fd fd_;
};

}  // namespace dashi
