// RACK (RFC 8985): a segment is lost when one that was sent sufficiently later was delivered. And the tail
// loss probe's timing. State and decisions; recovery acts on them. Used only with SACK.
#pragma once

#include <optional>

#include "core/base/time.hh"
#include "core/tcp/scoreboard.hh"

namespace dashi {

class Rack {
 public:
  // What an ACK delivered, run by run, the lowest first (RFC 8985 6.2 steps 2 and 3): a run below one that was
  // delivered before was overtaken. `spurious` says that a timestamp shows the delivered copy is an earlier one.
  void delivered(Instant now, const Scoreboard::Run& run, Duration min_rtt, bool spurious);
  // RFC 8985 6.2 step 4: a D-SACK came; widens the reordering window for a while.
  void saw_duplicate(SeqNum una, SeqNum nxt);
  // A recovery ended: the widened window is forgotten after 16 of them.
  void recovered();

  struct Found {
    uint32_t bytes = 0;            // newly marked lost
    SeqNum highest;                // of these, where the highest run begins
    std::optional<Instant> again;  // of these, when the last that was sent again had left
    Duration wait = Duration(0);   // not zero: look again after this
  };
  // RFC 8985 6.2 step 5.
  Found detect(Instant now, Scoreboard& board, Duration min_rtt, Duration srtt, bool many_sacked,
               bool recovering) const;
  // Whether something that was sent after this run was delivered.
  bool overtook(const Scoreboard::Run& run) const { return any_ && sent_after(run); }
  // Whether a timeout may take this run for lost (RFC 8985 6.3).
  bool overdue(Instant now, const Scoreboard::Run& run, Duration min_rtt, Duration srtt) const;

  template <typename Archive>
  friend void archive(Archive& ar, Rack& r) {
    ar(r.any_, r.sent_at_, r.end_, r.rtt_, r.fack_known_, r.fack_, r.reordering_, r.mult_,
       r.persist_, r.round_known_, r.round_);
  }

 private:
  bool sent_after(const Scoreboard::Run& run) const;
  Duration window(Duration min_rtt, Duration srtt, bool many_sacked, bool recovering) const;

  Instant sent_at_;  // RACK.xmit_ts: of the newest segment delivered
  SeqNum end_;       // RACK.end_seq
  Duration rtt_{0};  // RACK.rtt
  SeqNum fack_;      // the highest sequence delivered
  SeqNum round_;     // RACK.dsack_round
  bool any_ = false;
  bool fack_known_ = false;
  bool reordering_ = false;  // RACK.reordering_seen
  bool round_known_ = false;
  uint8_t mult_ = 1;      // RACK.reo_wnd_mult
  uint8_t persist_ = 16;  // RACK.reo_wnd_persist
};

}  // namespace dashi
