#include "sim/sim_net.hh"

#include "sim/sim_apps.hh"
#include "sim/sim_sockets.hh"

namespace dashi {

namespace {

constexpr uint32_t kConnectionsMax = 1u << 16;
constexpr uint32_t kDatagramsMax = 1u << 16;
constexpr size_t kHeaderBytes = 54;  // what a chunk's headers cost on the path
constexpr Duration kSynRetry = 1s;   // RFC 6298 2.1
constexpr uint8_t kSynTries = 6;
constexpr Duration kRetransmitMax = 60s;  // RFC 6298 2.5
constexpr unsigned kTriesMax = 16;        // of a chunk: Linux's tcp_retries2, and the first
constexpr uint32_t kPathStream = 1000;    // fault streams of paths: kPathStream + 2 * host + side
constexpr uint32_t kPathAgainStream = 1u << 21;  // beside it, of what is sent again

bool v4(const Endpoint& endpoint) { return endpoint.address.is_v4(); }

// The ICMPv6 type and code that say what an ICMP type and code say (RFC 4443 3).
void to_icmpv6(NetError& error) {
  const bool unreachable = error.icmp_type == 3;
  const uint8_t code = error.icmp_code;
  error.icmp_type = unreachable ? 1 : 3;
  error.icmp_code = 0;
  if (unreachable && code == 1) error.icmp_code = 3;
  if (unreachable && code == 3) error.icmp_code = 4;
  if (unreachable && code >= 9) error.icmp_code = 1;
}

}  // namespace

const char* name_of(AppKind kind) {
  static constexpr const char* kNames[] = {
      "echo",        "source",      "sink",        "refuse", "blackhole",
      "unreachable", "reset-after", "slow-reader", "banner", "accept-and-close",
      "dns",         "manual",      "echo-client"};
  return kNames[static_cast<size_t>(kind)];
}

SimNet::SimNet(EventQueue& queue, const NetSpec& spec, uint64_t seed, FaultPlan* plan)
    : queue_(queue), spec_(spec), connections_(kConnectionsMax), datagrams_(kDatagramsMax) {
  spec_.here.path.hops = 0;
  const auto add_host = [&](const HostSpec& host) {
    const auto index = static_cast<uint32_t>(paths_.size());
    for (const IpAddress& address : host.addresses) hosts_by_address_.emplace(address, index);
    const uint32_t up = kPathStream + 2 * index;
    const auto faults = [&](const char* name, uint32_t stream) {
      return FrameFaults(host.path.faults, Prng(seed, name, stream), plan, stream);
    };
    paths_.push_back(Path{host.path,
                          {faults("path", up), faults("path", up + 1)},
                          {faults("path-again", kPathAgainStream + up),
                           faults("path-again", kPathAgainStream + up + 1)},
                          {}});
  };
  add_host(spec_.here);
  for (const HostSpec& host : spec_.hosts) add_host(host);
}

uint32_t SimNet::host_of(const IpAddress& address) const {
  if (address.is_loopback()) return kHereHost;
  const auto found = hosts_by_address_.find(address);
  return found == hosts_by_address_.end() ? kNoHost : found->second;
}

const HostSpec& SimNet::host(uint32_t index) const {
  return index == kHereHost ? spec_.here : spec_.hosts[index - 1];
}

const ServiceSpec* SimNet::service(uint32_t host_index, Transport transport, Port port) const {
  for (const ServiceSpec& service : host(host_index).services) {
    if (service.transport == transport && service.port == port) return &service;
  }
  return nullptr;
}

void SimNet::add_service(uint32_t host_index, const ServiceSpec& added) {
  DASHI_CHECK(service(host_index, added.transport, added.port) == nullptr);
  HostSpec& to = host_index == kHereHost ? spec_.here : spec_.hosts[host_index - 1];
  to.services.push_back(added);
}

const IpAddress* SimNet::address_of(uint32_t host_index, Family family) const {
  for (const IpAddress& address : host(host_index).addresses) {
    if (address.family() == family) return &address;
  }
  return nullptr;
}

const IpAddress* SimNet::source_for(const IpAddress& remote) const {
  static constexpr IpAddress kLoopbackV4{Ipv4Address{{127, 0, 0, 1}}};
  static constexpr IpAddress kLoopbackV6{
      Ipv6Address{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};
  if (remote.is_loopback()) return remote.is_v4() ? &kLoopbackV4 : &kLoopbackV6;
  return address_of(kHereHost, remote.family());
}

void SimNet::set_path(uint32_t host_index, const PathSpec& spec) {
  Path& changed = path(host_index);
  changed.spec = spec;
  for (FrameFaults& faults : changed.faults) faults.set_spec(spec.faults);
  for (FrameFaults& faults : changed.again) faults.set_spec(spec.faults);
}

Port SimNet::fresh_port() {
  const Port port{next_port_};
  next_port_ = next_port_ == 60999 ? uint16_t{32768} : static_cast<uint16_t>(next_port_ + 1);
  return port;
}

// --- Times ---

Instant SimNet::transit(uint32_t host_index, Side from, size_t bytes, FrameFate& fate) {
  Path& via = path(host_index);
  const auto direction = static_cast<size_t>(from);
  const Instant now = queue_.now();
  Instant departs = std::max(now, via.busy_until[direction]);
  if (via.spec.rate_bps != 0) {
    const uint64_t bit_ns = uint64_t{bytes} * 8 * 1'000'000'000;
    departs += Duration(static_cast<int64_t>((bit_ns + via.spec.rate_bps - 1) / via.spec.rate_bps));
    via.busy_until[direction] = departs;
  }
  fate = via.faults[direction].next(now, bytes);
  return departs + via.spec.delay + fate.jitter + fate.delay;
}

// For streams, where loss and damage are a retransmission: late, and in order. Each try is drawn like
// the first and waits twice as long as the one before it (RFC 6298 5.5); after kTriesMax none follows.
// Tries after the first take nothing of the path's rate.
SimNet::Arrival SimNet::transit_in_order(SimConnection& connection, Side from, size_t bytes) {
  const auto direction = static_cast<size_t>(from);
  Path& via = path(connection.host);
  FrameFate fate;
  Instant arrives = transit(connection.host, from, bytes, fate);
  Instant sent = queue_.now();
  Duration wait = std::max(spec_.retransmit, 2 * via.spec.delay);
  unsigned tries = 1;
  for (; (fate.lost || fate.damages()) && tries < kTriesMax; ++tries) {
    arrives += wait;
    sent += wait;
    wait = std::max(wait, std::min(2 * wait, kRetransmitMax));
    fate = via.again[direction].next(sent, bytes);
  }
  const bool given_up = fate.lost || fate.damages();
  Instant& in_order = connection.in_order[direction];
  const Instant at = std::max(in_order, given_up ? arrives + wait : arrives);
  in_order = given_up ? kNever : at;
  return {at, given_up};
}

// --- Opening ---

uint32_t SimNet::make_connection(uint32_t host_index, size_t here_receives, size_t there_receives) {
  const uint32_t slot = connections_.emplace(spec_.send_buffer, here_receives, there_receives);
  DASHI_CHECK(slot != SlotMap<SimConnection>::kNone);
  connections_[slot].host = host_index;
  return slot;
}

SimConnection* SimNet::find(ConnectionId id) {
  return connections_.contains(id.slot, id.generation) ? &connections_[id.slot] : nullptr;
}

ConnectionId SimNet::connect(const Endpoint& local, const Endpoint& remote, uint8_t ttl,
                             Duration late) {
  const uint32_t host_index = host_of(remote.address);
  size_t there_receives = spec_.receive_buffer;
  if (host_index != kNoHost) {
    const ServiceSpec* served = service(host_index, Transport::kTcp, remote.port);
    if (served != nullptr && served->app.receive_buffer != 0) {
      there_receives = served->app.receive_buffer;
    }
  }
  const uint32_t slot = make_connection(host_index == kNoHost ? kHereHost : host_index,
                                        spec_.receive_buffer, there_receives);
  SimConnection& connection = connections_[slot];
  connection.end(Side::kHere).address = local;
  connection.end(Side::kThere).address = remote;
  connection.end(Side::kThere).released = true;  // until an app takes it
  connection.ttl = ttl;
  const ConnectionId id{slot, connections_.generation(slot)};
  if (fails_on_the_way(id, host_index, remote)) return id;
  connection.connect_by = queue_.now() + spec_.connect_timeout + late;
  Arrival syn = transit_in_order(connection, Side::kHere, kHeaderBytes);
  syn.at += late;
  if (too_late(id, Side::kHere, syn)) return id;
  connection.in_order[0] = syn.at;
  queue_.schedule(syn.at, [this, id] { syn_arrives_there(id); });
  return id;
}

// Whether a SYN, or the answer to one, comes after `side` gave up its connect, which then fails.
bool SimNet::too_late(ConnectionId id, Side side, const Arrival& arrival) {
  SimConnection* connection = find(id);
  if (!arrival.given_up && arrival.at <= connection->connect_by) return false;
  connection->failure = NetError{};
  connection->failure.error = SocketError::kTimedOut;
  connection->failure.original_remote = connection->end(other(side)).address;
  queue_.schedule(connection->connect_by, [this, id, side] { connect_failed(id, side); });
  return true;
}

IpAddress SimNet::router(Family family, unsigned hop) const {
  const unsigned past_first = hop == 0 ? 0 : hop - 1;
  if (family == Family::kIpv4) {
    return Ipv4Address::from_u32(spec_.router_v4.to_u32() + past_first);
  }
  Ipv6Address address = spec_.router_v6;
  address.bytes[15] = static_cast<uint8_t>(address.bytes[15] + past_first);
  return address;
}

NetError SimNet::router_error(SocketError error, uint8_t v4_type, uint8_t v4_code, uint8_t v6_type,
                              uint8_t v6_code, unsigned hop, const Endpoint& remote) const {
  NetError net_error;
  net_error.error = error;
  net_error.icmp_type = v4(remote) ? v4_type : v6_type;
  net_error.icmp_code = v4(remote) ? v4_code : v6_code;
  net_error.reporter = router(remote.address.family(), hop);
  net_error.original_remote = remote;
  return net_error;
}

NetError SimNet::failure_of(const NetFailure& failure, uint32_t host_index,
                            const Endpoint& remote) const {
  NetError error;
  error.error = failure.error;
  error.icmp_type = failure.icmp_type;
  error.icmp_code = failure.icmp_code;
  error.reporter = failure.reporter.is_unspecified()
                       ? router(remote.address.family(), paths_[host_index].spec.hops)
                       : failure.reporter;
  error.original_remote = remote;
  if (!v4(remote)) to_icmpv6(error);
  return error;
}

void SimNet::fail_later(ConnectionId id, const NetError& error, Duration after) {
  find(id)->failure = error;
  queue_.schedule_after(after, [this, id] { connect_failed(id, Side::kHere); });
}

// A connect that no host will answer.
bool SimNet::fails_on_the_way(ConnectionId id, uint32_t host_index, const Endpoint& remote) {
  NetError timed_out;
  timed_out.error = SocketError::kTimedOut;
  timed_out.original_remote = remote;
  if (host_index == kNoHost) {
    if (spec_.unknown_is_silent) {
      fail_later(id, timed_out, spec_.connect_timeout);
    } else {
      fail_later(id, router_error(SocketError::kNetworkUnreachable, 3, 0, 1, 0, 1, remote), 1ms);
    }
    return true;
  }
  const PathSpec& via = path(host_index).spec;
  const uint8_t ttl = find(id)->ttl;
  if (ttl != 0 && ttl <= via.hops) {
    fail_later(id, router_error(SocketError::kTtlExceeded, 11, 0, 3, 0, ttl, remote),
               2 * via.delay * ttl / (via.hops + 1));
    return true;
  }
  const ServiceSpec* served = service(host_index, Transport::kTcp, remote.port);
  const bool silent =
      host(host_index).silent || (served != nullptr && served->app.kind == AppKind::kBlackhole);
  if (silent) fail_later(id, timed_out, spec_.connect_timeout);
  return silent;
}

bool SimNet::listens_here(const Endpoint& at) const { return sockets_->listens(at); }

void SimNet::syn_arrives_there(ConnectionId id) {
  SimConnection* connection = find(id);
  if (connection == nullptr || connection->end(Side::kHere).error.has_value()) return;
  const Endpoint remote = connection->end(Side::kThere).address;
  const ServiceSpec* served = service(connection->host, Transport::kTcp, remote.port);
  const Arrival answer = transit_in_order(*connection, Side::kThere, kHeaderBytes);
  if (too_late(id, Side::kHere, answer)) return;
  const Instant back = answer.at;
  const bool fails = served != nullptr && served->app.kind == AppKind::kUnreachable;
  const bool taken = !fails && apps_->listens(connection->host, remote);
  if (!taken) {
    NetError refused;
    refused.error = SocketError::kRefused;
    refused.original_remote = remote;
    connection->failure =
        fails ? failure_of(served->app.failure, connection->host, remote) : refused;
    queue_.schedule(back, [this, id] { connect_failed(id, Side::kHere); });
    return;
  }
  connection->end(Side::kThere).released = false;
  connection->end(Side::kThere).connected = true;
  queue_.schedule(back, [this, id] { established(id, Side::kHere); });
  show(Side::kThere, {FarEndMove::Kind::kAccepts, id, 0});
  apps_->on_accepted(id, connection->host, remote);
}

ConnectionId SimNet::connect_here(uint32_t from_host, const Endpoint& to, size_t receive_buffer) {
  const uint32_t slot = make_connection(
      from_host, spec_.receive_buffer, receive_buffer == 0 ? spec_.receive_buffer : receive_buffer);
  SimConnection& connection = connections_[slot];
  const IpAddress* from = address_of(from_host, to.address.family());
  const IpAddress* loopback = source_for(to.address);
  DASHI_CHECK(from != nullptr || (from_host == kHereHost && loopback != nullptr));
  const bool over_loopback = from_host == kHereHost && to.address.is_loopback();
  connection.end(Side::kThere).address = {over_loopback ? *loopback : *from, fresh_port()};
  connection.end(Side::kHere).address = to;
  const ConnectionId id{slot, connections_.generation(slot)};
  connection.connect_by = queue_.now() + spec_.connect_timeout;
  show(Side::kThere, {FarEndMove::Kind::kCalls, id, 0});
  const Arrival syn = transit_in_order(connection, Side::kThere, kHeaderBytes);
  if (too_late(id, Side::kThere, syn)) {
    connection.end(Side::kHere).released = true;
  } else {
    queue_.schedule(syn.at, [this, id] { syn_arrives_here(id); });
  }
  return id;
}

void SimNet::syn_arrives_here(ConnectionId id) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  if (connection->end(Side::kThere).error.has_value()) {
    // Its caller is gone and answers the SYN-ACK with RST: there is nothing to accept.
    connection->end(Side::kHere).released = true;
    return collect(id);
  }
  const Endpoint to = connection->end(Side::kHere).address;
  const Arrival answer = transit_in_order(*connection, Side::kHere, kHeaderBytes);
  const Instant back = answer.at;
  if (too_late(id, Side::kThere, answer)) {
    connection->end(Side::kHere).released = true;
    return;
  }
  switch (sockets_->offer_connection(id, to)) {
    case SimSockets::Offer::kQueued:
      connection->end(Side::kHere).connected = true;
      queue_.schedule(back, [this, id] { established(id, Side::kThere); });
      return;
    case SimSockets::Offer::kFull:  // the SYN is lost, as by Linux, and sent again
      if (++connection->syn_tries < kSynTries) {
        queue_.schedule_after(kSynRetry * (1 << connection->syn_tries),
                              [this, id] { syn_arrives_here(id); });
        return;
      }
      connection->failure.error = SocketError::kTimedOut;
      break;
    case SimSockets::Offer::kNobody:
      connection->failure.error = SocketError::kRefused;
      break;
  }
  connection->end(Side::kHere).released = true;
  queue_.schedule(back, [this, id] { connect_failed(id, Side::kThere); });
}

void SimNet::established(ConnectionId id, Side side) {
  SimConnection* connection = find(id);
  if (connection == nullptr) return;
  connection->pending = false;
  SimStreamEnd& end = connection->end(side);
  if (end.error.has_value() || end.released) return;
  end.connected = true;
  notify(id, side, StreamNotice::kConnected, NetError{});
  pump(id, side);
}

void SimNet::connect_failed(ConnectionId id, Side side) {
  SimConnection* connection = find(id);
  if (connection == nullptr || !connection->pending) return;
  SimStreamEnd& end = connection->end(side);
  if (end.error.has_value()) return;
  end.error = connection->failure.error;
  notify(id, side, StreamNotice::kConnectFailed, connection->failure);
  collect(id);
}

}  // namespace dashi
