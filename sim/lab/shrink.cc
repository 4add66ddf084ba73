#include "sim/lab/shrink.hh"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string_view>

#include "pcap/capture_hooks.hh"
#include "pcap/write/file_sink.hh"
#include "sim/lab/arguments.hh"
#include "sim/lab/shrunk_script.hh"
#include "sim/lab/trial.hh"
#include "sim/script/retelling.hh"
#include "sim/swarm/draw.hh"
#include "sim/swarm/shrink.hh"

namespace dashi::lab {

const char* const kShrinkUsage =
    "  shrink SEED [--tiny] [--out PREFIX]\n"
    "                    make the world of a seed that breaks a rule as small as it can be and\n"
    "                    still break it, and write it as PREFIX.pkt and PREFIX.pcapng\n"
    "                    (shrunk-SEED, without it)\n";

namespace {

constexpr uint64_t kRunsMost = 30'000;

struct Asked {
  uint64_t seed = 0;
  SwarmSize size = SwarmSize::kDefault;
  std::string out;
  std::string words;  // the seed, and of which size
};

int wrong_use(const std::string& message) {
  std::fprintf(stderr, "dashi-lab shrink: %s (try --help)\n", message.c_str());
  return 2;
}

// Empty, or what is wrong.
std::string parse(int count, char** arguments, Asked& asked) {
  bool seed = false;
  for (int i = 0; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--tiny") {
      asked.size = SwarmSize::kTiny;
    } else if (argument == "--out") {
      if (++i == count) return "--out needs a prefix";
      asked.out = arguments[i];
    } else if (!seed && parse_number(argument, asked.seed)) {
      seed = true;
    } else {
      return "unexpected argument: " + std::string(argument);
    }
  }
  if (!seed) return "which seed?";
  asked.words = std::to_string(asked.seed) + (asked.size == SwarmSize::kTiny ? " --tiny" : "");
  if (asked.out.empty()) asked.out = "shrunk-" + std::to_string(asked.seed);
  return "";
}

size_t decisions_of(const Plan& plan) {
  return plan.config.given_faults.has_value() ? plan.config.given_faults->size() : 0;
}

uint64_t bytes_of(const Plan& plan) {
  uint64_t bytes = 0;
  for (const Exchange& exchange : plan.exchanges) {
    for (const AppSpec& app : {exchange.guest, exchange.far}) {
      const bool writes = app.kind == AppKind::kSource || app.kind == AppKind::kEchoClient;
      bytes += writes ? app.bytes : app.text.size();
    }
  }
  return bytes;
}

void show_progress(const Plan& plan, uint64_t runs) {
  if (isatty(STDERR_FILENO) != 1) return;
  std::fprintf(stderr, "\r\033[K%llu runs: %zu flows, %llu bytes, ",
               static_cast<unsigned long long>(runs), plan.exchanges.size(),
               static_cast<unsigned long long>(bytes_of(plan)));
  if (plan.config.given_faults.has_value()) {
    std::fprintf(stderr, "%zu fault decisions", decisions_of(plan));
  } else {
    std::fprintf(stderr, "faults still drawn");
  }
}

// The run once more, with a capture and a script of it.
class LastRun {
 public:
  LastRun(const Asked& asked, const Plan& plan, const std::string& broken)
      : asked_(asked), plan_(plan), broken_(broken) {}

  Trial run(Trials& trials) {
    return trials.run(
        plan_, [this](Performance& performance) { prepare(performance); },
        [this](Performance& performance) { finish(performance); });
  }

