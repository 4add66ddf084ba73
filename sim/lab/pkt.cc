#include "sim/lab/pkt.hh"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include "pcap/capture_hooks.hh"
#include "pcap/write/file_sink.hh"
#include "sim/script/parser.hh"
#include "sim/script/runner.hh"
#include "sim/script/setting.hh"

namespace dashi::lab {

const char* const kPktUsage =
    "  pkt [--ipv4|--ipv6] [--packetdrill|--exact] [--captures DIR] FILE|DIR...\n"
    "                    run .pkt scripts, and folders of them, over both families (or one);\n"
    "                    a line each: pass, skip or differs, and a capture of what differs\n"
    "                    in DIR (here, without it)\n";

namespace {

namespace fs = std::filesystem;
using script::Outcome;

struct Asked {
  bool v4 = true;
  bool v6 = true;
  std::optional<bool> packetdrill;  // all of them are, or none; else each says
  fs::path captures = ".";
  std::vector<fs::path> files;
};

struct Tally {
  unsigned passed = 0;
  unsigned skipped = 0;
  unsigned differ = 0;
  unsigned allowed = 0;  // of those: as an RFC allows
};

int wrong_use(const std::string& message) {
  std::fprintf(stderr, "dashi-lab pkt: %s (try --help)\n", message.c_str());
  return 2;
}

// Every .pkt below a folder, in the order of their names.
std::string add_files(const fs::path& path, std::vector<fs::path>& files) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    files.push_back(path);
    return fs::exists(path, error) ? "" : "no such file: " + path.string();
  }
  std::vector<fs::path> found;
  for (fs::recursive_directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() == ".pkt") found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  files.insert(files.end(), found.begin(), found.end());
  return error ? path.string() + ": " + error.message() : "";
}

std::string read_arguments(int count, char** arguments, Asked& asked) {
  for (int i = 0; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--ipv4") {
      asked.v6 = false;
    } else if (argument == "--ipv6") {
      asked.v4 = false;
    } else if (argument == "--packetdrill") {
      asked.packetdrill = true;
    } else if (argument == "--exact") {
      asked.packetdrill = false;
    } else if (argument == "--captures") {
      if (++i == count) return "--captures needs a folder";
      asked.captures = arguments[i];
      std::error_code refused;
      fs::create_directories(asked.captures, refused);
      if (refused) return std::string(argument) + ": " + arguments[i] + ": " + refused.message();
    } else if (argument.substr(0, 1) == "-") {
      return "no such option: " + std::string(argument);
    } else if (std::string error = add_files(argument, asked.files); !error.empty()) {
      return error;
    }
  }
  if (!asked.v4 && !asked.v6) return "--ipv4 and --ipv6 leave nothing to run";
  return asked.files.empty() ? "no script to run" : "";
}

// Packetdrill's scripts have shell lines, which ours have no use for, or live in its repositories.
bool is_packetdrills(const script::Script& script, const fs::path& file) {
  if (!script.commands.empty()) return true;
  for (const script::Event& event : script.events) {
    if (std::holds_alternative<script::CommandSpec>(event.what)) return true;
  }
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(file, error);
  return std::any_of(whole.begin(), whole.end(), [](const fs::path& part) {
    return part == "packetdrill" || part == "gtests";
  });
}

script::RunOptions options_for(const script::Script& script, Family family, const fs::path& file,
                               const Asked& asked) {
  script::RunOptions options;
  options.family = family;
  options.packetdrill = asked.packetdrill.value_or(is_packetdrills(script, file));
  options.beside = [folder = file.parent_path()](const std::string& name) {
    std::error_code error;
    std::stringstream text;
    if (fs::is_regular_file(folder / name, error)) text << std::ifstream(folder / name).rdbuf();
    return text.str();
  };
  return options;
}

// The run once more, with a capture: it is the same run, to the bit.
std::string capture_of(const script::Script& script, script::RunOptions options,
                       const fs::path& path) {
  auto sink = FileSink::create(path.string());
  if (!sink.ok()) return sink.error();
  PcapngWriter writer(**sink, {"dashi " DASHI_VERSION, path.stem().string(), 0});
  std::optional<Capture> capture;
  options.prepare = [&](World& world) {
    world.decorate(
        [&](const Env& env) {
          capture.emplace(writer, env);
          return capture->env();
        },
        hooks_for(capture));
  };
  script::run(script, options);
  capture->flush();
  (*sink)->flush();
  return (*sink)->error();
}

