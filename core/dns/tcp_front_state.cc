// The streams' state as data, and as text for people.
#include "core/dns/tcp_front.hh"

namespace dashi {

template <typename Archive>
void TcpFront::archive_stream(Archive& ar, Stream& s) {
  ar(s.id.kind, s.id.slot, s.id.generation, s.local, s.active, s.guest_fin, s.ended);
  ar(s.short_write, s.reset, s.events, s.last_activity);
  s.in.archive_bounded(ar, 2 + kDnsMessageBytesMax);
  s.out.archive_bounded(ar, kOutHigh + 2 + kDnsMessageBytesMax);
  ar(s.in_flight, s.queries);
}

void TcpFront::save(ArchiveWriter& ar) const {
  auto* self = const_cast<TcpFront*>(this);
  uint32_t slot = streams_.next(0);
  for (; slot != kNone; slot = streams_.next(slot + 1)) {
    bool ready = ready_.test(slot);
    ar(slot, ready);
    self->archive_stream(ar, self->streams_[slot]);
  }
  ar(slot);
}

bool TcpFront::restore(ArchiveReader& ar) {
  constexpr unsigned kKnownEvents = event_bit(SocketEvent::Kind::kConnected) |
                                    event_bit(SocketEvent::Kind::kReadable) |
                                    event_bit(SocketEvent::Kind::kWritable);
  DASHI_CHECK(streams_.size() == 0);
  unowned_ = true;
  while (ar.ok()) {
    uint32_t slot = 0;
    ar(slot);
    if (slot == kNone) break;
    if (!ar.ok() || slot >= streams_.capacity() || streams_.contains(slot)) return false;
    bool ready = false;
    ar(ready);
    streams_.emplace_at(slot, 0);
    Stream& stream = streams_[slot];
    archive_stream(ar, stream);
    stream.owned = false;
    if (!ar.ok() || stream.in_flight > kInFlightMax) {
      stream.in_flight = 0;
      return false;
    }
    if (ready) ready_.set(slot);
    stream.events = static_cast<uint8_t>(stream.events & kKnownEvents);
    if (stream.events != 0) eventful_.set(slot);
    if (!stream.reset) set_idle_timer(slot);
  }
  return ar.ok() && queries_agree();
}

// Every query of a stream exists and names that stream, and every query over TCP has its stream.
bool TcpFront::queries_agree() const {
  uint32_t listed = 0;
  for (uint32_t slot = streams_.next(0); slot != kNone; slot = streams_.next(slot + 1)) {
    const Stream& stream = streams_[slot];
    listed += stream.in_flight;
    for (uint32_t i = 0; i < stream.in_flight; ++i) {
      const uint32_t query = stream.queries[i];
      if (!resolver_.contains(query) || !resolver_.query(query).origin.tcp ||
          resolver_.query(query).origin.stream != slot) {
        return false;
      }
      for (uint32_t j = 0; j < i; ++j) {
        if (stream.queries[j] == query) return false;
      }
    }
  }
  uint32_t over_tcp = 0;
  for (uint32_t slot = resolver_.next(0); slot != kNone; slot = resolver_.next(slot + 1)) {
    if (resolver_.query(slot).origin.tcp) ++over_tcp;
  }
  return listed == over_tcp;
}

void TcpFront::dump(std::string& to, Instant now) const {
  for (uint32_t slot = streams_.next(0); slot != kNone; slot = streams_.next(slot + 1)) {
    const Stream& s = streams_[slot];
    to += "dns stream " + std::to_string(slot) + " at " + to_string(s.local);
    to += s.reset ? " reset" : s.ended ? " ended" : s.guest_fin ? " draining" : " open";
    to += " asking " + std::to_string(s.in_flight) + " in " + std::to_string(s.in.size()) +
          "B out " + std::to_string(s.out.size()) + "B idle " +
          std::to_string((now - s.last_activity) / Duration(1ms)) + "ms\n";
  }
}

}  // namespace dashi
