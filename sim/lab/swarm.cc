#include "sim/lab/swarm.hh"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <string_view>

#include "sim/lab/arguments.hh"
#include "sim/swarm/coverage.hh"
#include "sim/swarm/draw.hh"
#include "sim/swarm/performance.hh"

namespace dashi::lab {

const char* const kSwarmUsage =
    "  swarm --seeds A..B [--tiny] [--jobs N] [--coverage]\n"
    "                    run the worlds of these seeds, and hold each to every oracle; says what\n"
    "                    broke, a line each to run it again, and what was covered (with\n"
    "                    --coverage by name, all of it)\n";

namespace {

constexpr unsigned kSecondsMost = 120;                 // of one seed: for one that never ends
constexpr uint64_t kLastSeedMost = uint64_t{1} << 62;  // so that no sum of seeds overflows

struct Asked {
  bool help = false;
  uint64_t first = 0;
  uint64_t last = 0;
  SwarmSize size = SwarmSize::kDefault;
  unsigned jobs = 1;
  bool coverage = false;
};

// One worker's share, in memory it shares with its parent: what survives if it dies.
struct Share {
  static constexpr size_t kTextBytes = size_t{256} << 10;
  uint64_t running;  // the seed
  uint64_t ran;
  uint64_t events;
  uint64_t broke;
  uint64_t untold;  // of broke: there was no room left
  size_t text_bytes;
  char text[kTextBytes];
  Coverage coverage;

  void say(const std::string& what) {
    if (what.size() > kTextBytes - text_bytes) {
      ++untold;
      return;
    }
    std::memcpy(text + text_bytes, what.data(), what.size());
    text_bytes += what.size();
  }
};

int wrong_use(const std::string& message) {
  std::fprintf(stderr, "dashi-lab swarm: %s (try --help)\n", message.c_str());
  return 2;
}

bool parse_seeds(std::string_view text, Asked& asked) {
  const size_t dots = text.find("..");
  const bool range = dots != std::string_view::npos;
  return parse_number(text.substr(0, dots), asked.first) &&
         parse_number(range ? text.substr(dots + 2) : text, asked.last) &&
         asked.first <= asked.last && asked.last <= kLastSeedMost;
}

// Empty, or what is wrong.
std::string parse(int count, char** arguments, Asked& asked) {
  bool seeds = false;
  for (int i = 0; i < count; ++i) {
    const std::string_view argument = arguments[i];
    const std::string_view value = i + 1 < count ? arguments[i + 1] : "";
    uint64_t number = 0;
    if (argument == "--help") {
      asked.help = true;
      return "";
    }
    if (argument == "--tiny") {
      asked.size = SwarmSize::kTiny;
    } else if (argument == "--coverage") {
      asked.coverage = true;
    } else if (argument == "--seeds") {
      if (!parse_seeds(value, asked)) return "--seeds takes A..B: " + std::string(value);
      seeds = true;
      ++i;
    } else if (argument == "--jobs") {
      if (!parse_number(value, number) || number == 0 || number > 1024) {
        return "--jobs takes a number: " + std::string(value);
      }
      asked.jobs = static_cast<unsigned>(number);
      ++i;
    } else {
      return "unexpected argument: " + std::string(argument);
    }
  }
  return seeds ? "" : "which --seeds?";
}

// The lines that run a seed again and that make it small, with what broke between them.
std::string told_of(uint64_t seed, SwarmSize size, const std::vector<std::string>& broken) {
  const std::string number = std::to_string(seed);
  const std::string tiny = size == SwarmSize::kTiny ? " --tiny" : "";
  std::string said = "dashi-lab swarm --seeds " + number + ".." + number + tiny + "\n";
  for (const std::string& what : broken) said += "    " + what + "\n";
  return said + "  dashi-lab shrink " + number + tiny + "\n";
}

void run_seed(uint64_t seed, SwarmSize size, Share& share) {
  share.running = seed;
  Performance performance(draw_plan(seed, size));
  share.coverage.watch(performance.world());
  const std::vector<std::string> broken = performance.run();
  share.coverage.add(performance.world());
  share.events += performance.world().queue().events_run();
  ++share.ran;
  if (broken.empty()) return;
  ++share.broke;
  share.say(told_of(seed, size, broken));
}

// --- The workers: processes, for one that dies takes no other with it ---

class Swarm {
 public:
  explicit Swarm(const Asked& asked) : asked_(asked), next_(asked.first) {}

