// Linux's settings of TCP, by their names, as the Config that means the same to a NAT.
#pragma once

#include <string>

#include "sim/world.hh"

namespace dashi::script {

// False: nothing of a NAT's answers to the name, or its value is not one that can be meant.
bool apply_sysctl(const std::string& name, const std::string& value, WorldConfig& world);

// A bound on what may be received, as a socket option or a sysctl says it: the window announced never
// exceeds it, and the scale is the least that can say it (RFC 7323 2.3).
void bound_receive_memory(uint64_t bytes, TcpConfig& tcp);

}  // namespace dashi::script
