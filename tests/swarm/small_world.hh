// A world of one TCP connection in which nothing happens by itself: every frame waits on the wire, every
// result of a socket waits with the host, every timer waits to fire, until somebody chooses which of them
// comes next. So all orders of a few events can be tried, not only those that some delay would bring about.
//
// Two clocks: the guest's and the Nat's moves only when a timer is chosen; the host's net is on a queue of
// its own, so that what a socket says may come however late. It judges nothing but what may never be
// between two events; broken() says what was.
#pragma once

#include <map>

#include "core/nat/nat.hh"
#include "sim/digest.hh"
#include "sim/nat_oracle.hh"
#include "sim/sim_apps.hh"
#include "sim/sim_sockets.hh"
#include "sim/tcp_guest.hh"

namespace dashi {

// What one end does by hand, all at once, before anything is chosen.
enum class SmallMove : uint8_t {
  kGuestWrites,
  kGuestFinishes,
  kGuestAborts,
  kHostWrites,
  kHostFinishes,
  kHostAborts,
  kResult,  // the Nat hears the next result of a socket
};

struct SmallSession {
  const char* name;
  bool forwarded = false;  // the host calls the guest
  AppKind guest{};
  AppKind far{};
  bool open = false;  // it is open when the choosing begins; else the first end calls then
  std::vector<SmallMove> moves;
};

// One event that may come next. Frames are numbered as they lie on the wire, a direction.
struct SmallEvent {
  enum class Kind : uint8_t { kDeliverUp, kDeliverDown, kDropUp, kDropDown, kResult, kTimer };
  Kind kind{};
  uint8_t frame = 0;
};

class SmallWorld {
 public:
  static constexpr uint64_t kBytes = 3;  // of every write

  explicit SmallWorld(const SmallSession& session);
  SmallWorld(const SmallWorld&) = delete;
  SmallWorld& operator=(const SmallWorld&) = delete;

  // What may come next; of equal frames the first.
  std::vector<SmallEvent> next() const;
  void take(const SmallEvent& event);
  // Equal for two worlds of one session that cannot be told apart from now on: the Nat's saved state, all
  // that the guest was given and when, all that was done to sockets, the frames on the wire, the time.
  Hash128 state() const;
  // Goes on with what comes first, losing nothing, until all is over: every step is one of next(). False: it
  // does not end.
  bool end_quietly();
  // What broke, a line each. When all is over, also who was not told, or not the truth, and what is left.
  std::vector<std::string> broken() const;
  std::string describe(const SmallEvent& event) const;

 private:
  // The wire: what is sent stays where it is.
  class Wire final : public GuestLink {
   public:
    explicit Wire(uint32_t mtu) : mtu_(mtu) {}
    LinkLimits limits() const override { return {.mtu = mtu_}; }
    std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override;
    void commit(std::span<const Filled> filled) override;
    void flush() override {}
    std::vector<std::vector<uint8_t>> up;
    std::vector<std::vector<uint8_t>> down;
    uint64_t sent = 0;  // both ways

   private:
    uint32_t mtu_;
    std::vector<std::vector<uint8_t>> reserved_;
    std::vector<FrameSlot> slots_;
  };
  struct Luck final : public Entropy {
    uint64_t next_u64() override { return drawn++, prng.next_u64(); }
    Prng prng{1, "small-world", uint64_t{0}};
    uint64_t drawn = 0;
  };
  struct Ears final : public Trace {
    explicit Ears(const Limits& limits) : oracle(limits) {}
    void record(const TraceEvent& event) override {
      oracle.observe(event);
      fired += event.kind == TraceEvent::Kind::kTimerFired ? 1 : 0;
    }
    NatOracle oracle;
    uint64_t fired = 0;
  };

  void prepare();
  void open();
  void move(SmallMove what);
  void turn(std::span<const GuestFrame> frames, std::span<const SocketEvent> events);
  void deliver_up(size_t index);
  void deliver_down(size_t index);
  void hear_result();
  void fire_timer();
  std::optional<Instant> next_timer() const;
  uint64_t doings() const;
  bool quiet_step();
  void answer_ends();
  bool over() const;
  void judge_guest(const GuestFlowRecord& guest, std::vector<std::string>& found) const;
  void judge_far(const AppRecord& far, std::vector<std::string>& found) const;
  void judge_left(std::vector<std::string>& found) const;
  // No end aborts, no host refuses, and the Nat did not call so often that it may give up (of data it may
  // after more timeouts than are ever chosen).
  bool must_come_through() const;
  void judge_whole(std::vector<std::string>& found) const;

  const SmallSession& session_;
  Config config_;
  mutable EventQueue clock_;  // the guest's and the Nat's
  EventQueue host_clock_;
  SimNet net_;
  SimSockets sockets_;
  SimApps apps_;
  Wire wire_;
  Luck luck_;
  Ears ears_;
  TcpGuest guest_;
  Digest told_guest_;
  Digest told_host_;
  uint64_t calls_ = 0;  // of sockets
  uint32_t timers_taken_ = 0;
  bool aborted_ = false;  // by either end
  std::vector<std::string> broken_;
  std::unique_ptr<Nat> nat_;
};

}  // namespace dashi
