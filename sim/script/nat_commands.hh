// Words of ours that act on the NAT itself, as a driver or its user would, and that ask it: `forward`,
// `dns`, `link`, `ipv6`, `nat`, `expect`. Each gives nothing, or what is wrong.
#pragma once

#include <string>

#include "sim/script/setting.hh"

namespace dashi::script {

bool is_command(const std::string& word);
std::string command(World& world, const Setting& setting, const DirectiveSpec& directive);

}  // namespace dashi::script
