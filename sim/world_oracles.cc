// What every run must hold to, whatever its faults.
#include <algorithm>

#include "sim/world.hh"

namespace dashi {

namespace {

std::string line(const char* what, uint64_t count) {
  return std::string(what) + ": " + std::to_string(count);
}

using Kind = FaultDecision::Kind;

constexpr Port kDnsPort{53};

// Whether frames to the guest may be overtaken, or come twice; whether they may be damaged.
bool reorders(const LinkFaults& faults) {
  return !faults.reorder_by_delay.is_never() || !faults.reorder_by_distance.is_never() ||
         !faults.duplicate.is_never();
}
bool reorders(Kind kind) {
  return kind == Kind::kDuplicate || kind == Kind::kDelay || kind == Kind::kHold;
}
bool damages(const LinkFaults& faults) {
  return !faults.corrupt_bit.is_never() || !faults.corrupt_header.is_never() ||
         !faults.corrupt_checksum.is_never() || !faults.truncate.is_never();
}
bool damages(Kind kind) {
  return kind == Kind::kFlipBit || kind == Kind::kSmashHeader || kind == Kind::kSmashChecksum ||
         kind == Kind::kTruncate;
}

template <typename Predicate>
bool any_of(const std::vector<FaultDecision>& decisions, uint32_t stream, Predicate predicate) {
  return std::any_of(decisions.begin(), decisions.end(), [&](const FaultDecision& decision) {
    return decision.stream == stream && predicate(decision.kind);
  });
}

struct Totals {
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t cut_short = 0;  // connections that did not end gracefully
};

}  // namespace

bool World::faults_may_reorder() const {
  if (!config_.given_faults.has_value()) return reorders(config_.link.down.faults);
  return any_of(*config_.given_faults, SimLink::kDownStream,
                [](Kind kind) { return reorders(kind); });
}

bool World::faults_may_damage(uint32_t stream) const {
  const GuestLinkSpec& link = config_.link;
  const LinkSpec& direction = stream == SimLink::kUpStream ? link.up : link.down;
  if (!config_.given_faults.has_value()) return damages(direction.faults);
  return any_of(*config_.given_faults, stream, [](Kind kind) { return damages(kind); });
}

// What the Nat counted is what its sockets took and gave. The guest's DNS over TCP has no socket: of that at
// most what its ends say.
void World::compare_byte_counts(std::vector<std::string>& found) const {
  const GuestTcp& guest = guest_->tcp();
  uint64_t dns_up = 0;
  uint64_t dns_down = 0;
  for (uint32_t i = 0; i < guest.count(); ++i) {
    const GuestFlowRecord& record = guest.record(i);
    if (!record.active || record.remote.port != kDnsPort) continue;
    dns_up += record.sent;
    dns_down += record.received;
  }
  const auto expect = [&found](const char* way, uint64_t counted, uint64_t seen, uint64_t more) {
    if (seen <= counted && counted <= seen + more) return;
    found.push_back("TCP bytes " + std::string(way) + " counted: " + std::to_string(counted) +
                    ", at sockets: " + std::to_string(seen));
  };
  const SocketCounts& seen = sockets_.counts();
  expect("up", nat_->counters()[Counter::kTcpBytesUp], seen.tcp_written, dns_up);
  expect("down", nat_->counters()[Counter::kTcpBytesDown], seen.tcp_consumed, dns_down);
}

std::vector<std::string> World::violations() {
  std::vector<std::string> found = oracle_.violations();
  found.insert(found.end(), segments_.violations().begin(), segments_.violations().end());
  const auto expect_none = [&found](const char* what, uint64_t count) {
    if (count != 0) found.push_back(line(what, count));
  };
  expect_none("frames longer than the link allows", link_.counts().oversized);
  expect_none("connections closed over unread bytes", sockets_.counts().closed_over_unread);
  expect_none("turn after turn in one instant", driver_.livelocked() ? 1 : 0);
  Totals apps;
  for (uint32_t i = 0; i < apps_.count(); ++i) {
    const AppRecord& record = apps_.record(i);
    if (record.wrong_at.has_value()) {
      found.push_back(line("a server got a wrong byte at", *record.wrong_at));
    }
    apps.sent += record.sent;
    apps.received += record.received;
    apps.cut_short += record.reset || record.failed || !record.closed || !record.eof;
  }
  if (guest_ == nullptr) return found;
  const bool may_damage = faults_may_damage(SimLink::kDownStream);
  const GuestCounts& counts = guest_->counts();
  if (!may_damage) {
    expect_none("frames the guest could not read", counts.malformed);
    expect_none("frames with a wrong checksum", counts.bad_checksums);
  }
  expect_none("frames sent to somebody else", may_damage ? 0 : counts.not_for_us);
  compare_byte_counts(found);
  Totals flows;
  for (uint32_t i = 0; i < guest_->tcp().count(); ++i) {
    const GuestFlowRecord& record = guest_->tcp().record(i);
    if (record.wrong_at.has_value()) {
      found.push_back(line("the guest got a wrong byte at", *record.wrong_at));
    }
    if (!faults_may_reorder()) expect_none("windows pulled back", record.windows_shrunk);
    if (!may_damage) {
      expect_none("segments without the timestamps agreed on", record.unstamped);
    }
    if (!may_damage) expect_none("segments beyond the window", record.beyond_window);
    flows.sent += record.sent;
    flows.received += record.received;
    flows.cut_short += record.reset || record.timed_out || record.icmp || !record.eof;
  }
  // Bytes in are bytes out, on both halves, once all ended as they should.
  if (apps.cut_short == 0 && flows.cut_short == 0 && apps_.count() == guest_->tcp().count()) {
    if (flows.sent != apps.received) {
      found.push_back("the guest sent " + std::to_string(flows.sent) + " bytes, servers got " +
                      std::to_string(apps.received));
    }
    if (apps.sent != flows.received) {
      found.push_back("servers sent " + std::to_string(apps.sent) + " bytes, the guest got " +
                      std::to_string(flows.received));
    }
  }
  return found;
}

std::vector<std::string> World::leaks(Duration settle) {
  run_for(settle);
  // What the gateway says of itself from time to time may be on the wire just now.
  for (int i = 0; i < 100 && link_.frames_held() != 0; ++i) run_for(10ms);
  std::vector<std::string> found;
  const FlowCounts counts = nat_->flow_counts();
  const auto expect_none = [&found](const char* what, uint64_t count) {
    if (count != 0) found.push_back(line(what, count));
  };
  expect_none("TCP flows left", counts.tcp);
  expect_none("TIME-WAIT records left", counts.tcp_time_wait);
  expect_none("UDP flows left", counts.udp);
  expect_none("echo flows left", counts.echo);
  expect_none("DNS queries left", counts.dns);
  // Blocks of the pool that no connection is left to give back.
  if (counts.tcp == 0) expect_none("bytes held for no connection", counts.tcp_held_bytes);
  const size_t sockets = sockets_.open_sockets();
  if (sockets != forwarded_.size()) {
    found.push_back(line("sockets left", sockets) + ", forwards " +
                    std::to_string(forwarded_.size()));
  }
  // The frames the driver took are given back, and nothing is on the wire.
  expect_none("frames held by the link", link_.frames_held());
  return found;
}

}  // namespace dashi
