#include "core/dns/tcp_front.hh"

#include <algorithm>

namespace dashi {
namespace {

constexpr Port kDnsPort{53};
constexpr size_t kLengthBytes = 2;

}  // namespace

// One guest connection's end, owned by tcp/: a name for a slot, which is its own for as long as this
// lives. Destroying it at any time gives up the queries that wait.
class DnsStream : public StreamSocket {
 public:
  DnsStream(TcpFront& front, uint32_t slot, const Endpoint& local)
      : front_(front), slot_(slot), local_(local) {}
  ~DnsStream() override { front_.close(slot_); }
  DnsStream(const DnsStream&) = delete;
  DnsStream& operator=(const DnsStream&) = delete;

  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    return front_.peek(slot_, offset, into);
  }
  void consume(size_t n) override { front_.consume(slot_, n); }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    return front_.write(slot_, from);
  }
  void shutdown_write() override { front_.shutdown_write(slot_); }
  void abort() override { front_.abort(slot_); }
  HostTcpInfo info() const override { return {}; }
  Endpoint local() const override { return local_; }

 private:
  TcpFront& front_;
  uint32_t slot_;
  Endpoint local_;
};

TcpFront::TcpFront(const DnsConfig& config, FlowContext& context, Answerer& answerer,
                   Resolver& resolver, Scratch& scratch)
    : config_(config),
      context_(context),
      answerer_(answerer),
      resolver_(resolver),
      scratch_(scratch),
      streams_(context.limits.dns_tcp_connections),
      timers_(context.limits.dns_tcp_connections),
      ready_(context.limits.dns_tcp_connections),
      eventful_(context.limits.dns_tcp_connections) {}

// --- For tcp/ ---

bool TcpFront::serves(const Endpoint& destination) const {
  return destination.port == kDnsPort && context_.topology.is_gateway(destination.address);
}

Result<std::unique_ptr<StreamSocket>, SocketError> TcpFront::open(const Endpoint& destination,
                                                                  FlowId id) {
  const uint32_t slot = streams_.emplace();
  if (slot == kNone) {
    context_.counters.increment(Counter::kDnsLimit);
    return SocketError::kTooManySockets;
  }
  Stream& stream = streams_[slot];
  stream.id = id;
  stream.local = destination;
  owe(slot, SocketEvent::Kind::kConnected);
  ready_.set(slot);  // flush() starts the idle timer
  return std::unique_ptr<StreamSocket>(new DnsStream(*this, slot, destination));
}

std::unique_ptr<StreamSocket> TcpFront::adopt(FlowId id) {
  for (uint32_t slot = streams_.next(0); slot != kNone; slot = streams_.next(slot + 1)) {
    Stream& stream = streams_[slot];
    if (stream.owned || stream.id != id) continue;
    stream.owned = true;
    return std::unique_ptr<StreamSocket>(new DnsStream(*this, slot, stream.local));
  }
  return nullptr;
}

// One message fits however long it is, and else kInBytes.
size_t TcpFront::Stream::in_room() const {
  size_t cap = kInBytes;
  if (in.size() >= kLengthBytes) cap = std::max(cap, kLengthBytes + load<Be16>(in.view()));
  return cap - std::min(cap, in.size());
}

bool TcpFront::Stream::has_message() const {
  return in.size() >= kLengthBytes && in.size() - kLengthBytes >= load<Be16>(in.view());
}

Result<Peeked, SocketError> TcpFront::peek(uint32_t slot, size_t offset,
                                           std::span<const MutableBytes> into) {
  const Stream& stream = streams_[slot];
  if (stream.reset) return SocketError::kReset;
  Peeked peeked;
  if (offset < stream.out.size()) {
    Bytes left = stream.out.view().subspan(offset);
    for (const MutableBytes& area : into) {
      const size_t n = copy_bytes(area, left);
      peeked.bytes += n;
      left = left.subspan(n);
    }
    peeked.eof = stream.ended && left.empty();
    return peeked;
  }
  if (!stream.ended) return SocketError::kWouldBlock;
  peeked.eof = true;
  return peeked;
}

void TcpFront::consume(uint32_t slot, size_t n) {
  Stream& stream = streams_[slot];
  if (stream.reset) return;
  stream.out.consume(n);
  stream.active = true;
  ready_.set(slot);
}

