// The guest link over a stream of frames, each after its length in 32 bits big-endian: QEMU's
// `-netdev stream`, and whoever else speaks it. Listens, serves one guest at a time, and outlives it:
// when the guest goes the next may come. Frames to the guest gather in a bounded buffer and leave in
// one write a turn. Owns its descriptors and buffers, and removes its UNIX socket's path.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/env/guest_link.hh"
#include "core/linux/fd.hh"
#include "core/linux/stream_address.hh"
#include "core/linux/system_error.hh"

namespace dashi {

class StreamLink final : public GuestLink {
 public:
  static Result<std::unique_ptr<StreamLink>, SystemError> listen(const StreamAddress& address,
                                                                 uint32_t mtu);
  ~StreamLink() override;
  StreamLink(const StreamLink&) = delete;
  StreamLink& operator=(const StreamLink&) = delete;

  // --- For the driver ---
  // What to poll: the guest's connection, or the listener while there is no guest.
  int fd() const { return guest_ ? guest_.get() : listener_.get(); }
  bool wants_write() const { return guest_ && queued_begin_ != queued_end_; }
  // Accepts a guest, or gives the frames of the one there is; good until the next call.
  std::span<const GuestFrame> receive();
  void handle_writable() { send_queued(); }
  bool take_writable();  // room again after a reservation that fell short
  // Whether a guest came or went since the last call: the Nat must forget the former one.
  bool take_restart();
  bool restart_waits() const { return restart_; }  // do not wait for input: take it
  bool connected() const { return static_cast<bool>(guest_); }
  uint16_t port() const;  // that was chosen, for TCP

  // --- GuestLink ---
  LinkLimits limits() const override { return limits_; }
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override;
  void commit(std::span<const Filled> filled) override;
  void flush() override { send_queued(); }

 private:
  StreamLink(Fd listener, std::string path, uint32_t mtu);
  void accept_guest();
  void drop_guest();
  void read_guest();
  void send_queued();

  Fd listener_;
  Fd guest_;          // none while nobody is connected
  std::string path_;  // to unlink; empty for TCP
  LinkLimits limits_;
  bool restart_ = false;
  bool short_ = false;  // a reservation gave less than was asked for

  std::vector<uint8_t> in_;  // what was read: whole frames, and the beginning of the next
  size_t in_begin_ = 0;      // of what was not yet handed out
  size_t in_end_ = 0;
  std::vector<GuestFrame> frames_;

  std::vector<uint8_t> out_;  // lengths and frames that wait, then the reservation
  size_t queued_begin_ = 0;
  size_t queued_end_ = 0;
  size_t stride_ = 0;
  std::vector<FrameSlot> slots_;
};

}  // namespace dashi
