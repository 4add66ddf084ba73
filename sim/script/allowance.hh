// What the RFCs leave to a TCP, and Linux, whose scripts packetdrill's are, decides otherwise than the
// NAT. Such a script goes on after such a difference, which is told with the rule that allows it.
#pragma once

#include <set>

#include "sim/script/conversation.hh"

namespace dashi::script {

using Rules = std::set<std::string>;

// What differed in a run and may: the first of it, and all the rules.
struct Forgiven {
  std::optional<Where> where;
  std::string reason;
  Rules rules;

  void add(Where at, std::string what, const Rules& allowed_by);
  std::string by() const;
};

constexpr Duration kAckWaitMax = 500ms;  // RFC 9293 3.8.6.3 (MUST-58)

// What lets an assertion's congestion window be smaller.
constexpr const char* kLessAggressive = "RFC 5681 3: a sender may be less aggressive";

// Nothing but an acknowledgment.
bool is_pure_ack(const TransportSpec& transport);

// The line with all of `seen`, in the script's numbers, that may differ from it, and the rules that say
// so added to `rules`. Whether they agree then is for a comparison. The script's own clock stands behind
// by `behind`, for the ACKs that waited, or ahead if that is negative, for those that came sooner.
PacketSpec forgiving(const PacketSpec& line, const SeenPacket& seen, Duration behind, Rules& rules);

// The rule that lets `seen` come before what the line expects; empty: none does.
std::string allowed_between(const PacketSpec& line, const SeenPacket& seen);

// The rule that lets `seen` come in the place of what the line expects, though the script cannot go on.
// `heard` is the guest's last segment.
std::string allowed_instead(const PacketSpec& line, const SeenPacket& seen, const TcpSpec& heard);

// The ACK with less, or more, of the guest's last segment taken, as `seen` says; nothing: it was not cut
// at the edge of `offer`, which was made before.
std::optional<PacketSpec> trimmed(const PacketSpec& line, const SeenPacket& seen,
                                  const TcpSpec& heard, const Offer& offer, Rules& rules);

// How the front of a longer segment or super-frame meets a line: it is cut there, and the rest is left
// in `rest`. False: it cannot be cut so.
bool cut_for(const PacketSpec& line, SeenPacket& seen, SeenPacket& rest, Rules& rules);

}  // namespace dashi::script
