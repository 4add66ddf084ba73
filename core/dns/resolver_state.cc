// The resolver's state as data, and as text for people.
#include "core/dns/resolver.hh"

namespace dashi {

template <typename Archive>
void Resolver::archive_query(Archive& ar, UpstreamQuery& q) {
  ar(q.origin.tcp, q.origin.guest, q.origin.gateway, q.origin.message_hash, q.origin.stream);
  ar(q.question.name.size, q.question.name.bytes, q.question.type, q.question.dns_class);
  uint64_t question_end = q.question.end;
  ar(question_end);
  q.question.end = static_cast<size_t>(question_end);
  ar(q.state, q.transfer, q.delivered, q.declined, q.guest_id, q.id, q.server, q.first, q.tries,
     q.serial);
  ar(q.deadline, q.tcp_until, q.written);
}

template <typename Archive>
void Resolver::archive_fields(Archive& ar) {
  ar.bounded(servers_, kServersMax);
  ar(good_, prefer_at_, serial_);
  uint32_t slot = 0;
  const auto each = [&] {
    archive_query(ar, queries_[slot]);
    bool has_stream = queries_[slot].stream != nullptr;
    bool completed = completed_.test(slot);
    bool ready = ready_.test(slot);
    ar(has_stream, completed, ready);
    ar.bounded(messages_[slot], kDnsMessageBytesMax);
    ar.bounded(answers_[slot], kDnsMessageBytesMax + 2);
    if constexpr (Archive::kReading) {
      if (!ar.ok() || !plausible(slot, has_stream, completed, ready)) return ar.fail();
      if (completed) completed_.set(slot);
      if (ready) ready_.set(slot);
      if (!adopt_sockets(slot, has_stream)) ar.fail_for_socket();
    }
  };
  if constexpr (Archive::kReading) {
    while (ar.ok()) {
      ar(slot);
      if (slot == kNone) break;
      if (slot >= queries_.capacity() || queries_.contains(slot)) return ar.fail();
      queries_.emplace_at(slot, 0);
      each();
    }
  } else {
    for (slot = queries_.next(0); slot != kNone; slot = queries_.next(slot + 1)) {
      ar(slot);
      each();
    }
    ar(slot);
  }
}

// What this code could have saved: a state file is not trusted to be one of ours.
bool Resolver::plausible(uint32_t slot, bool has_stream, bool completed, bool ready) const {
  using State = UpstreamQuery::State;
  const UpstreamQuery& q = queries_[slot];
  if (q.state > State::kEnded || messages_[slot].size() < kDnsHeaderBytes) return false;
  if (q.origin.guest.address.family() != q.origin.gateway.family()) return false;
  if (q.state == State::kAnswered && answers_[slot].size() < 2 + kDnsHeaderBytes) return false;
  const bool over_tcp = q.state == State::kConnecting || q.state == State::kTcp;
  if (has_stream != over_tcp && !(has_stream && q.state == State::kAnswered)) return false;
  return !(completed && q.waiting()) && !(ready && !q.waiting());
}

bool Resolver::adopt_sockets(uint32_t slot, bool has_stream) {
  UpstreamQuery& q = queries_[slot];
  Sockets& sockets = context_.env.sockets;
  if (has_stream) {
    q.stream = sockets.adopt_stream({FlowKind::kDnsTcp, slot, q.serial});
    if (!q.stream) return false;
  } else if (q.state == UpstreamQuery::State::kUdp) {
    q.datagram = sockets.adopt_datagram({FlowKind::kDnsUdp, slot, q.serial});
    if (!q.datagram) return false;
  }
  if (q.waiting()) timers_.arm(slot, q.deadline);
  return true;
}

void Resolver::save(ArchiveWriter& ar) const { const_cast<Resolver*>(this)->archive_fields(ar); }

bool Resolver::restore(ArchiveReader& ar) {
  DASHI_CHECK(queries_.size() == 0);
  archive_fields(ar);
  if (good_ >= servers_.size()) good_ = 0;
  if (good_ == 0) prefer_at_ = kNever;
  return ar.ok();
}

void Resolver::dump(std::string& to, Instant now) const {
  static constexpr const char* kStates[] = {"udp",      "connecting", "tcp",
                                            "answered", "failed",     "ended"};
  for (uint32_t slot = queries_.next(0); slot != kNone; slot = queries_.next(slot + 1)) {
    const UpstreamQuery& q = queries_[slot];
    to += "dns ";
    to += q.origin.tcp ? "tcp stream " + std::to_string(q.origin.stream)
                       : "udp " + to_string(q.origin.guest);
    to += " id " + std::to_string(q.guest_id) + " " + to_string(q.question.name) + " type " +
          std::to_string(q.question.type) + " " + kStates[static_cast<size_t>(q.state)] +
          " server " + to_string(q.server) + " try " + std::to_string(q.tries) + "/" +
          std::to_string(servers_.size() * config_.rounds);
    if (q.waiting()) {
      to += " timeout " + std::to_string((q.deadline - now) / Duration(1ms)) + "ms";
    }
    to += '\n';
  }
}

}  // namespace dashi
