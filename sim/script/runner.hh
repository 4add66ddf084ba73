// Carries out a script in a world of its own: the guest's frames, the far end's calls, and what the NAT
// must send when. Runs on virtual time only; the same script and options give the same run, to the bit.
#pragma once

#include <functional>

#include "sim/script/script.hh"
#include "sim/script/shell.hh"
#include "sim/world.hh"

namespace dashi::script {

struct RunOptions {
  Family family = Family::kIpv4;
  // How far a packet's time may be from the script's; a script's own --tolerance_usecs holds instead.
  Duration tolerance{};
  // Of packetdrill's own scripts, which mean Linux on a TUN device: its tolerance and its defaults.
  bool packetdrill = false;
  ReadBeside beside;                    // shell files that a script names, if they may be read
  std::function<void(World&)> prepare;  // before anything runs: a capture
};

struct Outcome {
  enum class Kind : uint8_t { kPass, kSkip, kDiffers };
  Kind kind = Kind::kPass;
  Where where;             // of what was skipped for or differs
  std::string reason;      // one line; kDiffers: what was expected, and what came
  std::string transcript;  // every packet of the run, in script notation
  std::string dump;        // the Nat's flows at the end
  // kDiffers: the rules that allow all that differs; empty: none does, and something is wrong.
  std::string allowed_by;
};

Outcome run(const Script& script, const RunOptions& options);

}  // namespace dashi::script
