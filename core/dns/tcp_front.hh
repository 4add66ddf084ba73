// The gateway's DNS over TCP (RFC 7766): streams that end inside the core. tcp/ proxies the guest's
// connection to a DnsStream as to a host socket; here its bytes are cut into messages, asked, and
// answered in whatever order the answers come.
//
// write() only takes bytes; flush() reads them, because only then is it known what time it is. So
// the Nat flushes dns/ before tcp/ and carries the events over in between. Bounds: connections by
// Limits, kInFlightMax queries each, kInBytes (or one message) waiting to be asked, kOutHigh and one
// answer waiting to be read. Beyond them write() takes fewer bytes, and the guest's window closes.
#pragma once

#include <array>

#include "core/base/scratch.hh"
#include "core/base/slot_map.hh"
#include "core/dns/answerer.hh"
#include "core/dns/byte_queue.hh"
#include "core/flow/local_streams.hh"
#include "core/flow/timers.hh"

namespace dashi {

class TcpFront : public LocalStreams {
 public:
  static constexpr uint32_t kInFlightMax = 16;
  static constexpr size_t kInBytes = 4096;
  static constexpr size_t kOutHigh = 32768;

  TcpFront(const DnsConfig& config, FlowContext& context, Answerer& answerer, Resolver& resolver,
           Scratch& scratch);

  // --- For tcp/ ---
  bool serves(const Endpoint& destination) const override;
  Result<std::unique_ptr<StreamSocket>, SocketError> open(const Endpoint& destination,
                                                          FlowId id) override;
  std::unique_ptr<StreamSocket> adopt(FlowId id) override;

  // --- For the service ---
  // A completed query of ours. It stays with the resolver while its stream has no room.
  void deliver(Instant now, uint32_t slot);
  void handle_timers(Instant now);
  void flush(Instant now);
  Instant next_deadline() const { return ready_.empty() ? timers_.next() : Instant{}; }
  // The next event for tcp/, lowest stream first; false when there is none.
  bool take_event(SocketEvent& event);
  bool has_event() const { return !eventful_.empty(); }
  // Link restart: every stream is reset; tcp/ gives them back.
  void restart();
  uint32_t size() const { return streams_.size(); }

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);
  void dump(std::string& to, Instant now) const;

 private:
  friend class DnsStream;
  static constexpr uint32_t kNone = SlotBitmap::kNone;
  static constexpr uint8_t event_bit(SocketEvent::Kind kind) {
    return static_cast<uint8_t>(1U << static_cast<unsigned>(kind));
  }

  struct Stream {
    FlowId id;           // tcp/'s
    Endpoint local;      // the gateway's end
    bool owned = true;   // a DnsStream holds it; false between restore and adopt
    bool active = true;  // the guest wrote or read since the last flush
    bool guest_fin = false;
    bool ended = false;        // EOF follows `out`: the guest's FIN is answered, or it was idle
    bool short_write = false;  // kWritable is owed
    bool reset = false;        // latched: every call gives kReset
    uint8_t events = 0;        // edges owed to tcp/, a bit a kind
    Instant last_activity{};
    ByteQueue in;   // framed queries, not asked yet
    ByteQueue out;  // framed answers, not consumed yet
    uint32_t in_flight = 0;
    std::array<uint32_t, kInFlightMax> queries{};  // the first in_flight: the resolver's slots

    size_t in_room() const;
    bool has_message() const;  // whole, in `in`
    bool may_answer() const { return !reset && out.size() < kOutHigh; }
  };

  // What a DnsStream does, by slot.
  Result<Peeked, SocketError> peek(uint32_t slot, size_t offset,
                                   std::span<const MutableBytes> into);
  void consume(uint32_t slot, size_t n);
  Result<size_t, SocketError> write(uint32_t slot, std::span<const Bytes> from);
  void shutdown_write(uint32_t slot);
  void abort(uint32_t slot);
  void close(uint32_t slot);

  void owe(uint32_t slot, SocketEvent::Kind kind);
  void cancel_queries(uint32_t slot);
  void reset(uint32_t slot);
  bool deliver_one(Instant now, uint32_t slot, uint32_t query_slot);
  void forget_query(uint32_t slot, uint32_t query_slot);
  void deliver_waiting(Instant now, uint32_t slot);
  void ask_messages(Instant now, uint32_t slot);
  void append_framed(Stream& stream, Bytes message);
  void run(Instant now, uint32_t slot);
  void set_idle_timer(uint32_t slot);
  bool queries_agree() const;
  template <typename Archive>
  void archive_stream(Archive& ar, Stream& stream);

  const DnsConfig& config_;
  FlowContext& context_;
  Answerer& answerer_;
  Resolver& resolver_;
  Scratch& scratch_;  // for replies of our own; shared with the other front
  SlotMap<Stream> streams_;
  Timers timers_;         // idle
  SlotBitmap ready_;      // have something to do in flush()
  SlotBitmap eventful_;   // events != 0
  bool unowned_ = false;  // restored streams may be waiting for adopt()
};

}  // namespace dashi
