// The options of GuestTcp: what a SYN says, SACK blocks of what is held (RFC 2018), timestamps (RFC 7323).
#include "sim/guest_tcp.hh"

namespace dashi {

namespace {

using guest::Parsed;

constexpr uint32_t kInitialSegments = 10;        // RFC 6928
constexpr uint32_t kTimestampsBytes = 12;        // with their padding
constexpr uint32_t kFirstStamp = 4'000'000'000;  // so that a clock of 32 bits wraps within days

uint32_t stamp_of(Instant now) {
  return kFirstStamp + static_cast<uint32_t>(nanoseconds(now) / 1'000'000);
}

}  // namespace

void GuestTcp::learn_options(Flow& flow, const Parsed& segment) {
  flow.record.peer_mss = segment.mss.value_or(0);
  const uint16_t peer_mss = segment.mss.value_or(segment.source.is_v4() ? 536 : 1220);
  flow.mss = std::min<uint32_t>(peer_mss, own_mss(segment.source.family()));
  flow.record.peer_scale = segment.window_scale;
  flow.irs = segment.sequence;
  flow.rcv = 1;
  flow.window = segment.window;  // never scaled in a SYN (RFC 7323 2.2)
  flow.window_edge = flow.una + segment.window;
  flow.sack = spec_.sack && segment.sack_permitted;
  flow.timestamps = spec_.timestamps && segment.timestamps.has_value();
  if (flow.timestamps) {
    flow.recent_stamp = segment.timestamps->first;
    flow.mss -= std::min(kTimestampsBytes, flow.mss / 2);
  }
  flow.congestion_window = uint64_t{flow.mss} * kInitialSegments;
}

bool GuestTcp::take_stamp(Flow& flow, const Parsed& segment, uint64_t position) {
  if (!flow.timestamps || segment.has(guest::kRst)) return true;
  if (!segment.timestamps.has_value()) {
    ++flow.record.unstamped;
    return true;
  }
  const uint32_t value = segment.timestamps->first;
  if (static_cast<int32_t>(value - flow.recent_stamp) < 0) return false;
  if (position <= flow.last_ack_sent) flow.recent_stamp = value;
  return true;
}

// The newest block first, then those that lie first. Not on data, so that segments stay within the MTU.
void GuestTcp::add_options(Flow& flow, guest::TcpOut& out) {
  const bool syn = (out.flags & guest::kSyn) != 0;
  const bool answers = syn && (out.flags & guest::kAck) != 0;
  if (syn) out.sack_permitted = answers ? flow.sack : spec_.sack;
  const bool stamped = syn && !answers ? spec_.timestamps : flow.timestamps;
  if (stamped) out.timestamps = {stamp_of(queue_.now()), flow.recent_stamp};
  if ((out.flags & guest::kAck) != 0) flow.last_ack_sent = flow.rcv;
  if (syn || !flow.sack || out.flags != guest::kAck) return;
  const size_t most = stamped ? 3 : 4;
  const auto add = [&](uint64_t first, uint64_t last) {
    if (out.sack_count >= most) return;
    out.sack[out.sack_count++] = {peer_wire(flow, first), peer_wire(flow, last)};
  };
  for (const bool newest : {true, false}) {
    auto held = flow.out_of_order.begin();
    while (held != flow.out_of_order.end()) {
      const uint64_t first = held->first;
      uint64_t last = first;
      for (; held != flow.out_of_order.end() && held->first <= last; ++held) {
        last = std::max(last, held->first + held->second.size());
      }
      const bool is_newest = first <= flow.newest_held && flow.newest_held < last;
      if (is_newest == newest) add(first, last);
    }
  }
}

}  // namespace dashi
