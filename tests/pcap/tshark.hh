// tshark as an oracle: what Wireshark makes of a file we wrote, as rows of fields. Not a parser of
// ours, and on purpose not one line of it.
#pragma once

#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace dashi::test {

// A path in a folder of this process's own, gone with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dashi-XXXXXX").string();
    BOOST_REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// The output of a shell command that must succeed.
inline std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::string output;
  char buffer[4096];
  for (size_t n = 0; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    output.append(buffer, n);
  }
  const int status = pclose(pipe);
  BOOST_REQUIRE_MESSAGE(WIFEXITED(status) && WEXITSTATUS(status) == 0, command << "\n" << output);
  return output;
}

// One row a packet, one column a field; a field that a packet lacks is empty. Checksums are verified.
inline std::vector<std::vector<std::string>> tshark(const std::string& file,
                                                    const std::vector<std::string>& fields) {
  std::string command =
      "tshark -n -r " + file +
      " -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE"
      " -o tcp.relative_sequence_numbers:FALSE -T fields -E separator='|' -E occurrence=f";
  for (const std::string& field : fields) command += " -e " + field;
  std::istringstream lines(output_of(command + " 2>&1 | grep -v 'Running as user'"));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> row(1);
    for (const char c : line) {
      if (c == '|') row.emplace_back();
      if (c != '|') row.back() += c;
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace dashi::test
