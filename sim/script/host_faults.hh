// `fail CALL HOW`: what a script makes go wrong with the NAT's next socket call of a kind.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hh"
#include "sim/socket_call_faults.hh"

namespace dashi::script {

struct CallFault {
  SocketCall call{};
  FaultDecision decision;
};

// The words after `fail`. An error: what is wrong with them.
Result<CallFault, std::string> fault_of(const std::vector<std::string>& words);
// The words that make this go wrong with this call; empty: there are none.
std::string words_of(SocketCall call, const FaultDecision& decision);

}  // namespace dashi::script
