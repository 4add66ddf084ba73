// Asks the host's resolvers, as a stub: each query goes to one server after the other until one
// answers, byte for byte as the guest wrote it but for the id. It does not know who asked, parses no
// records and caches nothing.
//
// Each try has a fresh id and a socket of its own, so a source port of the host's choice, and only an
// answer with the server, id and question of the present try counts (RFC 5452 4, 9.1). Nobody is
// called back: completed queries wait in a set until the owner takes their answers.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/archive.hh"
#include "core/base/scratch.hh"
#include "core/base/slot_map.hh"
#include "core/dns/dns_config.hh"
#include "core/dns/upstream_query.hh"
#include "core/flow/context.hh"
#include "core/flow/timers.hh"

namespace dashi {

class Resolver {
 public:
  static constexpr uint32_t kNone = SlotBitmap::kNone;
  static constexpr size_t kServersMax = 16;  // more are not asked

  Resolver(const DnsConfig& config, FlowContext& context);

  bool has_servers() const { return !servers_.empty(); }
  bool full() const { return queries_.full(); }
  uint32_t size() const { return queries_.size(); }

  // Begins to ask; gives the query's slot. Needs has_servers() and not full().
  uint32_t start(Instant now, Bytes query, const DnsQuestion& question, const DnsOrigin& origin);
  // The query is of no interest any more, or its answer was taken.
  void release(uint32_t slot);
  // The answer was taken and more messages of the transfer may follow.
  void resume(Instant now, uint32_t slot);

  void handle_socket(Instant now, const SocketEvent& event);
  void handle_timers(Instant now);
  void flush(Instant now);
  Instant next_deadline() const { return ready_.empty() ? timers_.next() : Instant{}; }

  // The servers' preference begins anew; what was asked of a server that is gone is asked again.
  void set_servers(Instant now, std::span<const Endpoint> servers);

  // The lowest slot of a completed query, taken off the set, or kNone.
  uint32_t take_completed();
  bool contains(uint32_t slot) const { return queries_.contains(slot); }
  const UpstreamQuery& query(uint32_t slot) const { return queries_[slot]; }
  // The query as the guest wrote it; only once completed.
  Bytes message(uint32_t slot) const { return messages_[slot]; }
  // The answer under the guest's id, behind its length in two bytes (RFC 1035 4.2.2).
  Bytes framed_answer(uint32_t slot) const { return answers_[slot]; }
  // The first query at or after `from`, or kNone.
  uint32_t next(uint32_t from) const { return queries_.next(from); }

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);
  void dump(std::string& to, Instant now) const;

 private:
  static constexpr int kDatagramsATurn = 16;
  static constexpr size_t kKeptBytes = 4096;  // of a slot's buffers, between queries

  FlowId flow_id(uint32_t slot) const;
  void try_next(Instant now, uint32_t slot);
  bool send_udp(Instant now, uint32_t slot);
  bool connect_tcp(Instant now, uint32_t slot);
  void close_sockets(UpstreamQuery& query);
  void set_deadline(uint32_t slot, Instant deadline);
  void tcp_progress(Instant now, uint32_t slot);
  void complete(uint32_t slot, UpstreamQuery::State state);

  void read_udp(Instant now, uint32_t slot);
  bool take_datagram(Instant now, uint32_t slot, const Endpoint& remote, Bytes answer);
  void write_tcp(Instant now, uint32_t slot);
  void read_tcp(Instant now, uint32_t slot);
  void take_framed(Instant now, uint32_t slot);
  void tcp_failed(Instant now, uint32_t slot);
  bool matches(const UpstreamQuery& query, Bytes answer) const;
  bool asks_elsewhere(const UpstreamQuery& query, Bytes answer) const;
  void remember_good(Instant now, const UpstreamQuery& query);
  void trace(TraceEvent::Kind kind, uint32_t slot, uint32_t code);

  template <typename Archive>
  void archive_fields(Archive& ar);
  template <typename Archive>
  void archive_query(Archive& ar, UpstreamQuery& query);
  bool plausible(uint32_t slot, bool has_stream, bool completed, bool ready) const;
  bool adopt_sockets(uint32_t slot, bool has_stream);

  const DnsConfig& config_;
  FlowContext& context_;
  std::vector<Endpoint> servers_;  // at most kServersMax
  uint32_t good_ = 0;              // index of the server that answered last; the next query's first
  Instant prefer_at_ =
      kNever;            // when one query begins with servers_[0] again; kNever iff good_ is it
  uint32_t serial_ = 0;  // of the last try
  SlotMap<UpstreamQuery> queries_;
  std::vector<std::vector<uint8_t>> messages_;  // by slot
  std::vector<std::vector<uint8_t>> answers_;   // by slot: what came so far over TCP, or the answer
  Timers timers_;
  SlotBitmap completed_;
  SlotBitmap ready_;  // may have more to read than one turn allows
  Scratch scratch_{kDnsMessageBytesMax};
};

}  // namespace dashi
