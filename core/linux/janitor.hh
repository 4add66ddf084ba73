// Takes away what dashi made in the file system, when dashi is gone, however it went: a child that was
// forked while that was still allowed, does nothing until then, and never sees a byte of the guest's.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/linux/fd.hh"

namespace dashi {

class Janitor {
 public:
  // Files, and folders, which go if nobody put anything else there meanwhile; in this order. No child is
  // made for none.
  explicit Janitor(std::vector<std::string> paths);
  ~Janitor();  // when it returns they are gone
  Janitor(const Janitor&) = delete;
  Janitor& operator=(const Janitor&) = delete;

 private:
  std::vector<std::string> paths_;
  Fd alive_;  // the child hears when it closes
  pid_t child_ = -1;
};

}  // namespace dashi
