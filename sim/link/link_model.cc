#include "sim/link/link_model.hh"

#include <algorithm>

namespace dashi {

namespace {

constexpr auto kLater = [](const auto& a, const auto& b) { return a.after(b); };

}  // namespace

Duration LinkModel::serialisation(size_t bytes) const {
  if (rate_bps_ == 0) return Duration{};
  // Rounded up: a frame never leaves early. 64 KiB in bits times 10^9 fits 64 bits.
  const uint64_t bit_ns = uint64_t{bytes} * 8 * 1'000'000'000;
  return Duration(static_cast<int64_t>((bit_ns + rate_bps_ - 1) / rate_bps_));
}

void LinkModel::depart(Instant now) {
  while (!queue_.empty() && queue_.front().departs <= now) {
    queued_bytes_ -= queue_.front().bytes;
    queue_.pop_front();
  }
}

size_t LinkModel::queued_frames(Instant now) {
  depart(now);
  return queue_.size();
}

uint64_t LinkModel::queued_bytes(Instant now) {
  depart(now);
  return queued_bytes_;
}

void LinkModel::set_spec(const LinkSpec& spec) {
  spec_ = spec;
  rate_bps_ = spec.rate_bps;
  mtu_ = spec.mtu;
  faults_.set_spec(spec.faults);
  changes_.set_spec(spec.faults);
}

void LinkModel::launch(Instant arrives, const Delivery& delivery) {
  flying_.push_back(InFlight{arrives, next_sequence_++, delivery});
  std::push_heap(flying_.begin(), flying_.end(), kLater);
}

// A frame went by: those held for it go on right behind the last one they waited for.
void LinkModel::pass_held(Instant arrives) {
  size_t kept = 0;
  for (Held& held : held_) {
    if (--held.frames_left == 0) {
      launch(std::max(std::min(arrives, held.frame.arrives), held.not_before), held.frame.delivery);
    } else {
      held_[kept++] = held;
    }
  }
  held_.resize(kept);
}

bool LinkModel::offer(Instant now, uint64_t token, size_t bytes, size_t ip_bytes) {
  ++counts_.offered;
  const LinkChange change = changes_.next();
  rate_bps_ = change.rate_bps.value_or(rate_bps_);
  if (change.mtu.has_value()) mtu_ = *change.mtu == 0 ? spec_.mtu : *change.mtu;
  if (mtu_ != 0 && ip_bytes > mtu_) {
    ++counts_.dropped_mtu;
    return false;
  }
  depart(now);
  const bool full = (spec_.queue_bytes != 0 && queued_bytes_ + bytes > spec_.queue_bytes) ||
                    (spec_.queue_frames != 0 && queue_.size() + 1 > spec_.queue_frames);
  if (full) {
    ++counts_.dropped_queue;
    return false;
  }
  const Instant departs = std::max(now, busy_until_) + serialisation(bytes);
  busy_until_ = departs;
  if (departs > now) {
    queue_.push_back(Queued{departs, bytes});
    queued_bytes_ += bytes;
  }

  Delivery delivery;
  delivery.token = token;
  delivery.fate = faults_.next(now, bytes);
  const FrameFate& fate = delivery.fate;
  Instant arrives = departs + spec_.delay + fate.jitter;
  if (fate.lost) {
    ++counts_.lost;
    delivery.lost = true;
    launch(arrives, delivery);  // not before its time: the token is the sender's buffer
    return true;
  }
  if (fate.delay != Duration{}) {
    arrives += fate.delay;
  } else if (fate.hold == 0) {
    arrives = std::max(arrives, in_order_);
    in_order_ = arrives;
  }
  if (fate.duplicated) {  // the copy comes first and whole: damage is done in the sender's buffer
    ++counts_.duplicated;
    Delivery copy = delivery;
    copy.fate = FrameFate{};
    copy.last = false;
    launch(arrives, copy);
  }
  if (fate.hold != 0) {
    const Instant latest = arrives + spec_.faults.reorder_hold_max;
    const Instant not_before = fate.duplicated ? arrives : Instant::min();
    held_.push_back(Held{fate.hold + 1, InFlight{latest, 0, delivery}, not_before});
  } else {
    launch(arrives, delivery);
  }
  pass_held(arrives);
  return true;
}

Instant LinkModel::next_deadline() const {
  Instant next = flying_.empty() ? kNever : flying_.front().arrives;
  for (const Held& held : held_) next = std::min(next, held.frame.arrives);
  return next;
}

bool LinkModel::poll(Instant now, Delivery& delivery) {
  for (size_t i = 0; i < held_.size();) {
    if (held_[i].frame.arrives > now) {
      ++i;
      continue;
    }
    launch(held_[i].frame.arrives, held_[i].frame.delivery);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (flying_.empty() || flying_.front().arrives > now) return false;
  std::pop_heap(flying_.begin(), flying_.end(), kLater);
  delivery = flying_.back().delivery;
  flying_.pop_back();
  if (!delivery.lost) ++counts_.delivered;
  return true;
}

}  // namespace dashi
