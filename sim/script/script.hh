// A .pkt script as data: what was written, with where, and nothing of what it means to a world. The
// parser makes it, the runner carries it out. The language is packetdrill's with additions; its
// manual is scenarios/README.md. Sequence numbers and timestamps are as the script counts them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/time.hh"
#include "core/wire/address.hh"

namespace dashi::script {

// A place in the script's text, both from 1.
struct Where {
  uint32_t line = 1;
  uint32_t column = 1;
};

struct ScriptError {
  Where where;
  std::string message;
};

// When an event is to happen, from the start of the script or from the event before it.
struct When {
  // kTogether, of a call: with the call before it, so that the NAT hears of both at once.
  enum class Kind : uint8_t { kAbsolute, kRelative, kAny, kTogether };
  Kind kind = Kind::kRelative;
  Duration from{};
  Duration to{};                  // == from unless a range was given
  std::optional<Duration> until;  // a blocking call returns then; counted as `from` is
};

enum class Side : uint8_t { kGuest, kNat };  // who sends: '<' is the guest's, '>' the NAT's

struct TcpOption {
  enum class Kind : uint8_t {
    kEol,
    kNop,
    kMss,
    kWindowScale,
    kSackPermitted,
    kSack,
    kTimestamps,
    kRaw
  };
  Kind kind{};
  uint32_t value = 0;                                 // MSS, shift, TS val; kRaw: the option's kind
  uint32_t echo = 0;                                  // TS ecr
  std::vector<std::pair<uint32_t, uint32_t>> blocks;  // SACK
  std::vector<uint8_t> bytes;                         // kRaw: what follows kind and length
};

struct TcpSpec {
  // FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE: bits 0 to 8, as on the wire
  uint16_t flags = 0;
  uint32_t begin = 0;
  uint32_t length = 0;  // bytes of payload
  std::optional<uint32_t> ack;
  std::optional<uint16_t> window;  // as on the wire, unscaled
  uint16_t urgent = 0;
  bool any_options = false;  // <...>
  std::vector<TcpOption> options;
};

struct UdpSpec {
  uint32_t length = 0;
};

// An ICMP message by its packetdrill names, about a segment of the other side's, or an echo message.
struct IcmpSpec {
  std::string type;
  std::string code;
  uint32_t mtu = 0;              // next-hop MTU; echo: 0
  std::optional<TcpSpec> about;  // the sequence range of the quoted segment
  uint16_t id = 0;               // echo
  uint16_t sequence = 0;
  uint32_t length = 0;
};

// A message of another protocol: arp who-has 10.0.0.1 tell 10.0.0.2. Values are text, as message_forms
// says of each name; a list's are parted by commas.
struct MessageField {
  Where where;
  std::string name;
  std::string value;
};
struct MessageSpec {
  std::string protocol;
  std::string verb;
  std::vector<MessageField> fields;
};

using TransportSpec = std::variant<TcpSpec, UdpSpec, IcmpSpec, MessageSpec>;

struct Ends {
  Endpoint from;
  Endpoint to;
};

// A number of a line that is written as a variable: $name, $name+1.
struct VariableUse {
  enum class Slot : uint8_t { kFromPort, kToPort, kBegin, kAck, kTimestamp, kEcho, kId, kSequence };
  Where where;
  std::string name;
  int64_t plus = 0;
  Slot slot{};
};

// What the wire does to a packet of this line.
struct Mishap {
  enum class Kind : uint8_t {
    kDrop,
    kDuplicate,
    kDelay,
    kCorrupt,
    kFragment,
    kCut,
    kPad,
    kSegment
  };
  Kind kind{};
  Duration delay{};
  // kDuplicate: copies more. kCorrupt: at which byte of the frame; 1: its last. Bytes: kFragment: of payload each; kCut: left; kPad: added; kSegment: each.
  uint32_t bytes = 0;
};

struct PacketSpec {
  Side side{};
  std::optional<Ends> ends;  // else the script's own flow
  std::optional<uint8_t> ttl;
  std::optional<uint8_t> tos;
  std::optional<uint8_t> ecn;                             // the two bits
  bool any_ect = false;                                   // ECT(0) or ECT(1)
  std::optional<std::pair<MacAddress, MacAddress>> macs;  // from, to
  TransportSpec transport;
  std::optional<std::string> payload;  // its bytes; else zeros are sent and any are taken
  std::vector<MessageSpec> messages;   // DNS messages that a TCP line carries, each framed
  std::vector<VariableUse> variables;
  std::vector<Mishap> mishaps;
};

// An expression in a call: a number, a string, ..., a word, [list], {struct}, word(arguments), a|b.
struct Value {
  enum class Kind : uint8_t {
    kNumber,
    kString,
    kEllipsis,
    kUnknown,
    kWord,
    kList,
    kStruct,
    kCall,
    kOr
  };
  Kind kind{};
  Where where;
  int64_t number = 0;
  std::string text;                // kString, kWord, kCall
  bool begins = false;             // kString, as "text"...: more may follow
  std::vector<Value> items;        // members and arguments
  std::vector<std::string> names;  // kStruct: of the members; "" where it has none
};

struct CallSpec {
  std::string name;
  std::vector<Value> arguments;
  Value result;
  std::string error;  // EAGAIN; empty: none
};

struct CommandSpec {
  std::string text;  // a shell line: never run
};

struct CodeSpec {
  Where where;
  std::string text;  // between %{ and }%
};

// Words of ours: `expect`, `fail`, `forward`, ... Each is its words and values in order.
struct DirectiveSpec {
  std::string name;
  std::vector<std::string> words;
};

struct Event {
  Where where;
  When when;
  bool of_second_guest = false;  // guest2: the line is its, or for its NAT
  std::variant<PacketSpec, CallSpec, CommandSpec, CodeSpec, DirectiveSpec> what;
};

struct OptionLine {
  Where where;
  std::string name;  // without its dashes
  std::string value;
};

struct Script {
  std::vector<OptionLine> options;
  std::vector<std::pair<Where, CommandSpec>> commands;  // before the first event
  std::vector<Event> events;
  // Sound packetdrill that a NAT has no answer to: the script ends there, and is a skip.
  std::optional<ScriptError> unserved;
};

// What --ip_version says; nothing: it holds over both families.
std::optional<Family> family_of(const Script& script);

}  // namespace dashi::script
