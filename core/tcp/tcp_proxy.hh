// Split TCP: every connection of the guest ends here, and a host socket of its own carries its bytes
// on. This class owns the tables and decides which part handles what; the protocol is in handshake,
// uplink, downlink and recovery.
#pragma once

#include <string>

#include "core/base/flow_index.hh"
#include "core/flow/address_policy.hh"
#include "core/flow/icmp_error.hh"
#include "core/flow/local_streams.hh"
#include "core/tcp/expiring_table.hh"
#include "core/tcp/guest_tcp_info.hh"
#include "core/tcp/tcp_room.hh"
#include "core/wire/icmp_quote.hh"

namespace dashi {

// A connection after both FINs (RFC 9293 3.6.1), kept so that old segments find no new connection.
struct TimeWait {
  FlowKey key;
  bool timestamps = false;  // the last two count
  SeqNum snd_nxt;
  SeqNum rcv_nxt;
  Instant expires;
  uint32_t ts_recent = 0;  // RFC 6191
  uint32_t ts_offset = 0;
};
static_assert(sizeof(TimeWait) <= 64);

// A connect that failed a moment ago: a retransmitted SYN gets the same answer without another connect.
struct ConnectFailure {
  FlowKey key;
  NetError error;
  Instant expires;
};

// A host port that leads to the guest.
struct TcpForward {
  std::unique_ptr<Listener> listener;
  Endpoint host;
  std::optional<IpAddress> guest;  // absent: the address of the host's family the guest uses
  Port guest_port;
};

class TcpProxy {
 public:
  TcpProxy(const TcpConfig& config, FlowContext& context, const AddressPolicy& policy,
           IcmpErrors& icmp_errors, LocalStreams& local_streams, SipKey index_key,
           SipKey isn_secret);

  void handle_packet(Instant now, const Packet& packet);
  // An ICMP error of the guest, about a segment of TCP.
  void handle_icmp_error(Instant now, const Packet& packet, const IcmpQuote& quote);
  // The frames of a batch end here: their payloads are written while they may still be read.
  void finish_batch(Instant now);
  void handle_socket(Instant now, const SocketEvent& event);
  void handle_guest_writable(Instant now);
  void handle_timers(Instant now);
  void flush(Instant now);
  // kNever when there is nothing to wait for; in the past while work remains.
  Instant next_deadline() const;

  Result<Endpoint, SocketError> add_forward(const Endpoint& host,
                                            const std::optional<IpAddress>& guest, Port guest_port);
  Result<Done, SocketError> remove_forward(const Endpoint& host);  // its connections live on
  void restart_link(Instant now);
  void abort_unfinished();

  uint32_t size() const { return room_.connections.size(); }
  size_t held_bytes() const { return size_t{room_.pool.taken()} * BlockPool::kBlockBytes; }
  uint32_t time_wait_size() const { return time_wait_.size(); }
  void dump(std::string& out, Instant now) const;
  // Of the connection between these ends, if there is one.
  std::optional<GuestTcpInfo> info(const Endpoint& guest, const Endpoint& remote) const;
  void audit(std::string& out) const;  // see audit.hh

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  // A slot in index_: of room_.connections, or of time_wait_ with this bit.
  static constexpr uint32_t kTimeWaitBit = 0x80000000;

  void handle_unknown(Instant now, const Packet& packet);
  void handle_time_wait(Instant now, uint32_t slot, const Packet& packet);
  // `waits`: the TIME-WAIT record of the tuple, which the new connection takes the place of.
  void open(Instant now, const Packet& packet, std::optional<uint32_t> waits);
  void refuse(Instant now, const Packet& packet, SocketError why);
  Fate receive(Instant now, Connection& c, const Packet& packet);
  Fate receive_beside_syn(Instant now, Connection& c, const Packet& packet);
  Fate receive_synchronized(Instant now, Connection& c, const Packet& packet);
  Fate fire(Instant now, Connection& c);
  Fate visit(Instant now, Connection& c);
  void connect_failed(Instant now, Connection& c, const NetError& error);
  void note_failure(Instant now, const FlowKey& key, SeqNum syn, NetError error);
  void answer_failure(Instant now, const FlowKey& key, SeqNum syn, const NetError& error);
  void settle(Instant now, uint32_t slot, Fate fate);
  void owe_reset(Instant now, Connection& c);
  void finish_if_done(Instant now, uint32_t slot);
  void enter_time_wait(Instant now, const Connection& c);
  void end_time_wait(uint32_t slot);
  FlowId time_wait_id(uint32_t slot) const;  // for the trace
  void remove(uint32_t slot);
  bool may_accept() const;
  void accept_waiting(Instant now);
  void accept_next(Instant now, uint32_t forward);
  void accepted(Instant now, const TcpForward& forward, uint32_t slot, Accepted accepted);
  std::optional<Endpoint> source_for(const Endpoint& peer, const Endpoint& guest) const;
  void retry_accepts(Instant now);
  bool restore_forwards(ArchiveReader& ar);
  bool restore_timers(ArchiveReader& ar);
  bool restore_indices();
  template <typename Archive>
  void archive_tables(Archive& ar);

  TcpRoom room_;
  const AddressPolicy& policy_;
  IcmpErrors& icmp_errors_;
  LocalStreams& local_streams_;
  SipKey index_key_;
  SipKey isn_secret_;
  FlowIndex<FlowKey> index_;
  ExpiringTable<TimeWait> time_wait_;
  FlowIndex<FlowKey> failure_index_;
  ExpiringTable<ConnectFailure> failures_;
  SlotMap<TcpForward> forwards_;
  SlotBitmap acceptable_;          // forwards that may have peers to accept: an edge said so
  Timers accept_retries_;          // by forward: the host had no descriptor or memory for a peer
  uint32_t accept_cursor_ = 0;     // the forward whose turn to accept is next
  uint32_t accepts_pending_ = 0;   // connections in Opening::kSynSent
  uint32_t connects_pending_ = 0;  // connections in Opening::kConnecting
  uint32_t cursor_ = 0;            // where flush begins its round
};

}  // namespace dashi
