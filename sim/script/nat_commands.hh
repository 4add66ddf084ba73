// Words of ours that act on the NAT itself, as a driver or its user would, and that ask it: `forward`,
// `dns`, `link`, `ipv6`, `nat`, `expect`. Each gives nothing, or what is wrong.
#pragma once

#include <string>

#include "sim/script/setting.hh"

namespace dashi::script {

// Whose words they are: one guest's NAT and its link, in a world that may have two.
struct Commanded {
  World& world;
  Nat& nat;
  SimLink& link;
  NatDriver& driver;
};

bool is_command(const std::string& word);
// Whether it is written as it must be: nothing, or what is wrong.
std::string wrong_form(const DirectiveSpec& directive);
std::string command(const Commanded& to, const Setting& setting, const DirectiveSpec& directive);

}  // namespace dashi::script
