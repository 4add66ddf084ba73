#include "sim/segment_oracle.hh"

#include <algorithm>

#include "core/base/block_pool.hh"
#include "sim/guest_bytes.hh"

namespace dashi {

namespace {

using guest::Parsed;

constexpr size_t kMostViolations = 20;
// Of what the guest sends one after the other, each so long after the one before, no more may go unanswered:
// RFC 9293 3.10.7.4 has an ACK for what is acceptable and for what is not.
constexpr uint32_t kMostUnanswered = 3;
constexpr Duration kApart = 200ms;

// Whether it is a TCP segment. What comes to the Nat as it was sent needs no checksum looked at.
bool read(const GuestFrame& frame, Parsed& segment) {
  GuestFrame trusted = frame;
  trusted.offload.csum_trusted = true;
  return !guest::parse_frame(trusted, segment).has_value() &&
         segment.protocol == guest::kProtoTcp && !segment.transport.empty();
}

// A fragment, or behind headers of IPv6 that a fragment's may be among.
bool in_pieces(Bytes frame) {
  if (frame.size() < guest::kEthernetHeader + 20) return false;
  const uint16_t type = guest::get16(frame, 12);
  if (type == guest::kEtherIpv4)
    return (guest::get16(frame, guest::kEthernetHeader + 6) & 0x3fff) != 0;
  const uint8_t next = frame[guest::kEthernetHeader + 6];
  return type == guest::kEtherIpv6 && (next == 0 || next == 43 || next == 44 || next == 60);
}

bool is_before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }
uint32_t later(uint32_t a, uint32_t b) { return is_before(a, b) ? b : a; }

// The most memory that a payload takes: it may begin and end within a block.
size_t memory_for(const Parsed& segment) {
  const size_t bytes = segment.payload.size();
  return bytes == 0 ? 0 : (bytes / BlockPool::kBlockBytes + 2) * BlockPool::kBlockBytes;
}

}  // namespace

// The position nearest to what was acknowledged.
int64_t SegmentOracle::position(const Flow& flow, uint32_t sequence) {
  const auto wire = flow.iss + static_cast<uint32_t>(flow.acknowledged);
  return flow.acknowledged + static_cast<int32_t>(sequence - wire);
}

bool SegmentOracle::has_come(const Flow& flow, int64_t from, int64_t to) {
  const auto after = flow.came.upper_bound(from);
  return after != flow.came.begin() && std::prev(after)->second >= to;
}

void SegmentOracle::note(Flow& flow, int64_t from, int64_t to) {
  auto next = flow.came.upper_bound(from);
  if (next != flow.came.begin() && std::prev(next)->second >= from) --next;
  while (next != flow.came.end() && next->first <= to) {
    from = std::min(from, next->first);
    to = std::max(to, next->second);
    next = flow.came.erase(next);
  }
  flow.came.emplace(from, to);
}

void SegmentOracle::report(const Endpoint& from, const Endpoint& to, const char* what) {
  if (violations_.size() >= kMostViolations) return;
  violations_.push_back("segment " + to_string(from) + " > " + to_string(to) + ": " + what);
}

void SegmentOracle::report(const Parsed& segment, const char* what) {
  report({segment.source, segment.source_port}, {segment.destination, segment.destination_port},
         what);
}

// --- What comes to the Nat ---

void SegmentOracle::guest_syn(const Key& key, const Parsed& segment) {
  const auto [found, is_new] = flows_.try_emplace(key);
  Flow& flow = found->second;
  if (!is_new && flow.iss != segment.sequence) flow.several = true;
  flow.iss = segment.sequence;
  flow.guest_sack = segment.sack_permitted;
  flow.guest_scale = std::min<uint8_t>(segment.window_scale.value_or(0), 14);
  flow.guest_stamps = segment.timestamps.has_value();
  if (!segment.has(guest::kAck)) return;
  flow.nat_iss = segment.acknowledgment - 1;  // it called, and the answer says what it offered
  flow.nat_next = segment.acknowledgment;
  flow.nat_scales = segment.window_scale.has_value();
}

void SegmentOracle::expect_answer(const Arrival& arrival, Flow& flow, const Parsed& segment) {
  if (!flow.nat_iss.has_value() || !segment.has(guest::kAck)) return;
  if (flow.refused != arrival.refused) flow.unanswered = 0;
  flow.refused = arrival.refused;
  if (flow.unanswered != 0 && arrival.at - flow.unanswered_at < kApart) return;
  flow.unanswered_at = arrival.at;
  if (++flow.unanswered == kMostUnanswered + 1) report(segment, "nothing answers it");
}

