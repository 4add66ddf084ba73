#include "core/udp/udp_forwards.hh"

#include <algorithm>

#include "core/flow/slot_archive.hh"

namespace dashi {
namespace {

constexpr uint32_t kFlushBudget = 128;  // datagrams taken from forwards in one turn
// A peer that the guest answered gives way only after this long (RFC 4787 REQ-5 asks for two minutes).
constexpr Duration kEvictableIdle = 2min;
constexpr uint16_t kFirstAlias = 49152;  // the dynamic ports (RFC 6335 6): the gateway serves none

IpAddress gateway_for(const Topology& topology, const IpAddress& guest) {
  if (guest.is_v4()) return topology.gateway_v4;
  if (guest.is_link_local()) return topology.gateway_link_local();
  return topology.gateway_v6();
}

}  // namespace

UdpForwards::UdpForwards(const UdpConfig& config, FlowContext& context, const AddressPolicy& policy,
                         UdpUplink& uplink, UdpCarrier& carrier, SipKey index_key)
    : config_(config),
      context_(context),
      policy_(policy),
      uplink_(uplink),
      carrier_(carrier),
      forwards_(context.limits.udp_forwards),
      peers_(context.limits.udp_endpoints),
      by_guest_(context.limits.udp_endpoints, index_key),
      by_remote_(context.limits.udp_endpoints, index_key),
      timers_(context.limits.udp_endpoints),
      ready_(context.limits.udp_forwards),
      next_alias_(kFirstAlias) {}

FlowId UdpForwards::id_of(uint32_t slot) const {
  return {FlowKind::kUdpForward, slot, forwards_.generation(slot)};
}

uint32_t UdpForwards::find(const Endpoint& host) const {
  for (uint32_t slot = forwards_.next(0); slot != SlotBitmap::kNone;
       slot = forwards_.next(slot + 1)) {
    if (forwards_[slot].host == host) return slot;
  }
  return SlotBitmap::kNone;
}

Result<Endpoint, SocketError> UdpForwards::add(const Endpoint& host,
                                               const std::optional<IpAddress>& guest,
                                               Port guest_port) {
  if (guest_port.number == 0) return SocketError::kNotSupported;
  if (host.port.number != 0 && find(host) != SlotBitmap::kNone) return SocketError::kAddressInUse;
  const uint32_t slot = forwards_.emplace();
  if (slot == SlotBitmap::kNone) return SocketError::kTooManySockets;
  auto opened = context_.env.sockets.open_datagram(host, id_of(slot));
  if (!opened.ok()) {
    forwards_.erase(slot);
    return opened.error();
  }
  Forward& forward = forwards_[slot];
  forward.socket = std::move(opened.value());
  forward.host = {host.address, forward.socket->local().port};
  forward.guest = guest;
  forward.guest_port = guest_port;
  carrier_.trace(TraceEvent::Kind::kFlowOpened, id_of(slot), 0);
  return forward.host;
}

Result<Done, SocketError> UdpForwards::remove(const Endpoint& host) {
  const uint32_t slot = find(host);
  if (slot == SlotBitmap::kNone) return SocketError::kAddressNotAvailable;
  for (uint32_t peer = peers_.next(0); peer != SlotBitmap::kNone; peer = peers_.next(peer + 1)) {
    if (peers_[peer].forward == slot) erase_peer(peer);
  }
  carrier_.trace(TraceEvent::Kind::kFlowClosed, id_of(slot), 0);
  ready_.clear(slot);
  forwards_.erase(slot);
  return Done{};
}

std::optional<Endpoint> UdpForwards::guest_of(const Forward& forward) const {
  if (forward.guest.has_value()) return Endpoint{*forward.guest, forward.guest_port};
  if (forward.host.address.is_v4()) {
    return Endpoint{context_.topology.guest_v4, forward.guest_port};
  }
  const auto v6 = context_.guest.forward_target_v6();
  if (!v6.has_value()) return std::nullopt;
  return Endpoint{*v6, forward.guest_port};
}

bool UdpForwards::handle_packet(Instant now, const Packet& packet) {
  if (peers_.size() == 0) return false;
  const uint32_t slot = by_guest_.find(flow_key(packet.source(), packet.destination()));
  if (slot == FlowIndex<FlowKey>::kNone) return false;
  Peer& peer = peers_[slot];
  peer.last_used = now;
  peer.answered = true;
  // The answer leaves from the port that was asked, else a connected client would not take it.
  uplink_.send(now, *forwards_[peer.forward].socket, packet, peer.remote, peer.local);
  return true;
}

void UdpForwards::handle_socket(Instant now, const SocketEvent& event) {
  const uint32_t slot = event.id.slot;
  if (!forwards_.contains(slot, event.id.generation)) {
    context_.counters.increment(Counter::kSocketEventsStale);
    return;
  }
  if (event.kind == SocketEvent::Kind::kReadable) ready_.set(slot);
  if (event.kind != SocketEvent::Kind::kNetError) return;
  const uint32_t peer = by_remote_.find(remote_key(slot, event.error.original_remote));
  if (peer == FlowIndex<RemoteKey>::kNone) return;
  carrier_.relay(now, event.error, peers_[peer].guest, peers_[peer].seen);
}

void UdpForwards::handle_timers(Instant now) {
  while (true) {
    const uint32_t slot = timers_.pop_due(now);
    if (slot == Timers::kNone) return;
    if (!peers_.contains(slot)) continue;
    const Instant deadline = peers_[slot].last_used + config_.timeout;
    if (deadline > now) {
      timers_.arm(slot, deadline);
      continue;
    }
    erase_peer(slot);
  }
}

void UdpForwards::flush(Instant now) {
  uint32_t budget = kFlushBudget;
  while (budget != 0 && !ready_.empty() && !carrier_.blocked()) {
    uint32_t slot = ready_.next_set(cursor_);
    if (slot == SlotBitmap::kNone) slot = ready_.next_set(0);
    Forward& forward = forwards_[slot];
    const UdpCarrier::Batch batch = carrier_.pull(*forward.socket, forward.row, budget);
    if (batch.pull == UdpCarrier::Pull::kBlocked) {
      cursor_ = slot;
      return;
    }
    cursor_ = slot + 1;
    if (batch.pull != UdpCarrier::Pull::kSome) {
      // A forward lives until it is removed: a broken socket stays silent.
      ready_.clear(slot);
      continue;
    }
    for (const InDatagram& datagram : batch.datagrams) receive(now, slot, datagram);
    budget -= static_cast<uint32_t>(batch.datagrams.size());
  }
}

void UdpForwards::receive(Instant now, uint32_t slot, const InDatagram& datagram) {
  const auto guest = guest_of(forwards_[slot]);
  if (!guest.has_value()) return carrier_.drop_incoming(DropReason::kDestinationUnreachable);
  const IpAddress& address = datagram.remote.address;
  if (datagram.remote.port.number == 0 || address.is_unspecified() || address.is_multicast()) {
    return carrier_.drop_incoming(DropReason::kUdpMalformed);
  }
  const uint32_t index = find_or_add_peer(now, slot, datagram.remote, *guest);
  if (index == SlotBitmap::kNone) {
    context_.counters.increment(Counter::kUdpLimit);
    return carrier_.drop_incoming(DropReason::kFlowLimit);
  }
  Peer& peer = peers_[index];
  peer.last_used = now;
  peer.local = datagram.local.address;
  carrier_.deliver(datagram, peer.seen, peer.guest);
}

uint32_t UdpForwards::find_or_add_peer(Instant now, uint32_t forward, const Endpoint& remote,
                                       const Endpoint& guest) {
  const RemoteKey key = remote_key(forward, remote);
  const uint32_t known = by_remote_.find(key);
  if (known != FlowIndex<RemoteKey>::kNone) {
    if (peers_[known].guest == guest) return known;
    erase_peer(known);  // the guest has moved to another address
  }
  if (peers_.full() && !make_room(now)) return SlotBitmap::kNone;
  const auto seen = choose_seen(remote, guest);
  if (!seen.has_value()) return SlotBitmap::kNone;
  const uint32_t slot = peers_.emplace();
  Peer& peer = peers_[slot];
  peer.forward = forward;
  peer.remote = remote;
  peer.seen = *seen;
  peer.guest = guest;
  by_remote_.insert(key, slot);
  by_guest_.insert(flow_key(guest, *seen), slot);
  timers_.arm(slot, now + config_.timeout);
  return slot;
}

// How the guest is to see a remote, so that its answer comes back here and to that remote alone.
std::optional<Endpoint> UdpForwards::choose_seen(const Endpoint& remote, const Endpoint& guest) {
  const auto taken = [&](const Endpoint& seen) {
    return by_guest_.find(flow_key(guest, seen)) != FlowIndex<FlowKey>::kNone;
  };
  const bool answerable = remote.address.family() == guest.address.family() &&
                          policy_.resolve(remote.address).verdict == Destination::Verdict::kForward;
  if (answerable && !taken(remote)) return remote;
  Endpoint alias{gateway_for(context_.topology, guest.address), remote.port};
  // Below the dynamic ports the gateway may serve something itself.
  if (alias.port.number >= kFirstAlias && !taken(alias)) return alias;
  for (uint32_t tries = 0; tries <= peers_.size(); ++tries) {
    alias.port.number = next_alias_;
    next_alias_ = next_alias_ == 0xffff ? kFirstAlias : static_cast<uint16_t>(next_alias_ + 1);
    if (!taken(alias)) return alias;
  }
  return std::nullopt;
}

// A peer that the guest never answered, else one idle for long, gives way: the first of its kind from
// where the last search ended. After a search in vain none is made until one can succeed.
bool UdpForwards::make_room(Instant now) {
  if (now < no_victim_before_) return false;
  Instant soonest = kNever;
  for (uint32_t i = 0, slot = victim_; i < peers_.size(); ++i, ++slot) {
    slot = peers_.next(slot);
    if (slot == SlotBitmap::kNone) slot = peers_.next(0);
    const Instant idle_at = peers_[slot].last_used + kEvictableIdle;
    if (!peers_[slot].answered || idle_at <= now) {
      victim_ = slot + 1;
      erase_peer(slot);
      return true;
    }
    soonest = std::min(soonest, idle_at);
  }
  no_victim_before_ = soonest;
  return false;
}

void UdpForwards::erase_peer(uint32_t slot) {
  const Peer& peer = peers_[slot];
  by_remote_.erase(remote_key(peer.forward, peer.remote));
  by_guest_.erase(flow_key(peer.guest, peer.seen));
  timers_.clear(slot);
  peers_.erase(slot);
  no_victim_before_ = {};
}

Instant UdpForwards::next_deadline() const {
  if (!carrier_.blocked() && !ready_.empty()) return Instant{};
  return timers_.next();
}

void UdpForwards::restart_link() {
  for (uint32_t slot = peers_.next(0); slot != SlotBitmap::kNone; slot = peers_.next(slot + 1)) {
    erase_peer(slot);
  }
}

template <typename Archive>
void UdpForwards::archive_all(Archive& ar) {
  archive_slots(ar, forwards_, [&](uint32_t slot, Forward& forward) {
    bool ready = ready_.test(slot);
    ar(forward.host, forward.guest, forward.guest_port, forward.row, ready);
    if constexpr (Archive::kReading) {
      forward.socket = context_.env.sockets.adopt_datagram(id_of(slot));
      if (forward.socket == nullptr) return ar.fail_for_socket();
      if (ready) ready_.set(slot);
    }
  });
  archive_slots(ar, peers_, [&](uint32_t slot, Peer& peer) {
    ar(peer.forward, peer.remote, peer.local, peer.seen, peer.guest, peer.last_used, peer.answered);
    if constexpr (Archive::kReading) {
      const RemoteKey remote = remote_key(peer.forward, peer.remote);
      const FlowKey guest = flow_key(peer.guest, peer.seen);
      if (!forwards_.contains(peer.forward) ||
          by_remote_.find(remote) != FlowIndex<RemoteKey>::kNone ||
          by_guest_.find(guest) != FlowIndex<FlowKey>::kNone) {
        ar.fail();
        return;
      }
      by_remote_.insert(remote, slot);
      by_guest_.insert(guest, slot);
    }
  });
  ar(cursor_, victim_, next_alias_, no_victim_before_);
  if constexpr (Archive::kReading) {
    next_alias_ = std::max(next_alias_, kFirstAlias);
    if (!ar.ok() || !timers_.restore(ar)) ar.fail();
  } else {
    timers_.save(ar);
  }
}

template void UdpForwards::archive_all(ArchiveWriter& ar);
template void UdpForwards::archive_all(ArchiveReader& ar);

void UdpForwards::dump(std::string& out, Instant now) const {
  for (uint32_t slot = forwards_.next(0); slot != SlotBitmap::kNone;
       slot = forwards_.next(slot + 1)) {
    const Forward& forward = forwards_[slot];
    const auto guest = guest_of(forward);
    out += "udp-forward " + to_string(forward.host) + " -> " +
           (guest.has_value() ? to_string(*guest)
                              : "port " + std::to_string(forward.guest_port.number)) +
           (ready_.test(slot) ? " ready" : "") + "\n";
  }
  for (uint32_t slot = peers_.next(0); slot != SlotBitmap::kNone; slot = peers_.next(slot + 1)) {
    const Peer& peer = peers_[slot];
    const auto idle = std::chrono::duration_cast<std::chrono::milliseconds>(now - peer.last_used);
    out += "udp-peer " + to_string(peer.remote) + " as " + to_string(peer.seen) + " -> " +
           to_string(peer.guest) + (peer.answered ? " answered" : " unanswered") + " idle " +
           std::to_string(idle.count()) + "ms\n";
  }
}

}  // namespace dashi
