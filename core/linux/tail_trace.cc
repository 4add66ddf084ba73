#include "core/linux/tail_trace.hh"

#include <algorithm>
#include <cstdlib>

#include "core/base/check.hh"
#include "core/linux/driver.hh"
#include "core/linux/log.hh"

namespace dashi {
namespace {

const char* name_of(TraceEvent::Kind kind) {
  switch (kind) {
    case TraceEvent::Kind::kDrop:
      return "drop";
    case TraceEvent::Kind::kFlowOpened:
      return "flow-opened";
    case TraceEvent::Kind::kFlowState:
      return "flow-state";
    case TraceEvent::Kind::kTimerFired:
      return "timer-fired";
    case TraceEvent::Kind::kRetransmit:
      return "retransmit";
    case TraceEvent::Kind::kFlowClosed:
      return "flow-closed";
  }
  return "?";
}

// The check handler is a plain function: what it tells of must be found from nowhere.
struct Told {
  const TailTrace* trace = nullptr;
  const Nat* nat = nullptr;
};
Told& told() {
  static Told instance;
  return instance;
}

void report_and_abort(const char* expression, const char* file, int line) {
  const Told now = std::exchange(told(), {});  // a check that fails while we report is not reported
  log_error(std::string("check failed: ") + expression + " at " + file + ":" +
            std::to_string(line));
  if (now.trace != nullptr) log_raw(now.trace->text());
  if (now.nat != nullptr) log_raw(now.nat->dump(clock_now()));
  std::abort();
}

}  // namespace

void TailTrace::record(const TraceEvent& event) {
  TraceEvent& kept = events_[recorded_++ % kKept];
  kept = event;
  kept.bytes = {};
}

std::string TailTrace::text() const {
  std::string out;
  for (uint64_t i = recorded_ - std::min<uint64_t>(recorded_, kKept); i < recorded_; ++i) {
    const TraceEvent& event = events_[i % kKept];
    out += std::string("  ") + name_of(event.kind) + " flow " +
           std::to_string(static_cast<int>(event.flow.kind)) + "/" +
           std::to_string(event.flow.slot) + "/" + std::to_string(event.flow.generation) + " " +
           (event.kind == TraceEvent::Kind::kDrop
                ? std::string(dashi::name_of(static_cast<DropReason>(event.code)))
                : std::to_string(event.code)) +
           " " + std::to_string(event.a) + " " + std::to_string(event.b) + "\n";
  }
  return out;
}

FailedCheckReport::FailedCheckReport(const TailTrace& trace, const Nat& nat) {
  told() = {&trace, &nat};
  set_check_handler(report_and_abort);
}

FailedCheckReport::~FailedCheckReport() {
  told() = {};
  set_check_handler(nullptr);
}

}  // namespace dashi
