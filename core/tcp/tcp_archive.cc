// Saving and restoring every connection. Part of TcpProxy.
#include "core/tcp/tcp_proxy.hh"

namespace dashi {

template <typename Archive>
void archive(Archive& ar, FlowKey& k) {
  uint16_t guest_port = k.guest_port;
  uint16_t remote_port = k.remote_port;
  ar(k.guest_address, k.remote_address, guest_port, remote_port, k.family);
  k.guest_port = guest_port;
  k.remote_port = remote_port;
}

template <typename Archive>
void archive(Archive& ar, TimeWait& t) {
  ar(t.key, t.timestamps, t.snd_nxt, t.rcv_nxt, t.expires, t.ts_recent, t.ts_offset);
}

template <typename Archive>
void archive(Archive& ar, ConnectFailure& f) {
  ar(f.key, f.error.error, f.error.icmp_type, f.error.icmp_code, f.error.mtu, f.error.reporter,
     f.expires);
}

template <typename Archive>
void archive(Archive& ar, Uplink& u) {
  ar(u.state, u.base, u.edge, u.offered, u.shift, u.fin, u.host_writable, u.since_ack, u.ack_now,
     u.ack_deadline, u.window, u.round_base);
}

template <typename Archive>
void archive(Archive& ar, Downlink& d) {
  ar(d.state, d.iss, d.una, d.nxt, d.window, d.window_max, d.wl1, d.wl2, d.mss, d.shift, d.readable,
     d.fin, d.cwnd_limited, d.congestion, d.rack);
  ar(d.duplicate_acks, d.reno_sacked, d.phase, d.recover, d.reduced_at, d.timed_out,
     d.retransmit_pending, d.frto, d.new_data_first, d.can_undo, d.undo_bytes, d.undo_from,
     d.undo_to, d.undo_until, d.resent_stamp, d.tail_probe_out, d.tail_probe_resent,
     d.tail_probe_end, d.tail_probe_flight);
  ar(d.timing, d.timed_at, d.sampled_to, d.last_sent, d.timer, d.loss_deadline, d.retransmit_at,
     d.persist_deadline, d.retries);
}

// All but the socket and the held bytes.
template <typename Archive>
void archive(Archive& ar, Connection& c) {
  ar(c.guest, c.remote, c.opening, c.local, c.detached, c.reset_owed, c.guest_closed_first,
     c.window_scaling, c.sack, c.irs, c.up, c.down, c.rtt, c.stamps, c.report, c.opening_deadline,
     c.linger_deadline, c.last_heard, c.probed_at, c.round_began, c.keep_alive_probes, c.traced);
}

template <typename Archive>
void TcpProxy::archive_tables(Archive& ar) {
  ar(room_.challenge_acks, room_.resets, room_.link_blocked, connects_pending_, cursor_,
     accept_cursor_);
  time_wait_.archive(ar);
  failures_.archive(ar);
}

void TcpProxy::save(ArchiveWriter& ar) const {
  auto& self = const_cast<TcpProxy&>(*this);  // one archive function serves both directions
  self.archive_tables(ar);
  uint32_t count = room_.connections.high_water();
  ar(count);
  for (uint32_t slot = 0; slot < count && slot < room_.connections.capacity(); ++slot) {
    uint32_t generation = room_.connections.generation(slot);
    bool used = room_.connections.contains(slot);
    ar(generation, used);
    if (!used) continue;
    bool ready = room_.ready.test(slot);
    ar(ready, self.room_.connections[slot]);
    room_.connections[slot].held.save(ar);
    room_.connections[slot].down.board.save(ar);
  }
  room_.timers.save(ar);
  room_.delayed_acks.save(ar);
  uint32_t forwards = forwards_.high_water();
  ar(forwards);
  for (uint32_t slot = 0; slot < forwards && slot < forwards_.capacity(); ++slot) {
    uint32_t generation = forwards_.generation(slot);
    bool used = forwards_.contains(slot);
    ar(generation, used);
    if (!used) continue;
    TcpForward& f = self.forwards_[slot];
    bool acceptable = acceptable_.test(slot);
    ar(f.host, f.guest, f.guest_port, acceptable);
  }
  accept_retries_.save(ar);
}

bool TcpProxy::restore_forwards(ArchiveReader& ar) {
  uint32_t forwards = 0;
  ar(forwards);
  for (uint32_t slot = 0; slot < forwards && slot < forwards_.capacity() && ar.ok(); ++slot) {
    uint32_t generation = 0;
    bool used = false;
    ar(generation, used);
    forwards_.set_generation(slot, generation);
    if (!used || !ar.ok()) continue;
    forwards_.emplace_at(slot, generation);
    TcpForward& f = forwards_[slot];
    bool acceptable = false;
    ar(f.host, f.guest, f.guest_port, acceptable);
    if (acceptable) acceptable_.set(slot);
    f.listener =
        room_.context.env.sockets.adopt_listener({FlowKind::kTcpForward, slot, generation});
    if (f.listener == nullptr) ar.fail_for_socket();
  }
  return ar.ok() && accept_retries_.restore(ar);
}

// What the connections know of their timers must be what those say.
bool TcpProxy::restore_timers(ArchiveReader& ar) {
  if (!room_.timers.restore(ar) || !room_.delayed_acks.restore(ar)) return false;
  SlotMap<Connection>& connections = room_.connections;
  for (uint32_t slot = 0; slot < connections.capacity(); ++slot) {
    const bool used = connections.contains(slot);
    const bool ack_delayed = used && connections[slot].up.ack_deadline != kNever;
    if (room_.delayed_acks.contains(slot) != ack_delayed) return false;
    if (used) connections[slot].comes_up = room_.timers.of(slot);
    if (!used && room_.timers.of(slot) != kNever) return false;
  }
  return true;
}

namespace {

// False if the key has its place already: no two flows are one.
bool put_in(FlowIndex<FlowKey>& index, const FlowKey& key, uint32_t slot) {
  if (index.find(key) != FlowIndex<FlowKey>::kNone) return false;
  index.insert(key, slot);
  return true;
}

}  // namespace

// Connections first, so that a key of theirs is not TIME-WAIT's too.
bool TcpProxy::restore_indices() {
  for (uint32_t slot = room_.connections.next(0); slot != SlotBitmap::kNone;
       slot = room_.connections.next(slot + 1)) {
    const Connection& c = room_.connections[slot];
    if (!c.detached && !put_in(index_, c.key(), slot)) return false;
  }
  for (uint32_t slot = time_wait_.next(0); slot != SlotBitmap::kNone;
       slot = time_wait_.next(slot + 1)) {
    if (!put_in(index_, time_wait_[slot].key, slot | kTimeWaitBit)) return false;
  }
  for (uint32_t slot = failures_.next(0); slot != SlotBitmap::kNone;
       slot = failures_.next(slot + 1)) {
    if (!put_in(failure_index_, failures_[slot].key, slot)) return false;
  }
  return true;
}

bool TcpProxy::restore(ArchiveReader& ar) {
  archive_tables(ar);
  uint32_t count = 0;
  ar(count);
  for (uint32_t slot = 0; slot < count && slot < room_.connections.capacity() && ar.ok(); ++slot) {
    uint32_t generation = 0;
    bool used = false;
    ar(generation, used);
    room_.connections.set_generation(slot, generation);
    if (!used || !ar.ok()) continue;
    const FlowId id{FlowKind::kTcp, slot, generation};
    room_.connections.emplace_at(slot, generation, id, Endpoint{}, Endpoint{}, room_.config,
                                 room_.pool, room_.context.limits.tcp_uplink_bytes_each,
                                 room_.context.limits.tcp_reassembly_gaps);
    Connection& c = room_.connections[slot];
    bool ready = false;
    ar(ready, c);
    if (!ar.ok() || !c.held.restore(ar) || !c.down.board.restore(ar) || !plausible(c)) {
      return false;
    }
    if (ready) room_.ready.set(slot);
    if (c.opening == Opening::kSynSent) ++accepts_pending_;
    if (c.reset_owed) continue;
    c.socket = c.local ? local_streams_.adopt(id) : room_.context.env.sockets.adopt_stream(id);
    if (c.socket == nullptr) ar.fail_for_socket();
  }
  if (!ar.ok() || !restore_timers(ar) || !restore_forwards(ar)) return false;
  return restore_indices();
}

}  // namespace dashi
