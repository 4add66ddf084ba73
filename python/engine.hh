// What the two engines of the Python package share: the values a world is made from, and what became
// of each verb. Plain data; NativeEngine and Ns3Engine have the same methods over it, so that one
// template binds both.
//
// Errors that a user can cause are thrown, as ConfigError or WorldError, and become Python's.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/time.hh"
#include "core/wire/address.hh"
#include "sim/dhcp_client.hh"
#include "sim/link/faults.hh"

namespace dashi::python {

// A value that makes no world.
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The world cannot be built or go on, although its values are sound.
struct WorldError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A link as Python's Link says it; zero means what Link's documentation says.
struct LinkValues {
  uint64_t rate_bps = 0;
  int64_t delay_ns = 0;
  int64_t jitter_ns = 0;
  uint32_t queue_frames = 0;
  uint32_t mtu = 0;
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;
  double corrupt = 0;
};

struct EngineConfig {
  uint64_t seed = 1;
  LinkValues wan;
  LinkValues guest_link;
  bool direct = false;  // without guest and Nat (ns-3 only)
  bool cubic = false;   // ns-3's TCP with CUBIC, else Reno as Linux has it (ns-3 only)
};

// What became of one verb: the union of what the verbs tell. Times are virtual nanoseconds, -1 while
// they have not come.
struct VerbResult {
  bool done = false;
  std::string error;  // empty while nothing went wrong
  int64_t start_ns = -1;
  int64_t end_ns = -1;
  uint64_t size = 0;      // transfers: bytes asked for
  uint64_t received = 0;  // transfers: bytes that arrived right
  uint32_t sent = 0;      // echoes
  uint32_t answered = 0;
  std::vector<int64_t> rtt_ns;
  std::vector<std::string> addresses;  // resolve; dhcp: the DNS servers
  std::string address;                 // dhcp
  std::string gateway;
  uint32_t mtu = 0;
  uint32_t lease_seconds = 0;
};

struct EchoesSpec {
  std::string to;  // "server" or "gateway"
  Family family = Family::kIpv4;
  uint32_t count = 1;
  uint32_t payload_bytes = 56;
  int64_t interval_ns = 1'000'000'000;
};

inline constexpr const char* kCaptureLate = "a capture is begun once, and before anything runs";

enum class RunEnd : uint8_t {
  kDone,   // every verb is done
  kTime,   // `until` was reached, or nothing is left that could happen
  kSlice,  // there is more to do
};

VerbResult lease_result(const DhcpRecord& lease);

// A chance from 0 to 1 as the simulator counts it.
Chance chance_of(double probability);
LinkFaults faults_of(const LinkValues& link);

}  // namespace dashi::python
