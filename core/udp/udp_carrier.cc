#include "core/udp/udp_carrier.hh"

#include <algorithm>

#include "core/flow/net_error.hh"
#include "core/udp/segments.hh"
#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"
#include "core/wire/udp.hh"

namespace dashi {
namespace {

constexpr uint8_t kUnknownTtl = 64;

size_t ip_header_bytes(const IpAddress& address) {
  return address.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

}  // namespace

UdpCarrier::UdpCarrier(FlowContext& context, const AddressPolicy& policy, IcmpErrors& errors)
    : context_(context), policy_(policy), errors_(errors) {}

// Asks the link how many frames it takes; blocked when none.
bool UdpCarrier::has_room() {
  FrameWriter& writer = context_.writer;
  room_ = writer.reserve(kBatch, sizeof(EthernetHeader) + writer.limits().mtu).size();
  blocked_ = room_ == 0;
  if (!blocked_) writer.commit({});
  return !blocked_;
}

UdpCarrier::Batch UdpCarrier::pull(DatagramSocket& socket, uint16_t& row, uint32_t budget) {
  DASHI_CHECK(!holds());
  if (!has_room()) return {Pull::kBlocked, {}};
  // Where one takes many frames, as many as are likely to find room.
  const size_t wanted =
      std::clamp<size_t>(room_ / std::max<size_t>(row, 1), 1, std::min<size_t>(kBatch, budget));
  for (size_t i = 0; i < wanted; ++i) {
    batch_[i] = InDatagram{};
    batch_[i].buffer = scratch_.bytes().subspan(i * kBufferBytes, kBufferBytes);
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
    const size_t longest = segments == 1 ? datagram.size : datagram.segment_size;
    const size_t frames = segments * context_.writer.frames_for(datagram.remote.address.family(),
                                                                sizeof(UdpHeader) + longest);
    row = std::max(row, static_cast<uint16_t>(std::min<size_t>(frames, kBatch)));
  }
  return {Pull::kSome, got};
}

void UdpCarrier::deliver(const InDatagram& datagram, const Endpoint& source,
                         const Endpoint& guest) {
  const size_t size = std::min(datagram.size, kBufferBytes);
  if (datagram.ttl == 1) return drop_incoming(DropReason::kTtlExpired);
  if (datagram.truncated) return drop_incoming(DropReason::kUdpTooLong);
  Held held;
  held.source = source;
  held.guest = guest;
  held.from = static_cast<size_t>(datagram.buffer.data() - scratch_.bytes().data());
  held.size = size;
  held.segment_size = datagram.segment_size;
  held.ttl = datagram.ttl == 0 ? kUnknownTtl : static_cast<uint8_t>(datagram.ttl - 1);
  held.tos = datagram.tos;
  if (blocked_ || holds() || !send_held(held)) held_[held_count_++] = held;
}

bool UdpCarrier::resume() {
  size_t done = 0;
  while (done < held_count_ && !blocked_ && send_held(held_[done])) ++done;
  std::move(held_.begin() + static_cast<ptrdiff_t>(done),
            held_.begin() + static_cast<ptrdiff_t>(held_count_), held_.begin());
  held_count_ -= done;
  return !blocked_;
}

// False: the link has no room for the rest, which stays in `held`.
bool UdpCarrier::send_held(Held& held) {
  IpOut ip;
  ip.source = held.source.address;
  ip.destination = held.guest.address;
  ip.protocol = IpProtocol::kUdp;
  ip.ttl = held.ttl;
  ip.tos = held.tos;
  ip.offload_checksum = true;
  FrameWriter& writer = context_.writer;
  const Family family = ip.destination.family();
  const bool is_row = segments_of(held.size, held.segment_size) > 1;
  const size_t longest = is_row ? held.segment_size : held.size;
  if (sizeof(UdpHeader) + longest > FrameWriter::transport_max(family)) {
    drop_incoming(DropReason::kUdpTooLong);
    return true;
  }
  const size_t frames = writer.frames_for(family, sizeof(UdpHeader) + longest);
  const Bytes received = scratch_.bytes();
  if (is_row && frames == 1 && send_row(ip, held, received.subspan(held.from, held.size))) {
    return true;
  }
  do {
    if (room_ == 0 && !has_room()) return false;
    const size_t n = std::min(longest, held.size);
    if (writer.send_udp(ip, held.source.port, held.guest.port, received.subspan(held.from, n))) {
      context_.counters.increment(Counter::kUdpIn);
      room_ -= std::min(room_, frames);
    } else {
      room_ = 0;
      blocked_ = true;
      // One frame is what the link promised. Room for a datagram's fragments all at once may never come:
      // it is lost, as in any router's queue.
      if (frames == 1) return false;
      drop_incoming(DropReason::kGuestLinkFull);
    }
    held.from += n;
    held.size -= n;
  } while (held.size != 0 && !blocked_);
  return held.size == 0;
}

// A row whole, if the link takes such frames and has room for one.
bool UdpCarrier::send_row(const IpOut& ip, const Held& held, Bytes row) {
  FrameWriter& writer = context_.writer;
  const LinkLimits limits = writer.limits();
  const size_t row_max = limits.gso_bytes_max == 0 ? 65535 : limits.gso_bytes_max;
  const size_t headers = ip_header_bytes(held.guest.address) + sizeof(UdpHeader);
  if (!limits.udp_gso || headers + row.size() > row_max) return false;
  if (writer.reserve(1, sizeof(EthernetHeader) + headers + row.size()).empty()) return false;
  writer.commit({});
  room_ = 0;  // to be asked again
  if (!writer.send_udp_row(ip, held.source.port, held.guest.port, row, held.segment_size)) {
    return false;
  }
  context_.counters.add(Counter::kUdpIn, segments_of(row.size(), held.segment_size));
  return true;
}

template <typename Archive>
void UdpCarrier::archive_all(Archive& ar) {
  auto count = static_cast<uint32_t>(held_count_);
  ar(blocked_, count);
  if constexpr (Archive::kReading) {
    if (count > kBatch) return ar.fail();  // read from what this code did not write
  }
  for (uint32_t i = 0; i < count && ar.ok(); ++i) {
    Held& held = held_[i];
    auto size = static_cast<uint32_t>(held.size);
    ar(held.source, held.guest, held.segment_size, held.ttl, held.tos, size);
    if constexpr (Archive::kReading) {
      if (size > kBufferBytes) return ar.fail();  // the same
      held.from = i * kBufferBytes;
      held.size = size;
    }
    ar.bytes(scratch_.bytes().subspan(held.from, size));
  }
  held_count_ = count;
}

template void UdpCarrier::archive_all(ArchiveWriter& ar);
template void UdpCarrier::archive_all(ArchiveReader& ar);

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
