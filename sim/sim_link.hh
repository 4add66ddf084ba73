// The wire between the Nat and its guest in a simulated world: core/env/guest_link.hh on one side, the
// guest's network card on the other, a LinkModel each way between them. Frames are copied into pooled
// buffers. A super-frame travels as one frame that costs the wire what its segments would. Frames a
// guest sent wait here until the driver takes them; frames of the Nat's leave at flush().
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "core/env/guest_link.hh"
#include "sim/digest.hh"
#include "sim/event_queue.hh"
#include "sim/link/link_model.hh"

namespace dashi {

struct GuestLinkSpec {
  LinkLimits limits;  // what the Nat is told, and what the guest's card can do
  LinkSpec up;        // guest to Nat
  LinkSpec down;      // Nat to guest
  uint32_t room_frames =
      0;                  // frames the Nat may have waiting: beyond it reserve gives none; 0: any
  size_t head_bytes = 0;  // a FrameSlot's first piece, at least 128; 0: all in one piece
  Chance back_pressure;   // a reserve that gives nothing, for no reason the Nat could see
  DurationRange back_pressure_for{1us, 10ms};
};

struct GuestLinkCounts {
  uint64_t frames_sent = 0;  // by the Nat
  uint64_t oversized = 0;    // of those, longer than the link allows: a defect of the core
  uint64_t refused = 0;      // frames asked for and not given room
};

class SimLink final : public GuestLink {
 public:
  static constexpr uint32_t kUpStream = 1;  // in fault decisions
  static constexpr uint32_t kDownStream = 2;
  static constexpr uint32_t kReserveStream = 3;

  SimLink(EventQueue& queue, const GuestLinkSpec& spec, uint64_t seed, FaultPlan* plan);
  SimLink(const SimLink&) = delete;
  SimLink& operator=(const SimLink&) = delete;

  // --- GuestLink ---
  LinkLimits limits() const override { return spec_.limits; }
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override;
  void commit(std::span<const Filled> filled) override;
  void flush() override;

  // --- The driver's side ---
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }
  size_t frames_waiting() const { return arrived_up_.size(); }
  bool writable_waiting() const { return writable_; }
  // Adds up to `most` frames; their bytes stay until release_taken().
  void take_frames(std::vector<GuestFrame>& into, size_t most);
  void release_taken();
  bool take_writable() { return std::exchange(writable_, false); }
  // Nothing that the Nat asked room for still waits for it.
  bool has_room() const { return !waits_for_room_ && !held_ && !writable_; }

  // --- The guest's side ---
  void set_receiver(std::function<void(const GuestFrame&)> receiver) {
    receiver_ = std::move(receiver);
  }
  void send(const GuestFrame& frame);  // from the guest; copied

  // --- For worlds ---
  void set_digest(Digest* digest) { digest_ = digest; }
  // Told of every frame of the guest's as it ends its way, as it was sent, and what became of it; and of
  // every frame of the Nat's as it is sent, with null.
  using Watcher = std::function<void(const GuestFrame&, const Delivery*)>;
  void set_watcher(Watcher watcher) { watcher_ = std::move(watcher); }
  void set_oracle(Watcher oracle) { oracle_ = std::move(oracle); }  // as the watcher
  void set_specs(const LinkSpec& up, const LinkSpec& down);
  // Full: the Nat is given no room, until it is free again.
  void hold(bool full);
  void set_back_pressure(Chance chance) { spec_.back_pressure = chance; }
  const GuestLinkCounts& counts() const { return counts_; }
  const LinkModel& up() const { return up_.model; }
  const LinkModel& down() const { return down_.model; }
  size_t frames_held() const { return frames_.size() - spare_.size(); }

 private:
  struct Frame {
    std::vector<uint8_t> buffer;  // grows to the largest frame it ever held
    size_t bytes = 0;
    Offload offload;
  };
  struct Direction {
    LinkModel model;
    EventId armed;
    Instant armed_for = kNever;
  };

  uint32_t take_frame(size_t bytes);
  void give_back(uint32_t frame) { spare_.push_back(frame); }
  size_t room();
  void wait_for_room(Duration after);
  void offer(Direction& direction, uint32_t frame);
  void arm(Direction& direction);
  void deliver(Direction& direction);
  void arrived(bool up, const Delivery& delivery);
  void record(DigestKind kind, const Frame& frame);
  void show(const Frame& frame, const Delivery* delivery) const {
    const GuestFrame shown{Bytes(frame.buffer).first(frame.bytes), frame.offload};
    if (oracle_) oracle_(shown, delivery);
    if (watcher_) watcher_(shown, delivery);
  }

  EventQueue& queue_;
  GuestLinkSpec spec_;
  Direction up_;
  Direction down_;
  Prng reserve_prng_;
  FaultPlan* plan_;
  uint64_t reserves_ = 0;
  std::deque<Frame> frames_;  // by token
  std::vector<uint32_t> spare_;
  std::vector<uint32_t> reserved_;
  std::vector<FrameSlot> slots_;
  std::vector<MutableBytes> rests_;  // [slot]: what FrameSlot::rest points to
  std::vector<uint32_t> committed_;  // until flush
  std::deque<uint32_t> arrived_up_;  // for the Nat
  std::vector<uint32_t> taken_;
  bool waits_for_room_ = false;
  bool writable_ = false;
  bool pressed_ = false;  // back-pressure is on
  bool held_ = false;     // by hold()
  std::function<void()> wake_;
  std::function<void(const GuestFrame&)> receiver_;
  Digest* digest_ = nullptr;
  Watcher watcher_;
  Watcher oracle_;
  GuestLinkCounts counts_;
};

}  // namespace dashi
