// One planned run in a process of its own: a run that breaks a check, or memory, ends that process and says
// so, and whoever tries the next plan is still there.
#pragma once

#include "sim/swarm/performance.hh"

namespace dashi::lab {

struct Trial {
  std::vector<std::string> broken;  // what broke; empty if nothing did
  std::vector<FaultDecision> decisions;
  uint64_t frames = 0;  // on the guest's link until all was over, or broke
};

// What `work` gives, made in a process of its own; or how that ended.
std::string in_own_process(const std::function<std::string()>& work);

// Carries out plans, one after the other.
class Trials {
 public:
  Trials();
  ~Trials();
  Trials(const Trials&) = delete;
  Trials& operator=(const Trials&) = delete;

  // `prepare` is called in the run's process before anything runs, `after` when it is over, however it ended
  // but by a signal.
  using Look = std::function<void(Performance&)>;
  Trial run(const Plan& plan, const Look& prepare, const Look& after);

 private:
  struct Told;  // memory shared with the run's process
  static void perform(const Plan& plan, const Look& prepare, const Look& after, Told& told);

  Told* told_;
};

}  // namespace dashi::lab
