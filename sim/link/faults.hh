// Faults as data. What may go wrong is a spec of probabilities; what did go wrong in a run is a list
// of decisions, each naming a stream (one direction of a link, or the socket calls), the ordinal of
// the frame or call, and what was done to it. A run made from a list draws nothing, so a failing run
// is shrunk by taking decisions out of its list. This is the one fault layer: ns-3 has no reorder,
// duplicate, corrupt or bursty loss of its own.
//
// Nothing here touches a frame or a socket; link_model and sim_sockets carry the decisions out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.hh"
#include "sim/link/prng.hh"

namespace dashi {

// Bursty loss with two states (Gilbert 1960, Elliott 1963). One step a frame, then a draw.
struct GilbertElliott {
  Chance good_to_bad;
  Chance bad_to_good;
  Chance loss_in_good;
  Chance loss_in_bad;
};

// From `from`, for `length`, nothing passes.
struct Blackout {
  Instant from;
  Duration length{};
};

// What may happen to a frame on its way. All independent; the default is a perfect link.
struct LinkFaults {
  Chance loss;
  GilbertElliott bursts;
  Chance duplicate;
  Chance reorder_by_delay;  // an extra delay of its own, so that later frames overtake
  DurationRange reorder_delay;
  Chance reorder_by_distance;         // held until `reorder_distance` later frames went by
  uint32_t reorder_distance = 3;      // frames, at most
  Duration reorder_hold_max = 100ms;  // a held frame goes on after this, whatever passed
  Chance corrupt_bit;                 // one bit, anywhere in the frame
  Chance corrupt_header;              // one byte of the first 54
  Chance corrupt_checksum;  // the transport checksum's place in an IPv4 TCP frame, or its like
  Chance truncate;          // cut to a random length
  DurationRange jitter;     // a delay each, order kept
  Chance rate_change;       // the link has another rate from this frame on
  uint64_t rate_least = 1'000'000, rate_most = 1'000'000;  // bits a second, drawn from
  Chance mtu_change;  // the link has another MTU from this frame on: longer ones are lost
  uint32_t mtu_least = 1280, mtu_most = 1499;  // bytes, drawn from
  Chance mtu_restored = Chance::percent(50);   // of each frame then: the link has its own again
  std::vector<Blackout> blackouts;
};

// One thing done to one frame or one socket call.
struct FaultDecision {
  enum class Kind : uint8_t {
    // frames; `argument` in brackets
    kLose,
    kBlackout,
    kDuplicate,
    kDelay,          // [nanoseconds, order not kept]
    kJitter,         // [nanoseconds, order kept]
    kHold,           // [frames]
    kFlipBit,        // [bit position]
    kSmashHeader,    // [offset << 8 | value to xor]
    kSmashChecksum,  // [value to xor]
    kTruncate,       // [bytes left]
    // the link, before the frame: of the stream beside it, see link_changes_of
    kRate,  // [bits a second]
    kMtu,   // [bytes; 0: its own again]
    // socket calls
    kShortWrite,  // [bytes taken]
    kWouldBlock,  // [nanoseconds until the edge]
    kReset,
    kConnectLate,   // [nanoseconds]
    kConnectFails,  // [SocketError]
    kTooManySockets,
    kNoBuffers,
  };
  uint32_t stream = 0;  // who: see kStream* of the world
  Kind kind{};
  uint64_t ordinal = 0;  // which frame or call of that stream, from 0
  uint64_t argument = 0;
  friend bool operator==(const FaultDecision&, const FaultDecision&) = default;
};
const char* name_of(FaultDecision::Kind kind);

// The stream of a link direction's own changes: counted by frames offered, dropped ones too.
constexpr uint32_t link_changes_of(uint32_t stream) { return stream + (1u << 20); }

// The decisions of one run: drawn and written down, or given and obeyed.
class FaultPlan {
 public:
  // Draws from specs; remembers what came out if `record`.
  explicit FaultPlan(bool record) : record_(record) {}
  // Does exactly these, and draws nothing.
  explicit FaultPlan(std::vector<FaultDecision> given);

