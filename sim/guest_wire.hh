// How simulated guests read and write frames. On purpose not core/wire: a guest is the other party to
// the protocols, and a misreading that both sides shared would be seen by nobody. Allocation is fine
// here, trust is not: parsing checks every checksum the frame does not vouch for.
#pragma once

#include <optional>
#include <vector>

#include "core/env/guest_link.hh"
#include "core/wire/address.hh"

namespace dashi::guest {

inline constexpr size_t kEthernetHeader = 14;  // bytes
inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherIpv6 = 0x86dd;
inline constexpr uint8_t kProtoIcmp = 1;
inline constexpr uint8_t kProtoTcp = 6;
inline constexpr uint8_t kProtoUdp = 17;
inline constexpr uint8_t kProtoIcmpv6 = 58;

inline constexpr uint8_t kFin = 1;
inline constexpr uint8_t kSyn = 2;
inline constexpr uint8_t kRst = 4;
inline constexpr uint8_t kPsh = 8;
inline constexpr uint8_t kAck = 16;
inline constexpr uint8_t kUrg = 32;

// A frame, taken apart. Views into it.
struct Parsed {
  MacAddress to;
  MacAddress from;
  uint16_t ether_type = 0;
  Bytes network;  // IP packet trimmed to its length, or the ARP packet
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = 0;
  uint8_t ttl = 0;
  uint8_t tos = 0;
  Bytes transport;
  // TCP and UDP
  Port source_port;
  Port destination_port;
  Bytes payload;
  // TCP
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  std::optional<std::pair<uint32_t, uint32_t>> timestamps;
  std::array<std::pair<uint32_t, uint32_t>, 4> sack{};  // the first sack_count are set
  uint8_t sack_count = 0;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

enum class ParseError : uint8_t { kMalformed, kIpChecksum, kTransportChecksum };

// Nothing, or why the frame is unreadable.
std::optional<ParseError> parse_frame(const GuestFrame& frame, Parsed& parsed);

// The Internet checksum (RFC 1071) of `bytes` on top of `sum`, not yet complemented.
uint32_t sum_words(Bytes bytes, uint32_t sum);
uint16_t finish_sum(uint32_t sum);
uint32_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                           size_t length);

struct IpOut {
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = 0;
  uint8_t ttl = 64;
  uint8_t tos = 0;
};

struct TcpOut {
  Port source_port;
  Port destination_port;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  std::optional<std::pair<uint32_t, uint32_t>> timestamps;
  std::array<std::pair<uint32_t, uint32_t>, 4> sack{};  // the first sack_count are set
  uint8_t sack_count = 0;                               // 3 at most beside timestamps
};

// Frames ready to send; each has all headers and right checksums.
std::vector<uint8_t> ethernet(const MacAddress& to, const MacAddress& from, uint16_t ether_type,
                              Bytes payload);
std::vector<uint8_t> arp(const MacAddress& to, uint16_t operation, const MacAddress& sender_mac,
                         Ipv4Address sender, const MacAddress& target_mac, Ipv4Address target);
// `transport` has its checksum zero at `checksum_offset` (none: ~0).
std::vector<uint8_t> ip(const MacAddress& to, const MacAddress& from, const IpOut& header,
                        Bytes transport, size_t checksum_offset);
std::vector<uint8_t> udp(const MacAddress& to, const MacAddress& from, const IpOut& header,
                         Port source, Port destination, Bytes payload);
std::vector<uint8_t> tcp(const MacAddress& to, const MacAddress& from, const IpOut& header,
                         const TcpOut& segment, Bytes payload);
std::vector<uint8_t> echo(const MacAddress& to, const MacAddress& from, const IpOut& header,
                          bool reply, uint16_t id, uint16_t sequence, Bytes payload);

// Leaves the TCP or UDP checksum to the wire, as a card with checksum offload does; with gso_size not
// 0 the frame is a super-frame to be cut into segments of that payload.
Offload leave_checksum(std::vector<uint8_t>& frame, uint16_t gso_size);

}  // namespace dashi::guest
