#include "sim/lab/trial.hh"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace dashi::lab {

namespace {

constexpr unsigned kSecondsMost = 120;  // of one run: for one that never ends

std::function<void(const char*)>* at_failed_check = nullptr;  // of this process

void check_broke(const char* expression, const char* /*file*/, int /*line*/) {
  if (at_failed_check != nullptr) (*at_failed_check)(expression);
  _exit(0);
}

}  // namespace

std::string in_own_process(const std::function<std::string()>& work) {
  int ends[2];
  DASHI_CHECK(pipe(ends) == 0);
  const pid_t child = fork();
  DASHI_CHECK(child >= 0);
  if (child == 0) {
    alarm(kSecondsMost);
    const auto tell = [&](const std::string& text) {
      if (write(ends[1], text.data(), text.size()) < 0) _exit(1);
    };
    std::function<void(const char*)> on_check = [&](const char* expression) {
      tell(std::string("a check failed: ") + expression);
    };
    at_failed_check = &on_check;
    set_check_handler(check_broke);
    tell(work());
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  std::array<char, 4096> some;
  for (ssize_t n = 0; (n = read(ends[0], some.data(), some.size())) > 0;) {
    said.append(some.data(), static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  DASHI_CHECK(waitpid(child, &status, 0) == child);
  const bool died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  return died ? "it ended the program" : said;
}

struct Trials::Told {
  static constexpr size_t kTextBytes = size_t{64} << 10;
  static constexpr size_t kDecisionsMost = size_t{1} << 20;
  size_t text_bytes;
  uint64_t frames;
  size_t decision_count;
  char text[kTextBytes];  // what broke, each ended by '\0'
  FaultDecision decisions[kDecisionsMost];

  void say(const std::string& what) {
    const size_t n = std::min(what.size() + 1, kTextBytes - text_bytes);
    std::memcpy(text + text_bytes, what.c_str(), n);
    text_bytes += n;
  }
};

Trials::Trials() {
  void* memory =
      mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  DASHI_CHECK(memory != MAP_FAILED);
  told_ = static_cast<Told*>(memory);
}

Trials::~Trials() { munmap(told_, sizeof(Told)); }

void Trials::perform(const Plan& plan, const Look& prepare, const Look& after, Told& told) {
  Plan recorded = plan;
  recorded.config.record_faults = true;
  Performance performance(recorded);
  std::function<void(const char*)> on_check = [&](const char* expression) {
    at_failed_check = nullptr;
    told.say(std::string("a check failed: ") + expression);
    if (after) after(performance);
  };
  at_failed_check = &on_check;
  set_check_handler(check_broke);
  if (prepare) prepare(performance);
  for (const std::string& what : performance.run()) told.say(what);
  told.frames = performance.frames_until_over();
  const std::vector<FaultDecision>& decisions = performance.world().faults().decisions();
  told.decision_count = std::min(decisions.size(), Told::kDecisionsMost);
  std::copy_n(decisions.begin(), told.decision_count, told.decisions);
  if (after) after(performance);
}

Trial Trials::run(const Plan& plan, const Look& prepare, const Look& after) {
  told_->text_bytes = 0;
  told_->frames = 0;
  told_->decision_count = 0;
  const pid_t child = fork();
  DASHI_CHECK(child >= 0);
  if (child == 0) {
    alarm(kSecondsMost);
    perform(plan, prepare, after, *told_);
    _exit(0);
  }
  int status = 0;
  DASHI_CHECK(waitpid(child, &status, 0) == child);
  Trial trial;
  for (size_t at = 0; at < told_->text_bytes;) {
    trial.broken.emplace_back(told_->text + at, strnlen(told_->text + at, Told::kTextBytes - at));
    at += trial.broken.back().size() + 1;
  }
  const bool died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  if (died) trial.broken.insert(trial.broken.begin(), "it ended the program");
  trial.frames = told_->frames;
  trial.decisions.assign(told_->decisions, told_->decisions + told_->decision_count);
  return trial;
}

}  // namespace dashi::lab
