// A capture as a guest: its frames, fed to a simulated link at their times. For real input in the test
// tube: DHCP clients, stacks and scanners as they were recorded.
//
// It is a player, not a party: it answers nothing, so what a recorded guest acknowledged may be what
// this run's NAT never sent. Exact replay of a whole run is the journal's work, not this one's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hh"
#include "core/base/time.hh"
#include "core/wire/address.hh"
#include "sim/event_queue.hh"
#include "sim/sim_link.hh"

namespace dashi {

struct ReplaySpec {
  MacAddress gateway;  // the NAT's: its frames are answers, and are left out
  std::optional<MacAddress>
      guest;                    // absent: whoever sends the first frame that is not the gateway's
  bool trust_checksums = true;  // a capture taken at the sender has them unfinished
};

struct ReplayFrame {
  uint64_t number = 0;  // in the file
  Duration after{};     // since the first packet of the file
  std::vector<uint8_t> bytes;
};

struct Replay {
  std::optional<MacAddress> guest;  // absent: there was no frame of a guest
  bool trust_checksums = true;
  std::vector<ReplayFrame> frames;  // of the guest, their times never going back
  uint64_t others = 0;              // packets left out: not from the guest
  uint64_t cut = 0;                 // packets left out: the capture holds only their beginning
};

// The whole file, or a line for people that names file and packet.
Result<Replay, std::string> load_replay(const std::string& path, const ReplaySpec& spec);

// Has the link carry each frame at `start` and its time after the first. `replay` and `link` outlive
// the queue's run.
void schedule_replay(const Replay& replay, Instant start, EventQueue& queue, SimLink& link);

}  // namespace dashi
