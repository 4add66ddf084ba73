#include <ns3/ipv4-header.h>
#include <ns3/ipv4-raw-socket-factory.h>
#include <ns3/ipv6-header.h>
#include <ns3/ipv6-raw-socket-factory.h>
#include <ns3/uinteger.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/wire/checksum.hh"
#include "sim/ns3/convert.hh"
#include "sim/ns3/datagram_socket.hh"
#include "sim/ns3/packet_tags.hh"
#include "sim/ns3/sockets.hh"

namespace dashi {

using Kind = SocketEvent::Kind;

namespace {

constexpr size_t kEchoHeader = 8;  // type, code, checksum, identifier, sequence number
constexpr size_t kMostEcho = 65'500;

uint16_t be16(Bytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
void put_be16(std::vector<uint8_t>& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

uint16_t checksum_of(Bytes bytes) {
  Checksum sum;
  sum.add(bytes);
  return sum.value();
}

uint8_t request_type(Family family) { return family == Family::kIpv4 ? 8 : 128; }
uint8_t reply_type(Family family) { return family == Family::kIpv4 ? 0 : 129; }

}  // namespace

EchoHub::EchoHub(const ns3::Ptr<ns3::Node>& node, Family family) : family_(family) {
  const bool v4 = family == Family::kIpv4;
  socket_ = ns3::Socket::CreateSocket(
      node, v4 ? ns3::Ipv4RawSocketFactory::GetTypeId() : ns3::Ipv6RawSocketFactory::GetTypeId());
  socket_->SetAttribute("Protocol", ns3::UintegerValue(v4 ? 1 : 58));
  const IpAddress any = v4 ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{});
  socket_->Bind(to_ns3(Endpoint{any, Port{0}}));
  socket_->SetRecvCallback(ns3::MakeCallback(&EchoHub::readable, this));
}

EchoHub::~EchoHub() {
  socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
  socket_->Close();
}

uint16_t EchoHub::join(User& user) {
  for (uint32_t tries = 0; tries < 65'535; ++tries) {
    const uint16_t identifier = next_identifier_;
    next_identifier_ = static_cast<uint16_t>(next_identifier_ % 65'535 + 1);
    if (users_.emplace(identifier, &user).second) return identifier;
  }
  return 0;
}

Result<Done, SocketError> EchoHub::send(uint16_t identifier, const OutEcho& echo) {
  if (echo.remote.family() != family_) return SocketError::kAddressNotAvailable;
  if (echo.payload.size() > kMostEcho) return SocketError::kMessageTooLong;
  std::vector<uint8_t> icmp(kEchoHeader + echo.payload.size());
  icmp[0] = request_type(family_);
  put_be16(icmp, 4, identifier);
  put_be16(icmp, 6, echo.sequence);
  copy_bytes(MutableBytes(icmp).subspan(kEchoHeader), echo.payload);
  // ns-3's raw IPv6 socket fills in the checksum, for which it needs the source address.
  if (family_ == Family::kIpv4) put_be16(icmp, 2, checksum_of(icmp));
  const auto packet = ns3::Create<ns3::Packet>(icmp.data(), static_cast<uint32_t>(icmp.size()));
  tag_packet(*packet, family_, echo.ttl, echo.tos, echo.dont_fragment);
  if (socket_->SendTo(packet, 0, to_ns3(Endpoint{echo.remote, Port{0}})) < 0) {
    return SocketError::kNetworkUnreachable;
  }
  return Done{};
}

void EchoHub::readable(ns3::Ptr<ns3::Socket> /*socket*/) {
  for (;;) {
    ns3::Address from;
    const auto packet = socket_->RecvFrom(std::numeric_limits<uint32_t>::max(), 0, from);
    if (packet == nullptr) return;
    IpAddress remote;
    uint8_t ttl = 0;
    uint8_t tos = 0;
    if (family_ == Family::kIpv4) {
      ns3::Ipv4Header header;
      packet->RemoveHeader(header);
      remote = from_ns3(header.GetSource());
      ttl = header.GetTtl();
      tos = header.GetTos();
    } else {
      ns3::Ipv6Header header;
      packet->RemoveHeader(header);
      remote = from_ns3(header.GetSource());
      ttl = header.GetHopLimit();
      tos = header.GetTrafficClass();
    }
    std::vector<uint8_t> icmp(packet->GetSize());
    packet->CopyData(icmp.data(), packet->GetSize());
    message(remote, ttl, tos, icmp);
  }
}

void EchoHub::message(const IpAddress& from, uint8_t ttl, uint8_t tos, Bytes icmp) {
  if (icmp.size() < kEchoHeader) return;
  if (icmp[0] != reply_type(family_)) {
    error_message(from, icmp);
    return;
  }
  const auto user = users_.find(be16(icmp, 4));
  if (user == users_.end()) return;
  const Bytes payload = icmp.subspan(kEchoHeader);
  user->second->reply({from, be16(icmp, 6), ttl, tos, {payload.begin(), payload.end()}});
}

// An ICMP error quotes the IP header of our request and at least 8 bytes after it.
void EchoHub::error_message(const IpAddress& from, Bytes icmp) {
  const SocketError error = error_of_icmp(family_, icmp[0], icmp[1]);
  if (error == SocketError::kOther || icmp.size() < kEchoHeader + 20) return;
  const Bytes quoted = icmp.subspan(kEchoHeader);
  const bool v4 = family_ == Family::kIpv4;
  const size_t header = v4 ? size_t{4} * (quoted[0] & 0x0f) : 40;
  if (quoted.size() < header + kEchoHeader) return;
  if (quoted[v4 ? 9 : 6] != (v4 ? 1 : 58) || quoted[header] != request_type(family_)) return;
  const auto user = users_.find(be16(quoted, header + 4));
  if (user == users_.end()) return;
  NetError told;
  told.error = error;
  told.icmp_type = icmp[0];
  told.icmp_code = icmp[1];
  told.reporter = from;
  if (error == SocketError::kMessageTooLong) told.mtu = be16(icmp, 6);
  told.echo_sequence = be16(quoted, header + 6);
  if (v4) {
    Ipv4Address remote;
    copy_bytes(remote.bytes, quoted.subspan(16, 4));
    told.original_remote.address = remote;
  } else {
    Ipv6Address remote;
    copy_bytes(remote.bytes, quoted.subspan(24, 16));
    told.original_remote.address = remote;
  }
  user->second->error(told);
}

// --- One identifier ---

EchoState::EchoState(SocketEvents& events, FlowId id, EchoHub& hub)
    : events_(events), id_(id), hub_(hub), identifier_(hub.join(*this)) {}

EchoState::~EchoState() {
  if (identifier_ != 0) hub_.leave(identifier_);
}

void EchoState::reply(EchoHub::Arrived arrived) {
  if (waiting_.size() >= kMostWaiting) return;  // as a host's socket buffer: the newest is lost
  waiting_.push_back(std::move(arrived));
  events_.push(id_, Kind::kReadable);
}

void EchoState::error(const NetError& error) { events_.push(id_, Kind::kNetError, error); }

Result<size_t, SocketError> EchoState::send(std::span<const OutEcho> echoes) {
  size_t sent = 0;
  for (const OutEcho& echo : echoes) {
    const auto done = hub_.send(identifier_, echo);
    if (!done.ok()) {
      if (sent == 0 && done.error() == SocketError::kMessageTooLong) tell_too_long(echo);
      return sent > 0 ? Result<size_t, SocketError>(sent) : done.error();
    }
    ++sent;
  }
  return sent;
}

void EchoState::tell_too_long(const OutEcho& echo) {
  NetError told;
  told.error = SocketError::kMessageTooLong;
  told.original_remote.address = echo.remote;
  told.echo_sequence = echo.sequence;
  error(told);
}

Result<size_t, SocketError> EchoState::receive(std::span<InEcho> echoes) {
  const size_t n = std::min(echoes.size(), waiting_.size());
  for (size_t i = 0; i < n; ++i) {
    const EchoHub::Arrived& arrived = waiting_[i];
    InEcho& in = echoes[i];
    in.size = copy_bytes(in.buffer, arrived.payload);
    in.truncated = arrived.payload.size() > in.size;
    in.remote = arrived.remote;
    in.sequence = arrived.sequence;
    in.ttl = arrived.ttl;
    in.tos = arrived.tos;
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(n));
  if (n == 0 && !echoes.empty()) return SocketError::kWouldBlock;
  return n;
}

Ns3EchoSocket::~Ns3EchoSocket() { owner_.release(std::move(state_)); }

}  // namespace dashi
