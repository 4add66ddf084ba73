// How a simulated world's driver feeds a capture. The capture may be made later, when the world asks for
// its Env: until then nothing crosses.
#pragma once

#include <optional>

#include "pcap/write/capture.hh"
#include "sim/nat_driver.hh"

namespace dashi {

// `capture` outlives the hooks and has a value before the driver's first turn.
inline DriverHooks hooks_for(std::optional<Capture>& capture) {
  return {[&capture](Instant now) { capture->advance(now); },
          [&capture](std::span<const GuestFrame> frames) { capture->from_guest(frames); },
          [&capture](std::span<const SocketEvent> events) { capture->from_host(events); }};
}

}  // namespace dashi
