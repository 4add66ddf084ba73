// What an ns-3 world is made from: plain data, without ns-3's headers. ns-3 aborts the process on a
// bad attribute, so validate() says what is wrong before ns-3 sees it.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.hh"
#include "core/base/time.hh"
#include "sim/link/faults.hh"

namespace dashi {

// ns-3's Reno as in Linux, or its CUBIC, which in 3.37 lacks the Reno-friendly region (RFC 9438 4.3)
// and so is far too slow where windows are small.
enum class TcpCongestion : uint8_t { kReno, kCubic };

enum class QueueDisc : uint8_t { kFifo, kCodel, kFqCodel, kPie };

// A point-to-point link, the same in both directions.
struct Ns3LinkConfig {
  uint64_t rate_bps = 100'000'000;  // bits a second
  Duration delay = 10ms;            // one way
  QueueDisc queue_disc = QueueDisc::kFifo;
  uint32_t queue_packets = 1000;  // of the queue disc, each direction
  LinkFaults faults;              // of these, ns-3's links know loss, bursts and blackouts
};

struct Ns3TopologyConfig {
  Ns3LinkConfig wan;
  Ns3LinkConfig lan{.rate_bps = 10'000'000'000,
                    .delay = 50us,
                    .queue_disc = QueueDisc::kFifo,
                    .queue_packets = 1000,
                    .faults = {}};
};

// What is wrong, in words; or that nothing is.
Result<Done, std::string> validate(const Ns3LinkConfig& link);
Result<Done, std::string> validate(const Ns3TopologyConfig& config);

}  // namespace dashi
