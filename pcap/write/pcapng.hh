// Writes the pcapng format (draft-ietf-opsawg-pcapng): a section header that says where the capture
// comes from, Ethernet interfaces in nanoseconds, packets with comments, custom blocks.
//
// Not a file: bytes go to a Sink, which the caller owns and keeps alive. Not a reader: pcap/read is.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/archive.hh"
#include "core/base/time.hh"

namespace dashi {

// Which way a packet crossed an interface, as seen by the program that captured it.
enum class PacketDirection : uint8_t { kUnknown = 0, kInbound = 1, kOutbound = 2 };

struct PcapngHeader {
  std::string application;      // "dashi 0.1.0"
  std::string comment;          // "seed 42"; people read it in Wireshark's capture properties
  int64_t unix_ns_at_zero = 0;  // the wall time of Instant zero; 0 in virtual time
};

struct PcapngPacket {
  uint32_t interface = 0;
  Instant at;
  std::span<const Bytes> pieces;  // the frame, in one piece or several; borrowed
  PacketDirection direction = PacketDirection::kUnknown;
  std::string_view comment;  // empty: none
};

class PcapngWriter {
 public:
  // Writes the section header.
  PcapngWriter(Sink& sink, const PcapngHeader& header);

  // Gives the interface's number. Interfaces may be added at any time before their first packet.
  uint32_t add_interface(std::string_view name, std::string_view description);
  void write(const PcapngPacket& packet);
  // A block that readers skip unless they know it (Custom Block, copied by tools that rewrite).
  void custom(uint32_t enterprise, Bytes data);

  uint64_t packets() const { return packets_; }

 private:
  void begin(uint32_t block_type);
  void put16(uint16_t value);
  void put32(uint32_t value);
  void put_bytes(Bytes bytes);
  void pad();
  void option(uint16_t code, Bytes value);
  void option(uint16_t code, std::string_view text);
  void end_options();
  void end();

  Sink& sink_;
  int64_t unix_ns_at_zero_;
  uint32_t interfaces_ = 0;
  uint64_t packets_ = 0;
  std::vector<uint8_t> block_;  // the block under construction; empty between calls
};

}  // namespace dashi