Result<size_t, SocketError> TcpFront::write(uint32_t slot, std::span<const Bytes> from) {
  Stream& stream = streams_[slot];
  if (stream.guest_fin) return SocketError::kClosed;
  if (stream.ended) reset(slot);  // as a server that closed answers data (RFC 9293 3.5.2)
  if (stream.reset) return SocketError::kReset;
  size_t taken = 0;
  for (Bytes bytes : from) {
    while (!bytes.empty() && stream.in_room() != 0) {
      // Not more than the length at first: it says how much room there is.
      size_t n = std::min(bytes.size(), stream.in_room());
      if (stream.in.size() < kLengthBytes) n = std::min(n, kLengthBytes - stream.in.size());
      stream.in.append(bytes.first(n));
      bytes = bytes.subspan(n);
      taken += n;
    }
    if (!bytes.empty()) {
      stream.short_write = true;
      break;
    }
  }
  if (taken != 0) {
    stream.active = true;
    ready_.set(slot);
  }
  if (taken == 0 && stream.short_write) return SocketError::kWouldBlock;
  return taken;
}

void TcpFront::shutdown_write(uint32_t slot) {
  streams_[slot].guest_fin = true;
  streams_[slot].active = true;
  ready_.set(slot);
}

void TcpFront::abort(uint32_t slot) { reset(slot); }

void TcpFront::close(uint32_t slot) {
  cancel_queries(slot);
  timers_.clear(slot);
  ready_.clear(slot);
  eventful_.clear(slot);
  streams_.erase(slot);
}

// --- Events ---

void TcpFront::owe(uint32_t slot, SocketEvent::Kind kind) {
  Stream& stream = streams_[slot];
  stream.events = static_cast<uint8_t>(stream.events | event_bit(kind));
  eventful_.set(slot);
}

bool TcpFront::take_event(SocketEvent& event) {
  const uint32_t slot = eventful_.next_set(0);
  if (slot == kNone) return false;
  Stream& stream = streams_[slot];
  event = SocketEvent{};
  event.id = stream.id;
  for (const auto kind : {SocketEvent::Kind::kConnected, SocketEvent::Kind::kReadable,
                          SocketEvent::Kind::kWritable}) {
    if ((stream.events & event_bit(kind)) == 0) continue;
    event.kind = kind;
    stream.events = static_cast<uint8_t>(stream.events & ~event_bit(kind));
    break;
  }
  if (stream.events == 0) eventful_.clear(slot);
  return true;
}

// --- Queries and answers ---

void TcpFront::cancel_queries(uint32_t slot) {
  Stream& stream = streams_[slot];
  for (uint32_t i = 0; i < stream.in_flight; ++i) resolver_.release(stream.queries[i]);
  stream.in_flight = 0;
}

void TcpFront::reset(uint32_t slot) {
  Stream& stream = streams_[slot];
  if (stream.reset) return;
  stream.reset = true;
  stream.in.clear();
  stream.out.clear();
  cancel_queries(slot);
  timers_.clear(slot);
  ready_.clear(slot);
  owe(slot, SocketEvent::Kind::kReadable);
}

void TcpFront::append_framed(Stream& stream, Bytes message) {
  const std::array<uint8_t, kLengthBytes> length{static_cast<uint8_t>(message.size() >> 8),
                                                 static_cast<uint8_t>(message.size())};
  stream.out.append(length);
  stream.out.append(message);
}

void TcpFront::deliver(Instant now, uint32_t query_slot) {
  const uint32_t slot = resolver_.query(query_slot).origin.stream;
  if (deliver_one(now, slot, query_slot)) ready_.set(slot);  // there may be more to ask now
}

// False: the stream has no room; run() tries again once there is.
bool TcpFront::deliver_one(Instant now, uint32_t slot, uint32_t query_slot) {
  Stream& stream = streams_[slot];
  if (!stream.may_answer()) return false;
  stream.active = true;
  const UpstreamQuery& query = resolver_.query(query_slot);
  if (query.state == UpstreamQuery::State::kEnded) {
    forget_query(slot, query_slot);
    return true;
  }
  owe(slot, SocketEvent::Kind::kReadable);
  if (query.state == UpstreamQuery::State::kAnswered) {
    context_.counters.increment(Counter::kDnsAnswers);
    stream.out.append(resolver_.framed_answer(query_slot));
    if (query.stream) {  // a transfer: there may be more of it
      resolver_.resume(now, query_slot);
      return true;
    }
  } else {
    const size_t bytes = answerer_.fail(scratch_.bytes(), resolver_.message(query_slot));
    append_framed(stream, scratch_.bytes().first(bytes));
  }
  forget_query(slot, query_slot);
  return true;
}

