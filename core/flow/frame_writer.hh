// Frames towards the guest: Ethernet and IP headers, checksums, offload fields. Every frame the
// core sends goes through here, so that addressing and checksums are right in one place.
//
// A frame that could not be reserved counts as lost on the wire (Counter::kGuestLinkFull): callers
// that keep state for a frame advance it only when told `true`.
#pragma once

#include <span>

#include "core/env/guest_link.hh"
#include "core/flow/counters.hh"
#include "core/flow/guest.hh"
#include "core/flow/topology.hh"
#include "core/wire/packet.hh"

namespace dashi {

struct IpOut {
  IpAddress source;
  IpAddress destination;
  IpProtocol protocol{};
  uint8_t ttl = 64;
  uint8_t tos = 0;
  bool dont_fragment = true;
  std::optional<MacAddress> destination_mac;  // absent: the guest's, or the multicast group's
  // Leave the transport checksum to a link that takes it partial. Not for DHCP: its clients read whole
  // packets from below their stack, and the checksum with them.
  bool offload_checksum = false;
};

class FrameWriter {
 public:
  FrameWriter(GuestLink& link, const Topology& topology, const Guest& guest, Counters& counters)
      : link_(link), topology_(topology), guest_(guest), counters_(counters) {}

  LinkLimits limits() const { return link_.limits(); }

  // An Ethernet payload that is not IP: ARP.
  bool send_ethernet(const MacAddress& destination, EtherType type, Bytes payload);

  // One IP packet of at most MTU bytes: `header` is the whole transport header with its checksum
  // field (2 bytes at `checksum_offset` of it) zero, `payload` what follows. The checksum is
  // computed over the pseudo-header where the protocol has one (TCP, UDP, ICMPv6). kNoChecksum:
  // none.
  static constexpr size_t kNoChecksum = ~size_t{0};
  bool send_ip(const IpOut& ip, Bytes header, Bytes payload, size_t checksum_offset);

  // UDP header and all; `payload` at most MTU - headers bytes, else false and nothing is sent.
  bool send_udp(const IpOut& ip, Port source, Port destination, Bytes payload);

  // A row of datagrams of `segment_size` bytes of payload each (the last may be shorter) as one
  // super-frame. Only for a link with udp_gso; the caller has checked that a segment fits the MTU.
  bool send_udp_row(const IpOut& ip, Port source, Port destination, Bytes payload,
                    uint16_t segment_size);

  // --- For the TCP downlink, which fills payload in place ---
  // Bytes before the TCP payload: Ethernet, IP and a TCP header of `tcp_header_bytes`.
  static size_t headers_size(Family family, size_t tcp_header_bytes);
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) {
    return link_.reserve(frames, bytes_each);
  }
  // Writes all headers into `slot`, whose payload areas already hold `payload_bytes` bytes after
  // headers_size(); `tcp_header` has its checksum zero. gso_size 0: one segment.
  Filled finish_tcp(const FrameSlot& slot, const IpOut& ip, Bytes tcp_header, size_t payload_bytes,
                    uint16_t gso_size);
  void commit(std::span<const Filled> filled);
  void flush() { link_.flush(); }

 private:
  MacAddress next_hop(const IpOut& ip) const;
  size_t write_ip_header(MutableBytes to, const IpOut& ip, size_t transport_bytes);

  GuestLink& link_;
  const Topology& topology_;
  const Guest& guest_;
  Counters& counters_;
};

}  // namespace dashi
