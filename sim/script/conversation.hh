// A script's flows and how its numbers map to live ones: the guest's sequence numbers and timestamps are
// the script's own, the NAT's begin where its SYN said, and the script counts them from what it wrote for
// that SYN. Knows packets, nothing of time or calls.
#pragma once

#include <map>

#include "sim/script/wire_form.hh"

namespace dashi::script {

// How far the NAT acknowledged the guest's bytes, and up to where it offered to take them.
struct Offer {
  uint32_t ack = 0;
  uint32_t edge = 0;
};

struct Flow {
  Ends ends;                           // guest -> far end
  std::optional<uint32_t> nat_base;    // live - script, of the NAT's sequence numbers
  std::optional<uint32_t> time_base;   // live - script, of the NAT's timestamps
  std::map<uint32_t, uint32_t> times;  // script -> live, if scripts' timestamps are mere names
  uint32_t window_shift = 0;           // of the NAT's windows
  std::optional<Offer> offer;          // of what was taken since its SYN
};

class Conversation {
 public:
  // `times_are_names`: a script's TS val says which of the NAT's it is, not how much later.
  Conversation(const Endpoint& guest, const Endpoint& server, bool times_are_names)
      : guest_(guest), server_(server), times_are_names_(times_are_names) {}

  // A listen() or connect() of the far end: the next SYN begins the script's flow anew.
  void next_syn_begins_flow(bool from_nat);

  // A guest's packet line with live numbers and ends.
  PacketSpec live(const PacketSpec& line);
  // What the NAT's packet line says against what came; empty: they agree. Learns from SYNs.
  std::string compare(const PacketSpec& line, SeenPacket seen);
  // `seen` in the script's numbers, for people and for compare.
  SeenPacket scripted(SeenPacket seen) const;
  // `seen` is done with: it offers from now on.
  void take(const SeenPacket& seen);
  // What was offered before `seen`; nothing: its flow's first.
  std::optional<Offer> offer_before(const SeenPacket& seen) const;
  Ends ends_of(const PacketSpec& line) const;  // guest -> far end
  // The flow that lines without ends are of; nothing before the first.
  std::optional<Ends> current() const {
    return flows_.empty() ? std::nullopt : std::optional(flows_[current_].ends);
  }

 private:
  Flow& flow_of(const Ends& ends);
  const Flow* find(const Ends& ends) const;
  static PacketSpec with_times_of(const SeenPacket& seen, PacketSpec line);
  void learn(const PacketSpec& line, const SeenPacket& seen);

  Endpoint guest_;
  Endpoint server_;
  bool times_are_names_;
  std::vector<Flow> flows_;
  size_t current_ = 0;  // valid iff flows_ is not empty
  bool begin_anew_ = false;
  bool awaits_nat_syn_ = false;
  uint16_t ports_used_ = 0;
};

}  // namespace dashi::script
