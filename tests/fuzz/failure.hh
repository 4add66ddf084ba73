// How a target says that something is wrong: one line, then the end of the process, which is what a
// fuzzer looks for.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace dashi::fuzz {

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "fuzz: %s\n", what.c_str());
  std::abort();
}

inline void expect(bool holds, const char* what) {
  if (!holds) fail(what);
}

}  // namespace dashi::fuzz
