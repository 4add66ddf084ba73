// The options that packetdrill does not have: --udp_timeout=100ms, --resolver=silent. A table of names.
#pragma once

#include <optional>

#include "sim/script/setting.hh"

namespace dashi::script {

// Nothing: no such name. False: its value is not one it can have.
std::optional<bool> apply_named(const OptionLine& option, Setting& setting);

}  // namespace dashi::script
