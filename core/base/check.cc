#include "core/base/check.hh"

namespace dashi {
namespace {
// The one static of the core: how to die. It never steers a run.
CheckHandler handler_on_failure = nullptr;
}  // namespace

void set_check_handler(CheckHandler handler) { handler_on_failure = handler; }

void check_failed(const char* expression, const char* file, int line) {
  if (handler_on_failure != nullptr) handler_on_failure(expression, file, line);
  __builtin_trap();
}

}  // namespace dashi
