// What the wire does to a packet of the guest's: `drop`, `dup`, `frag 1480`, ... at the end of a line.
#pragma once

#include "sim/script/script.hh"
#include "sim/scripted_guest.hh"

namespace dashi::script {

struct SentFrame {
  Duration after{};
  std::vector<uint8_t> bytes;
  Offload offload;
};

// What arrives of a frame, in order.
std::vector<SentFrame> suffer(std::vector<uint8_t> frame, const std::vector<Mishap>& mishaps);

}  // namespace dashi::script
