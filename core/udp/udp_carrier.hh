// What mappings and forwarded ports have in common on the way to the guest: a batch of datagrams out of a
// socket, a datagram to the guest, a network error to the guest. Knows no table and decides nothing about
// who may talk to whom. The other way is udp_uplink's.
#pragma once

#include <array>

#include "core/base/scratch.hh"
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
  // `row` is the flow's memory of how many frames its datagrams take, coalesced or long.
  Batch pull(DatagramSocket& socket, uint16_t& row, uint32_t budget);

  // Sends a datagram of the last pull, or a coalesced row of them, to the guest, with one hop less. What
  // the guest link has no room for waits here, and nothing is pulled before it has left.
  void deliver(const InDatagram& datagram, const Endpoint& source, const Endpoint& guest);
  // Goes on with what waits. False: there is still no room.
  bool resume();

  // Tells the guest of an error about what `guest` sent to `seen`.
  void relay(Instant now, const NetError& error, const Endpoint& guest, const Endpoint& seen);

  void drop_incoming(DropReason reason) { context_.drop(reason, {}); }
  void trace(TraceEvent::Kind kind, FlowId flow, uint32_t code);

  // The guest link had no room; until handle_guest_writable.
  bool blocked() const { return blocked_; }
  void unblock() { blocked_ = false; }
  // Something waits that resume() would send.
  bool holds() const { return held_count_ != 0; }
  void forget() { held_count_ = 0; }
  template <typename Archive>
  void archive_all(Archive& ar);

 private:
  static constexpr size_t kBatch = 16;
  static constexpr size_t kBufferBytes = 65536;  // a datagram, or a coalesced row, at its longest

  // What is left of a datagram that was pulled: bytes of scratch_, under their names for the guest.
  struct Held {
    Endpoint source;
    Endpoint guest;
    size_t from = 0;  // of scratch_
    size_t size = 0;
    uint16_t segment_size = 0;  // as in InDatagram
    uint8_t ttl = 0;            // as the guest is to see it
    uint8_t tos = 0;
  };

  bool has_room();
  bool send_held(Held& held);
  bool send_row(const IpOut& ip, const Held& held, Bytes row);

  FlowContext& context_;
  const AddressPolicy& policy_;
  IcmpErrors& errors_;
  bool blocked_ = false;
  Scratch scratch_{kBatch * kBufferBytes};
  std::array<InDatagram, kBatch> batch_{};
  std::array<Held, kBatch> held_{};  // the first held_count_ wait, in the order they came
  size_t held_count_ = 0;
  size_t room_ =
      0;  // frames of MTU size that the link was seen to have room for; good within a flush
};

}  // namespace dashi
