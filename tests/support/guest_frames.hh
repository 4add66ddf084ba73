// Builds whole, correct guest frames for unit tests, byte by byte and without the code under test's
// writers, so that a test may then break exactly what it wants to break.
#pragma once

#include <vector>

#include "core/base/bytes.hh"
#include "core/wire/address.hh"
#include "core/wire/checksum.hh"
#include "core/wire/packet.hh"

namespace dashi::test {

using ByteVector = std::vector<uint8_t>;

inline void append(ByteVector& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
inline void append_u16(ByteVector& to, size_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}
inline void append_u32(ByteVector& to, size_t value) {
  append_u16(to, value >> 16 & 0xffff);
  append_u16(to, value & 0xffff);
}
inline void put_u16(ByteVector& in, size_t at, size_t value) {
  in[at] = static_cast<uint8_t>(value >> 8);
  in[at + 1] = static_cast<uint8_t>(value);
}
inline ByteVector text(std::string_view s) { return ByteVector(s.begin(), s.end()); }
// Bytes that differ from their neighbours, so that a shifted copy is noticed.
inline ByteVector pattern(size_t n) {
  ByteVector out(n);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return out;
}

// RFC 1071 as its words say it: the reference that the fast one is compared with.
inline uint16_t naive_checksum(Bytes bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint32_t low = i + 1 < bytes.size() ? bytes[i + 1] : 0;
    sum += static_cast<uint32_t>(bytes[i]) << 8 | low;
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

// What an IP packet of a test says; the defaults are the default topology's.
struct IpSpec {
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = 0;
  uint8_t ttl = 64;
  uint8_t tos = 0;
  bool dont_fragment = true;
  MacAddress source_mac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
  MacAddress destination_mac{{0x52, 0x55, 0x0a, 0x00, 0x00, 0x01}};
};

inline uint16_t transport_checksum(const IpSpec& ip, uint8_t protocol, const ByteVector& segment) {
  ByteVector all;
  append(all, ip.source.bytes());
  append(all, ip.destination.bytes());
  append_u32(all, segment.size());
  append_u32(all, protocol);
  append(all, segment);
  return naive_checksum(all);
}

inline ByteVector ip_packet(const IpSpec& ip, const ByteVector& transport) {
  ByteVector out;
  if (ip.source.is_v4()) {
    out = {0x45, ip.tos};
    append_u16(out, 20 + transport.size());
    append_u16(out, 0);
    append_u16(out, ip.dont_fragment ? 0x4000 : 0);
    out.push_back(ip.ttl);
    out.push_back(ip.protocol);
    append_u16(out, 0);
    append(out, ip.source.bytes());
    append(out, ip.destination.bytes());
    put_u16(out, 10, naive_checksum(out));
  } else {
    append_u32(out, size_t{6} << 28 | size_t{ip.tos} << 20);
    append_u16(out, transport.size());
    out.push_back(ip.protocol);
    out.push_back(ip.ttl);
    append(out, ip.source.bytes());
    append(out, ip.destination.bytes());
  }
  append(out, transport);
  return out;
}

inline ByteVector ethernet_frame(const IpSpec& ip, const ByteVector& transport) {
  ByteVector out;
  append(out, ip.destination_mac.bytes);
  append(out, ip.source_mac.bytes);
  append_u16(out, ip.source.is_v4() ? 0x0800 : 0x86dd);
  append(out, ip_packet(ip, transport));
  return out;
}

inline ByteVector udp_frame(IpSpec ip, uint16_t source, uint16_t destination,
                            const ByteVector& payload) {
  ip.protocol = 17;
  ByteVector datagram;
  append_u16(datagram, source);
  append_u16(datagram, destination);
  append_u16(datagram, 8 + payload.size());
  append_u16(datagram, 0);
  append(datagram, payload);
  const uint16_t sum = transport_checksum(ip, 17, datagram);
  put_u16(datagram, 6, sum == 0 ? 0xffff : sum);
  return ethernet_frame(ip, datagram);
}

struct TcpSpec {
  uint16_t source = 0;
  uint16_t destination = 0;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 65535;
  ByteVector options;  // a multiple of four bytes
};

inline ByteVector tcp_frame(IpSpec ip, const TcpSpec& tcp, const ByteVector& payload) {
  ip.protocol = 6;
  ByteVector segment;
  append_u16(segment, tcp.source);
  append_u16(segment, tcp.destination);
  append_u32(segment, tcp.sequence);
  append_u32(segment, tcp.acknowledgment);
  segment.push_back(static_cast<uint8_t>((5 + tcp.options.size() / 4) << 4));
  segment.push_back(tcp.flags);
  append_u16(segment, tcp.window);
  append_u32(segment, 0);
  append(segment, tcp.options);
  append(segment, payload);
  put_u16(segment, 16, transport_checksum(ip, 6, segment));
  return ethernet_frame(ip, segment);
}

// ICMP or ICMPv6, by the family of the addresses.
inline ByteVector icmp_frame(IpSpec ip, uint8_t type, uint8_t code, uint32_t rest,
                             const ByteVector& payload) {
  const bool v4 = ip.source.is_v4();
  ip.protocol = v4 ? 1 : 58;
  ByteVector message = {type, code, 0, 0};
  append_u32(message, rest);
  append(message, payload);
  put_u16(message, 2, v4 ? naive_checksum(message) : transport_checksum(ip, 58, message));
  return ethernet_frame(ip, message);
}

}  // namespace dashi::test
