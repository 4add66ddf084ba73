// One run of a script: its world, and where in the script it is. Inside of this folder only; runner.hh
// is for others. Its packets are in run_packets.cc, all else in runner.cc.
#pragma once

#include <set>

#include "sim/script/allowance.hh"
#include "sim/script/code.hh"
#include "sim/script/conversation.hh"
#include "sim/script/far_end.hh"
#include "sim/script/message_wire.hh"
#include "sim/script/nat_commands.hh"
#include "sim/script/places.hh"
#include "sim/script/setting.hh"
#include "sim/script/variables.hh"
#include "sim/second_guest.hh"

namespace dashi::script {

constexpr MacAddress kGuestMac{{0x02, 0, 0, 0, 0, 0x02}};
constexpr Duration kAnyTime = 10min;  // how long '*' waits

std::string shown(Instant at);
// Of what a link says for itself, which kind: "arp", "router", "neighbor"; empty: it is not that.
std::string link_protocol(const TransportSpec& transport);
bool is_nothing(const PacketSpec& line);
bool is_anything(const PacketSpec& line);

class Run {
 public:
  Run(const Script& script, const Setting& setting)
      : script_(script),
        setting_(setting),
        world_(setting.world),
        far_end_(world_, setting),
        conversation_(setting.guest, setting.server, !setting.compares_timestamps),
        macs_{kGuestMac, setting.world.nat.topology.gateway_mac},
        other_{conversation_, 0, {}} {
    for (const Event& event : script.events) {
      const auto* line = std::get_if<PacketSpec>(&event.what);
      if (line != nullptr) hears_.insert(link_protocol(line->transport));
      if (event.of_second_guest && second_ == nullptr) {
        second_ = std::make_unique<SecondGuest>(world_, setting.world.nat, setting.world.link);
      }
    }
    if (!setting.packetdrill) return;
    far_end_.wait_for([this] { return handshake_over(); });
    code_.let_be_less("tcpi_snd_cwnd");
  }

  World& world() { return world_; }
  Outcome go();

 private:
  void announce();
  Instant due(const When& when) const;
  void advance(Instant to);
  void handle(const Event& event);
  void guest_sends(const Event& event, const PacketSpec& line);
  void expect(const Event& event, const PacketSpec& line);
  std::optional<SeenPacket> next_seen(Instant deadline);
  enum class Met : uint8_t { kWhole, kPart, kNothing };
  Met meet(Where where, PacketSpec& line, SeenPacket& seen, Duration behind);
  bool forgive(Where where, const PacketSpec& line, const SeenPacket& seen, Duration behind);
  bool look();
  void call(const Event& event, const CallSpec& spec);
  bool awaited(const Event& event, const CallSpec& next);
  bool retry();
  void judge(const Event& event, const CallSpec& spec, const CallResult& result);
  void expect_nothing(const Event& event, bool anything);
  Ends gateway_ends() const;
  PacketSpec settled(const Event& event, const PacketSpec& line);
  bool is_listened_to(const SeenPacket& seen) const;
  Commanded commanded();
  void direct(const Event& event, const DirectiveSpec& directive);
  void assert_code(const CodeSpec& code);
  bool handshake_over();
  void turn_to(bool second);
  ScriptedGuest& speaker() { return at_second_ ? second_->script() : world_.script(); }
  void note(Instant at, char side, const std::string& text);
  void write_transcript();
  void skip(Where where, std::string reason);
  void differ(Where where, std::string reason);
  void differ(Where where, const PacketSpec& line, std::string how);
  bool over() const { return over_early_ || outcome_.kind != Outcome::Kind::kPass; }

  const Script& script_;
  const Setting& setting_;
  World world_;
  FarEnd far_end_;
  Code code_;
  Conversation conversation_;
  Macs macs_;
  Variables variables_;
  std::set<std::string> hears_;  // the link's own protocols that the script has lines of
  Instant last_{};               // when the event before this one was due, or came
  Duration behind_{};            // how much later that is than by the script's own clock
  size_t looked_at_ = 0;         // of what the guest heard
  std::deque<SeenPacket> seen_;  // and no line has taken yet
  struct Party {                 // what the run knows of a guest's side
    Conversation conversation;
    size_t looked_at;
    std::deque<SeenPacket> seen;
  };
  Party other_;  // of the guest whose line this is not
  bool at_second_ = false;
  std::unique_ptr<SecondGuest> second_;  // null: no line is of one
  const Event* blocked_ = nullptr;
  Instant returns_at_ = kNever;   // by the script
  Instant gives_up_at_ = kNever;  // by its own timeout
  Outcome outcome_;
  struct Note {
    Instant at;
    std::string text;
  };
  std::vector<Note> notes_;  // the transcript; what came is noted when a line takes it, often later
  TcpSpec heard_;            // the guest's last segment
  Forgiven forgiven_;
  bool began_ = false;       // something but shell lines was there
  bool over_early_ = false;  // by what is forgiven: nothing after it can be compared
};

}  // namespace dashi::script
