// The last things the core said about itself, kept for the day a check fails. Owns a fixed ring; says
// nothing by itself. Also what happens on that day: the check, the trace's tail and all flows go to
// stderr, and the process ends.
#pragma once

#include <array>
#include <string>

#include "core/env/trace.hh"
#include "core/nat/nat.hh"

namespace dashi {

class TailTrace final : public Trace {
 public:
  void record(const TraceEvent& event) override;
  // One line an event, oldest first.
  std::string text() const;

 private:
  static constexpr size_t kKept = 128;

  std::array<TraceEvent, kKept> events_{};  // without their bytes, which were borrowed
  uint64_t recorded_ = 0;
};

// While it lives a failed DASHI_CHECK tells of these two. One at a time.
class FailedCheckReport {
 public:
  FailedCheckReport(const TailTrace& trace, const Nat& nat);
  ~FailedCheckReport();
  FailedCheckReport(const FailedCheckReport&) = delete;
  FailedCheckReport& operator=(const FailedCheckReport&) = delete;
};

}  // namespace dashi
