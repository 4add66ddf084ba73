// What mappings and forwarded ports have in common on the way to the guest: a batch of datagrams out of a
// socket, a datagram to the guest, a network error to the guest. Knows no table and decides nothing about
// who may talk to whom. The other way is udp_uplink's.
#pragma once

#include <array>
#include <memory>

#include "core/flow/address_policy.hh"
#include "core/flow/icmp_error.hh"

namespace dashi {

class UdpCarrier {
 public:
  UdpCarrier(FlowContext& context, const AddressPolicy& policy, IcmpErrors& errors);

  enum class Pull : uint8_t {
    kSome,     // `batch` holds datagrams, good until the next pull
    kEmpty,    // nothing more until the next readable edge
    kBlocked,  // the guest link has no room: nothing was taken from the socket
    kFailed,   // the socket is terminal
  };
  struct Batch {
    Pull pull = Pull::kEmpty;
    std::span<const InDatagram> datagrams;
  };
  // Takes as many datagrams as the guest link has frames for, at most kBatch and `budget`.
  // `row` is the flow's memory of how many segments its coalesced datagrams have.
  Batch pull(DatagramSocket& socket, uint16_t& row, uint32_t budget);

  // Sends a datagram, or a coalesced row of them, to the guest, with one hop less.
  void deliver(const InDatagram& datagram, const Endpoint& source, const Endpoint& guest);

  // Tells the guest of an error about what `guest` sent to `seen`.
  void relay(Instant now, const NetError& error, const Endpoint& guest, const Endpoint& seen);

  void drop_incoming(DropReason reason) { context_.drop(reason, {}); }
  void trace(TraceEvent::Kind kind, FlowId flow, uint32_t code);

  // The guest link had no room; until handle_guest_writable.
  bool blocked() const { return blocked_; }
  void unblock() { blocked_ = false; }
  template <typename Archive>
  friend void archive(Archive& ar, UdpCarrier& c) {
    ar(c.blocked_);
  }

 private:
  static constexpr size_t kBatch = 16;
  static constexpr size_t kBufferBytes = 65536;  // a datagram, or a coalesced row, at its longest

  FlowContext& context_;
  const AddressPolicy& policy_;
  IcmpErrors& errors_;
  bool blocked_ = false;
  // Left uninitialised, so that what was never received into takes no memory.
  std::unique_ptr<uint8_t[]> scratch_;
  std::array<InDatagram, kBatch> batch_{};
};

}  // namespace dashi
