#include "core/dns/resolver.hh"

#include <algorithm>

namespace dashi {
namespace {

// A TCP try may take this many try_timeouts in all while the server keeps sending.
constexpr int kTcpTryTimeouts = 5;
Endpoint any_local(const Endpoint& server) {
  return {server.address.is_v4() ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{}), Port{}};
}

void reset(std::vector<uint8_t>& buffer, size_t kept) {
  buffer.clear();
  if (buffer.capacity() > kept) std::vector<uint8_t>().swap(buffer);
}

}  // namespace

Resolver::Resolver(const DnsConfig& config, FlowContext& context)
    : config_(config),
      context_(context),
      servers_(config.resolvers),
      queries_(context.limits.dns_queries),
      messages_(context.limits.dns_queries),
      answers_(context.limits.dns_queries),
      timers_(context.limits.dns_queries),
      completed_(context.limits.dns_queries),
      ready_(context.limits.dns_queries) {
  if (servers_.size() > kServersMax) servers_.resize(kServersMax);
}

FlowId Resolver::flow_id(uint32_t slot) const {
  const UpstreamQuery& query = queries_[slot];
  return {query.stream ? FlowKind::kDnsTcp : FlowKind::kDnsUdp, slot, query.serial};
}

void Resolver::trace(TraceEvent::Kind kind, uint32_t slot, uint32_t code) {
  TraceEvent event;
  event.kind = kind;
  event.flow = flow_id(slot);
  event.code = code;
  context_.env.trace.record(event);
}

uint32_t Resolver::start(Instant now, Bytes query, const DnsQuestion& question,
                         const DnsOrigin& origin) {
  const uint32_t slot = queries_.emplace();
  DASHI_CHECK(slot != kNone && has_servers());
  UpstreamQuery& q = queries_[slot];
  q.origin = origin;
  q.question = question;
  q.guest_id = dns_header(query)->id;
  q.transfer = origin.tcp && (question.type == kDnsTypeAxfr || question.type == kDnsTypeIxfr);
  q.first = good_;
  if (now >= prefer_at_) {
    q.first = 0;
    prefer_at_ = now + config_.prefer_again;
  }
  messages_[slot].assign(query.begin(), query.end());
  trace(TraceEvent::Kind::kFlowOpened, slot, question.type);
  try_next(now, slot);
  return slot;
}

void Resolver::release(uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  trace(TraceEvent::Kind::kFlowClosed, slot, static_cast<uint32_t>(query.state));
  close_sockets(query);
  timers_.clear(slot);
  completed_.clear(slot);
  ready_.clear(slot);
  queries_.erase(slot);
  reset(messages_[slot], kKeptBytes);
  reset(answers_[slot], kKeptBytes);
}

void Resolver::resume(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  DASHI_CHECK(query.state == UpstreamQuery::State::kAnswered && query.stream);
  query.state = UpstreamQuery::State::kTcp;
  query.delivered = true;
  set_dns_id(messages_[slot], query.id);
  answers_[slot].clear();
  tcp_progress(now, slot);
  ready_.set(slot);
}

// --- Tries ---

void Resolver::try_next(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  close_sockets(query);
  ready_.clear(slot);
  const uint32_t count = static_cast<uint32_t>(servers_.size());
  while (query.tries < count * config_.rounds) {
    query.server = servers_[(query.first + query.tries) % count];
    if (query.tries != 0 && count > 1) context_.counters.increment(Counter::kDnsFailovers);
    ++query.tries;
    if (query.transfer ? connect_tcp(now, slot) : send_udp(now, slot)) return;
  }
  complete(slot, UpstreamQuery::State::kFailed);
}

// False: this server cannot be asked, the next may be.
bool Resolver::send_udp(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  query.state = UpstreamQuery::State::kUdp;
  query.id = static_cast<uint16_t>(context_.env.entropy.next_u64());
  query.serial = ++serial_;
  auto opened = context_.env.sockets.open_datagram(any_local(query.server),
                                                   {FlowKind::kDnsUdp, slot, query.serial});
  if (!opened) {
    if (opened.error() == SocketError::kTooManySockets) {
      context_.counters.increment(Counter::kDnsLimit);
    }
    return false;
  }
  query.datagram = std::move(*opened);
  set_dns_id(messages_[slot], query.id);
  OutDatagram out;
  out.remote = query.server;
  out.payload = messages_[slot];
  const auto sent = query.datagram->send({&out, 1});
  // A socket without room just now is as good as a datagram lost: the timeout sees to it.
  if (!sent && sent.error() != SocketError::kWouldBlock) {
    query.datagram.reset();
    return false;
  }
  set_deadline(slot, now + config_.try_timeout);
  return true;
}

bool Resolver::connect_tcp(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  close_sockets(query);
  query.state = UpstreamQuery::State::kConnecting;
  query.id = static_cast<uint16_t>(context_.env.entropy.next_u64());
  query.serial = ++serial_;
  query.written = 0;
  answers_[slot].clear();
  auto opened = context_.env.sockets.connect(query.server, ConnectOptions{},
                                             {FlowKind::kDnsTcp, slot, query.serial});
  if (!opened) {
    if (opened.error() == SocketError::kTooManySockets) {
      context_.counters.increment(Counter::kDnsLimit);
    }
    return false;
  }
  query.stream = std::move(*opened);
  set_dns_id(messages_[slot], query.id);
  query.tcp_until = now + config_.try_timeout * kTcpTryTimeouts;
  set_deadline(slot, now + config_.try_timeout);
  return true;
}

