// Holds the packets of one turn of the driver's loop until the next begins, so that what becomes of a
// frame (a DropReason, a flow's new state) can still be written into its comment.
//
// All packets of a turn have the turn's time: the core's clock stands still within it. Memory is that
// of one turn. Owned by a Capture; the decorators of the seams put packets in.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/wire/offload.hh"
#include "pcap/write/pcapng.hh"

namespace dashi {

class Recorder {
 public:
  explicit Recorder(PcapngWriter& writer) : writer_(writer) {}

  // A new turn: what the last one held is written.
  void advance(Instant now);
  void flush();

  // Copies the packet, with its checksum completed where the offload left it partial. `identity` is
  // where the caller's bytes lie, for comment_on.
  void add(uint32_t interface, PacketDirection direction, std::span<const Bytes> pieces,
           const Offload& offload, std::string comment);
  // Adds a line to the comment of the packet that was copied from `identity` in this turn, if any.
  void comment_on(const uint8_t* identity, const std::string& line);
  // Adds a line to the comment of the turn's last packet, if any.
  void comment_on_last(const std::string& line);

 private:
  struct Held {
    uint32_t interface = 0;
    PacketDirection direction{};
    std::vector<uint8_t> frame;
    std::string comment;
    const uint8_t* identity = nullptr;
  };

  PcapngWriter& writer_;
  Instant now_;
  std::vector<Held> held_;  // the first count_ are of this turn; the others keep their memory
  size_t count_ = 0;
};

}  // namespace dashi
