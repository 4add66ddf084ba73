// What the parts of the TCP proxy share: the connections, who of them has work, their timers, and the
// scratch space of one turn. Owned by TcpProxy; the parts are functions over it.
#pragma once

#include <array>

#include "core/base/slot_map.hh"
#include "core/flow/context.hh"
#include "core/flow/delay_queue.hh"
#include "core/flow/rate_limiter.hh"
#include "core/flow/timers.hh"
#include "core/tcp/connection.hh"

namespace dashi {

// What becomes of a connection after something was done to it; TcpProxy carries it out.
enum class Fate : uint8_t {
  kLives,
  kReset,      // the host aborted or failed: RST to the guest, and gone
  kAbandoned,  // the guest aborted or vanished: RST to the host, and gone
};

struct TcpRoom {
  TcpRoom(const TcpConfig& tcp_config, FlowContext& flow_context)
      : config(tcp_config),
        context(flow_context),
        pool(flow_context.limits.tcp_uplink_bytes_total),
        connections(flow_context.limits.tcp_connections),
        ready(flow_context.limits.tcp_connections),
        timers(flow_context.limits.tcp_connections),
        delayed_acks(flow_context.limits.tcp_connections) {}

  static constexpr size_t kBatch = 64;  // frames gathered before their payloads are written

  const TcpConfig& config;
  FlowContext& context;
  BlockPool pool;
  SlotMap<Connection> connections;
  SlotBitmap ready;                       // connections that flush has to visit
  Timers timers;                          // by slot; lazily, see Timers
  DelayQueue delayed_acks;                // by slot: those with up.ack_deadline
  RateLimiter challenge_acks{1000, 100};  // RFC 5961 7: per second, at once
  RateLimiter resets{1000, 100};
  bool link_blocked = false;  // a reservation failed; until handle_guest_writable

  // Payloads of this batch, chained per connection by Uplink::gather_first.
  struct Gathered {
    Bytes payload;
    uint32_t next;
  };
  std::array<Gathered, kBatch> gathered{};
  uint32_t gathered_count = 0;
  std::array<uint32_t, kBatch>
      gatherers{};  // slots with a chain, in the order of their first frame
  uint32_t gatherer_count = 0;

  // The downlink's scratch: where payload goes, and what was filled.
  std::array<MutableBytes, 256> areas{};
  std::array<Filled, 64> filled{};

  void mark_ready(const Connection& c) { ready.set(c.id.slot); }
  // Makes sure it comes up in time. Most packets move deadlines later and leave the timers alone.
  void arm(Connection& c) {
    const Instant deadline = deadline_of(c, config);
    if (deadline >= c.comes_up) return;
    c.comes_up = deadline;
    timers.arm(c.id.slot, deadline);
  }
  // An ACK is owed that may wait; the wait began when the first was owed.
  void delay_ack(Instant now, Connection& c) {
    if (c.up.ack_deadline != kNever) return;
    c.up.ack_deadline = now + config.delayed_ack;
    delayed_acks.push(c.id.slot, c.up.ack_deadline);
  }
  void cancel_delayed_ack(Connection& c) {
    if (c.up.ack_deadline == kNever) return;
    c.up.ack_deadline = kNever;
    delayed_acks.remove(c.id.slot);
  }
  void trace(TraceEvent::Kind kind, const Connection& c, uint32_t code, uint64_t a, uint64_t b);
  void trace_opened(const FlowId& flow, TcpOrigin origin);
  void trace_closed(const FlowId& flow, TcpState state);
  void trace_fired(const FlowId& flow, TcpTimer timer);
  // Tells the trace when the RFC state changed since it was last told.
  void trace_state(Connection& c);
};

}  // namespace dashi