  void run() {
    const bool terminal = isatty(STDERR_FILENO) == 1;
    if (asked_.first == asked_.last) {  // in this process: for a debugger
      Share* share = take_share();
      run_seed(asked_.first, asked_.size, *share);
      finish(asked_.first, share);
      return;
    }
    while (next_ <= asked_.last || !workers_.empty()) {
      while (next_ <= asked_.last && workers_.size() < asked_.jobs) start();
      wait_for_one();
      if (terminal) show_progress();
    }
    if (terminal) std::fprintf(stderr, "\r\033[K");
  }
  uint64_t ran() const { return ran_; }
  uint64_t broke() const { return broke_; }
  uint64_t events() const { return events_; }
  const Coverage& coverage() const { return *coverage_; }

 private:
  static constexpr uint64_t kChunk = 250;  // seeds
  struct Worker {
    uint64_t first;
    uint64_t last;
    Share* share;
  };

  Share* take_share() {
    if (spare_.empty()) {
      void* memory =
          mmap(nullptr, sizeof(Share), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      DASHI_CHECK(memory != MAP_FAILED);
      spare_.push_back(static_cast<Share*>(memory));
    }
    Share* share = spare_.back();
    spare_.pop_back();
    new (share) Share{};
    return share;
  }

  void start() {
    Worker worker{next_, std::min(asked_.last, next_ + kChunk - 1), take_share()};
    next_ = worker.last + 1;
    start_on(worker);
  }
  void start_on(const Worker& worker) {
    worker.share->running = worker.first;
    std::fflush(stdout);
    const pid_t child = fork();
    DASHI_CHECK(child >= 0);
    if (child == 0) {
      for (uint64_t seed = worker.first; seed <= worker.last; ++seed) {
        alarm(kSecondsMost);
        run_seed(seed, asked_.size, *worker.share);
      }
      _exit(0);
    }
    workers_[child] = worker;
  }

  void wait_for_one() {
    int status = 0;
    const pid_t child = waitpid(-1, &status, 0);
    const auto found = workers_.find(child);
    if (found == workers_.end()) return;
    const Worker worker = found->second;
    workers_.erase(found);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      finish(worker.first, worker.share);
      return;
    }
    // It died of one seed: that one broke, and another worker goes on behind it.
    const uint64_t seed = worker.share->running;
    ++worker.share->broke;
    ++worker.share->ran;
    const bool endless = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    worker.share->say(
        told_of(seed, asked_.size, {endless ? "it does not end" : "it ended the program"}));
    if (seed == worker.last) {
      finish(worker.first, worker.share);
    } else {
      Worker rest{seed + 1, worker.last, worker.share};
      rest.first = seed + 1;
      start_on(rest);
      firsts_[seed + 1] = first_of(worker.first);
    }
  }

  uint64_t first_of(uint64_t first) const {
    const auto found = firsts_.find(first);
    return found == firsts_.end() ? first : found->second;
  }

  // Prints what is ready, in the order of the seeds.
  void finish(uint64_t first, Share* share) {
    ready_[first_of(first)] = share;
    while (!ready_.empty() && ready_.begin()->first == printed_up_to()) {
      Share* front = ready_.begin()->second;
      std::fwrite(front->text, 1, front->text_bytes, stdout);
      if (front->untold != 0) {
        std::printf("%llu more broke near these, with no room to tell of them\n",
                    static_cast<unsigned long long>(front->untold));
      }
      ran_ += front->ran;
      broke_ += front->broke;
      events_ += front->events;
      coverage_->merge(front->coverage);
      spare_.push_back(front);
      ready_.erase(ready_.begin());
      ++chunks_printed_;
    }
  }
  uint64_t printed_up_to() const { return asked_.first + chunks_printed_ * kChunk; }

