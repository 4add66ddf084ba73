// Watches the TCP segments on the wire between a guest and its Nat, as somebody between the two would: what
// the Nat acknowledges, reports by SACK and echoes is compared with what the link delivered to it. It takes
// nobody's word: frames are read by the guest's parser; and of the Nat's state little is looked at: whether it
// believes of the guest's window what the guest said last, and how much it took: that is to be all that it let
// in, and acknowledged in time.
// It only looks: no draw, no event, nothing in the digest.
//
// A connection is known from the guest's SYN on; where several of one pair of ends came nothing is said of it,
// and once a fragment came nothing of any: fragments are not put together here.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.hh"
#include "sim/guest_wire.hh"

namespace dashi {

class SegmentOracle {
 public:
  // What the Nat waits before it repeats itself (RFC 6298 2.4, 2.5).
  SegmentOracle(Duration rto_min, Duration rto_max) : rto_min_(rto_min), rto_max_(rto_max) {}

  // How a frame of the guest's reached the Nat.
  struct Arrival {
    Instant at;
    bool damaged = false;
    uint64_t refused = 0;  // frames that the link had no room for, until then
  };
  void came(const Arrival& arrival, const GuestFrame& frame);
  // A frame came of which nothing is expected, and that may change anything.
  void came_otherwise() { silence_ends_ = true; }
  // Of the Nat's: it was sent.
  void sent(Instant now, const GuestFrame& frame);
  // A connection that is open, as the Nat has it.
  struct Open {
    uint32_t window;    // the guest's
    uint32_t received;  // bytes, in order, modulo 2^32
    bool takes;         // the guest's FIN was not taken yet
  };
  using Look = std::function<std::optional<Open>(const Endpoint&, const Endpoint&)>;
  // For what the host does not take at once.
  struct Memory {
    size_t free = 0;       // bytes
    uint64_t ran_out = 0;  // how often something found none
  };
  struct Turn {
    Instant at;
    bool has_room = true;  // the link had some for all that the Nat asked for
    bool took_all = true;  // that had come
    Memory memory{};
  };
  void handled(const Turn& turn, const Look& look);

  // The first that were seen, a line each.
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Key {
    Endpoint guest;
    Endpoint remote;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  // The newest that came, in each number.
  struct Said {
    int64_t end = 0;
    uint32_t ack = 0;
    uint32_t stamp = 0;
  };
  // Of bytes that the Nat took: the end, and when it was seen to have them.
  struct Owed {
    int64_t to = 0;
    Instant since;
  };
  // While nothing comes: how often the first byte that is not acknowledged was sent, and when last.
  struct Repeats {
    uint64_t silence = 0;  // which one
    uint32_t times = 0;
    Instant last;
  };
  // Positions count from the guest's SYN, which is 0.
  struct Flow {
    uint32_t iss = 0;
    bool several = false;  // SYNs of several connections came
    bool guest_sack = false;
    bool guest_stamps = false;
    std::optional<uint32_t> nat_iss;
    uint32_t nat_next = 0;            // one past the highest it sent
    std::map<int64_t, int64_t> came;  // from, to: apart from each other
    int64_t acknowledged = 0;         // the most
    std::vector<uint32_t> stamps_that_came;
    std::optional<uint32_t> echoed;
    // When `acknowledged` was told the byte there had not come. The least stamp with it since: what comes
    // with the byte that is awaited is echoed from then on (RFC 7323 4.3).
    bool awaited = false;
    std::optional<uint32_t> stamp_with_awaited;
    // Segments with data or FIN, apart in time, since the Nat's last segment; they may go unanswered while
    // the link refuses frames.
    uint32_t unanswered = 0;
    Instant unanswered_at;
    uint64_t refused = 0;
    // The guest's window (RFC 9293 3.10.7.4, SND.WND), if the last segment that came was the newest in every
    // number: what it says of the window holds, whatever came before it.
    uint8_t guest_scale = 0;
    bool nat_scales = false;
    std::optional<Said> said;
    std::optional<uint32_t> window;
    // The Nat's: the most it told the guest it may send, and that rounded down to what it surely meant.
    int64_t told = 0;
    int64_t meant = 0;
    int64_t taken = 1;  // when it was looked at last
    int64_t due = 0;    // to be taken by the next turn; 0: nothing
    Repeats repeats;
    bool heard = false;        // something came since all was handled
    bool watched = false;      // in watched_
    std::optional<Owed> owed;  // the oldest ACK that is
  };
  // Whether nothing newer came before it.
  static bool note_window(const Arrival& arrival, Flow& flow, const guest::Parsed& segment,
                          int64_t from, int64_t to);
  static void note_due(Flow& flow, const guest::Parsed& segment, int64_t from);
  void note_told(Flow& flow, const guest::Parsed& segment, int64_t ack) const;
  void check_repeat(Instant now, Flow& flow, const guest::Parsed& segment, uint32_t end);
  void watch(const Key& key, Flow& flow);
  void check_window(const Key& key, const Flow& flow, const Open& open);
  void check_due(const Key& key, Flow& flow, const Open& open, const Turn& turn);
  void note_owed(const Turn& turn, Flow& flow, const Open& open) const;
  bool is_overdue(Instant now, const Flow& flow) const;
  // Once the Nat has said SYN, however little it takes.
  void expect_answer(const Arrival& arrival, Flow& flow, const guest::Parsed& segment);
  static int64_t position(const Flow& flow, uint32_t sequence);
  static bool has_come(const Flow& flow, int64_t from, int64_t to);
  static void note(Flow& flow, int64_t from, int64_t to);
  // A SYN that comes again late may open the same once more.
  static void nat_syn(Flow& flow, uint32_t sequence);
  void guest_syn(const Key& key, const guest::Parsed& segment);
  void check_options_of_answer(const Flow& flow, const guest::Parsed& segment);
  void check_sack(const Flow& flow, const guest::Parsed& segment, int64_t ack);
  void check_echo(Flow& flow, const guest::Parsed& segment, int64_t ack);
  void report(const Endpoint& from, const Endpoint& to, const char* what);
  void report(const guest::Parsed& segment, const char* what);

  Duration rto_min_;
  Duration rto_max_;
  uint64_t silence_ = 1;       // which one
  bool silence_ends_ = false;  // when all was handled
  std::map<Key, Flow> flows_;
  std::vector<Key> watched_;  // something came since all was handled, or an ACK is owed
  bool had_room_ = true;      // in the last turn
  uint8_t nat_scale_ = 0;     // of the Nat's SYN
  Memory memory_;             // when all was handled
  size_t came_since_ = 0;     // the most memory that what came since could take
  bool in_pieces_ = false;
  std::vector<std::string> violations_;
};

}  // namespace dashi
