#include "sim/sim_apps.hh"

#include "sim/pattern.hh"
#include "sim/sim_dns.hh"

namespace dashi {

namespace {

// What an observer is told.
enum Observed : uint64_t {
  kOpened = 1,
  kIsConnected,
  kGotBytes,
  kGotEof,
  kGotReset,
  kHasClosed,
  kHasFailed,
  kGotDatagram,
  kSawWrongByte,
};

bool writes_pattern(AppKind kind) {
  return kind == AppKind::kSource || kind == AppKind::kEchoClient;
}

}  // namespace

uint32_t SimApps::add(const AppSpec& spec, uint32_t host, ConnectionId id, bool active) {
  const auto app = static_cast<uint32_t>(apps_.size());
  apps_.emplace_back();
  AppRecord& record = apps_.back().record;
  record.spec = spec;
  record.host = host;
  record.connection = id;
  record.active = active;
  record.opened = net_.queue().now();
  apps_.back().paused = open_paused_ && spec.kind == AppKind::kManual;
  net_.find(id)->end(Side::kThere).owner = app;
  observe(app, kOpened, static_cast<uint64_t>(spec.kind));
  if (spec.kind == AppKind::kBanner) {
    apps_.back().to_write.assign(spec.text.begin(), spec.text.end());
    apps_.back().finishes = true;
  }
  return app;
}

uint32_t SimApps::connect(uint32_t from_host, const Endpoint& to, const AppSpec& app) {
  const ConnectionId id = net_.connect_here(from_host, to, app.receive_buffer);
  return add(app, from_host, id, true);
}

bool SimApps::listens(uint32_t host, const Endpoint& at) const {
  if (manual_listeners_.contains(at)) return true;
  const ServiceSpec* served = net_.service(host, Transport::kTcp, at.port);
  if (served == nullptr) return host == SimNet::kHereHost && net_.listens_here(at);
  const AppKind kind = served->app.kind;
  return kind != AppKind::kRefuse && kind != AppKind::kBlackhole && kind != AppKind::kUnreachable;
}

void SimApps::on_accepted(ConnectionId id, uint32_t host, const Endpoint& at) {
  AppSpec spec;
  spec.kind = AppKind::kManual;
  const bool manual = manual_listeners_.contains(at);
  const ServiceSpec* served = net_.service(host, Transport::kTcp, at.port);
  if (!manual && served != nullptr) spec = served->app;
  const uint32_t app = add(spec, host, id, false);
  apps_[app].record.connected = true;
  if (!manual && served == nullptr) return relay(app, at);
  if (manual) accepted_[at].push_back(app);
  begin(app);
}

void SimApps::begin(uint32_t app) {
  AppRecord& record = apps_[app].record;
  if (record.spec.kind != AppKind::kAcceptAndClose) {
    step(app);
    return;
  }
  record.finished = true;
  close(app);
}

std::optional<uint32_t> SimApps::next_accepted(const Endpoint& at) {
  std::vector<uint32_t>& waiting = accepted_[at];
  if (waiting.empty()) return std::nullopt;
  const uint32_t app = waiting.front();
  waiting.erase(waiting.begin());
  return app;
}

// A socket of here called a listener of here. A connection has one end at an application, so there are two, and
// what one brings goes out by the other.
void SimApps::relay(uint32_t app, const Endpoint& to) {
  AppSpec spec;
  spec.kind = AppKind::kManual;
  const uint32_t other = connect(SimNet::kHereHost, to, spec);
  apps_[app].relays_to = other;
  apps_[other].relays_to = app;
  apps_[app].paused = apps_[other].paused = false;
}

void SimApps::on_stream(ConnectionId id, StreamNotice notice) {
  const uint32_t app = net_.find(id)->end(Side::kThere).owner;
  AppRecord& record = apps_[app].record;
  switch (notice) {
    case StreamNotice::kConnected:
      record.connected = true;
      observe(app, kIsConnected, 0);
      begin(app);
      return;
    case StreamNotice::kConnectFailed:
      record.failed = true;
      record.error = net_.find(id)->end(Side::kThere).error;
      observe(app, kHasFailed, static_cast<uint64_t>(*record.error));
      close(app);
      if (apps_[app].relays_to) abort(*apps_[app].relays_to);
      return;
    case StreamNotice::kReset:
      record.reset = true;
      record.error = SocketError::kReset;
      observe(app, kGotReset, 0);
      close(app);
      if (apps_[app].relays_to) abort(*apps_[app].relays_to);
      return;
    case StreamNotice::kReadable:
    case StreamNotice::kWritable:
      step(app);
      return;
  }
}

// --- What an application does when it can do something ---

void SimApps::step(uint32_t app) {
  App& state = apps_[app];
  AppRecord& record = state.record;
  if (record.closed) return;
  if (record.spec.kind == AppKind::kEcho) {
    echo(app);
  } else {
    read(app);
  }
  if (record.closed) return;  // reading may end it
  if (record.spec.kind == AppKind::kDns) answer_dns_stream(app);
  if (writes_pattern(record.spec.kind)) write_pattern(app);
  if (!state.to_write.empty()) write_queued(app);
  const StreamPipe& in = net_.find(record.connection)->read_by(Side::kThere);
  if (in.fin_arrived() && in.readable() == 0 && !record.eof) {
    record.eof = true;
    observe(app, kGotEof, record.received);
    if (state.relays_to) finish(*state.relays_to);
  }
  if (record.eof && record.spec.kind != AppKind::kManual) state.finishes = true;
  const bool all_written = state.to_write.empty() &&
                           (!writes_pattern(record.spec.kind) || record.sent == record.spec.bytes);
  if (state.finishes && all_written && !record.finished) {
    record.finished = true;
    net_.finish(record.connection, Side::kThere);
  }
  if (is_done(state)) close(app);
}

bool SimApps::is_done(const App& app) const {
  if (app.record.spec.kind == AppKind::kManual && !app.relays_to) return false;
  if (app.record.spec.kind == AppKind::kBanner) return app.record.finished;
  return app.record.finished && app.record.eof;
}

void SimApps::read(uint32_t app) {
  App& state = apps_[app];
  const AppSpec& spec = state.record.spec;
  const ConnectionId id = state.record.connection;
  if (state.paused) return;
  for (;;) {
    const StreamPipe& in = net_.find(id)->read_by(Side::kThere);
    size_t room = scratch_.size();
    if (spec.kind == AppKind::kSlowReader) {
      room =
          static_cast<size_t>(std::min<uint64_t>(room, state.read_limit - state.record.received));
      if (room == 0 && in.readable() != 0) arm_interval(app);
    }
    const size_t n = in.peek(0, MutableBytes(scratch_).first(room));
    if (n == 0) return;
    net_.consume(id, Side::kThere, n);
    take(app, Bytes(scratch_).first(n));
    if (state.record.closed) return;
  }
}

void SimApps::take(uint32_t app, Bytes bytes) {
  App& state = apps_[app];
  AppRecord& record = state.record;
  const bool checks = record.spec.checks_pattern || record.spec.kind == AppKind::kEchoClient;
  if (checks && !record.wrong_at.has_value()) {
    record.wrong_at = first_unlike(record.spec.pattern, record.received, bytes);
    if (record.wrong_at.has_value()) observe(app, kSawWrongByte, *record.wrong_at);
  }
  record.received += bytes.size();
  observe(app, kGotBytes, record.received);
  if (state.relays_to) {
    write_manually(*state.relays_to, bytes);
  } else if (record.spec.kind == AppKind::kManual || record.spec.kind == AppKind::kDns) {
    state.kept.insert(state.kept.end(), bytes.begin(), bytes.end());
  }
  if (record.spec.kind == AppKind::kResetAfter && record.received >= record.spec.bytes) abort(app);
}

void SimApps::arm_interval(uint32_t app) {
  App& state = apps_[app];
  if (state.interval_armed) return;
  state.interval_armed = true;
  net_.queue().schedule_after(state.record.spec.interval, [this, app] {
    apps_[app].interval_armed = false;
    apps_[app].read_limit += apps_[app].record.spec.bytes;
    step(app);
  });
}

void SimApps::echo(uint32_t app) {
  AppRecord& record = apps_[app].record;
  for (;;) {
    const size_t n = net_.find(record.connection)->read_by(Side::kThere).peek(0, scratch_);
    if (n == 0) return;
    const Bytes bytes = Bytes(scratch_).first(n);
    const size_t taken = net_.write(record.connection, Side::kThere, {&bytes, 1});
    if (taken == 0) return;
    net_.consume(record.connection, Side::kThere, taken);
    record.received += taken;
    record.sent += taken;
    observe(app, kGotBytes, record.received);
    if (taken < n) return;
  }
}

void SimApps::write_pattern(uint32_t app) {
  AppRecord& record = apps_[app].record;
  while (record.sent < record.spec.bytes) {
    const auto n =
        static_cast<size_t>(std::min<uint64_t>(scratch_.size(), record.spec.bytes - record.sent));
    fill_pattern(record.spec.pattern, record.sent, MutableBytes(scratch_).first(n));
    const Bytes bytes = Bytes(scratch_).first(n);
    const size_t taken = net_.write(record.connection, Side::kThere, {&bytes, 1});
    record.sent += taken;
    if (taken < n) return;
  }
  apps_[app].finishes = true;
}

void SimApps::write_queued(uint32_t app) {
  App& state = apps_[app];
  const Bytes bytes(state.to_write);
  const size_t taken = net_.write(state.record.connection, Side::kThere, {&bytes, 1});
  state.record.sent += taken;
  state.to_write.erase(state.to_write.begin(),
                       state.to_write.begin() + static_cast<std::ptrdiff_t>(taken));
}

void SimApps::answer_dns_stream(uint32_t app) {
  App& state = apps_[app];
  const AppSpec& spec = state.record.spec;
  size_t at = 0;
  while (state.kept.size() - at >= 2) {
    const size_t length = static_cast<size_t>(state.kept[at]) << 8 | state.kept[at + 1];
    if (state.kept.size() - at < 2 + length) break;
    const auto answer = answer_dns(Bytes(state.kept).subspan(at + 2, length), net_.spec().dns_table,
                                   spec.dns_fault, true);
    at += 2 + length;
    if (answer.empty()) continue;
    state.to_write.push_back(static_cast<uint8_t>(answer.size() >> 8));
    state.to_write.push_back(static_cast<uint8_t>(answer.size()));
    state.to_write.insert(state.to_write.end(), answer.begin(), answer.end());
  }
  state.kept.erase(state.kept.begin(), state.kept.begin() + static_cast<std::ptrdiff_t>(at));
}

// --- Moved by hand ---

void SimApps::write_manually(uint32_t app, Bytes bytes) {
  App& state = apps_[app];
  state.to_write.insert(state.to_write.end(), bytes.begin(), bytes.end());
  if (state.record.connected) step(app);
}

void SimApps::pause_reading(uint32_t app, bool paused) {
  apps_[app].paused = paused;
  if (!paused && apps_[app].record.connected) step(app);
}

void SimApps::finish(uint32_t app) {
  apps_[app].finishes = true;
  if (apps_[app].record.connected) step(app);
}

void SimApps::close(uint32_t app) {
  AppRecord& record = apps_[app].record;
  if (record.closed) return;
  record.closed = true;
  record.ended = net_.queue().now();
  observe(app, kHasClosed, record.received);
  net_.release(record.connection, Side::kThere);
}

void SimApps::abort(uint32_t app) {
  AppRecord& record = apps_[app].record;
  if (record.closed) return;
  net_.abort(record.connection, Side::kThere);
  close(app);
}

// --- Datagrams ---

void SimApps::reply(const SimDatagram& to, uint32_t host, std::vector<uint8_t> payload,
                    Duration after) {
  SimDatagram datagram = net_.fresh_datagram();
  datagram.from = to.to;
  datagram.to = to.from;
  datagram.tos = to.tos;
  datagram.payload.assign(payload.begin(), payload.end());
  net_.send_to_here(host, std::move(datagram), after);
}

bool SimApps::on_datagram(uint32_t host, const SimDatagram& datagram) {
  const auto manual = manual_ports_.find(datagram.to);
  if (manual != manual_ports_.end()) {
    manual->second.push_back(
        {datagram.from, datagram.to, datagram.payload, datagram.ttl, datagram.tos});
    return true;
  }
  const ServiceSpec* served = net_.service(host, Transport::kUdp, datagram.to.port);
  if (served == nullptr) return false;
  const AppSpec& spec = served->app;
  ++datagrams_received_;
  observe(static_cast<uint32_t>(host), kGotDatagram, datagram.payload.size());
  switch (spec.kind) {
    case AppKind::kEcho:
      reply(datagram, host, datagram.payload, Duration{});
      return true;
    case AppKind::kSink:
      return true;
    case AppKind::kSource: {
      std::vector<uint8_t> payload(static_cast<size_t>(spec.bytes));
      fill_pattern(spec.pattern, 0, payload);
      reply(datagram, host, std::move(payload), Duration{});
      return true;
    }
    case AppKind::kDns: {
      auto answer = answer_dns(datagram.payload, net_.spec().dns_table, spec.dns_fault, false);
      const Duration after = spec.dns_fault == DnsFault::kSlow ? spec.interval : Duration{};
      if (!answer.empty()) reply(datagram, host, std::move(answer), after);
      return true;
    }
    default:
      return false;
  }
}

void SimApps::send_datagram(const Endpoint& from, const Endpoint& to, Bytes payload) {
  SimDatagram datagram = net_.fresh_datagram();
  datagram.from = from;
  datagram.to = to;
  datagram.payload.assign(payload.begin(), payload.end());
  const uint32_t host = net_.host_of(from.address);
  DASHI_CHECK(host != SimNet::kNoHost);
  net_.send_to_here(host, std::move(datagram), Duration{});
}

}  // namespace dashi
