#include "sim/lab/shrunk_script.hh"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <sstream>

#include "sim/lab/trial.hh"
#include "sim/script/parser.hh"
#include "sim/script/retelling.hh"
#include "sim/script/runner.hh"
#include "sim/swarm/shrink.hh"

namespace dashi::lab {

namespace {

using Lines = std::vector<std::string>;

// What comes of a script.
struct Run {
  enum class Kind : uint8_t { kNoScript, kAsWritten, kBreaksTheRule, kEndsInACheck, kDiffers };
  Kind kind = Kind::kNoScript;
  size_t line = 0;  // that differs
  std::string why;
};

Run run(const std::string& text, const std::string& rule) {
  const auto script = script::parse(text);
  if (!script.ok()) return {Run::Kind::kNoScript, 0, script.error().message};
  const std::string said = in_own_process([&] {
    script::RunOptions options;
    options.family = script::family_of(*script).value_or(Family::kIpv4);
    const script::Outcome outcome = script::run(*script, options);
    const bool as_written = outcome.kind == script::Outcome::Kind::kPass;
    return as_written ? "" : std::to_string(outcome.where.line) + ": " + outcome.reason;
  });
  if (said.empty()) return {Run::Kind::kAsWritten, 0, ""};
  if (rule_of(said) == rule) return {Run::Kind::kEndsInACheck, 0, said};
  std::istringstream parts(said);
  Run differs{Run::Kind::kDiffers, 0, said};
  if (parts >> differs.line) differs.why = said.substr(std::min(said.find(": ") + 2, said.size()));
  if (rule_of(differs.why) == rule) differs.kind = Run::Kind::kBreaksTheRule;
  return differs;
}

bool runs_as_written(const Run& run) {
  return run.kind != Run::Kind::kNoScript && run.kind != Run::Kind::kDiffers;
}

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string text_of(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// --- Made plain ---

// The time before the first space of "+1.5 < S 0:0(0)", in nanoseconds; nothing, if there is none.
bool time_of(const std::string& line, int64_t& ns) {
  if (line.empty() || line[0] != '+') return false;
  const size_t end = std::min(line.find(' '), line.size());
  const size_t point = std::min(line.find('.'), end);
  ns = 0;
  for (size_t i = 1; i < point; ++i) ns = ns * 10 + (line[i] - '0');
  for (size_t i = 0; i < 9; ++i) {
    const size_t at = point + 1 + i;
    ns = ns * 10 + (at < end ? line[at] - '0' : 0);
  }
  return true;
}

// All moments, from the script's begin on, to whole multiples of `grid`.
Lines rounded(Lines lines, int64_t grid) {
  int64_t now = 0;
  int64_t told = 0;
  for (std::string& line : lines) {
    int64_t wait = 0;
    if (!time_of(line, wait)) continue;
    now += wait;
    const int64_t moment = (now + grid / 2) / grid * grid;
    line = "+" + script::seconds_of(Duration(moment - told)) + line.substr(line.find(' '));
    told = moment;
  }
  return lines;
}

// What of the script may go without its being another run.
Lines plainer(Lines lines, const std::string& rule, Run::Kind kind) {
  const auto take = [&](const Lines& candidate) {
    if (candidate == lines || run(text_of(candidate), rule).kind != kind) return false;
    lines = candidate;
    return true;
  };
  const auto broken = std::find_if(lines.begin(), lines.end(), script::says_broken);
  if (broken != lines.end()) take(Lines(lines.begin(), broken + 1));
  for (int64_t grid = 10'000'000; grid >= 1000; grid /= 10) {
    if (take(rounded(lines, grid))) break;
  }
  for (size_t i = lines.size(); i-- != 0;) {
    const bool option = lines[i].compare(0, 2, "--") == 0;
    if (!option || lines[i].compare(0, 12, "--ip_version") == 0) continue;
    Lines without = lines;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    take(without);
  }
  return lines;
}

// --- The heading ---

const Lines kHowToReadIt = {
    "Lines with < are what the guest sent and lines with > what the NAT sent it, right or wrong; "
    "calls are the",
    "far end's, and `fail` is what went wrong with the NAT's own socket calls. Times are rounded "
    "and options left",
    "out where that makes no other run of it; the capture has them all.",
};
const Lines kHowToMakeATest = {
    "To make a test of it: write into the > lines what a right NAT sends (once it is right, "
    "`dashi-lab pkt` on",
    "this file shows it); where none of them is wrong, let the script go on to what the defect "
    "keeps from coming.",
    "Then put the rule and where it is written in place of this heading, and the file into "
    "scenarios/.",
};

Lines what_comes_of(const Run& run, size_t heading_lines) {
  switch (run.kind) {
    case Run::Kind::kAsWritten:
      return {
          "With the defect in the NAT, this script passes: it expects what the NAT did wrong, and "
          "the rule is one",
          "that scripts are not held to. Without it, the script differs in the first line that was "
          "wrong.",
      };
    case Run::Kind::kBreaksTheRule:
      return {
          "With the defect in the NAT, every packet comes as it is written, and then this script "
          "differs: the rule",
          "is broken again. Without it, the script passes, or differs in the first line that was "
          "wrong.",
      };
    case Run::Kind::kEndsInACheck:
      return {
          "With the defect in the NAT, this script ends the program: the check fails again. "
          "Without it, the script",
          "passes, or differs in the first line that was wrong.",
      };
    case Run::Kind::kDiffers:
      return {
          "As a script it is another run, even with the defect in the NAT: what is not told may be "
          "why. It differs",
          "in line " + std::to_string(run.line + heading_lines) + ": " + run.why,
      };
    case Run::Kind::kNoScript:
      return {"It cannot be run: " + run.why};
  }
  return {};
}

std::string headed(const Lines& body, const Run& run, const std::string& command,
                   const std::string& broken) {
  const auto heading = [&](size_t lines) {
    Lines text{
        "A run of the simulator, of which an oracle said:",
        "    " + broken,
        "It said so at the line `" + std::string(script::kBrokenHere) + "`. `" + command +
            "` made the run as small as this and told it as a script.",
        "",
    };
    const auto add = [&text](const Lines& more) {
      text.insert(text.end(), more.begin(), more.end());
      text.emplace_back();
    };
    add(kHowToReadIt);
    add(what_comes_of(run, lines));
    add(kHowToMakeATest);
    return text;
  };
  const Lines text = heading(heading(0).size());
  std::string script;
  for (const std::string& line : text) script += line.empty() ? "//\n" : "// " + line + "\n";
  script.replace(script.size() - 3, 3, "\n");  // an empty line is the heading's end
  return script + text_of(body);
}

std::string how(const Run& run) {
  switch (run.kind) {
    case Run::Kind::kAsWritten:
      return "runs as it is written";
    case Run::Kind::kBreaksTheRule:
    case Run::Kind::kEndsInACheck:
      return "runs as it is written, and breaks the rule";
    case Run::Kind::kDiffers:
      return "differs: " + run.why;
    case Run::Kind::kNoScript:
      return "is no script: " + run.why;
  }
  return {};
}

}  // namespace

ShrunkScript made_ready(const std::string& told, const std::string& command,
                        const std::string& rule, const std::string& broken) {
  const Run as_told = run(told, rule);
  Lines body = lines_of(told);
  if (runs_as_written(as_told)) body = plainer(body, rule, as_told.kind);
  return {headed(body, as_told, command, broken), how(as_told)};
}

}  // namespace dashi::lab
