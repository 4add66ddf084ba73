// Carries a plan out in a world and judges it: what no run may do (World::violations), nothing left
// behind (World::leaks), and for every connection that it came to an end the guest sees in bounded time,
// that nobody was told of an end before all bytes were there, and that nothing but a fault, a limit or
// an application broke it.
#pragma once

#include "sim/swarm/plan.hh"

namespace dashi {

class Performance {
 public:
  explicit Performance(const Plan& plan);
  Performance(const Performance&) = delete;
  Performance& operator=(const Performance&) = delete;

  // Runs the plan to its end. What broke, a line each; empty if nothing did.
  std::vector<std::string> run();
  // The same, noting every frame offered to the guest's link, in order.
  std::vector<std::string> run_noting_frames();

  struct FrameName {
    uint32_t stream;  // SimLink::kUpStream or kDownStream
    uint64_t ordinal;
  };
  const std::vector<FrameName>& frames() const { return frames_; }
  // How many frames were on the guest's link until all was over, or broke.
  uint64_t frames_until_over() const { return frames_until_over_; }
  World& world() { return world_; }
  // When the guest was configured and the plan's own times began.
  Instant began() const { return began_; }
  // When all was over, or broke.
  Instant over_at() const { return over_at_ == kNever ? world_.now() : over_at_; }

 private:
  // What connection `index` came to.
  struct Ends {
    const GuestFlowRecord* guest = nullptr;  // the first, where an old SYN opened one more
    std::vector<const AppRecord*> far;       // likewise, all of them
  };

  void schedule_all();
  void open(size_t index);
  void do_errand(const Errand& errand);
  void end_faults();
  bool all_over();
  bool run_until_over(Instant limit);
  void note_frames();
  Ends ends_of(size_t index);
  void judge(size_t index);
  void judge_guest_end(size_t index, const Ends& ends);
  void judge_far_end(size_t index, const Ends& ends, const AppRecord& far);
  bool must_come_through(size_t index) const;
  bool damaged_hop_limit(size_t index, const Ends& ends) const;
  void encore();
  void report(const std::string& what) { broken_.push_back(what); }

  const Plan plan_;
  World world_;
  size_t waiting_ = 0;                           // connections and errands not begun yet
  std::vector<std::optional<uint32_t>> opened_;  // by connection: the guest's flow, or the caller
  std::vector<bool> aborted_;                    // by connection: by an errand
  bool notes_frames_ = false;
  std::vector<FrameName> frames_;
  uint64_t frames_until_over_ = 0;
  Instant began_ = kNever;
  Instant over_at_ = kNever;
  std::vector<std::string> broken_;
};

}  // namespace dashi
