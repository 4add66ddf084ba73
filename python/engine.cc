#include "python/engine.hh"

#include <cmath>

namespace dashi::python {

Chance chance_of(double probability) {
  return {static_cast<uint64_t>(std::llround(probability * 4294967296.0))};
}

LinkFaults faults_of(const LinkValues& link) {
  LinkFaults faults;
  faults.loss = chance_of(link.loss);
  faults.duplicate = chance_of(link.duplicate);
  faults.reorder_by_distance = chance_of(link.reorder);
  faults.corrupt_bit = chance_of(link.corrupt);
  faults.jitter = {Duration{}, Duration(link.jitter_ns)};
  return faults;
}

VerbResult lease_result(const DhcpRecord& lease) {
  VerbResult result;
  result.done = true;
  result.start_ns = nanoseconds(lease.began);
  result.end_ns = nanoseconds(lease.bound_at);
  result.address = to_string(lease.address) + "/" + std::to_string(lease.prefix_length);
  if (lease.router.has_value()) result.gateway = to_string(*lease.router);
  for (const Ipv4Address& server : lease.dns) result.addresses.push_back(to_string(server));
  result.mtu = lease.mtu;
  result.lease_seconds = lease.lease_seconds;
  return result;
}

}  // namespace dashi::python
