// What every proxy and every gateway service is given: references, owned by the Nat.
#pragma once

#include "core/env/env.hh"
#include "core/flow/counters.hh"
#include "core/flow/frame_writer.hh"
#include "core/flow/guest.hh"
#include "core/flow/limits.hh"
#include "core/flow/topology.hh"

namespace dashi {

struct FlowContext {
  const Topology& topology;
  const Limits& limits;
  Guest& guest;
  Counters& counters;
  FrameWriter& writer;
  Env env;

  // Counts and traces a dropped frame. The one way a frame may come to nothing.
  void drop(DropReason reason, Bytes frame) {
    ++counters.drops[static_cast<size_t>(reason)];
    TraceEvent event;
    event.kind = TraceEvent::Kind::kDrop;
    event.code = static_cast<uint32_t>(reason);
    event.bytes = frame;
    env.trace.record(event);
  }
};

}  // namespace dashi
