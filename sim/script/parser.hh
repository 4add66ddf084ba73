// Text -> Script. Reads packetdrill's language and our additions; the first thing it does not
// understand is an error with its line and column, and nothing of the script is given.
#pragma once

#include <string_view>

#include "core/base/result.hh"
#include "sim/script/script.hh"

namespace dashi::script {

Result<Script, ScriptError> parse(std::string_view text);

}  // namespace dashi::script
