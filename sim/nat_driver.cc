#include "sim/nat_driver.hh"

namespace dashi {

namespace {

constexpr size_t kAll = ~size_t{0};
constexpr uint32_t kIdleTurnsMax = 20'000;

}  // namespace

uint64_t digest_name(FlowId id) {
  return static_cast<uint64_t>(id.kind) << 56 | static_cast<uint64_t>(id.slot & 0xffffff) << 32 |
         id.generation;
}

void record_event(Digest& digest, Instant now, const SocketEvent& event) {
  const NetError& error = event.error;
  const uint64_t argument =
      static_cast<uint64_t>(event.kind) << 56 | static_cast<uint64_t>(error.error) << 48 |
      static_cast<uint64_t>(error.icmp_type) << 40 | static_cast<uint64_t>(error.icmp_code) << 32 |
      static_cast<uint64_t>(error.echo_sequence) << 16 | (error.mtu & 0xffff);
  digest.record(now, DigestKind::kSocketEvent, digest_name(event.id), argument, error.quoted);
}

NatDriver::NatDriver(EventQueue& queue, SimLink& link, SocketEventSource events, Digest* digest)
    : queue_(queue), link_(link), events_(std::move(events)), digest_(digest) {
  link_.set_wake([this] { wake(); });
}

void NatDriver::drive(Nat* nat) {
  nat_ = nat;
  if (nat_ == nullptr) return;
  arm_deadline();
  if (link_.frames_waiting() != 0 || link_.writable_waiting() || events_.any()) wake();
}

void NatDriver::wake() {
  if (!woken_) woken_ = queue_.now();
  arm(std::max(queue_.now() + late_, busy_until_));
}

void NatDriver::arm(Instant at) {
  if (at >= armed_for_) return;
  if (armed_for_ != kNever) queue_.cancel(armed_);
  armed_for_ = at;
  armed_ = queue_.schedule_last(at, [this] {
    armed_for_ = kNever;
    turn();
  });
}

void NatDriver::arm_deadline() {
  const auto deadline = nat_->next_deadline();
  if (!deadline.has_value() || *deadline == kNever || livelocked_) return;
  arm(std::max(*deadline, queue_.now()));
}

void NatDriver::take_frames(size_t most) {
  frame_batch_.clear();
  link_.take_frames(frame_batch_, most);
  if (frame_batch_.empty()) return;
  idle_turns_ = 0;
  if (hooks_.on_frames) hooks_.on_frames(frame_batch_);
  nat_->handle_frames(queue_.now(), frame_batch_);
  link_.release_taken();
}

void NatDriver::take_events(size_t most) {
  event_batch_.clear();
  events_.take(event_batch_, most);
  if (event_batch_.empty()) return;
  idle_turns_ = 0;
  if (digest_ != nullptr) {
    for (const SocketEvent& event : event_batch_) record_event(*digest_, queue_.now(), event);
  }
  if (hooks_.on_events) hooks_.on_events(event_batch_);
  if (before_events_) before_events_(*nat_, event_batch_);
  nat_->handle_sockets(queue_.now(), event_batch_);
}

void NatDriver::drawn_turn() {
  const size_t frames = static_cast<size_t>(batches_->between(1, 64));
  const size_t events = static_cast<size_t>(batches_->between(1, 16));
  const bool events_first = batches_->below(2) == 1;
  if (events_first) take_events(events);
  take_frames(frames);
  if (!events_first) take_events(events);
}

void NatDriver::turn() {
  if (nat_ == nullptr) return;
  const Instant now = queue_.now();
  ++turns_;
  if (late_watcher_ && woken_ && *woken_ < now) late_watcher_(*woken_);
  woken_.reset();
  if (now != last_turn_) idle_turns_ = 0;
  last_turn_ = now;
  if (lateness_.has_value()) late_ = lateness_->duration({Duration{}, late_most_});
  if (++idle_turns_ > kIdleTurnsMax) livelocked_ = true;
  if (hooks_.on_turn) hooks_.on_turn(now);
  if (batches_.has_value()) {
    drawn_turn();
  } else {
    take_frames(kAll);
    take_events(kAll);
  }
  if (link_.take_writable()) nat_->handle_guest_writable(now);
  nat_->handle_timers(now);
  nat_->flush(now);
  if (after_turn_) after_turn_(*nat_);
  if (link_.frames_waiting() != 0 || events_.any()) wake();
  arm_deadline();
}

}  // namespace dashi
