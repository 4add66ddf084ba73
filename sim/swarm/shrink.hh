// Shrinking: a plan that breaks a rule is made smaller, step by step, as long as it breaks the same rule: fewer
// connections, errands and fault decisions, fewer bytes, plainer links, hosts and limits. First with faults
// drawn from their specs, where another seed may stand in for one whose draws no longer fall in place;
// then with the decisions of such a run as a list. It ends at a fixpoint, or after so many runs as it is
// given, and the same question always gives the same plan.
//
// It runs nothing itself: whoever asks carries plans out.
#pragma once

#include <functional>

#include "sim/swarm/plan.hh"

namespace dashi {

// What a run broke, without its numbers: "connection #: the guest was told of the end after # of # bytes".
std::string rule_of(const std::string& broken);

struct Shrunk {
  Plan plan;
  uint64_t runs = 0;
  bool smallest = false;  // no step makes it smaller; else the runs were used up
};

class Shrinker {
 public:
  // Whether a run of this plan breaks the rule that is to be kept.
  using Breaks = std::function<bool(const Plan&)>;
  // What was decided in a run of this plan.
  using Decided = std::function<std::vector<FaultDecision>(const Plan&)>;
  // Told of every step that was taken.
  using Progress = std::function<void(const Plan&, uint64_t runs)>;

  Shrinker(Breaks breaks, Decided decided, Progress progress, uint64_t runs_max)
      : breaks_(std::move(breaks)),
        decided_(std::move(decided)),
        progress_(std::move(progress)),
        runs_max_(runs_max) {}

  // `plan` breaks the rule.
  Shrunk shrink(const Plan& plan);

 private:
  bool run(const Plan& plan);
  bool take(const Plan& candidate, unsigned seeds);
  bool take_moved(const Plan& candidate);
  bool drop_exchanges();
  bool drop_errands();
  bool drop_decisions();
  bool simplify();
  bool simplify_decisions();
  bool fewer_bytes();
  bool rounder_times();
  bool give_up_sooner();
  bool one_pass();
  bool give_faults();
  void to_the_end();
  bool one_fault_alone(Plan candidate);
  void look_beside();
  bool used_up() const { return runs_ >= runs_max_; }

  Breaks breaks_;
  Decided decided_;
  Progress progress_;
  uint64_t runs_max_;
  uint64_t runs_ = 0;
  Plan best_;
};

}  // namespace dashi
