// The digest of a run: a 128-bit rolling hash (XXH3_128) over every event in canonical little-endian
// form (time, kind, who, argument, bytes). Equal digests mean equal runs. It keeps a checkpoint every
// so many events, so two unlike runs are bisected to a window, and a second run of each with that
// window logged names the first event that differs.
//
// It is not cryptographic, and it records nothing but what it is told.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.hh"
#include "core/base/time.hh"

namespace dashi {

// What kind of event; the number is part of the hash.
enum class DigestKind : uint8_t {
  kFrameUp = 1,      // a frame from the guest reached the Nat
  kFrameDown = 2,    // a frame of the Nat's reached the guest
  kFrameSent = 3,    // a frame of the Nat's went onto the link
  kSocketCall = 4,   // the Nat called a socket
  kSocketEvent = 5,  // a socket event reached the Nat
  kTrace = 6,        // the core's own trace
  kFault = 7,        // a fault decision
  kApplication = 8,  // an application in the world: guest program or server
  kDraw = 9,         // a number drawn
};
const char* name_of(DigestKind kind);

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};
std::string to_string(const Hash128& hash);  // 32 hexadecimal digits

// One event, kept whole.
struct LoggedEvent {
  uint64_t index = 0;
  Instant at;
  DigestKind kind{};
  uint64_t who = 0;
  uint64_t argument = 0;
  std::vector<uint8_t> bytes;
  friend bool operator==(const LoggedEvent&, const LoggedEvent&) = default;
};
std::string to_string(const LoggedEvent& event);

struct DigestOptions {
  uint64_t checkpoint_every = 1024;  // events
  uint64_t log_from = 0;             // events log_from..log_to-1 are kept whole
  uint64_t log_to = 0;
};

class Digest {
 public:
  explicit Digest(const DigestOptions& options);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void record(Instant at, DigestKind kind, uint64_t who, uint64_t argument, Bytes bytes);

  Hash128 value() const;  // of all so far
  uint64_t events() const { return events_; }
  const std::vector<Hash128>& checkpoints() const { return checkpoints_; }
  const std::vector<LoggedEvent>& log() const { return log_; }
  const DigestOptions& options() const { return options_; }

 private:
  struct State;

  DigestOptions options_;
  uint64_t events_ = 0;
  std::vector<Hash128> checkpoints_;  // [i]: after (i + 1) * checkpoint_every events
  std::vector<LoggedEvent> log_;
  State* state_;  // owned; the hash library stays out of this header
};

// The first event in which two runs differ; an absent side ended before it.
struct Difference {
  uint64_t index = 0;
  std::optional<LoggedEvent> left;
  std::optional<LoggedEvent> right;
};
std::string to_string(const Difference& difference);

// Runs both worlds once for their checkpoints and, if they differ, once more each with the window
// logged. A world is a function that runs from the start and gives its digest.
using DigestedRun = std::function<Digest(const DigestOptions&)>;
std::optional<Difference> find_difference(const DigestedRun& left, const DigestedRun& right);

}  // namespace dashi
