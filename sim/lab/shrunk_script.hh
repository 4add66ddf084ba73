// The script of a shrunk run, made ready for a reader who has never seen the tool: it is run, to say what
// comes of it; options it does not need go, and times become round, where it runs alike; and a heading says
// what it is, which rule was broken and where, and how it becomes a test. It writes no files.
#pragma once

#include <string>
#include <vector>

namespace dashi::lab {

struct ShrunkScript {
  std::string text;
  std::string how;  // it runs: "runs as it is written", ..., for one line
};

// `told`: the script as retold. `command` made it, of a run that broke `rule`, in the words `broken`.
ShrunkScript made_ready(const std::string& told, const std::string& command,
                        const std::string& rule, const std::string& broken);

}  // namespace dashi::lab
