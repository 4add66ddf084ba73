// What the operating system refused, for people: what we tried and why not. Values only.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/base/result.hh"

namespace dashi {

struct SystemError {
  std::string what;  // "cannot open /dev/net/tun"
  int error = 0;     // errno, or 0 if `what` says it all

  std::string text() const { return error == 0 ? what : what + ": " + std::strerror(error); }
};

// With the errno of the call that just failed.
inline SystemError last_error(std::string what) {
  const int error = errno;
  return {std::move(what), error};
}

}  // namespace dashi
