// What a script's shell lines would set, read and never run: the values of `sysctl`, those that
// packetdrill's own helpers put there, and what the link and the route are told. A shell file that a
// line names beside the script is read in its place. Everything else is passed over, by its name.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace dashi::script {

struct ShellReading {
  std::vector<std::pair<std::string, std::string>> sysctls;  // in order; a later one holds
  bool segments_offloaded = true;                            // `ethtool -K ... tso off` says no
  std::string initial_window;                                // `ip route ... initcwnd N`
  std::vector<std::string> passed_over;                      // other commands
};

// The text of a file named as a script's line names it; empty if there is none.
using ReadBeside = std::function<std::string(const std::string&)>;

void read_shell(const std::string& text, const ReadBeside& beside, ShellReading& into);

// Words of a command, quotes resolved and $((6*7)) computed. For tests.
std::vector<std::vector<std::string>> shell_commands(const std::string& text);

}  // namespace dashi::script