 private:
  void prepare(Performance& performance) {
    auto sink = FileSink::create(asked_.out + ".pcapng");
    if (!sink.ok()) return fail(sink.error());
    sink_ = std::move(*sink);
    const std::string comment = "seed " + std::to_string(asked_.seed) + ", shrunk: " + broken_;
    writer_.emplace(*sink_, PcapngHeader{"dashi " DASHI_VERSION, comment, 0});
    performance.world().decorate(
        [this](const Env& env) {
          capture_.emplace(*writer_, env);
          return capture_->env();
        },
        hooks_for(capture_));
    retelling_.emplace(performance.world());
  }
  void finish(Performance& performance) {
    if (!capture_) return;
    for (const Errand& errand : plan_.errands) {
      if (errand.kind != Errand::Kind::kRestore) continue;
      retelling_->command(performance.began() + errand.after, "nat restore");
    }
    std::ofstream script(asked_.out + ".pkt");
    script << retelling_->script(broken_, performance.over_at());
    if (!script.flush()) fail(asked_.out + ".pkt cannot be written");
    capture_->flush();
    sink_->flush();
    if (!sink_->error().empty()) fail(sink_->error());
  }
  void fail(const std::string& error) {
    std::fprintf(stderr, "dashi-lab shrink: %s\n", error.c_str());
  }

  const Asked& asked_;
  const Plan& plan_;
  const std::string& broken_;
  std::unique_ptr<FileSink> sink_;
  std::optional<PcapngWriter> writer_;
  std::optional<Capture> capture_;
  std::optional<script::Retelling> retelling_;
};

// The script as the last run wrote it becomes one for a reader; how it runs.
std::string make_ready(const Asked& asked, const std::string& rule, const std::string& broken) {
  const std::string file = asked.out + ".pkt";
  std::stringstream told;
  told << std::ifstream(file).rdbuf();
  const ShrunkScript script =
      made_ready(told.str(), "dashi-lab shrink " + asked.words, rule, broken);
  if (!(std::ofstream(file) << script.text).flush()) return "cannot be written";
  return script.how;
}

}  // namespace

int run_shrink(int count, char** arguments) {
  Asked asked;
  const std::string wrong = parse(count, arguments, asked);
  if (!wrong.empty()) return wrong_use(wrong);
  const Plan plan = draw_plan(asked.seed, asked.size);
  Trials trials;
  const Trial first = trials.run(plan, nullptr, nullptr);
  if (first.broken.empty()) {
    std::printf("seed %llu breaks no rule\n", static_cast<unsigned long long>(asked.seed));
    return 0;
  }
  const std::string rule = rule_of(first.broken.front());
  std::printf("%s\n", rule.c_str());
  std::fflush(stdout);
  Shrinker shrinker(
      [&](const Plan& candidate) {
        const Trial trial = trials.run(candidate, nullptr, nullptr);
        return std::any_of(trial.broken.begin(), trial.broken.end(),
                           [&](const std::string& broken) { return rule_of(broken) == rule; });
      },
      [&](const Plan& candidate) { return trials.run(candidate, nullptr, nullptr).decisions; },
      show_progress, kRunsMost);
  const Shrunk shrunk = shrinker.shrink(plan);
  if (isatty(STDERR_FILENO) == 1) std::fprintf(stderr, "\r\033[K");
  const Trial same = trials.run(shrunk.plan, nullptr, nullptr);
  const auto broken = std::find_if(same.broken.begin(), same.broken.end(),
                                   [&](const std::string& what) { return rule_of(what) == rule; });
  const std::string words = broken->substr(0, broken->find('\n'));
  const Trial last = LastRun(asked, shrunk.plan, words).run(trials);
  std::printf("%llu runs%s: %zu flows, %llu bytes, %zu fault decisions, %llu frames\n",
              static_cast<unsigned long long>(shrunk.runs),
              shrunk.smallest ? "" : " (and no more were allowed)", shrunk.plan.exchanges.size(),
              static_cast<unsigned long long>(bytes_of(shrunk.plan)), decisions_of(shrunk.plan),
              static_cast<unsigned long long>(last.frames));
  for (const std::string& what : last.broken) std::printf("    %s\n", what.c_str());
  std::printf("%s.pcapng, and %s.pkt, which %s\n", asked.out.c_str(), asked.out.c_str(),
              make_ready(asked, rule, words).c_str());
  return 1;
}

}  // namespace dashi::lab
