#include "sim/sim_link.hh"

#include <algorithm>

namespace dashi {

namespace {

constexpr size_t kEthernetHeader = 14;
constexpr size_t kSmallestHead = 128;  // the guest link contract

// What the frame costs on the wire, and the IP bytes of its longest segment.
struct OnTheWire {
  size_t bytes;
  size_t ip_bytes;
};

OnTheWire on_the_wire(size_t bytes, const Offload& offload) {
  const size_t header = offload.hdr_len;
  if (offload.gso_type == GsoType::kNone || offload.gso_size == 0 || bytes <= header) {
    return {bytes, bytes - std::min(bytes, kEthernetHeader)};
  }
  const size_t payload = bytes - header;
  const size_t segments = (payload + offload.gso_size - 1) / offload.gso_size;
  return {bytes + (segments - 1) * header,
          header - kEthernetHeader + std::min<size_t>(payload, offload.gso_size)};
}

}  // namespace

SimLink::SimLink(EventQueue& queue, const GuestLinkSpec& spec, uint64_t seed, FaultPlan* plan)
    : queue_(queue),
      spec_(spec),
      up_{LinkModel(spec.up, Prng(seed, "guest-link", kUpStream), plan, kUpStream), {}, kNever},
      down_{LinkModel(spec.down, Prng(seed, "guest-link", kDownStream), plan, kDownStream),
            {},
            kNever},
      reserve_prng_(seed, "guest-link", kReserveStream),
      plan_(plan) {}

uint32_t SimLink::take_frame(size_t bytes) {
  if (spare_.empty()) {
    spare_.push_back(static_cast<uint32_t>(frames_.size()));
    frames_.emplace_back();
  }
  const uint32_t token = spare_.back();
  spare_.pop_back();
  Frame& frame = frames_[token];
  if (frame.buffer.size() < bytes) frame.buffer.resize(std::max<size_t>(bytes, 2048));
  frame.bytes = bytes;
  frame.offload = Offload{};
  return token;
}

void SimLink::record(DigestKind kind, const Frame& frame) {
  if (digest_ == nullptr) return;
  const Offload& offload = frame.offload;
  const uint64_t packed = static_cast<uint64_t>(offload.gso_type) << 56 |
                          static_cast<uint64_t>(offload.csum_partial) << 48 |
                          static_cast<uint64_t>(offload.gso_size) << 32 |
                          static_cast<uint64_t>(offload.csum_start) << 16 | offload.csum_offset;
  digest_->record(queue_.now(), kind, 0, packed, Bytes(frame.buffer).first(frame.bytes));
}

// --- The Nat's side ---

size_t SimLink::room() {
  if (spec_.room_frames == 0) return ~size_t{0};
  const size_t used = down_.model.queued_frames(queue_.now()) + committed_.size();
  return spec_.room_frames - std::min<size_t>(spec_.room_frames, used);
}

void SimLink::wait_for_room(Duration after) {
  if (waits_for_room_) return;
  waits_for_room_ = true;
  queue_.schedule_after(after, [this] {
    waits_for_room_ = false;
    pressed_ = false;
    writable_ = true;
    if (wake_) wake_();
  });
}

void SimLink::hold(bool full) {
  if (held_ && !full) wait_for_room(Duration{});
  held_ = full;
}

std::span<const FrameSlot> SimLink::reserve(size_t frames, size_t bytes_each) {
  DASHI_CHECK(reserved_.empty());  // one reservation at a time
  const uint64_t ordinal = reserves_++;
  std::optional<Duration> pressure;
  if (plan_ != nullptr && plan_->replays()) {
    for (const FaultDecision& given : plan_->given_for(kReserveStream, ordinal)) {
      pressure = Duration(static_cast<int64_t>(given.argument));
    }
  } else if (!spec_.back_pressure.is_never() && reserve_prng_.chance(spec_.back_pressure)) {
    pressure = reserve_prng_.duration(spec_.back_pressure_for);
    if (plan_ != nullptr) {
      plan_->note({kReserveStream, FaultDecision::Kind::kWouldBlock, ordinal,
                   static_cast<uint64_t>(pressure->count())});
    }
  }
  if (pressure.has_value()) {
    pressed_ = true;
    wait_for_room(*pressure);
  }
  const size_t given = pressed_ || held_ ? 0 : std::min(frames, room());
  if (given < frames) {
    counts_.refused += frames - given;
    const Instant departs = down_.model.next_departure();
    if (!pressed_ && !held_) {
      wait_for_room(departs == kNever ? Duration{1us} : departs - queue_.now());
    }
  }
  slots_.clear();
  rests_.resize(std::max(rests_.size(), given));
  for (size_t i = 0; i < given; ++i) {
    const uint32_t token = take_frame(bytes_each);
    reserved_.push_back(token);
    const MutableBytes whole = MutableBytes(frames_[token].buffer).first(bytes_each);
    const size_t head = spec_.head_bytes == 0
                            ? bytes_each
                            : std::min(bytes_each, std::max(spec_.head_bytes, kSmallestHead));
    rests_[i] = whole.subspan(head);
    const bool in_one = rests_[i].empty();
    slots_.push_back(FrameSlot{whole.first(head), {rests_.data() + i, in_one ? size_t{0} : 1}});
  }
  return slots_;
}

void SimLink::commit(std::span<const Filled> filled) {
  DASHI_CHECK(filled.size() <= reserved_.size());
  for (size_t i = 0; i < reserved_.size(); ++i) {
    if (i >= filled.size()) {
      give_back(reserved_[i]);
      continue;
    }
    Frame& frame = frames_[reserved_[i]];
    DASHI_CHECK(filled[i].bytes <= frame.bytes);
    frame.bytes = filled[i].bytes;
    frame.offload = filled[i].offload;
    DASHI_CHECK(!frame.offload.csum_partial || spec_.limits.checksum_offload);
    const OnTheWire wire = on_the_wire(frame.bytes, frame.offload);
    const bool is_gso = frame.offload.gso_type != GsoType::kNone;
    const uint32_t gso_most =
        frame.offload.gso_type == GsoType::kUdp ? 65535 : spec_.limits.gso_bytes_max;
    ++counts_.frames_sent;
    if (wire.ip_bytes > spec_.limits.mtu || (is_gso && frame.bytes - kEthernetHeader > gso_most)) {
      ++counts_.oversized;
    }
    record(DigestKind::kFrameSent, frame);
    show(frame, nullptr);
    committed_.push_back(reserved_[i]);
  }
  reserved_.clear();
}

void SimLink::flush() {
  for (const uint32_t token : committed_) offer(down_, token);
  committed_.clear();
}

void SimLink::take_frames(std::vector<GuestFrame>& into, size_t most) {
  for (; most != 0 && !arrived_up_.empty(); --most) {
    const uint32_t token = arrived_up_.front();
    arrived_up_.pop_front();
    taken_.push_back(token);
    const Frame& frame = frames_[token];
    record(DigestKind::kFrameUp, frame);
    into.push_back(GuestFrame{Bytes(frame.buffer).first(frame.bytes), frame.offload});
  }
}

void SimLink::release_taken() {
  for (const uint32_t token : taken_) give_back(token);
  taken_.clear();
}

// --- The guest's side and the wire ---

void SimLink::send(const GuestFrame& frame) {
  const uint32_t token = take_frame(frame.bytes.size());
  copy_bytes(frames_[token].buffer, frame.bytes);
  frames_[token].offload = frame.offload;
  offer(up_, token);
}

void SimLink::offer(Direction& direction, uint32_t token) {
  const Frame& frame = frames_[token];
  const OnTheWire wire = on_the_wire(frame.bytes, frame.offload);
  if (!direction.model.offer(queue_.now(), token, wire.bytes, wire.ip_bytes)) {
    give_back(token);
    return;
  }
  arm(direction);
}

void SimLink::arm(Direction& direction) {
  const Instant next = direction.model.next_deadline();
  if (next == direction.armed_for) return;
  if (direction.armed_for != kNever) queue_.cancel(direction.armed);
  direction.armed_for = next;
  if (next == kNever) return;
  direction.armed = queue_.schedule(next, [this, &direction] { deliver(direction); });
}

void SimLink::deliver(Direction& direction) {
  direction.armed_for = kNever;
  Delivery delivery;
  while (direction.model.poll(queue_.now(), delivery)) arrived(&direction == &up_, delivery);
  arm(direction);
}

void SimLink::arrived(bool up, const Delivery& delivery) {
  const auto token = static_cast<uint32_t>(delivery.token);
  if (up) show(frames_[token], &delivery);
  if (delivery.lost) {
    give_back(token);
    return;
  }
  uint32_t arrived_token = token;
  if (!delivery.last) {  // a duplicate of a frame that is still to come
    const size_t bytes = frames_[token].bytes;
    arrived_token = take_frame(bytes);
    copy_bytes(frames_[arrived_token].buffer, Bytes(frames_[token].buffer).first(bytes));
    frames_[arrived_token].offload = frames_[token].offload;
  }
  Frame& frame = frames_[arrived_token];
  if (delivery.fate.damages()) {
    // A frame whose checksum is not filled in was never on a wire that could damage it.
    const bool vouched = frame.offload.csum_partial || frame.offload.csum_trusted;
    if (vouched) {
      give_back(arrived_token);
      return;
    }
    frame.bytes = damage(delivery.fate, MutableBytes(frame.buffer).first(frame.bytes)).size();
  }
  if (up) {
    arrived_up_.push_back(arrived_token);
    if (wake_) wake_();
    return;
  }
  record(DigestKind::kFrameDown, frame);
  if (receiver_) {
    receiver_(GuestFrame{Bytes(frame.buffer).first(frame.bytes), frame.offload});
  }
  give_back(arrived_token);
}

void SimLink::set_specs(const LinkSpec& up, const LinkSpec& down) {
  up_.model.set_spec(up);
  down_.model.set_spec(down);
}

}  // namespace dashi
