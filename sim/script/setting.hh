// What a script asks of its world before its first event: --options and the shell lines around it,
// which are read, never run.
#pragma once

#include <algorithm>

#include "sim/script/runner.hh"

namespace dashi::script {

struct Setting {
  WorldConfig world;
  Family family = Family::kIpv4;
  Duration tolerance{};
  uint32_t tolerance_per_mille = 0;  // of the time since the event before, if that is more
  bool packetdrill = false;
  uint16_t guest_segment = 0;  // payload of a segment in a guest's longer frame; 0: sent as it is
  bool compares_timestamps = true;       // TS val, not only that it is there
  std::optional<ScriptError> unserved;   // an option of packetdrill's that a NAT has no answer to
  std::vector<std::string> passed_over;  // of the shell lines: what nothing here answers to
  Endpoint guest;                        // the guest's end of the script's own flow
  Endpoint server;                       // where the far end listens
  Endpoint guest_service;                // what a connect() of the far end leads to, on the guest
  static constexpr uint32_t kServerHost = 1;

  // How far from its time an event may be that is due so long after the one before.
  Duration slack(Duration since_last) const {
    const int64_t part = std::max<int64_t>(0, since_last.count()) / 1000 * tolerance_per_mille;
    return std::max(tolerance, Duration(part));
  }
};

// Whether a shell line would set what a NAT is told but once.
bool changes_setting(const std::string& shell_line);

// An error: an option that does not exist, or a value it cannot have.
Result<Setting, ScriptError> setting_of(const Script& script, const RunOptions& options);

}  // namespace dashi::script
