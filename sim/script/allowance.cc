#include "sim/script/allowance.hh"

#include <algorithm>

namespace dashi::script {
namespace {

constexpr uint16_t kFin = 1;
constexpr uint16_t kSyn = 2;
constexpr uint16_t kRst = 4;
constexpr uint16_t kPsh = 8;
constexpr uint16_t kAck = 16;
constexpr uint16_t kEcnFlags = 0x1c0;  // ECE, CWR, AE

constexpr const char* kAcks = "RFC 9293 3.8.6.3: an ACK may come at once, or wait for 500 ms";
constexpr const char* kPushes = "RFC 9293 3.9.1.2: a sender may push more than the last byte";
constexpr const char* kWindows = "RFC 9293 3.8.6: its window is the receiver's to choose";
constexpr const char* kEcn = "RFC 3168 6.1.1: ECN is used only where both ends offer it";
constexpr const char* kAccurateEcn = "RFC 9768 3.1: AccECN is used only where both ends offer it";
constexpr const char* kFastOpen = "RFC 7413 4.1: a cookie need not be given";
constexpr const char* kScales = "RFC 7323 2.3: its scale is the receiver's to choose";
constexpr const char* kOptionOrder = "RFC 9293 3.1: options come in any order";
constexpr const char* kSegments =
    "RFC 9293 3.7: a sender cuts its stream into segments as it likes";
constexpr const char* kProbes = "RFC 9293 3.8.6.1: a window probe carries a byte";
constexpr const char* kTrims =
    "RFC 9293 3.10.7.4: of a segment may be taken what lies in the window";
constexpr const char* kReports = "RFC 2883 4: what came twice may be reported";
constexpr const char* kSplit = "RFC 9293 3.6: the far end's close is passed on as a close";

using Options = std::vector<TcpOption>;

bool is_padding(const TcpOption& option) {
  return option.kind == TcpOption::Kind::kNop || option.kind == TcpOption::Kind::kEol;
}

// Why this option of a line's may be missing; null: it may not.
const char* may_be_missing(const TcpOption& option) {
  if (option.kind != TcpOption::Kind::kRaw) return nullptr;
  if (option.value == 34 || option.value == 254) return kFastOpen;
  return option.value == 172 || option.value == 174 ? kAccurateEcn : nullptr;
}

bool alike(const TcpOption& line, const TcpOption& came, bool& scale_differs) {
  if (line.kind != came.kind) return false;
  const bool scale = line.kind == TcpOption::Kind::kWindowScale;
  scale_differs = scale_differs || (scale && line.value != came.value);
  const bool value = scale || line.kind == TcpOption::Kind::kTimestamps || line.value == came.value;
  return value && line.echo == came.echo && line.blocks == came.blocks && line.bytes == came.bytes;
}

// True if every option but padding is there; the rules for what is not quite so.
bool options_may_differ(const Options& line, Options came, Rules& rules) {
  Rules why;
  bool scale_differs = false;
  came.erase(std::remove_if(came.begin(), came.end(), is_padding), came.end());
  for (const TcpOption& option : line) {
    if (is_padding(option)) continue;
    const auto same = std::find_if(came.begin(), came.end(), [&](const TcpOption& other) {
      return alike(option, other, scale_differs);
    });
    const char* const missing = may_be_missing(option);
    if (same == came.end() && missing == nullptr) return false;
    if (same == came.end())
      why.insert(missing);
    else
      came.erase(same);
  }
  for (const TcpOption& option : came) {
    if (option.kind != TcpOption::Kind::kSack) return false;
    why.insert(kReports);
  }
  if (scale_differs) why.insert(kScales);
  if (why.empty()) why.insert(kOptionOrder);
  rules.insert(why.begin(), why.end());
  return true;
}

// All of the options that came but their clock, which is the line's.
Options but_clock(Options came, const Options& line) {
  for (TcpOption& option : came) {
    for (const TcpOption& due : line) {
      const bool both = option.kind == TcpOption::Kind::kTimestamps && due.kind == option.kind;
      if (both) option.value = due.value;
    }
  }
  return came;
}

// The clock of an ACK that came later or sooner shows by how much, and so does that of what follows.
void take_clock(Options& line, const Options& came, Duration behind, Rules& rules) {
  using std::chrono::milliseconds;
  const int64_t least = std::chrono::floor<milliseconds>(std::min(behind, Duration{})).count();
  const int64_t most = std::chrono::ceil<milliseconds>(std::max(behind, Duration{})).count();
  for (TcpOption& option : line) {
    for (const TcpOption& other : came) {
      const bool both = option.kind == TcpOption::Kind::kTimestamps && other.kind == option.kind;
      const auto waited = static_cast<int32_t>(other.value - option.value);  // milliseconds
      if (!both || waited == 0 || waited < least || waited > most) continue;
      option.value = other.value;
      rules.insert(kAcks);
    }
  }
}

bool is_later(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

// Whether a segment of which `to` is the end of what was taken was cut at the window's edge.
bool is_cut_at_edge(uint32_t to, const TcpSpec& segment, const Offer& offer) {
  const uint32_t taken = to - segment.begin;
  return to == offer.edge && taken > 0 && taken < segment.length;
}

// Whether an ACK takes all of a segment, or nothing.
bool takes_all_or_nothing(uint32_t ack, const TcpSpec& segment, const Offer& offer) {
  const uint32_t end = segment.begin + segment.length + ((segment.flags & kFin) != 0 ? 1 : 0);
  if (ack == end || ack == offer.ack) return true;
  return is_later(ack, offer.ack) && !is_later(ack, segment.begin);
}

// Whether the blocks of the line are what came, but that one or more end with the guest's last segment,
// which was cut.
bool blocks_are_trimmed(const TcpOption& line, const TcpOption& came, const TcpSpec& heard,
                        const Offer& offer) {
  const auto trimmed = [&](const auto& due, const auto& block) {
    return due.first == block.first && due.second == heard.begin + heard.length &&
           is_cut_at_edge(block.second, heard, offer);
  };
  return line.blocks != came.blocks &&
         std::equal(line.blocks.begin(), line.blocks.end(), came.blocks.begin(), came.blocks.end(),
                    [&](const auto& due, const auto& block) {
                      return due == block || trimmed(due, block);
                    });
}

// Makes the line say of the guest's last segment what came; false: it may not be so.
bool trim(TcpSpec& line, const TcpSpec& came, const TcpSpec& heard, const Offer& offer) {
  if (!line.ack || !came.ack) return false;
  if (line.ack != came.ack) {
    const bool may = takes_all_or_nothing(*line.ack, heard, offer);
    line.ack = came.ack;
    return may && is_cut_at_edge(*came.ack, heard, offer);
  }
  for (TcpOption& option : line.options) {
    for (const TcpOption& other : came.options) {
      const bool both = option.kind == TcpOption::Kind::kSack && other.kind == option.kind;
      if (!both || !blocks_are_trimmed(option, other, heard, offer)) continue;
      option.blocks = other.blocks;
      return true;
    }
  }
  return false;
}

bool same_options(const Options& a, const Options& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const TcpOption& one, const TcpOption& other) {
                      bool scale_differs = false;
                      return alike(one, other, scale_differs) && !scale_differs;
                    });
}

}  // namespace

