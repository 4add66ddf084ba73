// Puts the guest's fragmented packets together again (RFC 791 3.2, RFC 8200 4.5), so that everything
// behind it sees whole packets. Not here: who may send and where to, which dispatch asks for each fragment
// first; nor what the whole packet says, which is parsed like any other.
//
// Bounded by Limits::reassemblies, of 64 KiB each; at the bound the oldest gives way as if its time were
// up. Fragments that overlap end the whole packet (RFC 5722, for IPv4 as well): no honest sender makes
// them, and two readers could read them in two ways.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/base/archive.hh"
#include "core/flow/icmp_error.hh"

namespace dashi {

class Fragments {
 public:
  Fragments(FlowContext& context, IcmpErrors& errors);

  static bool is_fragment(DropReason why) {
    return why == DropReason::kIpv4Fragment || why == DropReason::kIpv6Fragment;
  }

  // Takes a packet that parse() found to be a fragment. Gives the whole packet in a frame, good until
  // finish_batch, when none of it is missing any more; else nothing.
  Bytes handle_packet(Instant now, const Packet& packet);
  // No place is left for another packet, and some are taken by what was given whole: a batch should be
  // finished before the next fragment, lest a packet be lost for them.
  bool waits_for_finish() const { return given_ != 0 && used_ == wholes_.size(); }
  void finish_batch();  // what was given whole is not looked at any more
  void handle_timers(Instant now);
  Instant next_deadline() const;
  void restart_link();
  uint32_t size() const { return used_; }

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  static constexpr size_t kHeadMax = 256;       // bytes: Ethernet, IP and what is not fragmented
  static constexpr size_t kPayloadMax = 65536;  // bytes; an IP packet has at most 65535 in all
  static constexpr size_t kUnit = 8;            // bytes; offsets count them

  struct Fragment;
  struct Whole {
    IpAddress source;
    IpAddress destination;
    uint32_t id = 0;
    uint8_t protocol = 0;       // part of the name for IPv4, 0 for IPv6
    Instant deadline = kNever;  // kNever: the slot is free, or the packet was given whole
    bool given = false;         // until finish_batch
    uint64_t order = 0;         // of opening: within a batch all deadlines are alike
    uint32_t fragments = 0;     // taken
    uint32_t head_bytes = 0;    // before the payload; 0 while the first fragment is missing
    uint32_t first_bytes = 0;   // of payload in the first fragment
    uint32_t received = 0;      // bytes of payload
    uint32_t end = 0;           // of the payload received that reaches furthest
    uint32_t total = 0;         // of the payload; 0 while the last fragment is missing
    std::array<uint64_t, kPayloadMax / kUnit / 64> units{};  // a bit for each that was received
    std::unique_ptr<uint8_t[]> bytes;  // kHeadMax, the head at its end, and the payload; taken once
    bool used() const { return deadline != kNever; }
  };

  static bool read(const Packet& packet, Fragment& out);
  Whole* find_or_open(Instant now, const Packet& packet, const Fragment& fragment);
  static size_t units_held(const Whole& whole, const Fragment& fragment);
  static bool contradicts(const Whole& whole, const Fragment& fragment);
  static void take(Whole& whole, const Packet& packet, const Fragment& fragment);
  static Bytes finish(Whole& whole);
  void discard(Instant now, Whole& whole, bool tell);
  void clear(Whole& whole);
  template <typename Archive>
  void archive_all(Archive& ar);

  FlowContext& context_;
  IcmpErrors& errors_;
  std::vector<Whole> wholes_;
  uint32_t used_ = 0;   // of wholes_
  uint32_t given_ = 0;  // of wholes_, until finish_batch
  uint64_t opened_ = 0;
};

}  // namespace dashi
