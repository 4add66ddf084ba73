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

}  // namespace dashi::python
