#include "core/tcp/tcp_room.hh"

namespace dashi {

namespace {

TraceEvent event_of(TraceEvent::Kind kind, const FlowId& flow, uint32_t code) {
  TraceEvent event;
  event.kind = kind;
  event.flow = flow;
  event.code = code;
  return event;
}

}  // namespace

void TcpRoom::trace(TraceEvent::Kind kind, const Connection& c, uint32_t code, uint64_t a,
                    uint64_t b) {
  TraceEvent event = event_of(kind, c.id, code);
  event.a = a;
  event.b = b;
  context.env.trace.record(event);
}

void TcpRoom::trace_opened(const FlowId& flow, TcpOrigin origin) {
  context.env.trace.record(
      event_of(TraceEvent::Kind::kFlowOpened, flow, static_cast<uint32_t>(origin)));
}

void TcpRoom::trace_closed(const FlowId& flow, TcpState state) {
  context.env.trace.record(
      event_of(TraceEvent::Kind::kFlowClosed, flow, static_cast<uint32_t>(state)));
}

void TcpRoom::trace_fired(const FlowId& flow, TcpTimer timer) {
  context.env.trace.record(
      event_of(TraceEvent::Kind::kTimerFired, flow, static_cast<uint32_t>(timer)));
}

void TcpRoom::trace_state(Connection& c) {
  const TcpState state = state_of(c);
  if (state == c.traced) return;
  c.traced = state;
  trace(TraceEvent::Kind::kFlowState, c, static_cast<uint32_t>(state), c.down.una.raw(),
        c.receive_next().raw());
}

}  // namespace dashi