void Resolver::close_sockets(UpstreamQuery& query) {
  query.datagram.reset();
  // Something may yet come, and is not wanted: so no FIN, which would claim a complete exchange.
  if (query.stream) query.stream->abort();
  query.stream.reset();
}

void Resolver::set_deadline(uint32_t slot, Instant deadline) {
  queries_[slot].deadline = deadline;
  timers_.clear(slot);  // not lazily: what is armed is what save() knows
  timers_.arm(slot, deadline);
}

void Resolver::tcp_progress(Instant now, uint32_t slot) {
  const UpstreamQuery& query = queries_[slot];
  const Instant soon = now + config_.try_timeout;
  set_deadline(slot, query.transfer ? soon : std::min(soon, query.tcp_until));
}

void Resolver::complete(uint32_t slot, UpstreamQuery::State state) {
  UpstreamQuery& query = queries_[slot];
  query.state = state;
  query.deadline = kNever;
  timers_.clear(slot);
  ready_.clear(slot);
  set_dns_id(messages_[slot], query.guest_id);
  completed_.set(slot);
}

uint32_t Resolver::take_completed() {
  const uint32_t slot = completed_.next_set(0);
  if (slot != kNone) completed_.clear(slot);
  return slot;
}

// Who answered is asked first from now on, so that a silent server costs a timeout once and not for every
// query; but the order of the list is the user's, and is tried again. A server that declined one question
// is not silent: it keeps its place.
void Resolver::remember_good(Instant now, const UpstreamQuery& query) {
  const auto at = std::find(servers_.begin(), servers_.end(), query.server);
  if (at == servers_.end() || query.declined) return;
  const auto index = static_cast<uint32_t>(at - servers_.begin());
  if (index == good_) return;
  good_ = index;
  prefer_at_ = index == 0 ? kNever : now + config_.prefer_again;
}

// --- What the world says ---

void Resolver::handle_socket(Instant now, const SocketEvent& event) {
  const uint32_t slot = event.id.slot;
  const bool tcp = event.id.kind == FlowKind::kDnsTcp;
  if (!queries_.contains(slot) || queries_[slot].serial != event.id.generation ||
      tcp != (queries_[slot].stream != nullptr)) {
    context_.counters.increment(Counter::kSocketEventsStale);
    return;
  }
  UpstreamQuery& query = queries_[slot];
  if (!query.waiting()) return;  // resume() reads on by itself
  switch (event.kind) {
    case SocketEvent::Kind::kConnected:
      query.state = UpstreamQuery::State::kTcp;
      tcp_progress(now, slot);
      write_tcp(now, slot);
      break;
    case SocketEvent::Kind::kConnectFailed:
      try_next(now, slot);
      break;
    case SocketEvent::Kind::kReadable:
      tcp ? read_tcp(now, slot) : read_udp(now, slot);
      break;
    case SocketEvent::Kind::kWritable:
      if (tcp) write_tcp(now, slot);
      break;
    case SocketEvent::Kind::kNetError:
      // Such as port unreachable: no need to wait. An error about someone else is not ours.
      if (event.error.original_remote.port.number != 0 &&
          event.error.original_remote != query.server) {
        context_.counters.increment(Counter::kDnsMismatched);
      } else {
        try_next(now, slot);
      }
      break;
    case SocketEvent::Kind::kAcceptable:
      break;
  }
}

void Resolver::handle_timers(Instant now) {
  for (uint32_t slot = timers_.pop_due(now); slot != Timers::kNone; slot = timers_.pop_due(now)) {
    UpstreamQuery& query = queries_[slot];
    trace(TraceEvent::Kind::kTimerFired, slot, query.tries);
    query.stream ? tcp_failed(now, slot) : try_next(now, slot);
  }
}

void Resolver::flush(Instant now) {
  for (uint32_t slot = ready_.next_set(0); slot != kNone; slot = ready_.next_set(slot + 1)) {
    ready_.clear(slot);
    queries_[slot].stream ? read_tcp(now, slot) : read_udp(now, slot);
  }
}

void Resolver::set_servers(Instant now, std::span<const Endpoint> servers) {
  if (servers.size() > kServersMax) servers = servers.first(kServersMax);
  if (std::equal(servers.begin(), servers.end(), servers_.begin(), servers_.end())) return;
  servers_.assign(servers.begin(), servers.end());
  good_ = 0;
  prefer_at_ = kNever;
  for (uint32_t slot = queries_.next(0); slot != kNone; slot = queries_.next(slot + 1)) {
    UpstreamQuery& query = queries_[slot];
    if (!query.waiting()) continue;
    const auto at = std::find(servers_.begin(), servers_.end(), query.server);
    query.first = 0;
    query.tries = 0;
    if (at == servers_.end()) {
      query.delivered ? complete(slot, UpstreamQuery::State::kEnded) : try_next(now, slot);
    } else {
      query.first = static_cast<uint32_t>(at - servers_.begin());
      query.tries = 1;
    }
  }
}

}  // namespace dashi
