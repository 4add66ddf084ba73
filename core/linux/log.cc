#include "core/linux/log.hh"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

namespace dashi {
namespace {

// The library's own registry keeps it.
spdlog::logger& logger() {
  auto found = spdlog::get("dashi");
  if (!found) {
    found = spdlog::stderr_logger_st("dashi");
    found->set_pattern("dashi: %v");
    found->set_level(spdlog::level::info);
  }
  return *found;
}

}  // namespace

void log_verbosely(bool verbose) {
  logger().set_level(verbose ? spdlog::level::debug : spdlog::level::info);
}
void log_detail(std::string_view text) { logger().debug("{}", text); }
void log_info(std::string_view text) { logger().info("{}", text); }
void log_warning(std::string_view text) { logger().warn("warning: {}", text); }
void log_error(std::string_view text) { logger().error("error: {}", text); }

void log_raw(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace dashi