bool SegmentOracle::note_window(const Arrival& arrival, Flow& flow, const Parsed& segment,
                                int64_t from, int64_t to) {
  if (!segment.has(guest::kAck)) return false;
  const uint32_t ack = segment.acknowledgment;
  const uint32_t stamp = segment.timestamps.has_value() ? segment.timestamps->first : 0;
  const bool is_first = !flow.said.has_value();
  const bool newest = is_first || (from >= flow.said->end && !is_before(ack, flow.said->ack) &&
                                   !is_before(stamp, flow.said->stamp));
  flow.window.reset();
  flow.said = newest ? Said{to, ack, stamp}
                     : Said{std::max(to, flow.said->end), later(ack, flow.said->ack),
                            later(stamp, flow.said->stamp)};
  if (!newest || arrival.damaged || segment.has(guest::kSyn)) return false;
  flow.window = uint32_t{segment.window} << (flow.nat_scales ? flow.guest_scale : 0);
  return true;
}

// RFC 9293 3.10.7.4: what the window lets in is taken, if it follows what is there, says an ACK that may be, and
// has the timestamp that was agreed on.
void SegmentOracle::note_due(Flow& flow, const Parsed& segment, int64_t from) {
  if (segment.payload.empty() || !flow.nat_iss.has_value()) return;
  const uint32_t ack = segment.acknowledgment;
  if (!is_before(*flow.nat_iss, ack) || is_before(flow.nat_next, ack)) return;
  if (flow.guest_stamps && !segment.timestamps.has_value()) return;
  if (from > std::max(flow.taken, flow.due)) return;
  const int64_t end = from + static_cast<int64_t>(segment.payload.size());
  flow.due = std::max(flow.due, std::min(end, flow.told));
}

void SegmentOracle::watch(const Key& key, Flow& flow) {
  if (!flow.watched) watched_.push_back(key);
  flow.watched = true;
}

void SegmentOracle::came(const Arrival& arrival, const GuestFrame& frame) {
  Parsed segment;
  in_pieces_ = in_pieces_ || in_pieces(frame.bytes);
  if (in_pieces_) return;
  if (!read(frame, segment)) return came_otherwise();
  if (segment.has(guest::kRst)) return;
  came_since_ += memory_for(segment);
  const Key key{{segment.source, segment.source_port},
                {segment.destination, segment.destination_port}};
  if (segment.has(guest::kSyn)) guest_syn(key, segment);
  const auto found = flows_.find(key);
  if (found == flows_.end() || found->second.several) return;
  Flow& flow = found->second;
  const int64_t from = position(flow, segment.sequence);
  const int64_t to = from + static_cast<int64_t>(segment.payload.size()) +
                     (segment.has(guest::kSyn) ? 1 : 0) + (segment.has(guest::kFin) ? 1 : 0);
  watch(key, flow);
  flow.heard = true;
  flow.repeats.times = 0;
  if (note_window(arrival, flow, segment, from, to)) note_due(flow, segment, from);
  if (to > from) note(flow, from, to);
  if (to > from && !arrival.damaged && !segment.has(guest::kSyn)) {
    expect_answer(arrival, flow, segment);
  }
  if (!segment.timestamps.has_value()) return;
  const uint32_t stamp = segment.timestamps->first;
  std::vector<uint32_t>& stamps = flow.stamps_that_came;
  if (std::find(stamps.rbegin(), stamps.rend(), stamp) == stamps.rend()) stamps.push_back(stamp);
  if (!flow.awaited || from > flow.acknowledged || to <= flow.acknowledged) return;
  std::optional<uint32_t>& least = flow.stamp_with_awaited;
  if (!least.has_value() || is_before(stamp, *least)) least = stamp;
}

// --- What the Nat sends ---

void SegmentOracle::nat_syn(Flow& flow, uint32_t sequence) {
  if (flow.nat_iss == sequence) return;
  flow.nat_iss = sequence;
  flow.nat_next = sequence + 1;
  flow.acknowledged = 0;
  flow.told = flow.meant = flow.due = 0;
  flow.taken = 1;
  flow.awaited = false;
  flow.echoed.reset();
  flow.owed.reset();
}

void SegmentOracle::check_options_of_answer(const Flow& flow, const Parsed& segment) {
  if (segment.sack_permitted && !flow.guest_sack) {
    report(segment, "it permits SACK, which the guest did not");
  }
  if (segment.timestamps.has_value() && !flow.guest_stamps) {
    report(segment, "it has timestamps, and the guest's SYN had none");
  }
}

// RFC 2018 3, 4; the first may tell of what came twice (RFC 2883 4).
void SegmentOracle::check_sack(const Flow& flow, const Parsed& segment, int64_t ack) {
  if (segment.sack_count != 0 && !flow.guest_sack) {
    report(segment, "a SACK block, and the guest did not permit any");
  }
  for (size_t i = 0; i < segment.sack_count; ++i) {
    const int64_t from = position(flow, segment.sack[i].first);
    const int64_t to = position(flow, segment.sack[i].second);
    if (from >= to) {
      report(segment, "an empty SACK block");
    } else if (!has_come(flow, from, to)) {
      report(segment, "a SACK block of what did not come");
    }
    const bool came_twice = i == 0 && to <= ack;
    if (!came_twice && from <= ack) report(segment, "a SACK block that is not above the ACK");
  }
}

