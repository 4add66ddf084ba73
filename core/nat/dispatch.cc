#include "core/nat/dispatch.hh"

#include "core/wire/icmp.hh"
#include "core/wire/icmp_quote.hh"
#include "core/wire/icmpv6.hh"
#include "core/wire/ipv6.hh"

namespace dashi {
namespace {

constexpr Port kDnsPort{53};
constexpr uint32_t kIpPacketMax = 65535;  // bytes

bool is_for_us(const MacAddress& destination, const Topology& topology) {
  return destination == topology.gateway_mac || destination.is_multicast();
}

bool is_echo_request(const Packet& packet) {
  const bool v4 = packet.ip_header.protocol == IpProtocol::kIcmp;
  return packet.transport[0] == (v4 ? kIcmpEchoRequest : kIcmpv6EchoRequest);
}

void refuse_protocol(Rooms& rooms, Instant now, const Packet& packet) {
  const auto protocol = static_cast<uint8_t>(packet.ip_header.protocol);
  if (packet.ip_header.source.is_v4() || protocol != kIpv6NoNextHeader) {
    rooms.icmp_errors.report(now, IcmpReport::kProtocolUnreachable, packet, 0);
  }
  rooms.context.drop(DropReason::kUnknownProtocol, packet.frame);
}

// The guest's errors about what it was sent. Of UDP they are of no use: the peer hears nothing of them, as
// it hears nothing of a datagram that was lost.
void dispatch_icmp_error(Rooms& rooms, Instant now, const Packet& packet) {
  const bool error = is_icmp_error(packet);
  const auto quote = error ? parse_icmp_quote(packet) : std::nullopt;
  if (quote.has_value() && quote->protocol == IpProtocol::kTcp) {
    rooms.tcp.handle_icmp_error(now, packet, *quote);
    return;
  }
  const bool malformed = error && !quote.has_value();
  rooms.context.drop(malformed ? DropReason::kIcmpMalformed : DropReason::kIcmpUnhandled,
                     packet.frame);
}

void dispatch_transport(Rooms& rooms, Instant now, const Packet& packet) {
  const bool v4 = packet.ip_header.source.is_v4();
  switch (packet.ip_header.protocol) {
    case IpProtocol::kTcp:
      rooms.tcp.handle_packet(now, packet);
      return;
    case IpProtocol::kUdp:
      if (packet.destination_port == kDnsPort &&
          rooms.config.topology.is_gateway(packet.ip_header.destination)) {
        rooms.dns.handle_packet(now, packet);
      } else {
        rooms.udp.handle_packet(now, packet);
      }
      return;
    case IpProtocol::kIcmp:
    case IpProtocol::kIcmpv6:
      if ((packet.ip_header.protocol == IpProtocol::kIcmp) != v4) {
        refuse_protocol(rooms, now, packet);
      } else if (is_echo_request(packet)) {
        rooms.echo.handle_packet(now, packet);
      } else {
        dispatch_icmp_error(rooms, now, packet);
      }
      return;
    case IpProtocol::kHopByHop:
      break;
  }
  refuse_protocol(rooms, now, packet);
}

// What the gateway serves to guests that may not have an address yet.
bool dispatch_configuration(Rooms& rooms, Instant now, const Packet& packet) {
  const Topology& topology = rooms.config.topology;
  if (packet.ip_header.protocol == IpProtocol::kUdp) {
    if (Dhcpv4Server::wants(packet, topology)) {
      rooms.dhcpv4.handle_packet(now, packet);
      return true;
    }
    if (Dhcpv6Server::wants(packet, topology)) {
      rooms.dhcpv6.handle_packet(now, packet);
      return true;
    }
  }
  if (packet.ip_header.protocol == IpProtocol::kIcmpv6 && NdpResponder::wants(packet, topology)) {
    rooms.ndp.handle_packet(now, packet);
    return true;
  }
  return false;
}

// Whether its sender may speak, and to one host; what may not is dropped whatever it carries.
bool may_pass(Rooms& rooms, Instant now, const Packet& packet, const Destination& to) {
  FlowContext& context = rooms.context;
  const auto source = rooms.guest.check_source(now, packet.ip_header.source);
  if (!source) {
    context.drop(source.error(), packet.frame);
    return false;
  }
  if (to.verdict == Destination::Verdict::kMulticast) {
    context.drop(DropReason::kMulticast, packet.frame);
    return false;
  }
  // A unicast packet in a broadcast frame is not for a router either (RFC 1122 3.3.6).
  if (to.verdict == Destination::Verdict::kBroadcast || packet.destination_mac.is_multicast()) {
    context.drop(DropReason::kBroadcast, packet.frame);
    return false;
  }
  return true;
}

void dispatch_ip(Rooms& rooms, Instant now, const Packet& packet) {
  FlowContext& context = rooms.context;
  const IpHeader& ip = packet.ip_header;
  if (dispatch_configuration(rooms, now, packet)) return;
  const Destination to = rooms.policy.resolve(ip.destination);
  if (!may_pass(rooms, now, packet, to)) return;
  if (ip.ttl <= 1 && to.verdict != Destination::Verdict::kGateway) {
    rooms.icmp_errors.report(now, IcmpReport::kTimeExceeded, packet, 0);
    context.drop(DropReason::kTtlExpired, packet.frame);
    return;
  }
  dispatch_transport(rooms, now, packet);
}

// A part of a packet. Whoever may not speak may not take memory either; nothing of what a guest says before
// it has an address comes in fragments.
void dispatch_fragment(Rooms& rooms, Instant now, const Packet& packet) {
  FlowContext& context = rooms.context;
  if (!may_pass(rooms, now, packet, rooms.policy.resolve(packet.ip_header.destination))) return;
  if (rooms.fragments.waits_for_finish()) finish_batch(rooms, now);
  const Bytes frame = rooms.fragments.handle_packet(now, packet);
  if (frame.empty()) return;
  Packet whole;
  const auto parsed = parse(frame, Offload{}, kIpPacketMax, whole);
  if (!parsed) {
    context.drop(parsed.error(), frame);
    return;
  }
  // RFC 6980 5: neighbour discovery is never fragmented, lest it hide from those who look at it.
  if (whole.ip_header.protocol == IpProtocol::kIcmpv6 &&
      NdpResponder::wants(whole, rooms.config.topology)) {
    context.drop(DropReason::kNdpInvalid, frame);
    return;
  }
  whole.ip_header.dont_fragment = false;  // it was in fragments already
  dispatch_ip(rooms, now, whole);
}

}  // namespace

void dispatch(Rooms& rooms, Instant now, const GuestFrame& frame) {
  FlowContext& context = rooms.context;
  context.counters.increment(Counter::kGuestFramesIn);
  context.counters.add(Counter::kGuestBytesIn, frame.bytes.size());
  Packet packet;
  const auto parsed = parse(frame.bytes, frame.offload, rooms.config.topology.mtu, packet);
  const bool fragment = !parsed && Fragments::is_fragment(parsed.error());
  if (!parsed && !fragment) {
    context.drop(parsed.error(), frame.bytes);
    return;
  }
  if (!is_for_us(packet.destination_mac, rooms.config.topology)) {
    context.drop(DropReason::kNotForUs, frame.bytes);
    return;
  }
  const auto mac = rooms.guest.check_mac(packet.source_mac);
  if (!mac) {
    context.drop(mac.error(), frame.bytes);
    return;
  }
  const bool arp = packet.ether_type == EtherType::kArp;
  if (!arp && packet.ip_header.source.is_v6() && !rooms.config.topology.ipv6) {
    context.drop(DropReason::kIpv6Disabled, frame.bytes);
  } else if (arp) {
    rooms.arp.handle_packet(now, packet);
  } else if (fragment) {
    dispatch_fragment(rooms, now, packet);
  } else {
    dispatch_ip(rooms, now, packet);
  }
}

void finish_batch(Rooms& rooms, Instant now) {
  rooms.udp.finish_batch(now);
  rooms.tcp.finish_batch(now);
  rooms.fragments.finish_batch();
}

}  // namespace dashi
