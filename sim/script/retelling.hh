// A run of a world told as a script: what its guest sent and heard at the Nat's end of the link, what the far
// ends did, what went wrong and when, in the language scripts are written in. It watches while the world
// runs and writes when it is over. What is told is TCP, and errors about it; what a script cannot say it
// names. The script is the run once more as far as its world is one that scripts can have: who needs that
// to be so runs it.
#pragma once

#include <map>
#include <set>

#include "sim/script/wire_form.hh"
#include "sim/world.hh"

namespace dashi::script {

// Begins the comment at the place where a rule was broken.
inline constexpr const char* kBrokenHere = "Broken here";
bool says_broken(const std::string& line);
// 1.5; with nothing before the point of what is below a second.
std::string seconds_of(Duration time);

class Retelling {
 public:
  // Watches `world`, which outlives it, from now on: before anything runs.
  explicit Retelling(World& world);
  ~Retelling();
  Retelling(const Retelling&) = delete;
  Retelling& operator=(const Retelling&) = delete;

  // Something that only who ordered it knows of: `nat restore`.
  void command(Instant at, const std::string& words);
  // The script: what it does not tell as comments, the options, and what happened until `end`; where
  // `broken` was said of the run, a comment that says so.
  std::string script(const std::string& broken, Instant end);

 private:
  struct Line {
    Instant at;
    bool moves = false;  // something is done to the Nat: its calls follow from it
    std::string begin;   // of a packet: its side
    std::string ends;    // written if the script has several flows
    std::string alone;   // in its place, if it has one
    std::string rest;
    std::string comment;
    uint64_t event = 0;  // of the world's queue
    uint64_t turn = 0;   // of the Nat's driver
    bool is_call() const { return moves && begin.empty() && rest.find('(') != std::string::npos; }
  };
  struct Flow {
    uint32_t guest_base = 0;
    std::optional<uint32_t> nat_base;
    std::optional<uint32_t> nat_time_base;
  };
  struct Descriptor {
    uint32_t number;
    bool gone = false;
  };

  void guest_frame(const GuestFrame& frame, const Delivery& delivery);
  void nat_frame(const GuestFrame& frame);
  void far_end(const FarEndMove& move);
  void listen(Port port);
  void late_turn(Instant since, Instant until);
  void failure(SocketCall call, const FaultDecision& decision);
  std::optional<SeenPacket> told_of(const GuestFrame& frame);
  void add(const Line& line);
  void call(const Descriptor& descriptor, const char* name, const std::string& arguments);
  void counted_call(const Descriptor& descriptor, const char* name, size_t bytes);
  Flow& flow_of(const Ends& guests);
  std::string ends_of(const Ends& ends) const;
  void write_guest(const SeenPacket& seen, const Delivery& delivery);
  void write_nat(const SeenPacket& seen, uint64_t ordinal);
  std::string mishaps_of(uint64_t ordinal) const;
  bool several() const;
  std::string opening() const;
  std::string options() const;
  bool asks_gateway() const;
  std::vector<std::string> untold() const;

  World& world_;
  std::vector<Line> lines_;
  std::map<std::pair<Endpoint, Endpoint>, Flow> flows_;  // by the guest's end and the other
  std::map<std::pair<uint32_t, uint32_t>, Descriptor> descriptors_;  // by connection
  std::map<Port, uint32_t> listeners_;                               // their descriptors
  uint32_t next_descriptor_ = 3;
  std::optional<size_t> broken_before_;  // of lines_: the first after World found something broken
  std::optional<Family> family_;         // of the first packet, and the script
  uint64_t sent_ = 0;                    // frames of the Nat's
  uint64_t others_ = 0;                  // frames that are not told
  bool elsewhere_ = false;               // a flow leads to another host than the first
};

}  // namespace dashi::script
