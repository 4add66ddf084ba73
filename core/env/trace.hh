// What the core says about itself while it runs: drops, state changes, timers. For digests,
// captures and people; it must not steer anything.
#pragma once

#include "core/base/bytes.hh"
#include "core/env/flow_id.hh"
#include "core/wire/drop_reason.hh"

namespace dashi {

struct TraceEvent {
  enum class Kind : uint8_t {
    kDrop,        // code = DropReason; bytes = the frame
    kFlowOpened,  // flow
    kFlowState,   // flow; code = the new state, in the proxy's own numbering
    kTimerFired,  // flow; code = which timer
    kRetransmit,  // flow; a = sequence, b = bytes
    kFlowClosed,  // flow; code = why, in the proxy's own numbering
  };
  Kind kind{};
  FlowId flow;
  uint32_t code = 0;
  uint64_t a = 0;
  uint64_t b = 0;
  Bytes bytes;  // borrowed until the call returns
};

class Trace {
 public:
  virtual ~Trace() = default;
  virtual void record(const TraceEvent& event) = 0;
};

}  // namespace dashi