void Forgiven::add(Where at, std::string what, const Rules& allowed_by) {
  if (!where) {
    where = at;
    reason = std::move(what);
  }
  rules.insert(allowed_by.begin(), allowed_by.end());
}

std::string Forgiven::by() const {
  std::string text;
  for (const std::string& rule : rules) {
    if (!rule.empty()) text += (text.empty() ? "" : "; ") + rule;
  }
  return text;
}

bool is_pure_ack(const TransportSpec& transport) {
  const auto* tcp = std::get_if<TcpSpec>(&transport);
  return tcp != nullptr && (tcp->flags & ~kEcnFlags) == kAck && tcp->length == 0;
}

PacketSpec forgiving(const PacketSpec& line, const SeenPacket& seen, Duration behind,
                     Rules& rules) {
  PacketSpec packet = line;
  auto* tcp = std::get_if<TcpSpec>(&packet.transport);
  const auto* came = std::get_if<TcpSpec>(&seen.transport);
  if (tcp == nullptr || came == nullptr) return packet;
  const uint16_t differing = tcp->flags ^ came->flags;
  if ((differing & kPsh) != 0) {
    tcp->flags ^= kPsh;
    rules.insert(kPushes);
  }
  if ((differing & kEcnFlags) != 0 && (came->flags & kEcnFlags) == 0) {
    tcp->flags &= static_cast<uint16_t>(~kEcnFlags);
    rules.insert(kEcn);
  }
  const bool marked = packet.any_ect || packet.ecn.value_or(0) != 0;
  if (marked && (seen.tos & 3) == 0) {
    packet.any_ect = false;
    packet.ecn = 0;
    rules.insert(kEcn);
  }
  if (tcp->window && tcp->window != came->window) {
    tcp->window = came->window;
    rules.insert(kWindows);
  }
  if (!tcp->any_options && !same_options(tcp->options, came->options) &&
      options_may_differ(tcp->options, came->options, rules)) {
    tcp->options = but_clock(came->options, tcp->options);
  }
  take_clock(tcp->options, came->options, behind, rules);
  return packet;
}

