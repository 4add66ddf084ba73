// One guest frame, parsed once: views into the frame, and the numbers every handler needs. Nothing
// is copied; a Packet is good for as long as its frame is.
//
// parse() verifies all that can be verified without state: lengths, header checksums, transport
// checksums (unless the link vouches for them or they are still partial), options. What it lets
// through is well-formed; whether it is welcome is for dispatch to say.
#pragma once

#include "core/base/bytes.hh"
#include "core/base/result.hh"
#include "core/wire/address.hh"
#include "core/wire/drop_reason.hh"
#include "core/wire/offload.hh"
#include "core/wire/tcp.hh"

namespace dashi {

enum class EtherType : uint16_t { kIpv4 = 0x0800, kArp = 0x0806, kIpv6 = 0x86dd };

// Numbers of the IANA protocol registry; any other value is possible in a Packet.
enum class IpProtocol : uint8_t { kHopByHop = 0, kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpv6 = 58 };

// The IP header of a packet, either family.
struct IpHeader {
  IpAddress source;
  IpAddress destination;
  IpProtocol protocol{};            // the transport's, after IPv6 extension headers
  uint8_t ttl = 0;                  // hop limit for IPv6
  uint8_t tos = 0;                  // traffic class for IPv6: DSCP and ECN
  bool dont_fragment = false;       // always true for IPv6
  uint16_t next_header_offset = 0;  // IPv6: offset of the Next Header byte that named `protocol`,
                                    // from the start of the IP header (ICMPv6 Parameter Problem)
};

struct Packet {
  Bytes frame;  // whole, from the Ethernet header on; may be padded beyond `ip`
  Offload offload;
  MacAddress destination_mac;
  MacAddress source_mac;
  EtherType ether_type{};
  Bytes ip;            // IP header and payload, trimmed to the length the header states;
                       // for ARP the ARP packet
  IpHeader ip_header;  // valid unless ARP
  Bytes transport;     // transport header and payload; the payload of an unknown protocol
  // Set for kTcp and kUdp.
  Port source_port;
  Port destination_port;
  Bytes payload;   // TCP and UDP: after the transport header
  TcpSegment tcp;  // set for kTcp

  Endpoint source() const { return {ip_header.source, source_port}; }
  Endpoint destination() const { return {ip_header.destination, destination_port}; }
};

// Why a frame did not parse. `packet` is filled as far as parsing came.
// `mtu` (bytes of IP packet) bounds frames that are not GSO super-frames.
Result<Done, DropReason> parse(Bytes frame, const Offload& offload, uint32_t mtu, Packet& packet);

}  // namespace dashi
