#include "sim/guest_tcp.hh"

#include "sim/pattern.hh"

namespace dashi {

namespace {

using guest::Parsed;
using State = GuestTcpState;

constexpr Duration kRtoMax = 60s;

bool gives_pattern(AppKind kind) {
  return kind == AppKind::kSource || kind == AppKind::kEchoClient;
}

}  // namespace

const char* name_of(GuestTcpState state) {
  static constexpr const char* kNames[] = {
      "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
      "CLOSE-WAIT", "CLOSING",      "LAST-ACK",    "TIME-WAIT",  "CLOSED"};
  return kNames[static_cast<size_t>(state)];
}

GuestTcp::GuestTcp(EventQueue& queue, const GuestTcpSpec& spec, uint32_t mtu, const Prng& prng,
                   SendSegment send)
    : queue_(queue), spec_(spec), mtu_(mtu), prng_(prng), send_(std::move(send)) {}

uint16_t GuestTcp::own_mss(Family family) const {
  const bool v4 = family == Family::kIpv4;
  const uint16_t asked = v4 ? spec_.mss_v4 : spec_.mss_v6;
  if (asked != 0) return asked;
  return static_cast<uint16_t>(std::min<uint32_t>(65495, mtu_ - (v4 ? 40 : 60)));
}

void GuestTcp::observe(uint32_t flow, uint64_t what, uint64_t argument) {
  if (observer_) observer_(flow, what, argument);
}

void GuestTcp::set_state(uint32_t flow, GuestTcpState state) {
  flows_[flow].record.state = state;
  observe(flow, 1, static_cast<uint64_t>(state));
}

bool GuestTcp::all_over() const {
  for (const Flow& flow : flows_) {
    if (!flow.record.over()) return false;
  }
  return true;
}

uint32_t GuestTcp::add(const Endpoint& local, const Endpoint& remote, const AppSpec& app,
                       bool active) {
  const auto index = static_cast<uint32_t>(flows_.size());
  flows_.emplace_back();
  Flow& flow = flows_.back();
  flow.record.app = app;
  flow.record.local = local;
  flow.record.remote = remote;
  flow.record.active = active;
  flow.record.opened = queue_.now();
  flow.iss = static_cast<uint32_t>(prng_.next_u64()) | spec_.initial_sequence_bits;
  flow.rto = spec_.rto_initial;
  if (app.kind == AppKind::kBanner) {
    flow.literal.assign(app.text.begin(), app.text.end());
    flow.queued = flow.literal.size();
    flow.record.finished = true;
  }
  if (app.kind == AppKind::kAcceptAndClose) flow.record.finished = true;
  if (gives_pattern(app.kind)) {
    flow.queued = app.bytes;
    flow.record.finished = true;
  }
  flow.record.sent = flow.queued;
  open_[Key{local, remote}] = index;
  flow.heard_at = queue_.now();
  arm_keep_alive(index);
  return index;
}

uint32_t GuestTcp::connect(const IpAddress& from, const Endpoint& to, const AppSpec& app) {
  Key key{{from, Port{next_port_}}, to};
  while (open_.contains(key)) key.local.port = Port{static_cast<uint16_t>(++next_port_ | 0x8000)};
  next_port_ = static_cast<uint16_t>((key.local.port.number + 1) | 0x8000);
  const uint32_t flow = add(key.local, to, app, true);
  set_state(flow, State::kSynSent);
  send_control(flow, guest::kSyn, 0);
  flows_[flow].nxt = flows_[flow].most_sent = 1;
  flows_[flow].timing = {0, queue_.now()};
  arm_rto(flow);
  return flow;
}

void GuestTcp::close(uint32_t flow) {
  Flow& state = flows_[flow];
  if (state.record.state == State::kClosed) return;
  if (state.record.state != State::kTimeWait) state.record.ended = queue_.now();
  set_state(flow, State::kClosed);
  state.rto_at = state.ack_at = kNever;
  state.out_of_order.clear();
  open_.erase(Key{state.record.local, state.record.remote});
}

// --- Segments in ---

void GuestTcp::handle(const Parsed& segment) {
  const Key key{{segment.destination, segment.destination_port},
                {segment.source, segment.source_port}};
  const auto found = open_.find(key);
  if (found == open_.end()) {
    handle_closed(segment);
    return;
  }
  const uint32_t flow = found->second;
  flows_[flow].heard_at = queue_.now();
  flows_[flow].probes = 0;
  if (flows_[flow].record.state == State::kSynSent) {
    handle_syn_sent(flow, segment);
  } else {
    handle_open(flow, segment);
  }
}

void GuestTcp::handle_closed(const Parsed& segment) {
  if (segment.has(guest::kRst)) return;
  const auto listener = listeners_.find(segment.destination_port);
  if (segment.has(guest::kSyn) && !segment.has(guest::kAck) && listener != listeners_.end()) {
    handle_syn(segment, listener->second);
    return;
  }
  send_reset_for(segment);
}

void GuestTcp::handle_syn(const Parsed& segment, const AppSpec& app) {
  const uint32_t index = add({segment.destination, segment.destination_port},
                             {segment.source, segment.source_port}, app, false);
  learn_options(flows_[index], segment);
  set_state(index, State::kSynReceived);
  send_control(index, guest::kSyn | guest::kAck, 0);
  flows_[index].nxt = flows_[index].most_sent = 1;
  arm_rto(index);
}

void GuestTcp::handle_syn_sent(uint32_t index, const Parsed& segment) {
  Flow& flow = flows_[index];
  const bool acks_syn = segment.has(guest::kAck) && segment.acknowledgment == flow.iss + 1;
  if (segment.has(guest::kAck) && !acks_syn) {
    send_reset_for(segment);
    return;
  }
  if (segment.has(guest::kRst)) {
    if (!acks_syn) return;
    flow.record.reset = flow.record.refused = true;
    observe(index, 2, 0);
    close(index);
    return;
  }
  if (!segment.has(guest::kSyn) || !acks_syn) return;
  measure(flow);
  flow.una = 1;
  learn_options(flow, segment);
  flow.window_edge = 1 + segment.window;
  flow.retries = 0;
  flow.rto_at = kNever;
  flow.wl1 = 0;
  flow.wl2 = 1;
  flow.record.connected = true;
  flow.record.connected_at = queue_.now();
  set_state(index, State::kEstablished);
  send_ack(index);
  app_step(index);
}

bool GuestTcp::acceptable(Flow& flow, const Parsed& segment, uint64_t position) const {
  const uint64_t length = segment.payload.size() + (segment.has(guest::kFin) ? 1 : 0);
  const uint64_t edge = std::max(flow.allowed_edge, flow.rcv);
  if (length == 0) return position >= flow.rcv ? position <= edge : false;
  return position < edge && position + length > flow.rcv;
}

bool GuestTcp::handle_reset(uint32_t index, uint64_t position) {
  Flow& flow = flows_[index];
  if (flow.record.state == State::kTimeWait) return false;  // RFC 1337 3
  if (position != flow.rcv) {                               // RFC 5961 3.2
    send_ack(index);
    return false;
  }
  flow.record.reset = true;
  if (flow.record.state == State::kSynReceived) flow.record.refused = true;
  observe(index, 2, flow.record.received);
  close(index);
  return true;
}

void GuestTcp::handle_open(uint32_t index, const Parsed& segment) {
  Flow& flow = flows_[index];
  // The 64-bit position nearest to what we expect.
  const auto ahead = static_cast<int32_t>(segment.sequence - peer_wire(flow, flow.rcv));
  const auto position = static_cast<uint64_t>(static_cast<int64_t>(flow.rcv) + ahead);
  if (flow.record.state == State::kSynReceived && segment.has(guest::kSyn) &&
      segment.sequence == flow.irs) {
    send_control(index, guest::kSyn | guest::kAck, 0);  // our answer was lost
    return;
  }
  if (!take_stamp(flow, segment, position)) {
    send_ack(index);
    return;
  }
  if (static_cast<int64_t>(position) < 0 || !acceptable(flow, segment, position)) {
    if (ahead > 0 && !segment.payload.empty()) ++flow.record.beyond_window;
    if (!segment.has(guest::kRst)) send_ack(index);
    return;
  }
  if (position + segment.payload.size() > std::max(flow.allowed_edge, flow.rcv) &&
      !segment.payload.empty()) {
    ++flow.record.beyond_window;
  }
  if (segment.has(guest::kRst)) {
    handle_reset(index, position);
    return;
  }
  if (segment.has(guest::kSyn)) {  // RFC 5961 4.2
    send_ack(index);
    return;
  }
  if (!segment.has(guest::kAck) || !handle_ack(index, segment, position)) return;
  if (flow.record.state == State::kClosed) return;
  const bool had_all = flow.record.eof;
  if (segment.has(guest::kFin)) flow.fin_at = position + segment.payload.size();
  if (!segment.payload.empty()) take_data(index, position, segment.payload);
  if (flow.fin_at.has_value() && flow.rcv == *flow.fin_at && !had_all) take_fin(index);
  if (segment.has(guest::kFin) && had_all) send_ack(index);  // our ACK was lost
  app_step(index);
}

bool GuestTcp::handle_ack(uint32_t index, const Parsed& segment, uint64_t position) {
  Flow& flow = flows_[index];
  const auto ahead = static_cast<int32_t>(segment.acknowledgment - wire(flow, flow.una));
  const auto ack = static_cast<uint64_t>(static_cast<int64_t>(flow.una) + ahead);
  if (ahead > 0 && ack > flow.most_sent) {
    send_ack(index);
    return false;
  }
  if (flow.record.state == State::kSynReceived) {
    if (ahead <= 0) return false;
    flow.record.connected = true;
    flow.record.connected_at = queue_.now();
    flow.wl2 = 0;
    set_state(index, State::kEstablished);
  }
  const bool may_be_duplicate = ahead == 0 && segment.payload.empty() &&
                                !segment.has(guest::kFin) && flow.most_sent > flow.una;
  const uint64_t old_window = flow.window;
  if (ahead >= 0) update_window(flow, segment, position, ack);
  if (ahead > 0) {
    acknowledged(index, ack);
  } else if (may_be_duplicate && old_window == flow.window && flow.window != 0) {
    duplicate_ack(index);
  }
  return true;
}

void GuestTcp::update_window(Flow& flow, const Parsed& segment, uint64_t position, uint64_t ack) {
  // However old the sequence number of what acknowledges more: else the edge would move by that much.
  const bool newer = flow.wl2 < ack || (flow.wl2 == ack && flow.wl1 <= position);
  if (!newer) return;
  const bool scaled = flow.record.peer_scale.has_value() && spec_.window_scale.has_value();
  flow.window = uint64_t{segment.window} << (scaled ? *flow.record.peer_scale : 0);
  const uint64_t edge = ack + flow.window;
  // Rounding to the scale may pull the edge back by less than one unit (RFC 7323 2.4).
  const uint64_t slack = scaled ? (uint64_t{1} << *flow.record.peer_scale) - 1 : 0;
  const bool fin_acknowledged =
      flow.record.finished && ack > end_of_data(flow);  // no window matters then
  if (edge + slack < flow.window_edge && !fin_acknowledged) ++flow.record.windows_shrunk;
  flow.window_edge = std::max(flow.window_edge, edge);
  if (flow.window == 0) flow.retries = 0;  // a peer that answers probes is alive (RFC 9293 3.8.6.1)
  flow.wl1 = position;
  flow.wl2 = ack;
}

void GuestTcp::measure(Flow& flow) {
  if (!flow.timing.has_value()) return;
  const Duration sample = queue_.now() - flow.timing->second;
  flow.timing.reset();
  if (!flow.measured) {  // RFC 6298 2.2
    flow.measured = true;
    flow.smoothed = sample;
    flow.variance = sample / 2;
  } else {  // RFC 6298 2.3
    const Duration error = flow.smoothed > sample ? flow.smoothed - sample : sample - flow.smoothed;
    flow.variance = (3 * flow.variance + error) / 4;
    flow.smoothed = (7 * flow.smoothed + sample) / 8;
  }
  flow.rto = std::clamp(flow.smoothed + std::max<Duration>(1ms, 4 * flow.variance), spec_.rto_min,
                        kRtoMax);
}

void GuestTcp::acknowledged(uint32_t index, uint64_t up_to) {
  Flow& flow = flows_[index];
  const uint64_t newly = up_to - flow.una;
  if (flow.timing.has_value() && up_to > flow.timing->first) measure(flow);
  flow.una = up_to;
  flow.nxt = std::max(flow.nxt, up_to);
  flow.retries = 0;
  flow.record.acknowledged = std::min(up_to - 1, flow.queued);
  if (flow.duplicate_acks >= 3) {
    if (up_to >= flow.recover) {
      flow.congestion_window = flow.slow_start_threshold;
      flow.duplicate_acks = 0;
    } else {  // NewReno: a partial acknowledgment (RFC 6582 3.2)
      const auto n =
          std::min<uint64_t>(flow.mss, end_of_data(flow) - std::min(end_of_data(flow), flow.una));
      const bool fin = flow.record.finished && flow.una + n == end_of_data(flow);
      send_data(index, flow.una, static_cast<size_t>(n), fin);
      ++flow.record.retransmissions;
    }
  } else {
    flow.duplicate_acks = 0;
    if (flow.congestion_window < flow.slow_start_threshold) {
      flow.congestion_window += std::min<uint64_t>(newly, 2 * flow.mss);
    } else {
      flow.congestion_window +=
          std::max<uint64_t>(1, uint64_t{flow.mss} * flow.mss / flow.congestion_window);
    }
  }
  if (!flow.literal.empty() && flow.una > flow.literal_from) {
    const auto done =
        static_cast<size_t>(std::min<uint64_t>(flow.una - flow.literal_from, flow.literal.size()));
    flow.literal.erase(flow.literal.begin(),
                       flow.literal.begin() + static_cast<std::ptrdiff_t>(done));
    flow.literal_from += done;
  }
  flow.rto_at = kNever;
  if (flow.una < flow.most_sent) arm_rto(index);
  if (flow.record.finished && flow.una == end_of_data(flow) + 1) our_fin_acknowledged(index);
}

void GuestTcp::duplicate_ack(uint32_t index) {
  Flow& flow = flows_[index];
  if (++flow.duplicate_acks != 3) return;
  const uint64_t flight = flow.most_sent - flow.una;
  flow.slow_start_threshold = std::max<uint64_t>(flight / 2, 2 * flow.mss);
  flow.congestion_window = flow.slow_start_threshold + 3 * uint64_t{flow.mss};
  flow.recover = flow.most_sent;
  flow.timing.reset();
  ++flow.record.retransmissions;
  const uint64_t end = end_of_data(flow);
  const auto n = std::min<uint64_t>(flow.mss, end - std::min(end, flow.una));
  send_data(index, flow.una, static_cast<size_t>(n), flow.record.finished && flow.una + n == end);
}

void GuestTcp::our_fin_acknowledged(uint32_t index) {
  switch (flows_[index].record.state) {
    case State::kFinWait1:
      set_state(index, State::kFinWait2);
      return;
    case State::kClosing: {
      set_state(index, State::kTimeWait);
      flows_[index].record.ended = queue_.now();
      queue_.schedule_after(spec_.time_wait, [this, index] { close(index); });
      return;
    }
    case State::kLastAck:
      close(index);
      return;
    default:
      return;
  }
}

void GuestTcp::take_data(uint32_t index, uint64_t position, Bytes data) {
  Flow& flow = flows_[index];
  const uint64_t edge = std::max(flow.allowed_edge, flow.rcv);
  if (position + data.size() > edge) data = data.first(static_cast<size_t>(edge - position));
  if (position < flow.rcv) {
    const auto old = static_cast<size_t>(std::min<uint64_t>(flow.rcv - position, data.size()));
    data = data.subspan(old);
    position += old;
  }
  if (data.empty()) {
    send_ack(index);
    return;
  }
  if (position > flow.rcv) {
    std::vector<uint8_t>& held = flow.out_of_order[position];
    if (held.size() < data.size()) held.assign(data.begin(), data.end());
    flow.newest_held = position;
    send_ack(index);  // at once: it is a duplicate (RFC 5681 3.2)
    return;
  }
  const bool gap = !flow.out_of_order.empty();
  deliver(index, data);
  while (!flow.out_of_order.empty() && flow.out_of_order.begin()->first <= flow.rcv) {
    const auto node = flow.out_of_order.extract(flow.out_of_order.begin());
    const uint64_t end = node.key() + node.mapped().size();
    if (end > flow.rcv) {
      deliver(index, Bytes(node.mapped()).subspan(static_cast<size_t>(flow.rcv - node.key())));
    }
  }
  if (gap || !spec_.delayed_ack || ++flow.unacked_segments >= 2 || data.size() > flow.mss) {
    send_ack(index);
  } else {
    arm_ack(index);
  }
}

void GuestTcp::deliver(uint32_t index, Bytes data) {
  Flow& flow = flows_[index];
  GuestFlowRecord& record = flow.record;
  if (record.received == 0) record.first_byte_at = queue_.now();
  const bool checks = record.app.checks_pattern || record.app.kind == AppKind::kEchoClient;
  if (checks && !record.wrong_at.has_value()) {
    record.wrong_at = first_unlike(record.app.pattern, record.received, data);
  }
  flow.rcv += data.size();
  record.received += data.size();
  observe(index, 3, record.received);
  switch (record.app.kind) {
    case AppKind::kManual:
      flow.kept.insert(flow.kept.end(), data.begin(), data.end());
      break;
    case AppKind::kEcho:
      flow.literal.insert(flow.literal.end(), data.begin(), data.end());
      flow.queued += data.size();
      record.sent = flow.queued;
      break;
    case AppKind::kSlowReader:
      flow.unread += data.size();
      break;
    default:
      break;
  }
}

void GuestTcp::take_fin(uint32_t index) {
  Flow& flow = flows_[index];
  flow.rcv += 1;
  flow.record.eof = true;
  observe(index, 4, flow.record.received);
  switch (flow.record.state) {
    case State::kEstablished:
      set_state(index, State::kCloseWait);
      break;
    case State::kFinWait1:
      set_state(index, State::kClosing);
      break;
    case State::kFinWait2:
      set_state(index, State::kTimeWait);
      flow.record.ended = queue_.now();
      queue_.schedule_after(spec_.time_wait, [this, index] { close(index); });
      break;
    default:
      break;
  }
  send_ack(index);
}

void GuestTcp::handle_icmp(const Endpoint& local, const Endpoint& remote, uint8_t type,
                           uint8_t code, const IpAddress& from) {
  const auto found = open_.find(Key{local, remote});
  if (found == open_.end()) return;
  const uint32_t index = found->second;
  GuestFlowRecord& record = flows_[index].record;
  record.icmp = true;
  record.icmp_type = type;
  record.icmp_code = code;
  record.icmp_from = from;
  observe(index, 5, uint64_t{type} << 8 | code);
  if (record.state == State::kSynSent) close(index);  // as hosts may (RFC 1122 4.2.3.9)
}

}  // namespace dashi
