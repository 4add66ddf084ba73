#include "sim/digest.hh"

#include <algorithm>
#include <cstdio>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace dashi {

namespace {

void put_u64(uint8_t* at, uint64_t value) {
  for (size_t i = 0; i < 8; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace

struct Digest::State {
  XXH3_state_t xxh;
};

const char* name_of(DigestKind kind) {
  switch (kind) {
    case DigestKind::kFrameUp:
      return "frame-up";
    case DigestKind::kFrameDown:
      return "frame-down";
    case DigestKind::kFrameSent:
      return "frame-sent";
    case DigestKind::kSocketCall:
      return "socket-call";
    case DigestKind::kSocketEvent:
      return "socket-event";
    case DigestKind::kTrace:
      return "trace";
    case DigestKind::kFault:
      return "fault";
    case DigestKind::kApplication:
      return "application";
    case DigestKind::kDraw:
      return "draw";
  }
  return "unknown";
}

Digest::Digest(const DigestOptions& options) : options_(options), state_(new State) {
  XXH3_128bits_reset(&state_->xxh);
}

Digest::~Digest() { delete state_; }

Digest::Digest(Digest&& other) noexcept
    : options_(other.options_),
      events_(other.events_),
      checkpoints_(std::move(other.checkpoints_)),
      log_(std::move(other.log_)),
      state_(std::exchange(other.state_, nullptr)) {}

Digest& Digest::operator=(Digest&& other) noexcept {
  std::swap(options_, other.options_);
  std::swap(events_, other.events_);
  std::swap(checkpoints_, other.checkpoints_);
  std::swap(log_, other.log_);
  std::swap(state_, other.state_);
  return *this;
}

void Digest::record(Instant at, DigestKind kind, uint64_t who, uint64_t argument, Bytes bytes) {
  if (state_ == nullptr) return;  // moved from: its world is on its way out
  std::array<uint8_t, 33> head;
  put_u64(head.data(), static_cast<uint64_t>(nanoseconds(at)));
  put_u64(head.data() + 8, who);
  put_u64(head.data() + 16, argument);
  put_u64(head.data() + 24, bytes.size());
  head[32] = static_cast<uint8_t>(kind);
  XXH3_128bits_update(&state_->xxh, head.data(), head.size());
  if (!bytes.empty()) XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
  if (events_ >= options_.log_from && events_ < options_.log_to) {
    log_.push_back({events_, at, kind, who, argument, {bytes.begin(), bytes.end()}});
  }
  ++events_;
  if (events_ % options_.checkpoint_every == 0) checkpoints_.push_back(value());
}

Hash128 Digest::value() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return {hash.high64, hash.low64};
}

std::string to_string(const Hash128& hash) {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  return text.data();
}

std::string to_string(const LoggedEvent& event) {
  std::array<char, 160> line{};
  std::snprintf(line.data(), line.size(), "#%llu at %lld ns: %s who=%llu argument=%llu, %zu bytes",
                static_cast<unsigned long long>(event.index),
                static_cast<long long>(nanoseconds(event.at)), name_of(event.kind),
                static_cast<unsigned long long>(event.who),
                static_cast<unsigned long long>(event.argument), event.bytes.size());
  std::string text = line.data();
  constexpr size_t kShown = 96;
  for (size_t i = 0; i < std::min(event.bytes.size(), kShown); ++i) {
    std::snprintf(line.data(), line.size(), "%s%02x", i % 16 == 0 ? "\n    " : " ",
                  unsigned{event.bytes[i]});
    text += line.data();
  }
  if (event.bytes.size() > kShown) text += " ...";
  return text;
}

std::string to_string(const Difference& difference) {
  const auto side = [](const std::optional<LoggedEvent>& event) {
    return event.has_value() ? to_string(*event) : std::string("(the run had ended)");
  };
  return "first difference at event " + std::to_string(difference.index) +
         "\n  left:  " + side(difference.left) + "\n  right: " + side(difference.right);
}

std::optional<Difference> find_difference(const DigestedRun& left, const DigestedRun& right) {
  DigestOptions options{};
  const Digest a = left(options);
  const Digest b = right(options);
  if (a.events() == b.events() && a.value() == b.value()) return std::nullopt;
  // A rolling hash that differs once differs ever after: the first unlike checkpoint is found by
  // bisection, and the event lies between it and the one before.
  const size_t common = std::min(a.checkpoints().size(), b.checkpoints().size());
  size_t low = 0;
  size_t high = common;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (a.checkpoints()[middle] == b.checkpoints()[middle]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  options.log_from = low * options.checkpoint_every;
  options.log_to = options.log_from + options.checkpoint_every;
  const Digest logged_a = left(options);
  const Digest logged_b = right(options);
  const std::vector<LoggedEvent>& log_a = logged_a.log();
  const std::vector<LoggedEvent>& log_b = logged_b.log();
  Difference difference;
  for (size_t i = 0; i < std::max(log_a.size(), log_b.size()); ++i) {
    if (i < log_a.size() && i < log_b.size() && log_a[i] == log_b[i]) continue;
    difference.index = options.log_from + i;
    if (i < log_a.size()) difference.left = log_a[i];
    if (i < log_b.size()) difference.right = log_b[i];
    return difference;
  }
  // The logged window agreed, so a world is not even equal to itself.
  difference.index = options.log_from;
  return difference;
}

}  // namespace dashi
