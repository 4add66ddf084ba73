// A Nat between a link and sockets of the input's, driven by the one loop, and watched: what it sends
// parses and carries the right bytes, every frame it is given is accounted for once, its audit and the
// oracle of simulated worlds find nothing, work ends. Whatever is wrong ends the process.
//
// run_twice() is what a target does with its world: two runs of one input must have equal digests. The
// first replaces the Nat by restore(save()) wherever the input says so, the second never does: so a
// restored Nat must be equal to the one that was saved. The memory that the link lends holds other
// rubbish in either, so that a byte that is sent without being written is seen.
#pragma once

#include <memory>

#include "core/nat/nat.hh"
#include "sim/nat_oracle.hh"
#include "tests/fuzz/fuzz_sockets.hh"
#include "tests/fuzz/input.hh"
#include "tests/support/guest_frames.hh"

namespace dashi::fuzz {

using test::ByteVector;

struct Frame {
  ByteVector bytes;
  Offload offload;
};

// The small world of fuzzing: tables that a short input can fill. `bits` turns some of what may be
// chosen the other way.
Config small_config(uint8_t bits);
LinkLimits link_limits(uint8_t bits, const Config& config);

// Keeps what a world sends to the guest, for whoever wants to answer.
class GuestEar {
 public:
  virtual ~GuestEar() = default;
  virtual void hear(const Packet& packet) = 0;
};

struct RunKind {
  bool restores = true;  // restore() replaces the Nat
  uint8_t rubbish = 0;   // in memory that is lent
  DigestOptions digest;
};

class FuzzWorld {
 public:
  FuzzWorld(const Config& config, const LinkLimits& limits, const RunKind& kind);
  ~FuzzWorld();
  FuzzWorld(const FuzzWorld&) = delete;
  FuzzWorld& operator=(const FuzzWorld&) = delete;

  // --- What the next turn brings ---
  void queue_frame(Frame frame) { frames_.push_back(std::move(frame)); }
  void queue_event(const SocketEvent& event) { sockets.events.push_back(event); }
  // handle_*, timers, flush, and on while work remains.
  void turn();
  // As turn(), but the frame must be accounted for exactly once.
  void turn_of_one(const Frame& frame);
  void advance(Duration by);  // and a turn
  void advance_to_deadline();
  void restore();  // by save and restore, if this run does
  // Takes a state out of nowhere, if it is one: shows, saves and restores it. Its flows have whatever
  // sockets they ask for. It is not run: times of centuries are states too, and there sums overflow.
  void adopt(Source& source);
  void make_room(size_t frames);  // on the link, from now on

  Nat& nat() { return *nat_; }
  Instant now() const { return log_.now; }
  Digest& digest() { return log_.digest; }

 private:
  class Link final : public GuestLink {
   public:
    explicit Link(FuzzWorld& world) : world_(world) {}
    LinkLimits limits() const override { return world_.limits_; }
    std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override;
    void commit(std::span<const Filled> filled) override;
    void flush() override {}

   private:
    FuzzWorld& world_;
    std::vector<FrameSlot> slots_;
  };
  class FixedEntropy final : public Entropy {
   public:
    uint64_t next_u64() override;

   private:
    uint64_t state_ = 1;
  };
  class Watch final : public Trace {
   public:
    explicit Watch(FuzzWorld& world) : world_(world) {}
    void record(const TraceEvent& event) override;

   private:
    FuzzWorld& world_;
  };
  struct Opened {  // a connection's start, towards the guest
    Endpoint guest;
    Endpoint remote;
    uint32_t first = 0;  // sequence number of the first byte of data
  };

  Env env() { return {link_, sockets, entropy_, watch_}; }
  void look_at(Bytes frame, const Offload& offload);
  void look_at_tcp(const Packet& packet);
  void check_accounts();
  uint64_t drops() const;

  Config config_;
  LinkLimits limits_;
  RunKind kind_;
  Log log_;
  NatOracle oracle_;
  Link link_{*this};
  FixedEntropy entropy_;
  Watch watch_{*this};
  std::vector<Frame> frames_;
  std::vector<Opened> opened_;
  size_t room_ = ~size_t{0};
  bool room_came_ = false;
  uint64_t fed_ = 0;
  uint64_t sent_ = 0;
  uint64_t drops_traced_ = 0;

 public:
  FuzzSockets sockets{log_};
  GuestEar* ear = nullptr;

 private:
  std::unique_ptr<Nat> nat_;  // last: it is destroyed first
};

// Runs the input in two worlds made by its first two bytes, and compares.
void run_twice(Bytes input, void (*program)(FuzzWorld& world, Input& input));

}  // namespace dashi::fuzz