  bool replays() const { return replays_; }
  // From now on nothing of what was given is done.
  void end() { ended_ = true; }
  void note(const FaultDecision& decision) {
    ++made_[static_cast<size_t>(decision.kind)];
    if (record_) decisions_.push_back(decision);
  }
  // How many of each kind were drawn.
  static constexpr size_t kKinds = static_cast<size_t>(FaultDecision::Kind::kNoBuffers) + 1;
  const std::array<uint64_t, kKinds>& made() const { return made_; }
  // The given decisions for one frame or call, in their order.
  std::span<const FaultDecision> given_for(uint32_t stream, uint64_t ordinal) const;
  const std::vector<FaultDecision>& decisions() const { return decisions_; }

 private:
  bool record_ = false;
  bool replays_ = false;
  bool ended_ = false;
  std::array<uint64_t, kKinds> made_{};
  std::vector<FaultDecision> decisions_;  // replaying: sorted by (stream, ordinal), order kept
};

// What is to be done to one frame.
struct FrameFate {
  bool lost = false;
  bool duplicated = false;
  Duration delay{};   // order not kept
  Duration jitter{};  // order kept
  uint32_t hold = 0;  // frames to let by; 0: none
  std::optional<uint64_t> flip_bit;
  uint16_t smash_offset = 0;
  uint8_t smash_xor = 0;  // 0: none
  uint16_t checksum_xor = 0;
  std::optional<size_t> truncate_to;

  bool damages() const {
    return flip_bit.has_value() || smash_xor != 0 || checksum_xor != 0 || truncate_to.has_value();
  }
};

// Does to a frame's bytes what its fate says; gives the bytes that are left.
MutableBytes damage(const FrameFate& fate, MutableBytes frame);

// What becomes of one direction of a link before a frame.
struct LinkChange {
  std::optional<uint64_t> rate_bps;
  std::optional<uint32_t> mtu;
};

// The changes of one direction, frame by frame.
class LinkChanges {
 public:
  // Its draws are a substream of their own: they move nothing of the frames'.
  LinkChanges(const LinkFaults& spec, Prng prng, FaultPlan* plan, uint32_t stream)
      : spec_(spec), prng_(prng.next_u64(), "link-changes", stream), plan_(plan), stream_(stream) {}

  LinkChange next();
  void set_spec(const LinkFaults& spec) { spec_ = spec; }

 private:
  void decide(FaultDecision::Kind kind, uint64_t argument, LinkChange& change);

  LinkFaults spec_;
  Prng prng_;
  FaultPlan* plan_;
  uint32_t stream_;  // of the frames
  uint64_t ordinal_ = 0;
  bool small_ = false;  // the MTU is not the link's own
};

// The fate of each frame of one direction, in order.
class FrameFaults {
 public:
  // `plan` may be null: drawn and not written down.
  FrameFaults(const LinkFaults& spec, const Prng& prng, FaultPlan* plan, uint32_t stream)
      : spec_(spec), prng_(prng), plan_(plan), stream_(stream) {}

  FrameFate next(Instant now, size_t frame_bytes);
  void set_spec(const LinkFaults& spec) { spec_ = spec; }
  const LinkFaults& spec() const { return spec_; }
  uint64_t frames() const { return ordinal_; }

 private:
  using Kind = FaultDecision::Kind;
  void draw(Instant now, size_t frame_bytes);
  void draw_damage(size_t frame_bytes);
  void decide(Kind kind, uint64_t argument);
  static void apply(const FaultDecision& decision, FrameFate& fate);

  LinkFaults spec_;
  Prng prng_;
  FaultPlan* plan_;
  uint32_t stream_;
  uint64_t ordinal_ = 0;
  bool bad_ = false;  // the state of Gilbert and Elliott's chain
  FrameFate fate_;    // of the frame being drawn
};

}  // namespace dashi
