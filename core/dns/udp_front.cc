#include "core/dns/udp_front.hh"

#include <algorithm>

namespace dashi {
namespace {

constexpr Port kDnsPort{53};
constexpr size_t kLengthBytes = 2;

}  // namespace

UdpFront::UdpFront(FlowContext& context, Answerer& answerer, Resolver& resolver, SipKey index_key,
                   Scratch& scratch)
    : context_(context),
      answerer_(answerer),
      resolver_(resolver),
      index_key_(index_key),
      index_(context.limits.dns_queries, index_key),
      scratch_(scratch) {}

UdpFront::Key UdpFront::key_of(const DnsOrigin& origin) {
  Key key;
  std::memcpy(key.message_hash.data(), &origin.message_hash, sizeof origin.message_hash);
  key.guest = origin.guest.address.raw();
  key.gateway = origin.gateway.raw();
  key.guest_port = origin.guest.port.number;
  key.family = origin.guest.address.family();
  return key;
}

// RFC 6891 6.2.5, and what one unfragmented packet holds.
size_t UdpFront::reply_bytes(const DnsOrigin& origin, Bytes query) const {
  const size_t headers = (origin.gateway.is_v4() ? 20 : 40) + 8;
  const size_t mtu = context_.writer.limits().mtu;
  return std::min(dns_udp_reply_bytes(query), mtu - std::min(headers, mtu));
}

void UdpFront::handle_packet(Instant now, const Packet& packet) {
  // No answer could be asked for (RFC 768 allows the sender no port).
  if (packet.source_port.number == 0) {
    return context_.drop(DropReason::kUdpMalformed, packet.frame);
  }
  // A super-frame (USO) is a row of datagrams.
  const bool row = packet.offload.gso_type == GsoType::kUdp && packet.offload.gso_size != 0;
  const size_t piece = row ? packet.offload.gso_size : packet.payload.size();
  bool served = false;
  for (Bytes left = packet.payload; !left.empty();) {
    const Bytes query = left.first(std::min(piece, left.size()));
    served = handle_query(now, packet, query) || served;
    left = left.subspan(query.size());
  }
  if (!served) context_.drop(DropReason::kDnsMalformed, packet.frame);
}

// False: it came to nothing.
bool UdpFront::handle_query(Instant now, const Packet& packet, Bytes query) {
  DnsOrigin origin;
  origin.guest = packet.source();
  origin.gateway = packet.ip_header.destination;
  origin.message_hash = siphash(index_key_, query);
  context_.counters.increment(Counter::kDnsQueriesUdp);
  const Key key = key_of(origin);
  if (index_.find(key) != FlowIndex<Key>::kNone) {
    context_.counters.increment(Counter::kDnsJoined);
    return true;
  }
  const MutableBytes reply = scratch_.bytes().first(reply_bytes(origin, query));
  const Answerer::Asked asked = answerer_.ask(now, query, origin, reply);
  if (asked.outcome == Answerer::Asked::Outcome::kReply) send(origin, reply.first(asked.bytes));
  if (asked.outcome == Answerer::Asked::Outcome::kPending) index_.insert(key, asked.slot);
  return asked.outcome != Answerer::Asked::Outcome::kMalformed;
}

void UdpFront::deliver(uint32_t slot) {
  const UpstreamQuery& query = resolver_.query(slot);
  const MutableBytes reply =
      scratch_.bytes().first(reply_bytes(query.origin, resolver_.message(slot)));
  if (query.state == UpstreamQuery::State::kAnswered) {
    const Bytes answer = resolver_.framed_answer(slot).subspan(kLengthBytes);
    context_.counters.increment(Counter::kDnsAnswers);
    if (answer.size() <= reply.size()) {
      send(query.origin, answer);
    } else {
      context_.counters.increment(Counter::kDnsTruncated);
      send(query.origin, reply.first(build_dns_truncated(reply, answer)));
    }
  } else {
    send(query.origin, reply.first(answerer_.fail(reply, resolver_.message(slot))));
  }
  forget(slot);
}

void UdpFront::send(const DnsOrigin& origin, Bytes reply) {
  IpOut ip;
  ip.source = origin.gateway;
  ip.destination = origin.guest.address;
  ip.protocol = IpProtocol::kUdp;
  // A link without room loses it, as any wire may: the guest asks again.
  if (!reply.empty()) context_.writer.send_udp(ip, kDnsPort, origin.guest.port, reply);
}

void UdpFront::forget(uint32_t slot) {
  index_.erase(key_of(resolver_.query(slot).origin));
  resolver_.release(slot);
}

void UdpFront::restart() {
  for (uint32_t slot = resolver_.next(0); slot != Resolver::kNone;
       slot = resolver_.next(slot + 1)) {
    if (!resolver_.query(slot).origin.tcp) forget(slot);
  }
}

bool UdpFront::index_restored() {
  for (uint32_t slot = resolver_.next(0); slot != Resolver::kNone;
       slot = resolver_.next(slot + 1)) {
    const UpstreamQuery& query = resolver_.query(slot);
    if (query.origin.tcp) continue;
    const Key key = key_of(query.origin);
    if (index_.find(key) != FlowIndex<Key>::kNone) return false;
    index_.insert(key, slot);
  }
  return true;
}

}  // namespace dashi
