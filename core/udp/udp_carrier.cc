#include "core/udp/udp_carrier.hh"

#include <algorithm>

#include "core/flow/net_error.hh"
#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"
#include "core/wire/udp.hh"

namespace dashi {
namespace {

constexpr uint8_t kUnknownTtl = 64;

size_t segments_of(size_t bytes, uint16_t segment_size) {
  if (segment_size == 0 || bytes <= segment_size) return 1;
  return (bytes + segment_size - 1) / segment_size;
}

size_t ip_header_bytes(const IpAddress& address) {
  return address.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

}  // namespace

UdpCarrier::UdpCarrier(FlowContext& context, const AddressPolicy& policy, IcmpErrors& errors)
    : context_(context),
      policy_(policy),
      errors_(errors),
      scratch_(new uint8_t[kBatch * kBufferBytes]) {}

UdpCarrier::Batch UdpCarrier::pull(DatagramSocket& socket, uint16_t& row, uint32_t budget) {
  FrameWriter& writer = context_.writer;
  const size_t room = writer.reserve(kBatch, sizeof(EthernetHeader) + writer.limits().mtu).size();
  if (room == 0) {
    blocked_ = true;
    return {Pull::kBlocked, {}};
  }
  writer.commit({});
  // Where datagrams come coalesced, as many as are likely to find room.
  const size_t wanted =
      std::clamp<size_t>(room / std::max<size_t>(row, 1), 1, std::min<size_t>(kBatch, budget));
  for (size_t i = 0; i < wanted; ++i) {
    batch_[i] = InDatagram{};
    batch_[i].buffer = MutableBytes(scratch_.get() + i * kBufferBytes, kBufferBytes);
  }
  const auto received = socket.receive(std::span(batch_).first(wanted));
  if (!received.ok()) {
    const bool empty = received.error() == SocketError::kWouldBlock;
    return {empty ? Pull::kEmpty : Pull::kFailed, {}};
  }
  const auto got = std::span<const InDatagram>(batch_).first(std::min(received.value(), wanted));
  row = 1;
  for (const InDatagram& datagram : got) {
    const size_t segments = segments_of(datagram.size, datagram.segment_size);
    row = std::max(row, static_cast<uint16_t>(std::min<size_t>(segments, kBatch)));
  }
  return {Pull::kSome, got};
}

void UdpCarrier::deliver(const InDatagram& datagram, const Endpoint& source,
                         const Endpoint& guest) {
  FrameWriter& writer = context_.writer;
  const LinkLimits limits = writer.limits();
  const Bytes payload = Bytes(datagram.buffer).first(std::min(datagram.size, kBufferBytes));
  const size_t segments = segments_of(payload.size(), datagram.segment_size);
  const size_t segment_bytes = segments == 1 ? payload.size() : datagram.segment_size;
  const size_t headers = ip_header_bytes(guest.address) + sizeof(UdpHeader);
  if (datagram.ttl == 1) return drop_incoming(DropReason::kTtlExpired);
  if (datagram.truncated || headers + segment_bytes > limits.mtu) {
    return drop_incoming(DropReason::kUdpTooLong);
  }
  IpOut ip;
  ip.source = source.address;
  ip.destination = guest.address;
  ip.protocol = IpProtocol::kUdp;
  ip.ttl = datagram.ttl == 0 ? kUnknownTtl : static_cast<uint8_t>(datagram.ttl - 1);
  ip.tos = datagram.tos;
  const size_t row_max = limits.gso_bytes_max == 0 ? 65535 : limits.gso_bytes_max;
  if (segments > 1 && limits.udp_gso && headers + payload.size() <= row_max) {
    if (!writer.send_udp_row(ip, source.port, guest.port, payload, datagram.segment_size)) return;
    context_.counters.add(Counter::kUdpIn, segments);
    return;
  }
  for (size_t i = 0; i < segments; ++i) {
    const size_t from = i * segment_bytes;
    const Bytes one = payload.subspan(from, std::min(segment_bytes, payload.size() - from));
    // The link filled up under a row: the rest is lost, as on any wire, and counted there.
    if (!writer.send_udp(ip, source.port, guest.port, one)) return;
    context_.counters.increment(Counter::kUdpIn);
  }
}

void UdpCarrier::relay(Instant now, const NetError& error, const Endpoint& guest,
                       const Endpoint& seen) {
  if (guest.address.family() != seen.address.family()) return;
  UdpHeader udp;
  udp.source_port = guest.port.number;
  udp.destination_port = seen.port.number;
  udp.length = static_cast<uint16_t>(sizeof(UdpHeader) + error.quoted.size());
  std::array<uint8_t, sizeof(UdpHeader)> header{};
  store(header, udp);
  Checksum sum;
  add_pseudo_header(sum, guest.address, seen.address, IpProtocol::kUdp,
                    header.size() + error.quoted.size());
  sum.add(header);
  sum.add(error.quoted);
  udp.checksum = sum.value() == 0 ? uint16_t{0xffff} : sum.value();
  store(header, udp);
  const QuotedPacket about{guest.address, seen.address, IpProtocol::kUdp, header, error.quoted};
  relay_net_error(now, error, about, policy_, errors_);
}

void UdpCarrier::trace(TraceEvent::Kind kind, FlowId flow, uint32_t code) {
  TraceEvent event;
  event.kind = kind;
  event.flow = flow;
  event.code = code;
  context_.env.trace.record(event);
}

}  // namespace dashi
