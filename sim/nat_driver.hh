// The one loop, simulated: wait for input or deadline; now = the queue's clock; handle_*; handle_timers;
// flush. It takes its turn as the last event of an instant, with all that came in at that instant,
// frames first, in queue order. With drawn batches, how much a turn takes and the order of the handle_*
// calls are drawn from a substream of their own: a fault dimension like any other.
//
// It serves native and ns-3 worlds alike: a SimLink for frames, and anything that queues SocketEvents.
// It owns neither the Nat nor what the Nat acts on.
#pragma once

#include <functional>

#include "core/nat/nat.hh"
#include "sim/digest.hh"
#include "sim/sim_link.hh"

namespace dashi {

// Where socket events wait for the driver.
struct SocketEventSource {
  std::function<bool()> any;
  // Appends up to `most` events; what they point to is good until the next call.
  std::function<void(std::vector<SocketEvent>& into, size_t most)> take;
};

// What is told of everything that crosses inward, just before the Nat is: for captures.
struct DriverHooks {
  std::function<void(Instant)> on_turn;
  std::function<void(std::span<const GuestFrame>)> on_frames;
  std::function<void(std::span<const SocketEvent>)> on_events;
};

class NatDriver {
 public:
  NatDriver(EventQueue& queue, SimLink& link, SocketEventSource events, Digest* digest);
  NatDriver(const NatDriver&) = delete;
  NatDriver& operator=(const NatDriver&) = delete;

  // The Nat to drive from now on; null: none, input waits.
  void drive(Nat* nat);
  void set_hooks(DriverHooks hooks) { hooks_ = std::move(hooks); }
  // Called after every turn.
  void set_after_turn(std::function<void(const Nat&)> look) { after_turn_ = std::move(look); }
  // Called before the Nat is told of socket events.
  void set_before_events(std::function<void(const Nat&, std::span<const SocketEvent>)> look) {
    before_events_ = std::move(look);
  }
  void draw_batches(uint64_t seed) { batches_.emplace(seed, "batches", uint64_t{0}); }

  // As if the process had other things to do as well: input waits for up to `most` before a turn takes it.
  void draw_lateness(uint64_t seed, Duration most) {
    lateness_.emplace(seed, "lateness", uint64_t{0});
    late_most_ = most;
  }

  // The same, once: input that comes before then waits for it.
  void be_busy_until(Instant until) { busy_until_ = until; }
  // Told when a turn begins that input waited for, and since when it did.
  void set_late_watcher(std::function<void(Instant since)> watcher) {
    late_watcher_ = std::move(watcher);
  }

  // Since when input waits for a turn, and when the next turn is due.
  std::optional<Instant> waiting_since() const { return woken_; }
  Instant next_turn() const { return armed_for_; }

  // Something came in, or a command was given: a turn follows, in this instant unless turns are late.
  void wake();

  uint64_t turns() const { return turns_; }
  // The Nat asked for turn after turn in one instant without input: a defect of the core. The driver
  // stops serving deadlines then.
  bool livelocked() const { return livelocked_; }

 private:
  void turn();
  void take_frames(size_t most);
  void take_events(size_t most);
  void drawn_turn();
  void arm(Instant at);
  void arm_deadline();

  EventQueue& queue_;
  SimLink& link_;
  SocketEventSource events_;
  Digest* digest_;
  Nat* nat_ = nullptr;
  DriverHooks hooks_;
  std::function<void(const Nat&)> after_turn_;
  std::function<void(const Nat&, std::span<const SocketEvent>)> before_events_;
  std::optional<Prng> batches_;
  std::optional<Prng> lateness_;
  Duration late_most_{};
  Duration late_{};  // how late the next turn is
  Instant busy_until_{};
  std::function<void(Instant)> late_watcher_;
  std::optional<Instant> woken_;  // first, since the last turn
  EventId armed_;
  Instant armed_for_ = kNever;
  uint64_t turns_ = 0;
  Instant last_turn_{};
  uint32_t idle_turns_ = 0;  // without input, in one instant
  bool livelocked_ = false;
  std::vector<GuestFrame> frame_batch_;
  std::vector<SocketEvent> event_batch_;
};

// A socket event in the digest: the same for every engine.
void record_event(Digest& digest, Instant now, const SocketEvent& event);
uint64_t digest_name(FlowId id);

}  // namespace dashi