  void show_progress() const {
    const uint64_t all = asked_.last - asked_.first + 1;
    constexpr uint64_t kWidth = 40;
    std::string bar(kWidth, ' ');
    std::fill_n(bar.begin(), ran_ * kWidth / all, '#');
    std::fprintf(stderr, "\r[%s] %llu of %llu seeds, %llu broke", bar.c_str(),
                 static_cast<unsigned long long>(ran_), static_cast<unsigned long long>(all),
                 static_cast<unsigned long long>(broke_));
  }

  Asked asked_;
  uint64_t next_;
  std::map<pid_t, Worker> workers_;
  std::map<uint64_t, uint64_t> firsts_;  // of a chunk whose worker died: where the chunk began
  std::map<uint64_t, Share*> ready_;     // by first seed: finished, not printed
  std::vector<Share*> spare_;
  uint64_t chunks_printed_ = 0;
  uint64_t ran_ = 0;
  uint64_t broke_ = 0;
  uint64_t events_ = 0;
  std::unique_ptr<Coverage> coverage_ = std::make_unique<Coverage>();
};

// --- What was covered ---

void print_covered(const Coverage& coverage) {
  for (size_t k = 0; k < static_cast<size_t>(Coverage::Kind::kCount); ++k) {
    const auto kind = static_cast<Coverage::Kind>(k);
    for (size_t i = 0; i < Coverage::items(kind); ++i) {
      if (coverage.count(kind, i) == 0) continue;
      std::printf("%s %s\n", Coverage::name_of_kind(kind), Coverage::name_of_item(kind, i).c_str());
    }
  }
}

void print_summary(const Coverage& coverage) {
  for (size_t k = 0; k < static_cast<size_t>(Coverage::Kind::kCount); ++k) {
    const auto kind = static_cast<Coverage::Kind>(k);
    size_t reached = 0;
    size_t sought = 0;
    std::string missed;
    for (size_t i = 0; i < Coverage::items(kind); ++i) {
      const bool seen = coverage.count(kind, i) != 0;
      reached += seen ? 1 : 0;
      if (!Coverage::is_sought(kind, i)) continue;
      ++sought;
      if (!seen) missed += (missed.empty() ? "" : ", ") + Coverage::name_of_item(kind, i);
    }
    std::printf("%ss: %zu reached", Coverage::name_of_kind(kind), reached);
    if (sought != 0) std::printf("; never: %s", missed.empty() ? "none" : missed.c_str());
    std::printf("\n");
  }
}

}  // namespace

int run_swarm(int count, char** arguments) {
  Asked asked;
  const std::string wrong = parse(count, arguments, asked);
  if (!wrong.empty()) return wrong_use(wrong);
  if (asked.help) {
    std::fputs(kSwarmUsage, stdout);
    return 0;
  }
  const auto began = std::chrono::steady_clock::now();
  Swarm swarm(asked);
  swarm.run();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  if (asked.coverage) {
    print_covered(swarm.coverage());
  } else {
    print_summary(swarm.coverage());
  }
  std::printf("%llu seeds, %llu broke\n", static_cast<unsigned long long>(swarm.ran()),
              static_cast<unsigned long long>(swarm.broke()));
  std::fprintf(stderr, "%.1f s, %.0f seeds/s, %.0f events a seed\n", took.count(),
               static_cast<double>(swarm.ran()) / took.count(),
               static_cast<double>(swarm.events()) / static_cast<double>(swarm.ran()));
  return swarm.broke() == 0 ? 0 : 1;
}

}  // namespace dashi::lab