void TcpFront::forget_query(uint32_t slot, uint32_t query_slot) {
  Stream& stream = streams_[slot];
  const auto end = stream.queries.begin() + stream.in_flight;
  const auto at = std::find(stream.queries.begin(), end, query_slot);
  DASHI_CHECK(at != end);
  std::copy(at + 1, end, at);
  --stream.in_flight;
  resolver_.release(query_slot);
}

void TcpFront::deliver_waiting(Instant now, uint32_t slot) {
  Stream& stream = streams_[slot];
  for (uint32_t i = 0; i < stream.in_flight && stream.may_answer();) {
    const uint32_t query_slot = stream.queries[i];
    const uint32_t before = stream.in_flight;
    if (!resolver_.query(query_slot).waiting()) deliver_one(now, slot, query_slot);
    if (stream.in_flight == before) ++i;
  }
}

void TcpFront::ask_messages(Instant now, uint32_t slot) {
  Stream& stream = streams_[slot];
  while (stream.may_answer() && stream.in_flight < kInFlightMax && stream.has_message()) {
    const size_t length = load<Be16>(stream.in.view());
    const Bytes message = stream.in.view().subspan(kLengthBytes, length);
    context_.counters.increment(Counter::kDnsQueriesTcp);
    DnsOrigin origin;
    origin.tcp = true;
    origin.stream = slot;
    Answerer::Asked asked;
    // Nothing that short asks anything: this is not DNS, and there is no telling where it goes on.
    if (length > kDnsHeaderBytes) asked = answerer_.ask(now, message, origin, scratch_.bytes());
    if (asked.outcome == Answerer::Asked::Outcome::kMalformed) return reset(slot);
    stream.in.consume(kLengthBytes + length);
    if (asked.outcome == Answerer::Asked::Outcome::kPending) {
      stream.queries[stream.in_flight++] = asked.slot;
    } else {
      append_framed(stream, scratch_.bytes().first(asked.bytes));
      owe(slot, SocketEvent::Kind::kReadable);
    }
  }
}

void TcpFront::run(Instant now, uint32_t slot) {
  Stream& stream = streams_[slot];
  if (stream.reset) return;
  if (stream.active) {
    stream.active = false;
    stream.last_activity = now;
  }
  deliver_waiting(now, slot);
  ask_messages(now, slot);
  if (stream.reset) return;
  if (stream.short_write && stream.in_room() != 0) {
    stream.short_write = false;
    owe(slot, SocketEvent::Kind::kWritable);
  }
  if (stream.guest_fin && !stream.ended && stream.in_flight == 0 && !stream.has_message()) {
    stream.ended = true;
    owe(slot, SocketEvent::Kind::kReadable);
  }
  set_idle_timer(slot);
}

void TcpFront::flush(Instant now) {
  if (unowned_) {
    unowned_ = false;
    for (uint32_t slot = streams_.next(0); slot != kNone; slot = streams_.next(slot + 1)) {
      if (!streams_[slot].owned) close(slot);
    }
  }
  for (uint32_t slot = ready_.next_set(0); slot != kNone; slot = ready_.next_set(slot + 1)) {
    ready_.clear(slot);
    run(now, slot);
  }
}

// --- Time ---

void TcpFront::set_idle_timer(uint32_t slot) {
  timers_.clear(slot);               // not lazily: what is armed is what save() knows
  if (streams_[slot].ended) return;  // all is said; the connection's timers are tcp/'s
  timers_.arm(slot, streams_[slot].last_activity + config_.tcp_idle);
}

// RFC 7766 6.2.3: an idle connection is closed. One that has answers which nobody reads is reset.
void TcpFront::handle_timers(Instant now) {
  for (uint32_t slot = timers_.pop_due(now); slot != Timers::kNone; slot = timers_.pop_due(now)) {
    Stream& stream = streams_[slot];
    if (stream.active || (stream.in_flight != 0 && stream.may_answer())) {
      stream.last_activity = now;
      set_idle_timer(slot);
    } else if (!stream.out.empty()) {
      reset(slot);
    } else {
      stream.ended = true;
      owe(slot, SocketEvent::Kind::kReadable);
    }
  }
}

void TcpFront::restart() {
  for (uint32_t slot = streams_.next(0); slot != kNone; slot = streams_.next(slot + 1)) {
    reset(slot);
    streams_[slot].events = 0;
    eventful_.clear(slot);
  }
}

}  // namespace dashi
