#include "pcap/write/captured_datagram.hh"

#include <algorithm>

namespace dashi {

CapturedDatagram::CapturedDatagram(std::unique_ptr<DatagramSocket> inner, CapturedSockets& seam,
                                   SeamFlow& flow)
    : inner_(std::move(inner)), seam_(seam), flow_(flow) {
  flow_.local = inner_->local();
}

Endpoint CapturedDatagram::seam_local(const IpAddress& named) const {
  return {named.is_unspecified() ? flow_.local.address : named, flow_.local.port};
}

void CapturedDatagram::draw(bool outbound, const DrawnPath& path, Bytes payload,
                            size_t segment_size) {
  const size_t each = segment_size == 0 ? payload.size() : segment_size;
  do {
    const size_t n = std::min(payload.size(), each);
    seam_.draw(flow_, outbound, draw_udp(path, payload.first(n)), outbound ? "send" : "receive");
    payload = payload.subspan(n);
  } while (!payload.empty());
}

Result<size_t, SocketError> CapturedDatagram::send(std::span<const OutDatagram> datagrams) {
  auto result = inner_->send(datagrams);
  flow_.local = inner_->local();  // the first send may bind
  for (size_t i = 0; result.ok() && i < *result; ++i) {
    const OutDatagram& out = datagrams[i];
    DrawnPath path = seam_path(flow_, seam_local(out.local), out.remote, true);
    if (out.ttl != 0) path.ttl = out.ttl;
    path.tos = out.tos;
    draw(true, path, out.payload, out.segment_size);
  }
  return result;
}

Result<size_t, SocketError> CapturedDatagram::receive(std::span<InDatagram> datagrams) {
  auto result = inner_->receive(datagrams);
  for (size_t i = 0; result.ok() && i < *result; ++i) {
    const InDatagram& in = datagrams[i];
    DrawnPath path = seam_path(flow_, seam_local(in.local.address), in.remote, false);
    if (in.ttl != 0) path.ttl = in.ttl;
    path.tos = in.tos;
    draw(false, path, in.buffer.first(in.size), in.segment_size);
  }
  return result;
}

Result<size_t, SocketError> CapturedEcho::send(std::span<const OutEcho> echoes) {
  auto result = inner_->send(echoes);
  for (size_t i = 0; result.ok() && i < *result; ++i) {
    const OutEcho& out = echoes[i];
    DrawnPath path = seam_path(flow_, {}, {out.remote, {}}, true);
    if (out.ttl != 0) path.ttl = out.ttl;
    path.tos = out.tos;
    const Bytes payload = out.payload.first(std::min(out.payload.size(), kDrawnPayloadMax));
    seam_.draw(flow_, true, draw_echo(path, true, identifier(), out.sequence, payload), "send");
  }
  return result;
}

Result<size_t, SocketError> CapturedEcho::receive(std::span<InEcho> echoes) {
  auto result = inner_->receive(echoes);
  for (size_t i = 0; result.ok() && i < *result; ++i) {
    const InEcho& in = echoes[i];
    DrawnPath path = seam_path(flow_, {}, {in.remote, {}}, false);
    if (in.ttl != 0) path.ttl = in.ttl;
    path.tos = in.tos;
    const Bytes payload = Bytes(in.buffer).first(std::min(in.size, kDrawnPayloadMax));
    seam_.draw(flow_, false, draw_echo(path, false, identifier(), in.sequence, payload), "receive");
  }
  return result;
}

}  // namespace dashi
