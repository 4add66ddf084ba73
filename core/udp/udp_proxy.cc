#include "core/udp/udp_proxy.hh"

#include <algorithm>
#include <utility>

#include "core/flow/net_error.hh"
#include "core/flow/slot_archive.hh"

namespace dashi {
namespace {

constexpr uint32_t kFlushBudget = 256;  // datagrams taken from mappings in one turn
// At the bound a mapping idle for this long gives way; RFC 4787 REQ-5 grants it two minutes.
constexpr Duration kEvictableIdle = 2min;
constexpr Port kDnsPort{53};

// A fresh socket of the guest endpoint's family, any address and port.
Endpoint any_of(Family family) {
  if (family == Family::kIpv4) return {Ipv4Address{}, {}};
  return {Ipv6Address{}, {}};
}

}  // namespace

UdpProxy::UdpProxy(const UdpConfig& config, FlowContext& context, const AddressPolicy& policy,
                   IcmpErrors& errors, SipKey index_key)
    : config_(config),
      context_(context),
      policy_(policy),
      errors_(errors),
      uplink_(context, errors),
      carrier_(context, policy, errors),
      forwards_(config, context, policy, uplink_, carrier_, index_key),
      mappings_(context.limits.udp_endpoints),
      contacts_(config, context.limits.udp_contacts, context.limits.udp_endpoints, index_key),
      index_(context.limits.udp_endpoints, index_key),
      timers_(context.limits.udp_endpoints),
      ready_(context.limits.udp_endpoints) {}

FlowId UdpProxy::id_of(uint32_t slot) const {
  return {FlowKind::kUdp, slot, mappings_.generation(slot)};
}

Duration UdpProxy::timeout_of(const Mapping& mapping) const {
  return mapping.dns_only ? std::min(config_.dns_timeout, config_.timeout) : config_.timeout;
}

void UdpProxy::handle_packet(Instant now, const Packet& packet) {
  // No answer could be asked for, and a mapping has to have a port (RFC 768 allows the sender none).
  if (packet.source_port.number == 0) {
    return context_.drop(DropReason::kUdpMalformed, packet.frame);
  }
  if (forwards_.handle_packet(now, packet)) return;
  const auto remote = resolve(now, packet);
  if (!remote.has_value()) return;
  const uint32_t slot = find_or_open(now, packet);
  if (slot == SlotBitmap::kNone) return;
  Mapping& mapping = mappings_[slot];
  mapping.last_used = now;
  mapping.dns_only = mapping.dns_only && packet.destination_port == kDnsPort;
  mapping.latest = *remote;
  ++mapping.sent;
  const IpAddress& seen = packet.ip_header.destination;
  contacts_.touch(now, slot, contact_of(*remote, seen != remote->address), seen);
  uplink_.send(now, *mapping.socket, packet, *remote, {});
}

void UdpProxy::finish_batch(Instant now) { uplink_.finish(now); }

// Where the packet leads; nothing if it was refused.
std::optional<Endpoint> UdpProxy::resolve(Instant now, const Packet& packet) {
  using Verdict = Destination::Verdict;
  const Destination to = policy_.resolve(packet.destination());
  switch (to.verdict) {
    case Verdict::kForward:
      return to.remote;
    case Verdict::kGateway:
      errors_.report(now, IcmpReport::kPortUnreachable, packet, 0);
      context_.drop(DropReason::kUdpRefused, packet.frame);
      break;
    case Verdict::kUnreachable:
      errors_.report(now, IcmpReport::kHostUnreachable, packet, 0);
      context_.drop(DropReason::kDestinationUnreachable, packet.frame);
      break;
    case Verdict::kDenied:
      errors_.report(now, IcmpReport::kAdminProhibited, packet, 0);
      context_.drop(DropReason::kDestinationDenied, packet.frame);
      break;
    case Verdict::kMulticast:
      context_.drop(DropReason::kMulticast, packet.frame);
      break;
    case Verdict::kBroadcast:
      context_.drop(DropReason::kBroadcast, packet.frame);
      break;
  }
  return std::nullopt;
}

void UdpProxy::refuse_at_limit(Instant now, const Packet& packet) {
  context_.counters.increment(Counter::kUdpLimit);
  errors_.report(now, IcmpReport::kAdminProhibited, packet, 0);
  context_.drop(DropReason::kFlowLimit, packet.frame);
}

// The mapping of the packet's source, opened if need be; kNone if the packet was refused.
uint32_t UdpProxy::find_or_open(Instant now, const Packet& packet) {
  const EndpointKey key = endpoint_key(packet.source());
  const uint32_t known = index_.find(key);
  if (known != FlowIndex<EndpointKey>::kNone) return known;
  if (mappings_.full() && !make_room(now)) {
    refuse_at_limit(now, packet);
    return SlotBitmap::kNone;
  }
  const uint32_t slot = mappings_.emplace();
  auto opened =
      context_.env.sockets.open_datagram(any_of(packet.ip_header.source.family()), id_of(slot));
  if (!opened.ok()) {
    mappings_.erase(slot);
    if (opened.error() == SocketError::kTooManySockets ||
        opened.error() == SocketError::kNoBuffers) {
      refuse_at_limit(now, packet);
      return SlotBitmap::kNone;
    }
    const auto report = report_for(opened.error());
    if (report.has_value()) errors_.report(now, *report, packet, 0);
    context_.drop(DropReason::kUdpSendFailed, packet.frame);
    return SlotBitmap::kNone;
  }
  Mapping& mapping = mappings_[slot];
  mapping.guest = packet.source();
  mapping.socket = std::move(opened.value());
  mapping.last_used = now;
  index_.insert(key, slot);
  timers_.arm(slot, now + timeout_of(mapping));
  context_.counters.increment(Counter::kUdpOpened);
  carrier_.trace(TraceEvent::Kind::kFlowOpened, id_of(slot), 0);
  return slot;
}

// Whether all that was asked of DNS servers was answered: nobody waits for anything any more.
bool UdpProxy::is_done(const Mapping& mapping) {
  return mapping.dns_only && mapping.received >= mapping.sent;
}

// Evicts the mapping that is of least use: of those that are done the one idle longest, else the one that
// was idle for longest beyond what it is granted. After a search in vain nothing is searched until
// something can have become idle, or done.
bool UdpProxy::make_room(Instant now) {
  if (now < no_idle_before_) return false;
  uint32_t least = SlotBitmap::kNone;
  std::pair<bool, Instant> rank;  // the done before the idle, then by when it gives way
  for (uint32_t slot = mappings_.next(0); slot != SlotBitmap::kNone;
       slot = mappings_.next(slot + 1)) {
    const Mapping& mapping = mappings_[slot];
    const bool done = is_done(mapping);
    const Duration granted = done ? 0s : std::min<Duration>(kEvictableIdle, timeout_of(mapping));
    const std::pair<bool, Instant> its{!done, mapping.last_used + granted};
    if (least != SlotBitmap::kNone && its >= rank) continue;
    least = slot;
    rank = its;
  }
  if (least == SlotBitmap::kNone) return false;
  if (now < rank.second) {
    no_idle_before_ = rank.second;
    return false;
  }
  close(least, Close::kEvicted);
  return true;
}

void UdpProxy::close(uint32_t slot, Close why) {
  carrier_.trace(TraceEvent::Kind::kFlowClosed, id_of(slot), static_cast<uint32_t>(why));
  index_.erase(endpoint_key(mappings_[slot].guest));
  contacts_.forget(slot);
  timers_.clear(slot);
  ready_.clear(slot);
  mappings_.erase(slot);
}

void UdpProxy::handle_socket(Instant now, const SocketEvent& event) {
  if (event.id.kind == FlowKind::kUdpForward) return forwards_.handle_socket(now, event);
  const uint32_t slot = event.id.slot;
  if (!mappings_.contains(slot, event.id.generation)) {
    context_.counters.increment(Counter::kSocketEventsStale);
    return;
  }
  if (event.kind == SocketEvent::Kind::kReadable) ready_.set(slot);
  if (event.kind != SocketEvent::Kind::kNetError) return;
  // An ICMP error neither ends nor refreshes a mapping (RFC 4787 REQ-12).
  const Endpoint& remote = event.error.original_remote;
  const bool exactly = policy_.resolve(remote.address).verdict != Destination::Verdict::kForward;
  const uint32_t contact = contacts_.find(now, slot, contact_of(remote, exactly));
  if (contact == Contacts::kNone) return;
  carrier_.relay(now, event.error, mappings_[slot].guest, {contacts_.seen(contact), remote.port});
}

void UdpProxy::handle_guest_writable(Instant now) {
  (void)now;
  carrier_.unblock();
}

void UdpProxy::handle_timers(Instant now) {
  forwards_.handle_timers(now);
  while (true) {
    const uint32_t slot = timers_.pop_due(now);
    if (slot == Timers::kNone) return;
    if (!mappings_.contains(slot)) continue;
    const Instant deadline = mappings_[slot].last_used + timeout_of(mappings_[slot]);
    if (deadline > now) {
      timers_.arm(slot, deadline);
      continue;
    }
    context_.counters.increment(Counter::kUdpExpired);
    close(slot, Close::kExpired);
  }
}

void UdpProxy::flush(Instant now) {
  if (!carrier_.resume()) return;
  uint32_t budget = kFlushBudget;
  while (budget != 0 && !ready_.empty() && !carrier_.blocked()) {
    uint32_t slot = ready_.next_set(cursor_);
    if (slot == SlotBitmap::kNone) slot = ready_.next_set(0);
    Mapping& mapping = mappings_[slot];
    const UdpCarrier::Batch batch = carrier_.pull(*mapping.socket, mapping.row, budget);
    if (batch.pull == UdpCarrier::Pull::kBlocked) {
      cursor_ = slot;
      break;
    }
    cursor_ = slot + 1;
    if (batch.pull == UdpCarrier::Pull::kEmpty) ready_.clear(slot);
    // The guest's next datagram opens another socket.
    if (batch.pull == UdpCarrier::Pull::kFailed) close(slot, Close::kSocketFailed);
    if (batch.pull != UdpCarrier::Pull::kSome) continue;
    for (const InDatagram& datagram : batch.datagrams) receive(now, slot, datagram);
    budget -= static_cast<uint32_t>(batch.datagrams.size());
  }
  forwards_.flush(now);
}

void UdpProxy::receive(Instant now, uint32_t slot, const InDatagram& datagram) {
  const auto source = admit(now, slot, datagram.remote);
  if (!source.has_value()) {
    context_.counters.increment(Counter::kUdpFiltered);
    return carrier_.drop_incoming(DropReason::kUdpFiltered);
  }
  Mapping& mapping = mappings_[slot];
  mapping.last_used = now;
  ++mapping.received;
  if (is_done(mapping)) no_idle_before_ = Instant{};
  carrier_.deliver(datagram, *source, mapping.guest);
}

// What is remembered of a remote: its address, unless the filter asks for the port too. Host loopback and
// addresses the guest could not send to only answer, whatever the filter: nobody outside speaks as the
// gateway or as a host of the guest's link, and no other service of the host speaks up.
Endpoint UdpProxy::contact_of(const Endpoint& remote, bool exactly) const {
  if (exactly || config_.filter == UdpFilter::kAddressAndPortDependent) return remote;
  return {remote.address, Port{}};
}

// By which name the guest is to know the remote; nothing if the filter keeps it out (RFC 4787 5).
std::optional<Endpoint> UdpProxy::admit(Instant now, uint32_t slot, const Endpoint& remote) {
  if (remote.address.family() != mappings_[slot].guest.address.family() ||
      remote.port.number == 0) {
    return std::nullopt;
  }
  const bool reachable = policy_.resolve(remote.address).verdict == Destination::Verdict::kForward;
  if (reachable && config_.filter == UdpFilter::kEndpointIndependent) return remote;
  const uint32_t contact = contacts_.find(now, slot, contact_of(remote, !reachable));
  if (contact == Contacts::kNone) return std::nullopt;
  contacts_.refresh(now, contact);
  return Endpoint{contacts_.seen(contact), remote.port};
}

Instant UdpProxy::next_deadline() const {
  if (!carrier_.blocked() && (!ready_.empty() || carrier_.holds())) return Instant{};
  return std::min(timers_.next(), forwards_.next_deadline());
}

void UdpProxy::restart_link(Instant now) {
  (void)now;
  for (uint32_t slot = mappings_.next(0); slot != SlotBitmap::kNone;
       slot = mappings_.next(slot + 1)) {
    close(slot, Close::kRestarted);
  }
  forwards_.restart_link();
  carrier_.forget();
  carrier_.unblock();
}

template <typename Archive>
void UdpProxy::archive_all(Archive& ar) {
  archive_slots(ar, mappings_, [&](uint32_t slot, Mapping& mapping) {
    bool ready = ready_.test(slot);
    ar(mapping.guest, mapping.last_used, mapping.dns_only, mapping.row, mapping.sent,
       mapping.received, mapping.latest, ready);
    if constexpr (Archive::kReading) {
      const EndpointKey key = endpoint_key(mapping.guest);
      mapping.socket = context_.env.sockets.adopt_datagram(id_of(slot));
      if (index_.find(key) != FlowIndex<EndpointKey>::kNone) return ar.fail();
      if (mapping.socket == nullptr) return ar.fail_for_socket();
      index_.insert(key, slot);
      if (ready) ready_.set(slot);
    }
  });
  ar(cursor_, no_idle_before_);
  contacts_.archive_all(ar);
  if constexpr (Archive::kReading) {
    for (uint32_t slot = 0; slot < mappings_.capacity(); ++slot) {
      if (contacts_.count(slot) != 0 && !mappings_.contains(slot)) return ar.fail();
    }
  }
  carrier_.archive_all(ar);
  forwards_.archive_all(ar);
}

void UdpProxy::save(ArchiveWriter& ar) const {
  DASHI_CHECK(uplink_.empty());                  // a batch of frames is never saved halfway
  const_cast<UdpProxy*>(this)->archive_all(ar);  // a writer changes nothing
  timers_.save(ar);
}

bool UdpProxy::restore(ArchiveReader& ar) {
  archive_all(ar);
  return ar.ok() && timers_.restore(ar);
}

void UdpProxy::dump(std::string& out, Instant now) const {
  for (uint32_t slot = mappings_.next(0); slot != SlotBitmap::kNone;
       slot = mappings_.next(slot + 1)) {
    const Mapping& mapping = mappings_[slot];
    const auto idle =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - mapping.last_used);
    out += "udp " + to_string(mapping.guest) + " from " + to_string(mapping.socket->local());
    out += " -> " + to_string(mapping.latest) + " contacts " +
           std::to_string(contacts_.count(slot)) + " sent " + std::to_string(mapping.sent) +
           " received " + std::to_string(mapping.received) + " idle " +
           std::to_string(idle.count()) + "ms" + (mapping.dns_only ? " dns" : "") +
           (ready_.test(slot) ? " ready" : "") + "\n";
  }
  forwards_.dump(out, now);
}

}  // namespace dashi