// RFC 7323 4.3: TS.Recent is a stamp that came, goes forward alone, and is not older than what came with the
// first byte that is acknowledged now.
void SegmentOracle::check_echo(Flow& flow, const Parsed& segment, int64_t ack) {
  const uint32_t echo = segment.timestamps->second;
  std::vector<uint32_t>& stamps = flow.stamps_that_came;
  if (std::find(stamps.begin(), stamps.end(), echo) == stamps.end()) {
    report(segment, "a timestamp is echoed that did not come");
    return;
  }
  if (flow.echoed.has_value() && is_before(echo, *flow.echoed)) {
    report(segment, "the timestamp that is echoed goes back");
    return;
  }
  const std::optional<uint32_t>& least = flow.stamp_with_awaited;
  if (ack > flow.acknowledged && least.has_value() && is_before(echo, *least)) {
    report(segment, "the timestamp that is echoed is older than what is acknowledged");
  }
  if (flow.echoed == echo) return;
  flow.echoed = echo;  // no older one may be echoed any more
  std::erase_if(stamps, [echo](uint32_t stamp) { return is_before(stamp, echo); });
}

// RFC 7323 2.2, 2.3. It rounds up, and may fall back by less than a unit; what was told stays accepted.
void SegmentOracle::note_told(Flow& flow, const Parsed& segment, int64_t ack) const {
  const int scale = flow.nat_scales && !segment.has(guest::kSyn) ? nat_scale_ : 0;
  const int64_t told = ack + (int64_t{segment.window} << scale);
  if (told <= flow.told) return;
  flow.told = told;
  flow.meant = told - ((int64_t{1} << scale) - 1);
}

// RFC 6298 5.5, RFC 9293 3.8.6.1: the wait doubles. The first repetition alone may be a probe, or sent upon the
// last that came.
void SegmentOracle::check_repeat(Instant now, Flow& flow, const Parsed& segment, uint32_t end) {
  if (!flow.said.has_value() || flow.heard || silence_ends_) return;
  const uint32_t byte = flow.said->ack;
  if (is_before(byte, segment.sequence) || !is_before(byte, end)) return;
  Repeats& repeats = flow.repeats;
  if (repeats.silence != silence_) repeats = {silence_, 0, now};
  if (repeats.times >= 2) {
    const uint32_t doubled = std::min(repeats.times - 2, 20u);
    const Duration least = std::min(rto_min_ * (1 << doubled), rto_max_);
    if (now - repeats.last < least) report(segment, "it is repeated too soon");
  }
  ++repeats.times;
  repeats.last = now;
}

void SegmentOracle::sent(Instant now, const GuestFrame& frame) {
  Parsed segment;
  if (in_pieces_ || !read(frame, segment)) return;
  if (segment.window_scale.has_value()) nat_scale_ = *segment.window_scale;
  const Key key{{segment.destination, segment.destination_port},
                {segment.source, segment.source_port}};
  const auto found = flows_.find(key);
  if (found == flows_.end() || found->second.several) return;
  Flow& flow = found->second;
  flow.unanswered = 0;
  if (segment.has(guest::kRst)) return;
  if (segment.has(guest::kSyn)) nat_syn(flow, segment.sequence);
  const uint32_t end = segment.sequence + static_cast<uint32_t>(segment.payload.size()) +
                       (segment.has(guest::kSyn) ? 1u : 0u) + (segment.has(guest::kFin) ? 1u : 0u);
  flow.nat_next = later(flow.nat_next, end);
  check_repeat(now, flow, segment, end);
  if (!segment.has(guest::kAck)) return;
  if (segment.has(guest::kSyn)) {
    flow.nat_scales = segment.window_scale.has_value();
    check_options_of_answer(flow, segment);
  }
  const int64_t ack = position(flow, segment.acknowledgment);
  note_told(flow, segment, ack);
  if (!has_come(flow, 0, ack)) report(segment, "it acknowledges what did not come");
  check_sack(flow, segment, ack);
  if (flow.guest_stamps && segment.timestamps.has_value()) {
    check_echo(flow, segment, ack);
  }
  if (ack <= flow.acknowledged) return;
  if (is_overdue(now, flow)) report(segment, "it acknowledges what was taken long ago");
  if (flow.owed.has_value() && ack >= flow.owed->to) flow.owed.reset();
  flow.acknowledged = ack;
  flow.awaited = !has_come(flow, ack, ack + 1);
  flow.stamp_with_awaited.reset();
}

}  // namespace dashi
