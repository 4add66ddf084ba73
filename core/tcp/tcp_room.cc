#include "core/tcp/tcp_room.hh"

namespace dashi {

void TcpRoom::trace(TraceEvent::Kind kind, const Connection& c, uint32_t code, uint64_t a,
                    uint64_t b) {
  TraceEvent event;
  event.kind = kind;
  event.flow = c.id;
  event.code = code;
  event.a = a;
  event.b = b;
  context.env.trace.record(event);
}

void TcpRoom::trace_state(Connection& c) {
  const TcpState state = state_of(c);
  if (state == c.traced) return;
  c.traced = state;
  trace(TraceEvent::Kind::kFlowState, c, static_cast<uint32_t>(state), c.down.una.raw(),
        c.receive_next().raw());
}

}  // namespace dashi
