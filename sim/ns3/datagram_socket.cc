#include "sim/ns3/datagram_socket.hh"

#include <ns3/ipv4-header.h>
#include <ns3/ipv4-interface.h>
#include <ns3/ipv4-packet-info-tag.h>
#include <ns3/ipv4.h>
#include <ns3/ipv6-header.h>
#include <ns3/ipv6-interface.h>
#include <ns3/ipv6-packet-info-tag.h>
#include <ns3/udp-l4-protocol.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "sim/ns3/convert.hh"
#include "sim/ns3/packet_tags.hh"
#include "sim/ns3/sockets.hh"

namespace dashi {

using Kind = SocketEvent::Kind;

namespace {

constexpr size_t kMostPayload = 65'507;  // bytes of UDP payload over IPv4

uint16_t port_at(const uint8_t* bytes) { return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]); }

}  // namespace

// --- ICMP errors, with the ports they are about ---

NS_OBJECT_ENSURE_REGISTERED(UdpTap);

ns3::TypeId UdpTap::GetTypeId() {
  static ns3::TypeId type =
      ns3::TypeId("dashi::UdpTap").SetParent<ns3::IpL4Protocol>().SetGroupName("Internet");
  return type;
}

UdpTap::UdpTap(ns3::Ptr<ns3::IpL4Protocol> udp, std::function<void(const DatagramError&)> on_error)
    : udp_(std::move(udp)), on_error_(std::move(on_error)) {}

ns3::IpL4Protocol::RxStatus UdpTap::Receive(ns3::Ptr<ns3::Packet> packet,
                                            const ns3::Ipv4Header& header,
                                            ns3::Ptr<ns3::Ipv4Interface> interface) {
  return udp_->Receive(packet, header, interface);
}

ns3::IpL4Protocol::RxStatus UdpTap::Receive(ns3::Ptr<ns3::Packet> packet,
                                            const ns3::Ipv6Header& header,
                                            ns3::Ptr<ns3::Ipv6Interface> interface) {
  return udp_->Receive(packet, header, interface);
}

void UdpTap::ReceiveIcmp(ns3::Ipv4Address from, uint8_t ttl, uint8_t type, uint8_t code,
                         uint32_t info, ns3::Ipv4Address source, ns3::Ipv4Address destination,
                         const uint8_t payload[8]) {
  tell(from_ns3(from), type, code, info, from_ns3(source), from_ns3(destination), payload);
  udp_->ReceiveIcmp(from, ttl, type, code, info, source, destination, payload);
}

void UdpTap::ReceiveIcmp(ns3::Ipv6Address from, uint8_t ttl, uint8_t type, uint8_t code,
                         uint32_t info, ns3::Ipv6Address source, ns3::Ipv6Address destination,
                         const uint8_t payload[8]) {
  tell(from_ns3(from), type, code, info, from_ns3(source), from_ns3(destination), payload);
  udp_->ReceiveIcmp(from, ttl, type, code, info, source, destination, payload);
}

void UdpTap::tell(const IpAddress& from, uint8_t type, uint8_t code, uint32_t info,
                  const IpAddress& source, const IpAddress& destination, const uint8_t* ports) {
  DatagramError told;
  told.local = {source, Port{port_at(ports)}};
  told.error.error = error_of_icmp(source.family(), type, code);
  told.error.icmp_type = type;
  told.error.icmp_code = code;
  if (told.error.error == SocketError::kMessageTooLong) told.error.mtu = info;
  told.error.reporter = from;
  told.error.original_remote = {destination, Port{port_at(ports + 2)}};
  on_error_(told);
}

// --- UDP ---

DatagramState::DatagramState(SocketEvents& events, FlowId id, ns3::Ptr<ns3::Node> node,
                             ns3::Ptr<ns3::Socket> socket, Family family)
    : events_(events),
      id_(id),
      node_(std::move(node)),
      socket_(std::move(socket)),
      family_(family) {
  ns3::Address address;
  socket_->GetSockName(address);
  local_ = from_ns3(address);
  if (local_.address.family() != family_) local_.address = Ipv6Address{};
  socket_->SetRecvPktInfo(true);
  socket_->SetIpRecvTos(true);
  socket_->SetIpv6RecvTclass(true);
  socket_->SetRecvCallback(ns3::MakeCallback(&DatagramState::readable, this));
}

