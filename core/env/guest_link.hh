// The wire to the guest. Frames towards the guest are built in place: reserve, fill, commit, flush.
// Frames from the guest arrive as arguments of Nat::handle_frames.
#pragma once

#include <span>

#include "core/base/bytes.hh"
#include "core/wire/offload.hh"

namespace dashi {

// A frame from the guest; the bytes are borrowed until handle_frames returns.
struct GuestFrame {
  Bytes bytes;  // from the Ethernet header on, without FCS
  Offload offload;
};

struct LinkLimits {
  uint32_t mtu = 1500;            // bytes of IP packet
  uint32_t gso_bytes_max = 0;     // bytes of IP packet in a GSO frame; 0 = no TCP GSO
  bool checksum_offload = false;  // frames may leave with csum_partial
  bool udp_gso = false;           // kUdp super-frames towards the guest
};

// Room for one frame. `head` has at least 128 contiguous bytes (or the whole frame, if shorter).
struct FrameSlot {
  MutableBytes head;
  std::span<const MutableBytes> rest;
};

struct Filled {
  size_t bytes = 0;  // of the slot, from its start
  Offload offload;
};

class GuestLink {
 public:
  virtual ~GuestLink() = default;
  virtual LinkLimits limits() const = 0;
  // Room for up to `frames` frames of `bytes_each` bytes; fewer, or none, is back-pressure, and
  // Nat::handle_guest_writable follows when there is room again. One reservation at a time; the
  // spans are good until commit.
  virtual std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) = 0;
  // Sends a filled prefix of the reservation, at most as many as reserved, and releases the rest.
  virtual void commit(std::span<const Filled> filled) = 0;
  // One doorbell for all that was committed since the last.
  virtual void flush() = 0;
};

}  // namespace dashi
