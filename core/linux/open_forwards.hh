// Opens at a Nat what all -p of a command line ask for, and tells what came of it. Plans nothing
// (config_for.hh), prints nothing, and owns nothing: the forwards are the Nat's.
#pragma once

#include <vector>

#include "core/linux/config_for.hh"
#include "core/nat/nat.hh"

namespace dashi {

struct OpenedForward {
  ForwardProtocol protocol{};
  Endpoint host;
  Port guest_port;
  bool chosen = false;  // the host chose the port
};

// What was opened, in the order of `plan`. The first that cannot be is an error that says which and why.
Result<std::vector<OpenedForward>, SystemError> open_forwards(
    Instant now, Nat& nat, const Limits& limits, const std::vector<PlannedForward>& plan);

}  // namespace dashi
