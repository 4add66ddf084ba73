#include "core/gateway/arp_responder.hh"

#include <algorithm>

namespace dashi {
namespace {

Bytes bytes_of(const ArpPacket& arp, std::array<uint8_t, sizeof(ArpPacket)>& buffer) {
  store(MutableBytes(buffer), arp);
  return buffer;
}

}  // namespace

void ArpResponder::handle_packet(Instant now, const Packet& packet) {
  const std::optional<ArpPacket> arp = parse_arp(packet.ip);
  if (!arp.has_value()) return context_.drop(DropReason::kArpMalformed, packet.frame);
  if (arp->sender_mac != packet.source_mac) {
    return context_.drop(DropReason::kSourceMacSpoofed, packet.frame);
  }
  const Ipv4Address gateway = context_.topology.gateway_v4;
  if (arp->is_probe()) {
    if (arp->target_ip != gateway) return context_.drop(DropReason::kArpNotForUs, packet.frame);
    return answer(packet, *arp);
  }
  if (arp->sender_ip == gateway) return handle_claim(now, packet);
  const Result<Done, DropReason> source = context_.guest.check_source(now, arp->sender_ip);
  if (!source) return context_.drop(source.error(), packet.frame);
  hear(arp->sender_ip);
  const bool ours =
      arp->operation == kArpRequest && is_host(arp->target_ip) && !is_guests_own(arp->target_ip);
  if (!ours) return context_.drop(DropReason::kArpNotForUs, packet.frame);
  answer(packet, *arp);
}

// The guest sends from the gateway's address. RFC 5227 2.4 (c): announce it, but not in a war.
void ArpResponder::handle_claim(Instant now, const Packet& packet) {
  if (defended_at_.has_value() && now - *defended_at_ < kDefendInterval) {
    return context_.drop(DropReason::kRateLimited, packet.frame);
  }
  ArpPacket announcement;
  announcement.operation = kArpRequest;
  announcement.sender_mac = context_.topology.gateway_mac;
  announcement.sender_ip = context_.topology.gateway_v4;
  announcement.target_ip = context_.topology.gateway_v4;
  std::array<uint8_t, sizeof(ArpPacket)> buffer{};
  const bool sent = context_.writer.send_ethernet(MacAddress::broadcast(), EtherType::kArp,
                                                  bytes_of(announcement, buffer));
  if (!sent) return context_.drop(DropReason::kGuestLinkFull, packet.frame);
  defended_at_ = now;
  context_.counters.increment(Counter::kArpReplies);
}

void ArpResponder::answer(const Packet& packet, const ArpPacket& request) {
  ArpPacket reply;
  reply.operation = kArpReply;
  reply.sender_mac = context_.topology.gateway_mac;
  reply.sender_ip = request.target_ip;
  reply.target_mac = request.sender_mac;
  reply.target_ip = request.sender_ip;
  std::array<uint8_t, sizeof(ArpPacket)> buffer{};
  const bool sent =
      context_.writer.send_ethernet(packet.source_mac, EtherType::kArp, bytes_of(reply, buffer));
  if (!sent) return context_.drop(DropReason::kGuestLinkFull, packet.frame);
  context_.counters.increment(Counter::kArpReplies);
}

void ArpResponder::hear(Ipv4Address address) {
  if (is_guests_own(address)) return;
  heard_[heard_next_] = address;
  heard_next_ = (heard_next_ + 1) % kHeardMax;
}

bool ArpResponder::is_guests_own(Ipv4Address address) const {
  return address == context_.topology.guest_v4 ||
         std::find(heard_.begin(), heard_.end(), address) != heard_.end();
}

bool ArpResponder::is_host(Ipv4Address address) const {
  const Ipv4Prefix& subnet = context_.topology.subnet;
  return subnet.contains(address) && address != subnet.network() && address != subnet.broadcast();
}

void ArpResponder::restart_link(Instant) {
  heard_ = {};
  heard_next_ = 0;
  defended_at_.reset();
}

template <typename Archive>
void ArpResponder::archive_fields(Archive& ar) {
  ar(heard_, heard_next_, defended_at_);
}

void ArpResponder::save(ArchiveWriter& ar) const {
  auto copy = *this;
  copy.archive_fields(ar);
}

bool ArpResponder::restore(ArchiveReader& ar) {
  archive_fields(ar);
  if (heard_next_ >= kHeardMax) ar.fail();
  return ar.ok();
}

}  // namespace dashi
