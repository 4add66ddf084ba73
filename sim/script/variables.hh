// The variables of a run: a number seen in one line and said in another.
#pragma once

#include <map>

#include "sim/script/wire_form.hh"

namespace dashi::script {

class Variables {
 public:
  // Puts what is known into the line. Of a line of the guest's all must be known: else the name of the
  // first that is not, empty if there is none.
  std::string fill(PacketSpec& line) const;
  // A line of the NAT's: what is not known yet is what came, from now on and in `line`.
  void learn(PacketSpec& line, const SeenPacket& scripted);

 private:
  std::map<std::string, uint64_t> numbers_;
  std::map<std::string, std::string> texts_;  // of messages' fields
};

}  // namespace dashi::script
