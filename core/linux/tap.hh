// The guest link over a TAP with virtio-net headers: super-frames and partial checksums in both
// directions, so that a guest at MTU 1500 costs what a 64 KiB MTU costs. One read a frame, up to 64 a
// turn; one write a frame, at commit: no queue of ours. Owns the descriptor and the buffers; the
// interface lives in the guest's namespace (guest_network.hh).
#pragma once

#include <span>
#include <vector>

#include "core/env/guest_link.hh"
#include "core/linux/fd.hh"
#include "core/linux/system_error.hh"

namespace dashi {

// Creates the interface, or takes over a persistent one of that name, in the namespace of the caller.
Result<Fd, SystemError> open_tap(const std::string& name);

class Tap final : public GuestLink {
 public:
  static constexpr size_t kFramesPerTurn = 64;
  // A packet of 64 KiB in fragments finds room at once, also at an MTU of 576.
  static constexpr size_t kSlotsMax = 128;

  // Asks the kernel for every offload it has; what it refuses is done without.
  Tap(Fd fd, uint32_t mtu);
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  // --- For the driver ---
  int fd() const { return fd_.get(); }
  bool wants_write() const { return blocked_; }  // poll for POLLOUT
  // Frames the guest sent, at most a turn's worth; good until the next call.
  std::span<const GuestFrame> receive();
  bool gone() const { return gone_; }  // the interface was deleted
  // Whether there is room again after a reservation that fell short.
  bool take_writable();
  void handle_writable() { blocked_ = false; }

  // --- GuestLink ---
  LinkLimits limits() const override { return limits_; }
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override;
  void commit(std::span<const Filled> filled) override;
  void flush() override {}

 private:
  bool read_frame();

  Fd fd_;
  LinkLimits limits_;
  bool gone_ = false;
  bool blocked_ = false;  // the kernel took no frame; until POLLOUT
  bool short_ = false;    // a reservation gave less than was asked for

  std::vector<uint8_t> guest_bytes_;  // frames read this turn, one after the other
  size_t guest_used_ = 0;
  std::vector<GuestFrame> guest_frames_;

  std::vector<uint8_t> slot_bytes_;  // the reservation: header and frame, slot after slot
  size_t slot_stride_ = 0;
  std::vector<FrameSlot> slots_;
};

}  // namespace dashi
