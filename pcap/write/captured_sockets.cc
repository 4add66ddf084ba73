#include "pcap/write/captured_sockets.hh"

#include "pcap/write/captured_datagram.hh"
#include "pcap/write/captured_stream.hh"

#include "core/wire/tcp.hh"

namespace dashi {
namespace {

constexpr uint16_t kDrawnPortBase = 49152;  // for sockets whose port nobody knows (RFC 6335 6)

std::string flow_name(FlowId id) {
  static constexpr std::string_view kNames[] = {"tcp",  "tcp-forward", "udp",    "udp-forward",
                                                "echo", "dns-udp",     "dns-tcp"};
  return std::string(kNames[static_cast<size_t>(id.kind)]) + ' ' + std::to_string(id.slot) + '.' +
         std::to_string(id.generation);
}

std::string_view name_of(SocketError error) {
  static constexpr std::string_view kNames[] = {"would block",
                                                "refused",
                                                "reset",
                                                "timed out",
                                                "host unreachable",
                                                "network unreachable",
                                                "ttl exceeded",
                                                "access denied",
                                                "too many sockets",
                                                "no buffers",
                                                "message too long",
                                                "address in use",
                                                "address not available",
                                                "closed",
                                                "not supported",
                                                "other error"};
  return kNames[static_cast<size_t>(error)];
}

// The same family as `remote`, and a port of its own where the host told none.
Endpoint drawn_local(const Endpoint& local, const Endpoint& remote, FlowId id) {
  Endpoint drawn = local;
  if (drawn.address.family() != remote.address.family()) {
    drawn.address = remote.address.is_v6() ? IpAddress(Ipv6Address{}) : IpAddress(Ipv4Address{});
  }
  if (drawn.port.number == 0) {
    drawn.port.number = static_cast<uint16_t>(kDrawnPortBase + id.slot % 0x4000);
  }
  return drawn;
}

}  // namespace

DrawnPath seam_path(const SeamFlow& flow, const Endpoint& local, const Endpoint& remote,
                    bool outbound) {
  const Endpoint ours = drawn_local(local, remote, flow.id);
  DrawnPath path;
  path.from = outbound ? ours : remote;
  path.to = outbound ? remote : ours;
  path.outbound = outbound;
  if (outbound) {
    path.ttl = flow.ttl;
    path.tos = flow.tos;
  }
  return path;
}

SeamFlow& CapturedSockets::open(FlowId id) {
  SeamFlow& flow = flows_[id];
  flow = SeamFlow{};
  flow.id = id;
  return flow;
}

void CapturedSockets::draw(const SeamFlow& flow, bool outbound, const DrawnFrame& frame,
                           std::string_view what) {
  std::string comment = "synthetic: " + flow_name(flow.id) + ": ";
  comment += what;
  const Bytes bytes(frame);
  recorder_.add(interface_, outbound ? PacketDirection::kOutbound : PacketDirection::kInbound,
                {&bytes, 1}, {}, std::move(comment));
}

// Sequence number 0 is the SYN's on both sides, so that the stream's first byte has number 1.
void CapturedSockets::draw_segment(const SeamFlow& flow, bool outbound, uint8_t flags,
                                   uint64_t offset, std::span<const Bytes> payload,
                                   std::string_view what) {
  DrawnSegment segment;
  segment.flags = flags;
  segment.sequence = static_cast<uint32_t>(offset + ((flags & kTcpSyn) != 0 ? 0 : 1));
  if ((flags & kTcpAck) != 0) {
    const uint64_t seen = outbound ? flow.peeked + (flow.remote_fin ? 1 : 0)
                                   : flow.written + (flow.local_fin ? 1 : 0);
    segment.acknowledgment = static_cast<uint32_t>(seen + 1);
  }
  draw(flow, outbound,
       draw_tcp(seam_path(flow, flow.local, flow.remote, outbound), segment, payload), what);
}

void CapturedSockets::draw_end(SeamFlow& flow, const NetError& error) {
  if (flow.ended) return;
  flow.ended = true;
  if (is_icmp_error(error)) {
    const DrawnPath path = seam_path(flow, flow.local, flow.remote, true);
    DrawnSegment cause;
    cause.sequence = static_cast<uint32_t>(flow.connected ? flow.written + 1 : 0);
    cause.flags = flow.connected ? kTcpAck : kTcpSyn;
    draw(flow, false, draw_icmp_error(path, draw_tcp(path, cause, {}), error),
         name_of(error.error));
    return;
  }
  draw_segment(flow, false, kTcpRst | kTcpAck, flow.connected ? flow.peeked : 0, {},
               name_of(error.error));
}

void CapturedSockets::draw_datagram_error(const SeamFlow& flow, const NetError& error) {
  const Endpoint remote = error.original_remote;
  const DrawnPath path = seam_path(flow, flow.local, remote, true);
  const Bytes quoted = error.quoted.first(std::min(error.quoted.size(), kDrawnPayloadMax));
  const DrawnFrame cause =
      flow.id.kind == FlowKind::kEcho
          ? draw_echo(path, true, static_cast<uint16_t>(flow.id.slot), error.echo_sequence, quoted)
          : draw_udp(path, quoted);
  NetError shown = error;
  const bool v6 = remote.address.is_v6();
  if (shown.icmp_type == 0 && shown.error == SocketError::kRefused) {  // port unreachable
    shown.icmp_type = v6 ? 1 : 3;
    shown.icmp_code = v6 ? 4 : 3;
  }
  if (is_icmp_error(shown)) {
    draw(flow, false, draw_icmp_error(path, cause, shown), name_of(error.error));
  }
}

void CapturedSockets::from_host(std::span<const SocketEvent> events) {
  for (const SocketEvent& event : events) {
    const auto found = flows_.find(event.id);
    if (found == flows_.end()) continue;  // a listener's, or stale
    SeamFlow& flow = found->second;
    switch (event.kind) {
      case SocketEvent::Kind::kConnected:
        flow.connected = true;
        draw_segment(flow, false, kTcpSyn | kTcpAck, 0, {}, "connected");
        break;
      case SocketEvent::Kind::kConnectFailed:
        draw_end(flow, event.error);
        break;
      case SocketEvent::Kind::kNetError:
        draw_datagram_error(flow, event.error);
        break;
      default:
        break;
    }
  }
}

Result<std::unique_ptr<StreamSocket>, SocketError> CapturedSockets::connect(
    const Endpoint& remote, const ConnectOptions& options, FlowId id) {
  auto socket = inner_.connect(remote, options, id);
  if (!socket.ok()) return socket.error();
  SeamFlow& flow = open(id);
  flow.remote = remote;
  flow.local = (*socket)->local();
  if (flow.local.address.is_unspecified()) flow.local.address = options.source;
  if (options.ttl != 0) flow.ttl = options.ttl;
  flow.tos = options.tos;
  draw_segment(flow, true, kTcpSyn, 0, {}, "connect");
  return std::unique_ptr<StreamSocket>(
      std::make_unique<CapturedStream>(std::move(*socket), *this, flow));
}

Result<std::unique_ptr<Listener>, SocketError> CapturedSockets::listen(const Endpoint& local,
                                                                       FlowId id) {
  auto listener = inner_.listen(local, id);
  if (!listener.ok()) return listener.error();
  return std::unique_ptr<Listener>(std::make_unique<CapturedListener>(std::move(*listener), *this));
}

Result<std::unique_ptr<DatagramSocket>, SocketError> CapturedSockets::open_datagram(
    const Endpoint& local, FlowId id) {
  auto socket = inner_.open_datagram(local, id);
  if (!socket.ok()) return socket.error();
  return std::unique_ptr<DatagramSocket>(
      std::make_unique<CapturedDatagram>(std::move(*socket), *this, open(id)));
}

Result<std::unique_ptr<EchoSocket>, SocketError> CapturedSockets::open_echo(Family family,
                                                                            FlowId id) {
  auto socket = inner_.open_echo(family, id);
  if (!socket.ok()) return socket.error();
  return std::unique_ptr<EchoSocket>(
      std::make_unique<CapturedEcho>(std::move(*socket), *this, open(id)));
}

// A restored flow was connected before this capture began: its stream is drawn from offset 0 on.
std::unique_ptr<StreamSocket> CapturedSockets::adopt_stream(FlowId id) {
  auto socket = inner_.adopt_stream(id);
  if (socket == nullptr) return nullptr;
  SeamFlow& flow = open(id);
  flow.connected = true;
  flow.local = socket->local();
  return std::make_unique<CapturedStream>(std::move(socket), *this, flow);
}

std::unique_ptr<Listener> CapturedSockets::adopt_listener(FlowId id) {
  auto listener = inner_.adopt_listener(id);
  if (listener == nullptr) return nullptr;
  return std::make_unique<CapturedListener>(std::move(listener), *this);
}

std::unique_ptr<DatagramSocket> CapturedSockets::adopt_datagram(FlowId id) {
  auto socket = inner_.adopt_datagram(id);
  if (socket == nullptr) return nullptr;
  return std::make_unique<CapturedDatagram>(std::move(socket), *this, open(id));
}

std::unique_ptr<EchoSocket> CapturedSockets::adopt_echo(FlowId id) {
  auto socket = inner_.adopt_echo(id);
  if (socket == nullptr) return nullptr;
  return std::make_unique<CapturedEcho>(std::move(socket), *this, open(id));
}

}  // namespace dashi