std::string allowed_between(const PacketSpec& line, const SeenPacket& seen) {
  const auto* tcp = std::get_if<TcpSpec>(&line.transport);
  if (tcp == nullptr || !is_pure_ack(seen.transport) || (tcp->flags & kSyn) != 0) return {};
  const auto& came = std::get<TcpSpec>(seen.transport);
  const bool later = tcp->ack && came.ack && static_cast<int32_t>(*came.ack - *tcp->ack) > 0;
  return later ? "" : kAcks;
}

std::string allowed_instead(const PacketSpec& line, const SeenPacket& seen, const TcpSpec& heard) {
  const auto* tcp = std::get_if<TcpSpec>(&line.transport);
  const auto* came = std::get_if<TcpSpec>(&seen.transport);
  if (tcp == nullptr || came == nullptr) return {};
  const bool split = (tcp->flags & kRst) != 0 && (came->flags & kFin) != 0;
  if (split && (heard.flags & kSyn) != 0) return kSplit;
  const bool probe = is_pure_ack(line.transport) && came->length == 1;
  return probe && tcp->begin + 1 == came->begin ? kProbes : "";
}

std::optional<PacketSpec> trimmed(const PacketSpec& line, const SeenPacket& seen,
                                  const TcpSpec& heard, const Offer& offer, Rules& rules) {
  if (!is_pure_ack(line.transport) || !is_pure_ack(seen.transport)) return std::nullopt;
  PacketSpec packet = line;
  if (!trim(std::get<TcpSpec>(packet.transport), std::get<TcpSpec>(seen.transport), heard, offer))
    return std::nullopt;
  rules.insert(kTrims);
  return packet;
}

bool cut_for(const PacketSpec& line, SeenPacket& seen, SeenPacket& rest, Rules& rules) {
  const auto* tcp = std::get_if<TcpSpec>(&line.transport);
  auto* came = std::get_if<TcpSpec>(&seen.transport);
  if (tcp == nullptr || came == nullptr || tcp->length == 0 || came->length <= tcp->length ||
      seen.payload.size() != came->length) {
    return false;
  }
  const uint16_t segment = seen.offload.gso_size;
  if (segment == 0 || tcp->length % segment != 0) rules.insert(kSegments);
  rest = seen;
  auto& left = std::get<TcpSpec>(rest.transport);
  left.begin += tcp->length;
  left.length -= tcp->length;
  const auto at = seen.payload.begin() + static_cast<std::ptrdiff_t>(tcp->length);
  rest.payload.assign(at, seen.payload.end());
  seen.payload.erase(at, seen.payload.end());
  came->length = tcp->length;
  // Who pushes the whole says nothing of its parts.
  came->flags = static_cast<uint16_t>((came->flags & ~(kFin | kPsh)) | (tcp->flags & kPsh));
  return true;
}

}  // namespace dashi::script
