#include "pcap/write/captured_stream.hh"

#include <algorithm>

#include "core/wire/tcp.hh"

namespace dashi {

CapturedStream::~CapturedStream() {
  // Destroying a connected socket closes it gracefully.
  if (flow_.connected && !flow_.ended && !flow_.local_fin) {
    seam_.draw_segment(flow_, true, kTcpFin | kTcpAck, flow_.written, {}, "close");
  }
  seam_.close(flow_.id);
}

// Draws `bytes` bytes of `pieces`, the first `skip` left out, at stream offset `position` and on.
void CapturedStream::draw_data(bool outbound, uint64_t& position, std::span<const Bytes> pieces,
                               size_t skip, size_t bytes) {
  std::vector<Bytes> shown;
  size_t size = 0;
  const auto draw = [&] {
    if (size == 0) return;
    const uint64_t offset = position;
    seam_.draw_segment(flow_, outbound, kTcpPsh | kTcpAck, offset, shown,
                       outbound ? "write" : "peek");
    position += size;
    size = 0;
    shown.clear();
  };
  for (Bytes piece : pieces) {
    const size_t skipped = std::min(skip, piece.size());
    skip -= skipped;
    piece = piece.subspan(skipped);
    while (!piece.empty() && bytes > 0) {
      if (size == kDrawnPayloadMax) draw();
      const size_t n = std::min({piece.size(), bytes, kDrawnPayloadMax - size});
      shown.push_back(piece.first(n));
      size += n;
      bytes -= n;
      piece = piece.subspan(n);
    }
  }
  draw();
}

void CapturedStream::draw_error(SocketError error) {
  if (error == SocketError::kWouldBlock || error == SocketError::kClosed) return;
  NetError seen;
  seen.error = error;
  seam_.draw_end(flow_, seen);
}

Result<Peeked, SocketError> CapturedStream::peek(size_t offset,
                                                 std::span<const MutableBytes> into) {
  auto result = inner_->peek(offset, into);
  if (!result.ok()) {
    draw_error(result.error());
    return result;
  }
  const uint64_t begin = flow_.consumed + offset;
  const uint64_t end = begin + result->bytes;
  if (end > flow_.peeked) {
    const std::vector<Bytes> pieces(into.begin(), into.end());
    const size_t known = begin < flow_.peeked ? static_cast<size_t>(flow_.peeked - begin) : 0;
    flow_.peeked = begin + known;
    draw_data(false, flow_.peeked, pieces, known, result->bytes - known);
  }
  if (result->eof && !flow_.remote_fin) {
    seam_.draw_segment(flow_, false, kTcpFin | kTcpAck, flow_.peeked, {}, "end of stream");
    flow_.remote_fin = true;
  }
  return result;
}

void CapturedStream::consume(size_t n) {
  flow_.consumed += n;
  inner_->consume(n);
}

Result<size_t, SocketError> CapturedStream::write(std::span<const Bytes> from) {
  auto result = inner_->write(from);
  if (result.ok()) {
    draw_data(true, flow_.written, from, 0, *result);
  } else {
    draw_error(result.error());
  }
  return result;
}

void CapturedStream::shutdown_write() {
  if (!flow_.local_fin && !flow_.ended) {
    seam_.draw_segment(flow_, true, kTcpFin | kTcpAck, flow_.written, {}, "shutdown_write");
    flow_.local_fin = true;
  }
  inner_->shutdown_write();
}

void CapturedStream::abort() {
  if (!flow_.ended) {
    seam_.draw_segment(flow_, true, kTcpRst | kTcpAck, flow_.written + (flow_.local_fin ? 1 : 0),
                       {}, "abort");
    flow_.ended = true;
  }
  inner_->abort();
}

Result<Accepted, SocketError> CapturedListener::accept(FlowId id) {
  auto result = inner_->accept(id);
  if (!result.ok()) return result;
  SeamFlow& flow = seam_.open(id);
  flow.local = result->local;
  flow.remote = result->remote;
  flow.connected = true;
  seam_.draw_segment(flow, false, kTcpSyn, 0, {}, "accept");
  seam_.draw_segment(flow, true, kTcpSyn | kTcpAck, 0, {}, "accepted");
  result->socket = std::make_unique<CapturedStream>(std::move(result->socket), seam_, flow);
  return result;
}

}  // namespace dashi
