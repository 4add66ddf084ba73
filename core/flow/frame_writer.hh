// Frames towards the guest: Ethernet and IP headers, checksums, offload fields. Every frame the
// core sends goes through here, so that addressing and checksums are right in one place.
//
// A frame that could not be reserved counts as lost on the wire (Counter::kGuestLinkFull): callers
// that keep state for a frame advance it only when told `true`.
//
// A packet longer than the link's MTU leaves in fragments (RFC 791 2.3, RFC 8200 4.5): whole or, if the link
// has not room for all of them, not at all.
#pragma once

#include <span>

#include "core/env/guest_link.hh"
#include "core/flow/counters.hh"
#include "core/flow/guest.hh"
#include "core/flow/topology.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"
#include "core/wire/packet.hh"

namespace dashi {

struct IpOut {
  IpAddress source;
  IpAddress destination;
  IpProtocol protocol{};
  uint8_t ttl = 64;
  uint8_t tos = 0;
  bool dont_fragment = true;                  // on a whole packet; fragments have it clear
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

  // Bytes behind the IP header in the longest packet there is.
  static constexpr size_t transport_max(Family family) {
    return family == Family::kIpv4 ? 65535 - sizeof(Ipv4Header) : 65535;
  }
  // How many frames a packet with so many bytes behind its IP header takes.
  size_t frames_for(Family family, size_t transport_bytes) const;

  // One IP packet: `header` is the whole transport header with its checksum field (2 bytes at
  // `checksum_offset` of it) zero, `payload` what follows, together at most transport_max(). The
  // checksum is computed over the pseudo-header where the protocol has one (TCP, UDP, ICMPv6).
  // kNoChecksum: none.
  static constexpr size_t kNoChecksum = ~size_t{0};
  bool send_ip(const IpOut& ip, Bytes header, Bytes payload, size_t checksum_offset);

  // UDP header and all.
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

  template <typename Archive>
  friend void archive(Archive& ar, FrameWriter& w) {
    ar(w.fragment_id_);
  }

 private:
  // Of a link with the smallest MTU there is, 576: a packet of 64 KiB is 119.
  static constexpr size_t kFragmentsMax = 128;
  // The part of a packet that a fragment carries.
  struct Piece {
    size_t offset = 0;
    size_t bytes = 0;
    bool more = false;
  };

  MacAddress next_hop(const IpOut& ip) const;
  size_t fragment_bytes(Family family) const;
  size_t write_fragment_header(MutableBytes to, const IpOut& ip, const Piece& piece);
  bool send_whole(const IpOut& ip, Bytes header, Bytes payload, const Offload& offload);
  bool send_fragments(const IpOut& ip, Bytes header, Bytes payload);
  size_t write_ip_header(MutableBytes to, const IpOut& ip, size_t transport_bytes);

  GuestLink& link_;
  const Topology& topology_;
  const Guest& guest_;
  Counters& counters_;
  // Of the newest packet that left in fragments. In sequence, so that none comes again before all others
  // did (RFC 6864 4.3). It may be guessed (RFC 7739): nobody but us has a way onto the guest's link.
  uint32_t fragment_id_ = 0;
};

}  // namespace dashi
