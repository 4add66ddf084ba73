#include "sim/ns3/ns3_world_config.hh"

namespace dashi {

Result<Done, std::string> validate(const Ns3LinkConfig& link) {
  const std::string of = "the link's ";
  if (link.rate_bps < 1000 || link.rate_bps > 1'000'000'000'000) {
    return of + "rate must be 1 kbit/s to 1 Tbit/s, and is " + std::to_string(link.rate_bps) +
           " bit/s";
  }
  if (link.delay < 0ns || link.delay > 60s) {
    return of + "delay must be 0 to 60 s, and is " + std::to_string(link.delay.count()) + " ns";
  }
  if (link.queue_packets < 1 || link.queue_packets > 1'000'000) {
    return of + "queue must hold 1 to 1,000,000 packets, and holds " +
           std::to_string(link.queue_packets);
  }
  const LinkFaults& faults = link.faults;
  const bool known = faults.duplicate.is_never() && faults.reorder_by_delay.is_never() &&
                     faults.reorder_by_distance.is_never() && faults.corrupt_bit.is_never() &&
                     faults.corrupt_header.is_never() && faults.corrupt_checksum.is_never() &&
                     faults.truncate.is_never() && faults.rate_change.is_never() &&
                     faults.mtu_change.is_never() && faults.jitter.is_zero();
  if (!known) return of + "faults may be loss, bursts and blackouts: ns-3's links know no others";
  return Done{};
}

Result<Done, std::string> validate(const Ns3TopologyConfig& config) {
  auto wan = validate(config.wan);
  if (!wan.ok()) return "WAN: " + wan.error();
  auto lan = validate(config.lan);
  if (!lan.ok()) return "LAN: " + lan.error();
  return Done{};
}

}  // namespace dashi
