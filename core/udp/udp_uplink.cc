#include "core/udp/udp_uplink.hh"

#include <algorithm>

#include "core/flow/net_error.hh"
#include "core/udp/segments.hh"

namespace dashi {
UdpUplink::UdpUplink(FlowContext& context, IcmpErrors& errors)
    : context_(context), errors_(errors) {}

void UdpUplink::send(Instant now, DatagramSocket& socket, const Packet& packet,
                     const Endpoint& remote, const IpAddress& local) {
  if (count_ == kBatch) finish(now);
  if (waiting_ == nullptr) waiting_ = std::make_unique<Waiting[]>(kBatch);
  Waiting& waiting = waiting_[count_++];
  waiting.socket = &socket;
  waiting.packet = packet;
  OutDatagram& out = waiting.out;
  out.remote = remote;
  out.local = local;
  out.payload = packet.payload;
  const bool row =
      packet.offload.gso_type == GsoType::kUdp && packet.payload.size() > packet.offload.gso_size;
  out.segment_size = row ? packet.offload.gso_size : uint16_t{0};
  // The gateway is one hop. Zero would mean the host's default.
  out.ttl = static_cast<uint8_t>(std::max(packet.ip_header.ttl - 1, 1));
  out.tos = packet.ip_header.tos;
  out.dont_fragment = packet.ip_header.dont_fragment;
}

void UdpUplink::finish(Instant now) {
  for (size_t first = 0; first < count_; ++first) {
    DatagramSocket* const socket = waiting_[first].socket;
    if (socket == nullptr) continue;
    size_t count = 0;
    for (size_t i = first; i < count_; ++i) {
      if (waiting_[i].socket != socket) continue;
      waiting_[i].socket = nullptr;
      together_[count] = waiting_[i].out;
      from_[count++] = static_cast<uint8_t>(i);
    }
    send_together(now, *socket, count);
  }
  count_ = 0;
}

// Whatever stops a datagram stops that one alone, unless it is a want of room: there will be none for
// the others either, and they are lost as on any wire.
void UdpUplink::send_together(Instant now, DatagramSocket& socket, size_t count) {
  const auto all = std::span<const OutDatagram>(together_).first(count);
  for (size_t at = 0; at < count;) {
    const auto sent = socket.send(all.subspan(at));
    const size_t taken = sent.ok() ? std::min(sent.value(), count - at) : 0;
    for (const OutDatagram& out : all.subspan(at, taken)) {
      context_.counters.add(Counter::kUdpOut, segments_of(out.payload.size(), out.segment_size));
    }
    at += taken;
    if (taken != 0) continue;  // what stopped the next one, the next call says
    const SocketError error = sent.ok() ? SocketError::kWouldBlock : sent.error();
    const size_t end = error == SocketError::kWouldBlock ? count : at + 1;
    for (; at < end; ++at) fail(now, error, waiting_[from_[at]].packet);
  }
}

void UdpUplink::fail(Instant now, SocketError error, const Packet& packet) {
  // Too long: the path's MTU is not known here, the socket's NetError brings it.
  const auto report = report_for(error);
  if (report.has_value() && *report != IcmpReport::kPacketTooBig) {
    errors_.report(now, *report, packet, 0);
  }
  context_.drop(DropReason::kUdpSendFailed, packet.frame);
}

}  // namespace dashi
