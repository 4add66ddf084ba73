#include "core/icmp/echo_proxy.hh"

#include <algorithm>
#include <array>

#include "core/flow/net_error.hh"
#include "core/flow/slot_archive.hh"
#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/icmpv6.hh"

namespace dashi {
namespace {

// An identifier unused for this long gives way when the table is full. RFC 5508 REQ-2 asks for 60 s,
// which holds as long as there is room.
constexpr Duration kEvictableIdle = 10s;
constexpr uint32_t kFlushBudget = 64;  // replies delivered in one turn
constexpr size_t kScratchBytes = 65536;
constexpr uint8_t kUnknownTtl = 64;

uint8_t request_type(bool v4) { return v4 ? kIcmpEchoRequest : kIcmpv6EchoRequest; }
uint8_t reply_type(bool v4) { return v4 ? kIcmpEchoReply : kIcmpv6EchoReply; }

uint16_t identifier_of(const IcmpHeader& header) {
  return static_cast<uint16_t>(uint32_t{header.rest} >> 16);
}
uint16_t sequence_of(const IcmpHeader& header) {
  return static_cast<uint16_t>(uint32_t{header.rest});
}

std::array<uint8_t, sizeof(IcmpHeader)> echo_header(uint8_t type, uint16_t id, uint16_t sequence) {
  IcmpHeader icmp;
  icmp.type = type;
  icmp.rest = static_cast<uint32_t>(id) << 16 | sequence;
  std::array<uint8_t, sizeof(IcmpHeader)> header{};
  store(header, icmp);
  return header;
}

}  // namespace

EchoProxy::EchoProxy(const EchoConfig& config, FlowContext& context, const AddressPolicy& policy,
                     IcmpErrors& errors, SipKey index_key)
    : config_(config),
      context_(context),
      policy_(policy),
      errors_(errors),
      flows_(context.limits.echo_ids),
      index_(context.limits.echo_ids, index_key),
      timers_(context.limits.echo_ids),
      ready_(context.limits.echo_ids),
      scratch_(kScratchBytes) {}

void EchoProxy::handle_packet(Instant now, const Packet& packet) {
  const bool v4 = packet.ip_header.source.is_v4();
  const auto header = load<IcmpHeader>(packet.transport);
  if (header.type != request_type(v4) || header.code != 0) {
    context_.drop(DropReason::kIcmpUnhandled, packet.frame);
    return;
  }
  context_.counters.increment(Counter::kEchoRequests);
  const Destination to = policy_.resolve(packet.ip_header.destination);
  switch (to.verdict) {
    case Destination::Verdict::kForward:
      break;
    case Destination::Verdict::kGateway:
      return answer_as_gateway(packet);
    case Destination::Verdict::kUnreachable:
      errors_.report(now, IcmpReport::kHostUnreachable, packet, 0);
      return context_.drop(DropReason::kDestinationUnreachable, packet.frame);
    case Destination::Verdict::kDenied:
      errors_.report(now, IcmpReport::kAdminProhibited, packet, 0);
      return context_.drop(DropReason::kDestinationDenied, packet.frame);
    case Destination::Verdict::kMulticast:
      return context_.drop(DropReason::kMulticast, packet.frame);
    case Destination::Verdict::kBroadcast:
      return context_.drop(DropReason::kBroadcast, packet.frame);
  }
  const Endpoint guest{packet.ip_header.source, Port{identifier_of(header)}};
  const uint32_t slot = find_or_open(now, packet, guest);
  if (slot == SlotBitmap::kNone) return;
  Flow& flow = flows_[slot];
  OutEcho out;
  out.remote = to.remote.address;
  out.sequence = sequence_of(header);
  out.payload = packet.transport.subspan(sizeof(IcmpHeader));
  // The gateway is one hop. Zero would mean the host's default.
  out.ttl = static_cast<uint8_t>(std::max(packet.ip_header.ttl - 1, 1));
  out.tos = packet.ip_header.tos;
  out.dont_fragment = packet.ip_header.dont_fragment;
  flow.last_used = now;
  flow.remote = out.remote;
  ++flow.requests;
  const auto sent = flow.socket->send({&out, 1});
  if (!sent.ok()) refuse(now, packet, sent.error());
}

// The guest's request came to nothing: it is told, where there is anything to tell.
void EchoProxy::refuse(Instant now, const Packet& packet, SocketError error) {
  const auto report = report_for(error);
  // The MTU is not known here; the socket's NetError brings it.
  if (report.has_value() && *report != IcmpReport::kPacketTooBig) {
    errors_.report(now, *report, packet, 0);
  }
  context_.drop(DropReason::kEchoSendFailed, packet.frame);
}

void EchoProxy::refuse_at_limit(Instant now, const Packet& packet) {
  context_.counters.increment(Counter::kEchoLimit);
  errors_.report(now, IcmpReport::kAdminProhibited, packet, 0);
  context_.drop(DropReason::kFlowLimit, packet.frame);
}

void EchoProxy::answer_as_gateway(const Packet& packet) {
  const auto request = load<IcmpHeader>(packet.transport);
  const bool v4 = packet.ip_header.source.is_v4();
  IpOut ip;
  ip.source = packet.ip_header.destination;
  ip.destination = packet.ip_header.source;
  ip.protocol = packet.ip_header.protocol;
  ip.tos = packet.ip_header.tos;  // RFC 1122 3.2.2.6
  ip.destination_mac = packet.source_mac;
  const auto header = echo_header(reply_type(v4), identifier_of(request), sequence_of(request));
  if (!context_.writer.send_ip(ip, header, packet.transport.subspan(sizeof(IcmpHeader)),
                               kIcmpChecksumOffset)) {
    context_.drop(DropReason::kGuestLinkFull, packet.frame);
    return;
  }
  context_.counters.increment(Counter::kEchoReplies);
}

// The flow of this identifier, opened if need be; kNone if the packet was refused.
uint32_t EchoProxy::find_or_open(Instant now, const Packet& packet, const Endpoint& guest) {
  const EndpointKey key = endpoint_key(guest);
  const uint32_t known = index_.find(key);
  if (known != FlowIndex<EndpointKey>::kNone) return known;
  if (flows_.full() && !make_room(now)) {
    refuse_at_limit(now, packet);
    return SlotBitmap::kNone;
  }
  const uint32_t slot = flows_.emplace();
  auto opened = context_.env.sockets.open_echo(guest.address.family(), id_of(slot));
  if (!opened.ok()) {
    flows_.erase(slot);
    const SocketError error = opened.error();
    const bool ours = error == SocketError::kTooManySockets || error == SocketError::kNoBuffers;
    ours ? refuse_at_limit(now, packet) : refuse(now, packet, error);
    return SlotBitmap::kNone;
  }
  Flow& flow = flows_[slot];
  flow.guest = guest;
  flow.last_used = now;
  flow.socket = std::move(opened.value());
  index_.insert(key, slot);
  timers_.arm(slot, now + config_.timeout);
  context_.counters.increment(Counter::kEchoOpened);
  trace(TraceEvent::Kind::kFlowOpened, slot, 0);
  return slot;
}

// Evicts the flow that was idle longest, if it was idle long enough. After a search in vain nothing is
// searched until something can have become idle.
bool EchoProxy::make_room(Instant now) {
  if (now < no_idle_before_) return false;
  uint32_t oldest = SlotBitmap::kNone;
  for (uint32_t slot = flows_.next(0); slot != SlotBitmap::kNone; slot = flows_.next(slot + 1)) {
    if (oldest == SlotBitmap::kNone || flows_[slot].last_used < flows_[oldest].last_used) {
      oldest = slot;
    }
  }
  if (oldest == SlotBitmap::kNone) return false;
  const Instant idle_at = flows_[oldest].last_used + kEvictableIdle;
  if (now < idle_at) {
    no_idle_before_ = idle_at;
    return false;
  }
  close(oldest, Close::kEvicted);
  return true;
}

void EchoProxy::close(uint32_t slot, Close why) {
  trace(TraceEvent::Kind::kFlowClosed, slot, static_cast<uint32_t>(why));
  index_.erase(endpoint_key(flows_[slot].guest));
  timers_.clear(slot);
  ready_.clear(slot);
  flows_.erase(slot);
}

FlowId EchoProxy::id_of(uint32_t slot) const {
  return {FlowKind::kEcho, slot, flows_.generation(slot)};
}

void EchoProxy::trace(TraceEvent::Kind kind, uint32_t slot, uint32_t code) {
  TraceEvent event;
  event.kind = kind;
  event.flow = id_of(slot);
  event.code = code;
  context_.env.trace.record(event);
}

void EchoProxy::handle_socket(Instant now, const SocketEvent& event) {
  const uint32_t slot = event.id.slot;
  if (!flows_.contains(slot, event.id.generation)) {
    context_.counters.increment(Counter::kSocketEventsStale);
    return;
  }
  if (event.kind == SocketEvent::Kind::kReadable) ready_.set(slot);
  if (event.kind == SocketEvent::Kind::kNetError) relay(now, flows_[slot], event.error);
}

void EchoProxy::relay(Instant now, const Flow& flow, const NetError& error) {
  const bool v4 = flow.guest.address.is_v4();
  auto header = echo_header(request_type(v4), flow.guest.port.number, error.echo_sequence);
  // Right as far as the quoted bytes go: the rest of the payload is not known.
  Checksum sum;
  const IpAddress remote =
      error.original_remote.address.is_unspecified() ? flow.remote : error.original_remote.address;
  if (!v4) {
    add_pseudo_header(sum, flow.guest.address, remote, IpProtocol::kIcmpv6,
                      header.size() + error.quoted.size());
  }
  sum.add(header);
  sum.add(error.quoted);
  store(MutableBytes(header).subspan(kIcmpChecksumOffset), Be16(sum.value()));
  const QuotedPacket about{flow.guest.address, remote, v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6,
                           header, error.quoted};
  relay_net_error(now, error, about, policy_, errors_);
}

void EchoProxy::handle_guest_writable(Instant now) {
  (void)now;
  blocked_ = false;
}

void EchoProxy::handle_timers(Instant now) {
  while (true) {
    const uint32_t slot = timers_.pop_due(now);
    if (slot == Timers::kNone) return;
    if (!flows_.contains(slot)) continue;
    const Instant deadline = flows_[slot].last_used + config_.timeout;
    if (deadline > now) {
      timers_.arm(slot, deadline);
      continue;
    }
    close(slot, Close::kExpired);
  }
}

void EchoProxy::flush(Instant now) {
  uint32_t budget = kFlushBudget;
  // Each ready flow at most once a turn, from where the last turn ended.
  for (uint32_t visits = ready_.count(); visits != 0 && budget != 0 && !blocked_; --visits) {
    uint32_t slot = ready_.next_set(cursor_);
    if (slot == SlotBitmap::kNone) slot = ready_.next_set(0);
    if (slot == SlotBitmap::kNone) return;
    cursor_ = slot + 1;
    if (!drain(now, slot, budget)) {
      blocked_ = true;
      cursor_ = slot;
    }
  }
}

bool EchoProxy::drain(Instant now, uint32_t slot, uint32_t& budget) {
  Flow& flow = flows_[slot];
  FrameWriter& writer = context_.writer;
  const size_t frame_bytes = sizeof(EthernetHeader) + writer.limits().mtu;
  for (; budget != 0; --budget) {
    // A reply is taken from the socket only when the guest link has room for it.
    if (writer.reserve(1, frame_bytes).empty()) return false;
    writer.commit({});
    InEcho reply;
    reply.buffer = scratch_.bytes();
    const auto received = flow.socket->receive({&reply, 1});
    if (!received.ok()) {
      ready_.clear(slot);
      // No more for now; any other error ends the socket, and the guest's next request opens another.
      if (received.error() != SocketError::kWouldBlock) close(slot, Close::kSocketFailed);
      return true;
    }
    flow.last_used = now;
    if (!deliver(flow, reply)) return false;
  }
  return true;
}

// False: the guest link had no room for all of it, and it is lost.
bool EchoProxy::deliver(Flow& flow, const InEcho& reply) {
  const bool v4 = flow.guest.address.is_v4();
  const Bytes payload = Bytes(reply.buffer).first(std::min(reply.size, reply.buffer.size()));
  const auto drop = [&](DropReason reason) {
    context_.drop(reason, {});
    return true;
  };
  if (reply.ttl == 1) return drop(DropReason::kTtlExpired);
  if (reply.truncated || sizeof(IcmpHeader) + payload.size() >
                             FrameWriter::transport_max(flow.guest.address.family())) {
    return drop(DropReason::kFrameTooLong);
  }
  // Nobody outside may speak as the gateway, or as another host of the guest's link.
  if (reply.remote.family() != flow.guest.address.family() ||
      policy_.resolve(reply.remote).verdict != Destination::Verdict::kForward) {
    return drop(DropReason::kDestinationDenied);
  }
  IpOut ip;
  ip.source = reply.remote;
  ip.destination = flow.guest.address;
  ip.protocol = v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6;
  ip.ttl = reply.ttl == 0 ? kUnknownTtl : static_cast<uint8_t>(reply.ttl - 1);
  ip.tos = reply.tos;
  const auto header = echo_header(reply_type(v4), flow.guest.port.number, reply.sequence);
  if (!context_.writer.send_ip(ip, header, payload, kIcmpChecksumOffset)) {
    context_.drop(DropReason::kGuestLinkFull, {});
    return false;
  }
  ++flow.replies;
  context_.counters.increment(Counter::kEchoReplies);
  return true;
}

Instant EchoProxy::next_deadline() const {
  if (!blocked_ && !ready_.empty()) return Instant{};
  return timers_.next();
}

void EchoProxy::restart_link(Instant now) {
  (void)now;
  for (uint32_t slot = flows_.next(0); slot != SlotBitmap::kNone; slot = flows_.next(slot + 1)) {
    close(slot, Close::kRestarted);
  }
  blocked_ = false;
}

template <typename Archive>
void EchoProxy::archive_all(Archive& ar) {
  archive_slots(ar, flows_, [&](uint32_t slot, Flow& flow) {
    bool ready = ready_.test(slot);
    ar(flow.guest, flow.remote, flow.last_used, flow.requests, flow.replies, ready);
    if constexpr (Archive::kReading) {
      const EndpointKey key = endpoint_key(flow.guest);
      flow.socket = context_.env.sockets.adopt_echo(id_of(slot));
      if (index_.find(key) != FlowIndex<EndpointKey>::kNone) return ar.fail();
      if (flow.socket == nullptr) return ar.fail_for_socket();
      index_.insert(key, slot);
      if (ready) ready_.set(slot);
    }
  });
  ar(cursor_, blocked_, no_idle_before_);
}

void EchoProxy::save(ArchiveWriter& ar) const {
  const_cast<EchoProxy*>(this)->archive_all(ar);  // a writer changes nothing
  timers_.save(ar);
}

bool EchoProxy::restore(ArchiveReader& ar) {
  archive_all(ar);
  return ar.ok() && timers_.restore(ar);
}

void EchoProxy::dump(std::string& out, Instant now) const {
  for (uint32_t slot = flows_.next(0); slot != SlotBitmap::kNone; slot = flows_.next(slot + 1)) {
    const Flow& flow = flows_[slot];
    const auto idle = std::chrono::duration_cast<std::chrono::milliseconds>(now - flow.last_used);
    out += "echo " + to_string(flow.guest.address) + " id " +
           std::to_string(flow.guest.port.number) + " -> " + to_string(flow.remote) + " requests " +
           std::to_string(flow.requests) + " replies " + std::to_string(flow.replies) + " idle " +
           std::to_string(idle.count()) + "ms" + (ready_.test(slot) ? " ready" : "") + "\n";
  }
}

}  // namespace dashi
