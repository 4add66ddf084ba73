// What the guest is told of what is held out of order: SACK (RFC 2018 4) and D-SACK (RFC 2883). It
// remembers in which order things came, not what is held: that is Reassembly's.
#pragma once

#include <array>
#include <cstdint>

#include "core/tcp/reassembly.hh"
#include "core/tcp/seq.hh"
#include "core/wire/tcp.hh"

namespace dashi {

class SackReport {
 public:
  // Bytes from `sequence` on came out of order: their block goes first from now on.
  void held(SeqNum sequence, const Reassembly& store, SeqNum base);
  // These bytes came a second time: said once, in the next ACK.
  void duplicate(SeqNum first, SeqNum last);

  // Blocks for an ACK, at most `most`; `base` is the sequence number of the store's offset 0.
  void write(TcpOptions& options, const Reassembly& store, SeqNum base, size_t most) const;
  bool plausible() const { return count_ <= recent_.size(); }
  bool has_duplicate() const { return duplicate_; }
  // An ACK left with what write() gave.
  void told() { duplicate_ = false; }

  template <typename Archive>
  friend void archive(Archive& ar, SackReport& r) {
    for (SeqNum& s : r.recent_) ar(s);
    ar(r.count_, r.duplicate_, r.duplicate_first_, r.duplicate_last_);
  }

 private:
  std::array<SeqNum, 4> recent_{};  // some byte of each block, the newest first
  uint8_t count_ = 0;
  bool duplicate_ = false;
  SeqNum duplicate_first_;
  SeqNum duplicate_last_;
};

}  // namespace dashi
