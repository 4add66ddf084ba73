// Packets drawn for the host seam, where there are only socket calls: whole Ethernet frames with
// right lengths and checksums, so that any reader of captures understands them. Functions of their
// arguments; who decides what is drawn is captured_sockets.
#pragma once

#include <span>
#include <vector>

#include "core/base/bytes.hh"
#include "core/env/sockets.hh"
#include "core/wire/address.hh"

namespace dashi {

// From whom to whom, and how far. Unspecified addresses are drawn as such.
struct DrawnPath {
  Endpoint from;
  Endpoint to;
  bool outbound = true;  // from our host: chooses the Ethernet addresses
  uint8_t ttl = 64;
  uint8_t tos = 0;
};

struct DrawnSegment {
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
};

using DrawnFrame = std::vector<uint8_t>;

// The payload bytes that fit into one drawn packet of any kind.
inline constexpr size_t kDrawnPayloadMax = 65000;

DrawnFrame draw_tcp(const DrawnPath& path, const DrawnSegment& segment,
                    std::span<const Bytes> payload);
DrawnFrame draw_udp(const DrawnPath& path, Bytes payload);
// Ports are not used. `request`: echo request, else reply.
DrawnFrame draw_echo(const DrawnPath& path, bool request, uint16_t identifier, uint16_t sequence,
                     Bytes payload);
// Whether an error of a socket is drawn as an ICMP error: not for what came without a packet.
bool is_icmp_error(const NetError& error);
// The ICMP error that `error` tells of, to the sender of `original` (a drawn frame).
DrawnFrame draw_icmp_error(const DrawnPath& original_path, const DrawnFrame& original,
                           const NetError& error);

}  // namespace dashi
