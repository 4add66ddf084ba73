#include "sim/ns3/apps.hh"

#include <ns3/udp-socket-factory.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "sim/ns3/convert.hh"
#include "sim/ns3/packet_tags.hh"
#include "sim/pattern.hh"

namespace dashi {

namespace {

constexpr uint32_t kPiece = 64u << 10;  // bytes read or written at once

}  // namespace

// --- Streams ---

StreamEnd::StreamEnd(EventQueue& queue, ns3::Ptr<Ns3TcpSocket> socket, const StreamRole& role,
                     std::function<void()> changed)
    : queue_(queue),
      socket_(std::move(socket)),
      role_(role),
      changed_(std::move(changed)),
      scratch_(kPiece) {
  socket_->observe([this] { look(); });
  look();
}

StreamEnd::~StreamEnd() {
  queue_.cancel(reads_);
  socket_->detach();
}

bool StreamEnd::satisfied() const {
  return record_.eof && record_.received == role_.expect_bytes &&
         record_.sent == role_.send_bytes && !record_.wrong_at && !record_.failure;
}

void StreamEnd::look() {
  const Instant now = queue_.now();
  if (socket_->failure() && !record_.failure) {
    record_.failure = socket_->failure()->error;
  } else if (!record_.failure) {
    if (!record_.connected && socket_->connected()) {
      record_.connected = true;
      record_.connected_at = now;
      if (role_.read_late > 0ns) {
        reads_ = queue_.schedule_after(role_.read_late, [this] { look(); });
      }
    }
    if (!queue_.is_pending(reads_)) read();
    if (record_.connected && !record_.failure) write();
  }
  changed_();
}

void StreamEnd::read() {
  const Instant now = queue_.now();
  while (socket_->readable_bytes() > 0) {
    const auto packet = socket_->take(kPiece);
    const uint32_t n = packet->GetSize();
    packet->CopyData(scratch_.data(), n);
    if (!record_.wrong_at) {
      const auto expected = static_cast<size_t>(std::min<uint64_t>(
          n, role_.expect_bytes - std::min(role_.expect_bytes, record_.received)));
      record_.wrong_at =
          first_unlike(role_.expect_pattern, record_.received, Bytes(scratch_).first(expected));
      if (!record_.wrong_at && expected < n) record_.wrong_at = record_.received + expected;
    }
    if (record_.received == 0) record_.first_byte_at = now;
    record_.last_byte_at = now;
    record_.received += n;
    if (role_.abort_after != 0 && record_.received >= role_.abort_after) {
      socket_->abort();
      record_.failure = SocketError::kReset;
      return;
    }
  }
  if (!record_.eof && socket_->at_eof()) {
    record_.eof = true;
    record_.eof_at = now;
  }
}

void StreamEnd::write() {
  if (role_.send_after_eof && !record_.eof) return;
  while (record_.sent < role_.send_bytes && socket_->GetTxAvailable() > 0) {
    const auto n = static_cast<uint32_t>(
        std::min<uint64_t>({kPiece, role_.send_bytes - record_.sent, socket_->GetTxAvailable()}));
    fill_pattern(role_.send_pattern, record_.sent, MutableBytes(scratch_).first(n));
    socket_->put(ns3::Create<ns3::Packet>(scratch_.data(), n));
    record_.sent += n;
  }
  const bool all_sent = record_.sent == role_.send_bytes;
  if (all_sent && (role_.finish_after_send || record_.eof)) socket_->finish();
}

StreamServer::StreamServer(EventQueue& queue, const ns3::Ptr<ns3::Node>& node,
                           const HostTcpOptions& options, const Endpoint& local,
                           const StreamRole& role, std::function<void()> changed)
    : queue_(queue),
      events_([this] { accept(); }),
      listener_(ns3::Create<ListenerState>(events_, options, FlowId{},
                                           Ns3TcpSocket::create(node, options.tcp))),
      role_(role),
      changed_(std::move(changed)) {
  listening_ = listener_->begin(local);
}

StreamServer::~StreamServer() { listener_->close(); }

void StreamServer::accept() {
  std::vector<SocketEvent> told;
  events_.take(told, ~size_t{0});
  Endpoint from;
  while (const auto socket = listener_->accept_socket(from)) {
    if (end_ != nullptr) {  // one connection a server
      socket->abort();
      socket->detach();
      continue;
    }
    end_ = std::make_unique<StreamEnd>(queue_, socket, role_, changed_);
  }
}

// --- Datagrams ---

UdpEchoServer::UdpEchoServer(const ns3::Ptr<ns3::Node>& node, const Endpoint& local)
    : socket_(ns3::Socket::CreateSocket(node, ns3::UdpSocketFactory::GetTypeId())) {
  const int bound = socket_->Bind(to_ns3(local));
  DASHI_CHECK(bound == 0);
  socket_->SetRecvCallback(ns3::MakeCallback(&UdpEchoServer::readable, this));
}

UdpEchoServer::~UdpEchoServer() {
  socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
  socket_->Close();
}

void UdpEchoServer::readable(ns3::Ptr<ns3::Socket> socket) {
  ns3::Address from;
  while (auto packet = socket->RecvFrom(std::numeric_limits<uint32_t>::max(), 0, from)) {
    std::vector<uint8_t> bytes(packet->GetSize());
    packet->CopyData(bytes.data(), packet->GetSize());
    // A packet of its own: tags of the one that came must not travel on.
    socket->SendTo(ns3::Create<ns3::Packet>(bytes.data(), static_cast<uint32_t>(bytes.size())), 0,
                   from);
  }
}

Prober::Prober(EventQueue& queue, const ns3::Ptr<ns3::Node>& node, EchoHub* hub,
               const ProbeSpec& spec, std::function<void()> changed)
    : queue_(queue), hub_(hub), spec_(spec), changed_(std::move(changed)) {
  DASHI_CHECK(spec.payload_bytes >= 8 && spec.count <= 65'535);
  sent_at_.resize(spec.count);
  seen_.resize(spec.count);
  if (hub_ != nullptr) {
    identifier_ = hub_->join(*this);
    DASHI_CHECK(identifier_ != 0);
  } else {
    const IpAddress any =
        spec.remote.address.is_v4() ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{});
    socket_ = ns3::Socket::CreateSocket(node, ns3::UdpSocketFactory::GetTypeId());
    socket_->Bind(to_ns3(Endpoint{any, Port{0}}));
    socket_->SetRecvCallback(ns3::MakeCallback(&Prober::readable, this));
  }
  send_next();
}

Prober::~Prober() {
  queue_.cancel(next_);
  if (hub_ != nullptr) {
    hub_->leave(identifier_);
  } else {
    socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
    socket_->Close();
  }
}

// Its number in the first four bytes, then a pattern of that number.
std::vector<uint8_t> Prober::payload(uint32_t sequence) const {
  std::vector<uint8_t> bytes(spec_.payload_bytes);
  fill_pattern(sequence, 0, bytes);
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(sequence >> (24 - 8 * i));
  return bytes;
}

void Prober::send_next() {
  const uint32_t sequence = record_.sent++;
  sent_at_[sequence] = queue_.now();
  const std::vector<uint8_t> bytes = payload(sequence);
  if (hub_ != nullptr) {
    OutEcho echo;
    echo.remote = spec_.remote.address;
    echo.sequence = static_cast<uint16_t>(sequence);
    echo.payload = bytes;
    echo.ttl = spec_.ttl;
    const auto sent = hub_->send(identifier_, echo);
    if (!sent.ok()) error(NetError{sent.error(), 0, 0, 0, {}, {}, 0, {}});
  } else {
    const auto packet = ns3::Create<ns3::Packet>(bytes.data(), static_cast<uint32_t>(bytes.size()));
    tag_packet(*packet, spec_.remote.address.family(), spec_.ttl, 0, false);
    socket_->SendTo(packet, 0, to_ns3(spec_.remote));
  }
  if (record_.sent < spec_.count) {
    next_ = queue_.schedule_after(spec_.interval, [this] { send_next(); });
  }
  changed_();
}

void Prober::answered(uint32_t sequence, Bytes bytes) {
  if (sequence >= record_.sent || seen_[sequence]) return;
  const std::vector<uint8_t> sent = payload(sequence);
  if (!std::equal(bytes.begin(), bytes.end(), sent.begin(), sent.end())) {
    ++record_.wrong;
    return;
  }
  seen_[sequence] = true;
  ++record_.answered;
  record_.round_trips.push_back(queue_.now() - sent_at_[sequence]);
  changed_();
}

void Prober::readable(ns3::Ptr<ns3::Socket> socket) {
  ns3::Address from;
  while (auto packet = socket->RecvFrom(std::numeric_limits<uint32_t>::max(), 0, from)) {
    std::vector<uint8_t> bytes(packet->GetSize());
    packet->CopyData(bytes.data(), packet->GetSize());
    if (bytes.size() < 4 || from_ns3(from) != spec_.remote) {
      ++record_.wrong;
      continue;
    }
    uint32_t sequence = 0;
    for (unsigned i = 0; i < 4; ++i) sequence = sequence << 8 | bytes[i];
    answered(sequence, bytes);
  }
}

void Prober::reply(EchoHub::Arrived arrived) {
  if (arrived.remote != spec_.remote.address) {
    ++record_.wrong;
    return;
  }
  answered(arrived.sequence, arrived.payload);
}

void Prober::error(const NetError& error) {
  if (!record_.error) record_.error = error;
  changed_();
}

}  // namespace dashi
