// The half of GuestTcp that sends: segments, timers, and the applications above.
#include "sim/guest_tcp.hh"
#include "sim/pattern.hh"

namespace dashi {

namespace {

using State = GuestTcpState;

constexpr Duration kRtoMax = 60s;
constexpr uint32_t kStalledRetries = 3;
constexpr Duration kDelayedAck = 40ms;  // RFC 9293 MUST-58: below 500 ms

bool may_send_data(State state) {
  return state == State::kEstablished || state == State::kCloseWait || state == State::kFinWait1 ||
         state == State::kClosing || state == State::kLastAck;
}

}  // namespace

uint16_t GuestTcp::announce_window(Flow& flow, bool scaled) {
  const uint64_t room =
      spec_.receive_buffer - std::min<uint64_t>(spec_.receive_buffer, flow.unread);
  const uint8_t shift = scaled ? spec_.window_scale.value_or(0) : 0;
  // Never pulled back: what was allowed once stays allowed.
  const uint64_t kept = flow.allowed_edge > flow.rcv ? flow.allowed_edge - flow.rcv : 0;
  uint64_t units = std::max(room, kept) >> shift;
  units = std::min<uint64_t>(units, 65535);
  flow.allowed_edge = std::max(flow.allowed_edge, flow.rcv + (units << shift));
  return static_cast<uint16_t>(units);
}

void GuestTcp::send_control(uint32_t index, uint8_t flags, uint64_t position) {
  Flow& flow = flows_[index];
  const GuestFlowRecord& record = flow.record;
  guest::TcpOut out;
  out.source_port = record.local.port;
  out.destination_port = record.remote.port;
  out.sequence = wire(flow, position);
  out.flags = flags;
  if ((flags & guest::kAck) != 0) out.acknowledgment = peer_wire(flow, flow.rcv);
  const bool syn = (flags & guest::kSyn) != 0;
  if (syn) {
    if (spec_.announce_mss) out.mss = own_mss(record.remote.address.family());
    const bool answers = (flags & guest::kAck) != 0;
    if (!answers || record.peer_scale.has_value()) out.window_scale = spec_.window_scale;
  }
  const bool scaled = !syn && record.peer_scale.has_value() && spec_.window_scale.has_value();
  out.window = announce_window(flow, scaled);
  if (syn) flow.allowed_edge = 1 + uint64_t{out.window};
  add_options(flow, out);
  send_(record.local.address, record.remote.address, out, Bytes{}, 0);
}

void GuestTcp::send_ack(uint32_t index) {
  Flow& flow = flows_[index];
  flow.unacked_segments = 0;
  flow.ack_at = kNever;
  send_control(index, guest::kAck, flow.most_sent);
}

void GuestTcp::send_reset_for(const guest::Parsed& segment) {
  guest::TcpOut out;
  out.source_port = segment.destination_port;
  out.destination_port = segment.source_port;
  if (segment.has(guest::kAck)) {
    out.sequence = segment.acknowledgment;
    out.flags = guest::kRst;
  } else {
    const uint32_t length = static_cast<uint32_t>(segment.payload.size()) +
                            (segment.has(guest::kSyn) ? 1 : 0) + (segment.has(guest::kFin) ? 1 : 0);
    out.acknowledgment = segment.sequence + length;
    out.flags = guest::kRst | guest::kAck;
  }
  send_(segment.destination, segment.source, out, Bytes{}, 0);
}

void GuestTcp::fill(const Flow& flow, uint64_t position, MutableBytes into) const {
  const AppKind kind = flow.record.app.kind;
  if (kind == AppKind::kSource || kind == AppKind::kEchoClient) {
    fill_pattern(flow.record.app.pattern, position - 1, into);
    return;
  }
  const auto from = static_cast<size_t>(position - flow.literal_from);
  copy_bytes(into, Bytes(flow.literal).subspan(from, into.size()));
}

void GuestTcp::send_data(uint32_t index, uint64_t position, size_t bytes, bool fin) {
  Flow& flow = flows_[index];
  const GuestFlowRecord& record = flow.record;
  scratch_.resize(bytes);
  fill(flow, position, scratch_);
  guest::TcpOut out;
  out.source_port = record.local.port;
  out.destination_port = record.remote.port;
  out.sequence = wire(flow, position);
  out.acknowledgment = peer_wire(flow, flow.rcv);
  const bool last = position + bytes == end_of_data(flow);
  out.flags = static_cast<uint8_t>(guest::kAck | (last && bytes != 0 ? guest::kPsh : 0) |
                                   (fin ? guest::kFin : 0));
  out.window =
      announce_window(flow, record.peer_scale.has_value() && spec_.window_scale.has_value());
  add_options(flow, out);
  flow.unacked_segments = 0;
  flow.ack_at = kNever;
  const auto gso = static_cast<uint16_t>(bytes > flow.mss ? flow.mss : 0);
  send_(record.local.address, record.remote.address, out, scratch_, gso);
  const uint64_t end = position + bytes + (fin ? 1 : 0);
  flow.nxt = std::max(flow.nxt, end);
  flow.most_sent = std::max(flow.most_sent, end);
  if (fin) {
    if (record.state == State::kEstablished) set_state(index, State::kFinWait1);
    if (record.state == State::kCloseWait) set_state(index, State::kLastAck);
  }
}

// Sends what the peer's window and ours for congestion let out.
void GuestTcp::output(uint32_t index) {
  Flow& flow = flows_[index];
  for (;;) {
    if (!may_send_data(flow.record.state)) return;
    const uint64_t end = end_of_data(flow);
    const uint64_t window = std::min(flow.window, flow.congestion_window);
    const uint64_t in_flight = flow.nxt - flow.una;
    const uint64_t room = window > in_flight ? window - in_flight : 0;
    const uint64_t left = flow.nxt < end ? end - flow.nxt : 0;
    const uint64_t most = spec_.gso_bytes == 0 ? flow.mss : std::max(spec_.gso_bytes, flow.mss);
    const uint64_t n = std::min({left, room, most});
    const bool fin = flow.record.finished && flow.nxt + n == end && (n != 0 || left == 0);
    if (n == 0 && !fin) break;
    if (n != 0 && n < flow.mss && n < left && in_flight != 0) break;  // RFC 1122 4.2.3.4, SWS
    const bool again = flow.nxt < flow.most_sent;
    if (again) ++flow.record.retransmissions;
    if (flow.una == flow.most_sent) flow.rto_at = kNever;  // it was for the window
    if (!again && !flow.timing.has_value() && n != 0) flow.timing = {flow.nxt, queue_.now()};
    send_data(index, flow.nxt, static_cast<size_t>(n), fin);
    arm_rto(index);
    if (fin) break;
  }
  // Nothing out and nothing allowed: the timer probes the window (RFC 9293 3.8.6.1).
  if (flow.una == flow.most_sent && flow.nxt < end_of_data(flow)) arm_rto(index);
}

// --- Timers: one event a purpose, which looks when it comes whether it is really due ---

void GuestTcp::arm_rto(uint32_t index) {
  Flow& flow = flows_[index];
  if (flow.rto_at != kNever) return;
  flow.rto_at = queue_.now() + flow.rto;
  if (flow.rto_event) return;
  flow.rto_event = true;
  queue_.schedule(flow.rto_at, [this, index] { rto_due(index); });
}

void GuestTcp::rto_due(uint32_t index) {
  Flow& flow = flows_[index];
  flow.rto_event = false;
  if (flow.rto_at == kNever) return;
  if (queue_.now() < flow.rto_at) {
    flow.rto_event = true;
    queue_.schedule(flow.rto_at, [this, index] { rto_due(index); });
    return;
  }
  flow.rto_at = kNever;
  const State state = flow.record.state;
  const bool opening = state == State::kSynSent || state == State::kSynReceived;
  const bool probes = !opening && flow.window == 0 && flow.una == flow.most_sent;
  const uint32_t most = opening ? spec_.syn_retries : spec_.data_retries;
  if (!probes && ++flow.retries > most) {
    flow.record.timed_out = true;
    observe(index, 6, 0);
    close(index);
    return;
  }
  if (flow.retries >= kStalledRetries && stalled_) stalled_(flow.record.remote.address);
  flow.rto = std::min(flow.rto * 2, kRtoMax);
  flow.timing.reset();
  ++flow.record.retransmissions;
  if (opening) {
    const bool passive = state == State::kSynReceived;
    send_control(index, static_cast<uint8_t>(guest::kSyn | (passive ? guest::kAck : 0)), 0);
  } else if (flow.window == 0) {
    const bool any = flow.una < end_of_data(flow);
    send_data(index, flow.una, any ? 1 : 0, !any && flow.record.finished);
  } else {
    const uint64_t flight = flow.most_sent - flow.una;
    flow.slow_start_threshold = std::max<uint64_t>(flight / 2, 2 * flow.mss);
    flow.congestion_window = flow.mss;
    flow.duplicate_acks = 0;
    flow.nxt = flow.una;
    output(index);
  }
  arm_rto(index);
}

void GuestTcp::arm_ack(uint32_t index) {
  Flow& flow = flows_[index];
  if (flow.ack_at == kNever) flow.ack_at = queue_.now() + kDelayedAck;
  if (flow.ack_event) return;
  flow.ack_event = true;
  queue_.schedule(flow.ack_at, [this, index] {
    Flow& due = flows_[index];
    due.ack_event = false;
    if (due.ack_at == kNever) return;
    if (queue_.now() < due.ack_at) {
      arm_ack(index);
    } else {
      send_ack(index);
    }
  });
}

// A lost RST would leave a silent flow open for ever.
void GuestTcp::arm_keep_alive(uint32_t index) {
  queue_.schedule(flows_[index].heard_at + spec_.keep_alive * (flows_[index].probes + 1),
                  [this, index] { keep_alive_due(index); });
}

void GuestTcp::keep_alive_due(uint32_t index) {
  Flow& flow = flows_[index];
  const State state = flow.record.state;
  if (state == State::kClosed || state == State::kTimeWait) return;
  const bool opening = state == State::kSynSent || state == State::kSynReceived;
  if (!opening && queue_.now() - flow.heard_at >= spec_.keep_alive * (flow.probes + 1)) {
    if (++flow.probes > spec_.keep_alive_probes) {
      flow.record.timed_out = true;
      observe(index, 6, 1);
      close(index);
      return;
    }
    send_control(index, guest::kAck, flow.most_sent - 1);
  }
  if (opening) flow.heard_at = queue_.now();  // its own retransmissions look after it
  arm_keep_alive(index);
}

// --- Applications ---

void GuestTcp::read_slowly(uint32_t index) {
  Flow& flow = flows_[index];
  if (flow.reading || flow.unread == 0) return;
  flow.reading = true;
  queue_.schedule_after(flow.record.app.interval, [this, index] {
    Flow& reader = flows_[index];
    reader.reading = false;
    if (reader.record.state == State::kClosed) return;
    reader.unread -= std::min(reader.unread, reader.record.app.bytes);
    // Tell the peer when the window opens by two segments or half the buffer (RFC 9293 3.8.6.2.2).
    const uint64_t allowed =
        reader.allowed_edge > reader.rcv ? reader.allowed_edge - reader.rcv : 0;
    const uint64_t room =
        spec_.receive_buffer - std::min<uint64_t>(spec_.receive_buffer, reader.unread);
    const uint64_t worth = std::min<uint64_t>(2 * uint64_t{reader.mss}, spec_.receive_buffer / 2);
    if (room >= allowed + worth) send_ack(index);
    app_step(index);
  });
}

void GuestTcp::app_step(uint32_t index) {
  Flow& flow = flows_[index];
  if (flow.record.state == State::kClosed) return;
  const AppSpec& app = flow.record.app;
  if (app.kind == AppKind::kResetAfter && flow.record.received >= app.bytes) {
    abort(index);
    return;
  }
  if (app.kind == AppKind::kSlowReader) read_slowly(index);
  const bool drained = app.kind != AppKind::kSlowReader || flow.unread == 0;
  if (flow.record.eof && drained && app.kind != AppKind::kManual) flow.record.finished = true;
  output(index);
}

void GuestTcp::write(uint32_t index, Bytes bytes) {
  Flow& flow = flows_[index];
  flow.literal.insert(flow.literal.end(), bytes.begin(), bytes.end());
  flow.queued += bytes.size();
  flow.record.sent = flow.queued;
  if (flow.record.connected) output(index);
}

void GuestTcp::finish(uint32_t index) {
  flows_[index].record.finished = true;
  if (flows_[index].record.connected) output(index);
}

void GuestTcp::abort(uint32_t index) {
  Flow& flow = flows_[index];
  if (flow.record.state == State::kClosed) return;
  send_control(index, guest::kRst | guest::kAck, flow.nxt);
  observe(index, 7, 0);
  close(index);
}

}  // namespace dashi
