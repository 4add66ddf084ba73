#include "sim/link/faults.hh"

#include <algorithm>

namespace dashi {

namespace {

constexpr size_t kHeaderBytes = 54;  // Ethernet, IPv4 and TCP without options

bool earlier(const FaultDecision& a, const FaultDecision& b) {
  return a.stream != b.stream ? a.stream < b.stream : a.ordinal < b.ordinal;
}

// Where the transport checksum of a frame lies, or 0 if the frame has none.
size_t checksum_place(Bytes frame) {
  if (frame.size() < 14 + 20) return 0;
  size_t transport = 0;
  uint8_t protocol = 0;
  if (frame[12] == 0x08 && frame[13] == 0x00) {
    transport = 14 + size_t{4} * (frame[14] & 0x0f);
    protocol = frame[23];
  } else if (frame[12] == 0x86 && frame[13] == 0xdd) {
    transport = 14 + 40;
    protocol = frame[20];
  }
  size_t place = 0;
  if (protocol == 6) place = transport + 16;
  if (protocol == 17) place = transport + 6;
  if (protocol == 1 || protocol == 58) place = transport + 2;
  return place != 0 && place + 2 <= frame.size() ? place : 0;
}

}  // namespace

const char* name_of(FaultDecision::Kind kind) {
  static constexpr const char* kNames[] = {
      "lose",         "blackout",      "duplicate",        "delay",          "jitter",
      "hold",         "flip-bit",      "smash-header",     "smash-checksum", "truncate",
      "rate",         "mtu",           "short-write",      "would-block",    "reset",
      "connect-late", "connect-fails", "too-many-sockets", "no-buffers"};
  return kNames[static_cast<size_t>(kind)];
}

FaultPlan::FaultPlan(std::vector<FaultDecision> given)
    : replays_(true), decisions_(std::move(given)) {
  std::stable_sort(decisions_.begin(), decisions_.end(), earlier);
}

std::span<const FaultDecision> FaultPlan::given_for(uint32_t stream, uint64_t ordinal) const {
  if (ended_) return {};
  FaultDecision wanted;
  wanted.stream = stream;
  wanted.ordinal = ordinal;
  const auto range = std::equal_range(decisions_.begin(), decisions_.end(), wanted, earlier);
  return {range.first, range.second};
}

MutableBytes damage(const FrameFate& fate, MutableBytes frame) {
  if (fate.flip_bit.has_value() && !frame.empty()) {
    const uint64_t bit = *fate.flip_bit % (frame.size() * 8);
    frame[static_cast<size_t>(bit / 8)] ^= static_cast<uint8_t>(1u << (bit % 8));
  }
  if (fate.smash_xor != 0 && fate.smash_offset < frame.size()) {
    frame[fate.smash_offset] ^= fate.smash_xor;
  }
  if (fate.checksum_xor != 0) {
    const size_t place = checksum_place(frame);
    if (place != 0) {
      frame[place] ^= static_cast<uint8_t>(fate.checksum_xor >> 8);
      frame[place + 1] ^= static_cast<uint8_t>(fate.checksum_xor);
    }
  }
  if (fate.truncate_to.has_value() && *fate.truncate_to < frame.size()) {
    return frame.first(*fate.truncate_to);
  }
  return frame;
}

void LinkChanges::decide(FaultDecision::Kind kind, uint64_t argument, LinkChange& change) {
  if (kind == FaultDecision::Kind::kRate) change.rate_bps = argument;
  if (kind == FaultDecision::Kind::kMtu) change.mtu = static_cast<uint32_t>(argument);
  if (plan_ != nullptr && !plan_->replays()) {
    plan_->note({link_changes_of(stream_), kind, ordinal_, argument});
  }
}

LinkChange LinkChanges::next() {
  LinkChange change;
  if (plan_ != nullptr && plan_->replays()) {
    for (const FaultDecision& given : plan_->given_for(link_changes_of(stream_), ordinal_)) {
      decide(given.kind, given.argument, change);
    }
  } else {
    if (!spec_.rate_change.is_never() && prng_.chance(spec_.rate_change)) {
      decide(FaultDecision::Kind::kRate, prng_.between(spec_.rate_least, spec_.rate_most), change);
    }
    // A small MTU ends again: a stack that does not probe its path could never send a long frame.
    const Chance of_mtu = small_ ? spec_.mtu_restored : spec_.mtu_change;
    if (!spec_.mtu_change.is_never() && prng_.chance(of_mtu)) {
      const uint64_t mtu = small_ ? 0 : prng_.between(spec_.mtu_least, spec_.mtu_most);
      small_ = !small_;
      decide(FaultDecision::Kind::kMtu, mtu, change);
    }
  }
  ++ordinal_;
  return change;
}

void FrameFaults::apply(const FaultDecision& decision, FrameFate& fate) {
  const uint64_t argument = decision.argument;
  switch (decision.kind) {
    case Kind::kLose:
    case Kind::kBlackout:
      fate.lost = true;
      break;
    case Kind::kDuplicate:
      fate.duplicated = true;
      break;
    case Kind::kDelay:
      fate.delay += Duration(static_cast<int64_t>(argument));
      break;
    case Kind::kJitter:
      fate.jitter += Duration(static_cast<int64_t>(argument));
      break;
    case Kind::kHold:
      fate.hold = static_cast<uint32_t>(argument);
      break;
    case Kind::kFlipBit:
      fate.flip_bit = argument;
      break;
    case Kind::kSmashHeader:
      fate.smash_offset = static_cast<uint16_t>(argument >> 8);
      fate.smash_xor = static_cast<uint8_t>(argument);
      break;
    case Kind::kSmashChecksum:
      fate.checksum_xor = static_cast<uint16_t>(argument);
      break;
    case Kind::kTruncate:
      fate.truncate_to = static_cast<size_t>(argument);
      break;
    default:
      break;  // a socket call's decision is no frame's
  }
}

void FrameFaults::decide(Kind kind, uint64_t argument) {
  const FaultDecision decision{stream_, kind, ordinal_, argument};
  apply(decision, fate_);
  if (plan_ != nullptr) plan_->note(decision);
}

void FrameFaults::draw_damage(size_t frame_bytes) {
  if (frame_bytes == 0) return;
  if (!spec_.corrupt_bit.is_never() && prng_.chance(spec_.corrupt_bit)) {
    decide(Kind::kFlipBit, prng_.below(frame_bytes * 8));
  }
  if (!spec_.corrupt_header.is_never() && prng_.chance(spec_.corrupt_header)) {
    const uint64_t offset = prng_.below(std::min(frame_bytes, kHeaderBytes));
    decide(Kind::kSmashHeader, offset << 8 | prng_.between(1, 255));
  }
  if (!spec_.corrupt_checksum.is_never() && prng_.chance(spec_.corrupt_checksum)) {
    decide(Kind::kSmashChecksum, prng_.between(1, 0xffff));
  }
  if (!spec_.truncate.is_never() && prng_.chance(spec_.truncate)) {
    decide(Kind::kTruncate, prng_.below(frame_bytes));
  }
}

// A probability of zero draws nothing: a spec without a fault costs nothing. Within a stream, then,
// turning a fault on moves the draws after it; other streams stay as they are.
void FrameFaults::draw(Instant now, size_t frame_bytes) {
  for (const Blackout& blackout : spec_.blackouts) {
    if (now >= blackout.from && now - blackout.from < blackout.length) decide(Kind::kBlackout, 0);
  }
  const GilbertElliott& bursts = spec_.bursts;
  if (!bursts.good_to_bad.is_never() || bad_) {
    bad_ = bad_ ? !prng_.chance(bursts.bad_to_good) : prng_.chance(bursts.good_to_bad);
  }
  const Chance burst_loss = bad_ ? bursts.loss_in_bad : bursts.loss_in_good;
  if (!burst_loss.is_never() && prng_.chance(burst_loss)) decide(Kind::kLose, 0);
  if (!spec_.loss.is_never() && prng_.chance(spec_.loss)) decide(Kind::kLose, 0);
  if (!spec_.duplicate.is_never() && prng_.chance(spec_.duplicate)) decide(Kind::kDuplicate, 0);
  if (!spec_.jitter.is_zero()) {
    decide(Kind::kJitter, static_cast<uint64_t>(prng_.duration(spec_.jitter).count()));
  }
  if (!spec_.reorder_by_delay.is_never() && prng_.chance(spec_.reorder_by_delay)) {
    decide(Kind::kDelay, static_cast<uint64_t>(prng_.duration(spec_.reorder_delay).count()));
  }
  if (!spec_.reorder_by_distance.is_never() && prng_.chance(spec_.reorder_by_distance)) {
    decide(Kind::kHold, prng_.between(1, std::max<uint32_t>(1, spec_.reorder_distance)));
  }
  draw_damage(frame_bytes);
}

FrameFate FrameFaults::next(Instant now, size_t frame_bytes) {
  fate_ = FrameFate{};
  if (plan_ != nullptr && plan_->replays()) {
    for (const FaultDecision& decision : plan_->given_for(stream_, ordinal_)) {
      apply(decision, fate_);
    }
  } else {
    draw(now, frame_bytes);
  }
  ++ordinal_;
  return fate_;
}

}  // namespace dashi
