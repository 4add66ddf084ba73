// The command line of `dashi`: words to Settings, or what to print and the status to exit with. The
// library that does it throws; cli.cc alone knows.
#pragma once

#include <string>

#include "core/base/result.hh"
#include "core/linux/settings.hh"

namespace dashi {

struct CliExit {
  int status = 0;    // 0: --help or --version; 2: usage
  std::string text;  // for stdout if status is 0, else one line for stderr
};

Result<Settings, CliExit> parse_command_line(int count, const char* const* words);

}  // namespace dashi
