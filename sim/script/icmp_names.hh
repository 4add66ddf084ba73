// ICMP types and codes by the names packetdrill gives them, for both families.
#pragma once

#include <utility>

#include "core/base/check.hh"

#include "sim/script/script.hh"

namespace dashi::script {

bool is_echo(const IcmpSpec& icmp);
bool is_known(Family family, const IcmpSpec& icmp);
// Type and code on the wire; is_known holds.
std::pair<uint8_t, uint8_t> number_icmp(Family family, const IcmpSpec& icmp);
// Fills in the names of a type and code; numbers as text where there is no name.
void name_icmp(Family family, uint8_t type, uint8_t code, IcmpSpec& icmp);

}  // namespace dashi::script