std::string line_of(const fs::path& file, uint32_t line) {
  std::ifstream in(file);
  std::string text;
  for (; line != 0 && std::getline(in, text); --line) continue;
  return text;
}

void show(const Outcome& outcome, const script::Script& script, const script::RunOptions& options,
          const fs::path& file, const Asked& asked) {
  std::printf("line %u: %s\n%s%s", outcome.where.line, line_of(file, outcome.where.line).c_str(),
              outcome.transcript.c_str(), outcome.dump.c_str());
  const auto alike = [&](const fs::path& other) { return other.stem() == file.stem(); };
  fs::path path = asked.captures;
  if (std::count_if(asked.files.begin(), asked.files.end(), alike) > 1) {
    path /= file.parent_path().filename().string() + "-" + file.stem().string();
  } else {
    path /= file.stem();
  }
  path += options.family == Family::kIpv4 ? ".ipv4.pcapng" : ".ipv6.pcapng";
  const std::string error = capture_of(script, options, path);
  std::printf("capture: %s\n\n", error.empty() ? path.c_str() : error.c_str());
}

void print_error(const fs::path& file, const script::ScriptError& error) {
  std::printf("differs %s:%u:%u: %s\n", file.c_str(), error.where.line, error.where.column,
              error.message.c_str());
}

Outcome run_over(const script::Script& script, Family family, const fs::path& file,
                 const Asked& asked) {
  const script::RunOptions options = options_for(script, family, file, asked);
  if (const auto setting = script::setting_of(script, options); !setting.ok()) {
    print_error(file, setting.error());
    Outcome malformed;
    malformed.kind = Outcome::Kind::kDiffers;
    return malformed;
  }
  Outcome outcome = script::run(script, options);
  if (outcome.kind == Outcome::Kind::kPass) return outcome;
  const bool skip = outcome.kind == Outcome::Kind::kSkip;
  const bool allowed = !outcome.allowed_by.empty();
  std::printf("%s %s:%u: %s%s%s%s\n", skip ? "skip   " : "differs", file.c_str(),
              outcome.where.line, family == Family::kIpv4 ? "" : "(IPv6) ", outcome.reason.c_str(),
              allowed ? "; allowed by " : "", outcome.allowed_by.c_str());
  if (!skip && !allowed) show(outcome, script, options, file, asked);
  return outcome;
}

void run_file(const fs::path& file, const Asked& asked, Tally& tally) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  const auto script = script::parse(text.str());
  if (!in || !script.ok()) {
    ++tally.differ;
    if (!in) return (void)std::printf("differs %s: cannot be read\n", file.c_str());
    return print_error(file, script.error());
  }
  Outcome worst;  // of the families; the second is of no interest after a first that does not pass
  const std::optional<Family> own = script::family_of(*script);
  const bool v4 = own ? *own == Family::kIpv4 : asked.v4;
  const bool v6 = own ? *own == Family::kIpv6 : asked.v6;
  if (v4) worst = run_over(*script, Family::kIpv4, file, asked);
  if (v6 && worst.kind == Outcome::Kind::kPass)
    worst = run_over(*script, Family::kIpv6, file, asked);
  if (worst.kind == Outcome::Kind::kPass) std::printf("pass    %s\n", file.c_str());
  tally.passed += worst.kind == Outcome::Kind::kPass;
  tally.skipped += worst.kind == Outcome::Kind::kSkip;
  tally.differ += worst.kind == Outcome::Kind::kDiffers;
  tally.allowed += worst.kind == Outcome::Kind::kDiffers && !worst.allowed_by.empty();
}

}  // namespace

int run_pkt(int count, char** arguments) {
  Asked asked;
  const std::string error = read_arguments(count, arguments, asked);
  if (!error.empty()) return wrong_use(error);
  Tally tally;
  for (const fs::path& file : asked.files) run_file(file, asked, tally);
  std::printf("%u passed, %u skipped, %u differ", tally.passed, tally.skipped, tally.differ);
  if (tally.allowed != 0) std::printf(" (%u as the RFCs allow)", tally.allowed);
  std::printf("\n");
  return tally.differ == tally.allowed ? 0 : 1;
}

}  // namespace dashi::lab
