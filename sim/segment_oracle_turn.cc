// What the Nat made of what came, looked at after each of its turns. Part of SegmentOracle.
#include <utility>

#include "sim/segment_oracle.hh"

namespace dashi {

namespace {

constexpr Duration kMostAckDelay = 500ms;  // RFC 9293 3.8.6.3

}  // namespace

// What waits for room in the link waits without end.
bool SegmentOracle::is_overdue(Instant now, const Flow& flow) const {
  return had_room_ && flow.owed.has_value() && now - flow.owed->since > kMostAckDelay;
}

void SegmentOracle::check_window(const Key& key, const Flow& flow, const Open& open) {
  if (flow.window.has_value() && open.window != flow.window) {
    report(key.guest, key.remote, "the window it says is not believed");
  }
}

void SegmentOracle::check_due(const Key& key, Flow& flow, const Open& open, const Turn& turn) {
  const auto more = static_cast<int32_t>(open.received + 1 - static_cast<uint32_t>(flow.taken));
  flow.taken += more;
  const int64_t due = std::exchange(flow.due, 0);
  if (!open.takes || flow.taken >= due) return;
  const bool ran_out = turn.memory.ran_out != memory_.ran_out;
  // Beyond what it meant it may have to leave what it has no memory for.
  if (ran_out && (came_since_ > memory_.free || flow.taken >= flow.meant)) return;
  report(key.guest, key.remote, "what the window lets in is not taken");
}

void SegmentOracle::note_owed(const Turn& turn, Flow& flow, const Open& open) const {
  const auto more =
      static_cast<int32_t>(open.received + 1 - static_cast<uint32_t>(flow.acknowledged));
  if (more <= 0) {
    flow.owed.reset();
  } else if (!flow.owed.has_value()) {
    flow.owed = Owed{flow.acknowledged + more, turn.at};
  } else if (!had_room_) {
    flow.owed->since = turn.at;
  }
}

void SegmentOracle::handled(const Turn& turn, const Look& look) {
  had_room_ = had_room_ && turn.has_room;  // of the time until now, and of what was asked for now
  // What is refused goes later, and without a wait that doubles.
  silence_ends_ = silence_ends_ || !turn.has_room;
  if (!turn.took_all) return;
  if (silence_ends_) ++silence_;
  silence_ends_ = false;
  std::erase_if(watched_, [&](const Key& key) {
    Flow& flow = flows_.at(key);
    const auto open = flow.several || in_pieces_ ? std::nullopt : look(key.guest, key.remote);
    if (open.has_value()) {
      check_window(key, flow, *open);
      check_due(key, flow, *open, turn);
      note_owed(turn, flow, *open);
    } else {
      flow.owed.reset();
      flow.due = 0;
    }
    flow.window.reset();
    flow.heard = false;
    if (is_overdue(turn.at, flow)) {
      report(key.guest, key.remote, "what was taken long ago is not acknowledged");
      flow.owed.reset();
    }
    flow.watched = flow.owed.has_value();
    return !flow.watched;
  });
  had_room_ = turn.has_room;
  memory_ = turn.memory;
  came_since_ = 0;
}

}  // namespace dashi
