// Between packet lines and frames: builds the guest's frames and reads the NAT's. It deals in live
// numbers; what the script counts from is numbers.hh's. Not core/wire, as all of the guest's side.
#pragma once

#include "sim/script/script.hh"
#include "sim/scripted_guest.hh"

namespace dashi::script {

// A packet of the NAT's as the guest heard it.
struct SeenPacket {
  Instant at;
  Ends ends;
  uint8_t ttl = 0;
  uint8_t tos = 0;
  TransportSpec transport;
  std::vector<uint8_t> payload;
  std::vector<uint8_t> frame;  // all of it
  Offload offload;
};

// ARP and neighbour discovery are seen as messages. Nothing: none of these. A frame that cannot be read, checksums
// included, gives an error instead.
struct Unreadable {
  std::string why;
};
std::variant<std::monostate, SeenPacket, Unreadable> see(const HeardFrame& frame);

struct Macs {
  MacAddress guest;
  MacAddress gateway;
};

// The frame of a packet line; `packet` has live numbers and its ends. ICMP errors quote a packet of
// the other direction of `about`, which is the flow's.
std::vector<uint8_t> frame_of(const PacketSpec& packet, const Macs& macs, const Ends& about);

// As a script would write it.
std::string written(const TcpSpec& tcp);
std::string written(const TransportSpec& transport);

}  // namespace dashi::script