DatagramState::~DatagramState() {
  socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
  socket_->Close();
}

void DatagramState::readable(ns3::Ptr<ns3::Socket> /*socket*/) {
  if (readable_turn_ == events_.turn()) return;
  readable_turn_ = events_.turn();
  events_.push(id_, Kind::kReadable);
}

SocketError DatagramState::too_long(const OutDatagram& datagram) {
  NetError told;
  told.error = SocketError::kMessageTooLong;
  told.original_remote = datagram.remote;
  error(told);
  return told.error;
}

Result<Done, SocketError> DatagramState::send_one(const OutDatagram& datagram, Bytes payload) {
  if (payload.size() > kMostPayload) return too_long(datagram);
  const auto packet =
      ns3::Create<ns3::Packet>(payload.data(), static_cast<uint32_t>(payload.size()));
  tag_packet(*packet, family_, datagram.ttl, datagram.tos, datagram.dont_fragment);
  const bool any = local_.address.is_unspecified();
  if (any && !datagram.local.is_unspecified()) {  // answer from the address that was asked
    const auto udp = node_->GetObject<ns3::UdpL4Protocol>();
    const Port to = datagram.remote.port;
    if (family_ == Family::kIpv4) {
      udp->Send(packet, to_ns3(datagram.local.v4()), to_ns3(datagram.remote.address.v4()),
                local_.port.number, to.number);
    } else {
      udp->Send(packet, to_ns3(datagram.local.v6()), to_ns3(datagram.remote.address.v6()),
                local_.port.number, to.number);
    }
    return Done{};
  }
  if (socket_->SendTo(packet, 0, to_ns3(datagram.remote)) >= 0) return Done{};
  switch (socket_->GetErrno()) {
    case ns3::Socket::ERROR_MSGSIZE:
      return too_long(datagram);
    case ns3::Socket::ERROR_NOROUTETOHOST:
      return SocketError::kNetworkUnreachable;
    default:
      return SocketError::kOther;
  }
}

Result<size_t, SocketError> DatagramState::send(std::span<const OutDatagram> datagrams) {
  size_t sent = 0;
  for (const OutDatagram& datagram : datagrams) {
    if (datagram.remote.address.family() != family_) {
      return sent > 0 ? Result<size_t, SocketError>(sent) : SocketError::kAddressNotAvailable;
    }
    Bytes left = datagram.payload;
    do {
      const size_t n = datagram.segment_size == 0
                           ? left.size()
                           : std::min<size_t>(left.size(), datagram.segment_size);
      const auto done = send_one(datagram, left.first(n));
      if (!done.ok()) return sent > 0 ? Result<size_t, SocketError>(sent) : done.error();
      left = left.subspan(n);
    } while (!left.empty());
    ++sent;
  }
  return sent;
}

Result<size_t, SocketError> DatagramState::receive(std::span<InDatagram> datagrams) {
  size_t filled = 0;
  for (InDatagram& in : datagrams) {
    ns3::Address from;
    const auto packet = socket_->RecvFrom(std::numeric_limits<uint32_t>::max(), 0, from);
    if (packet == nullptr) break;
    const size_t room = std::min<size_t>(in.buffer.size(), packet->GetSize());
    if (room > 0) packet->CopyData(in.buffer.data(), static_cast<uint32_t>(room));
    in.size = room;
    in.truncated = packet->GetSize() > room;
    in.segment_size = 0;
    in.remote = from_ns3(from);
    in.local = local_;
    const HeaderMarks marks = marks_of(*packet, family_);
    if (!marks.destination.is_unspecified()) in.local.address = marks.destination;
    in.ttl = marks.ttl;
    in.tos = marks.tos;
    ++filled;
  }
  if (filled == 0 && !datagrams.empty()) return SocketError::kWouldBlock;
  return filled;
}

Ns3DatagramSocket::~Ns3DatagramSocket() { owner_.release(std::move(state_)); }

}  // namespace dashi
