// DASHI_CHECK: our own invariants, checked in release as well. Never for what a guest or the world
// may cause: those are DropReasons and Results.
#pragma once

namespace dashi {

// What to do when an invariant is broken. The driver may install one that prints the flows and the
// tail of the trace; it must not return. Without one the process traps.
using CheckHandler = void (*)(const char* expression, const char* file, int line);

[[noreturn]] void check_failed(const char* expression, const char* file, int line);
void set_check_handler(CheckHandler handler);

}  // namespace dashi

#define DASHI_CHECK(expression)                               \
  do {                                                        \
    if (!(expression)) [[unlikely]] {                         \
      ::dashi::check_failed(#expression, __FILE__, __LINE__); \
    }                                                         \
  } while (false)
