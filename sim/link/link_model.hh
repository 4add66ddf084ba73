// One direction of a link: a drop-tail queue, a rate, a delay, jitter and faults. It decides when each
// frame comes out at the other end, and knows frames only by a token and a length: their bytes stay
// with the caller. It has no clock, no events and no randomness but its Prng, so the simulator and
// production's `--link` drive the same code:
//
//   if (!model.offer(now, token, bytes)) the frame was dropped by the queue or refused by the MTU
//   wait for model.next_deadline(), then: while (model.poll(now, delivery)) ...
//
// Every token offered comes back: at once by `false`, else by exactly one Delivery with `last` set.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "sim/link/faults.hh"

namespace dashi {

struct LinkSpec {
  uint64_t rate_bps = 0;      // bits a second; 0: no serialisation time
  Duration delay{};           // propagation
  uint64_t queue_bytes = 0;   // waiting or being sent; 0: no bound
  uint32_t queue_frames = 0;  // the same in frames; 0: no bound
  uint32_t mtu = 0;           // bytes of a frame without its Ethernet header; 0: no bound
  LinkFaults faults;
};

struct Delivery {
  uint64_t token = 0;
  FrameFate fate;     // damage to be done to this copy
  bool lost = false;  // nothing arrives: only the token comes back
  bool last = true;   // the token comes back no more
};

struct LinkCounts {
  uint64_t offered = 0;
  uint64_t dropped_queue = 0;
  uint64_t dropped_mtu = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t delivered = 0;  // copies
};

class LinkModel {
 public:
  LinkModel(const LinkSpec& spec, const Prng& prng, FaultPlan* plan, uint32_t stream)
      : spec_(spec),
        rate_bps_(spec.rate_bps),
        mtu_(spec.mtu),
        faults_(spec.faults, prng, plan, stream),
        changes_(spec.faults, prng, plan, stream) {}

  // Takes a frame of `bytes` on the wire; `ip_bytes` is what the MTU bounds (of one segment, for a
  // super-frame). False: dropped, the token is not kept.
  bool offer(Instant now, uint64_t token, size_t bytes, size_t ip_bytes);
  // When poll has something to say, or kNever.
  Instant next_deadline() const;
  // Takes out the next delivery due at `now`, if there is one.
  bool poll(Instant now, Delivery& delivery);

  // Frames waiting or being sent at `now`, and when the first of them will have left (kNever: none).
  size_t queued_frames(Instant now);
  uint64_t queued_bytes(Instant now);
  Instant next_departure() const { return queue_.empty() ? kNever : queue_.front().departs; }

  // Frames already on their way keep their times.
  void set_spec(const LinkSpec& spec);
  const LinkSpec& spec() const { return spec_; }
  // As they are now: the spec's, or what a fault made of them.
  uint64_t rate_bps() const { return rate_bps_; }
  uint32_t mtu() const { return mtu_; }
  const LinkCounts& counts() const { return counts_; }

 private:
  struct Queued {
    Instant departs;
    uint64_t bytes;
  };
  struct InFlight {
    Instant arrives;
    uint64_t sequence;
    Delivery delivery;
    bool after(const InFlight& other) const {
      return arrives != other.arrives ? arrives > other.arrives : sequence > other.sequence;
    }
  };
  struct Held {
    uint32_t frames_left;  // to let by
    InFlight frame;        // arrives: at the latest
    Instant not_before;    // its copy arrives then, and goes first
  };

  void depart(Instant now);
  Duration serialisation(size_t bytes) const;
  void launch(Instant arrives, const Delivery& delivery);
  void pass_held(Instant arrives);

  LinkSpec spec_;
  uint64_t rate_bps_;
  uint32_t mtu_;
  FrameFaults faults_;
  LinkChanges changes_;
  LinkCounts counts_;
  Instant busy_until_{};  // when the last frame taken will have left
  Instant in_order_{};    // no frame that keeps its order arrives before this
  uint64_t next_sequence_ = 0;
  uint64_t queued_bytes_ = 0;
  std::deque<Queued> queue_;
  std::vector<InFlight> flying_;  // a heap, the earliest first
  std::vector<Held> held_;        // in order of arrival at the link
};

}  // namespace dashi
