// A guest that an input leads: it knows what its connections have come to, so that an input of a few
// bytes says "the next segment, but one byte too far" and is deep in a connection's life at once. What
// it says wrong is the input's choice; it has no timers and answers nothing by itself.
#pragma once

#include <vector>

#include "tests/fuzz/fuzz_world.hh"

namespace dashi::fuzz {

// An IpSpec from one of the guest's addresses to some remote's, the gateway's or a forwarded peer's.
test::IpSpec path(uint8_t which);

class FuzzGuest final : public GuestEar {
 public:
  explicit FuzzGuest(FuzzWorld& world);

  void hear(const Packet& packet) override;

  // Frames, built of what the input says. All are correct but for what it bends.
  Frame tcp_segment(Input& input);
  // A segment with these flags and payload, the next one: nothing is wrong with it.
  Frame next_segment(size_t flow, uint8_t flags, const ByteVector& payload);
  static Frame udp_datagram(Input& input);
  static Frame icmp_message(Input& input);
  static Frame fragment(Input& input);

  static constexpr size_t kFlowToDns = 5;  // which of the flows leads to the gateway's DNS

 private:
  struct Flow {
    test::IpSpec ip;  // to the remote
    uint16_t guest_port = 0;
    uint16_t remote_port = 0;
    uint32_t guest_next = 0;   // the sequence number that the guest says next
    uint32_t remote_next = 0;  // what it acknowledges
    uint32_t timestamp = 0;    // newest of the Nat's
  };
  ByteVector options(Input& input, const Flow& flow, uint8_t flags, uint8_t form) const;
  Frame built(Flow& flow, const test::TcpSpec& tcp, const ByteVector& payload, bool super) const;

  FuzzWorld& world_;
  std::vector<Flow> flows_;
};

}  // namespace dashi::fuzz
