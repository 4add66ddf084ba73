// `fail CALL HOW`: what a script makes go wrong with the NAT's next socket call of a kind.
#pragma once

#include <string>
#include <vector>

#include "sim/socket_call_faults.hh"

namespace dashi::script {

// The words after `fail`. Empty, or what is wrong with them.
std::string force_fault(SocketCallFaults& faults, const std::vector<std::string>& words);
// The words that make this go wrong with this call; empty: there are none.
std::string words_of(SocketCall call, const FaultDecision& decision);

}  // namespace dashi::script
