// The steps by which a plan becomes plainer without becoming another: a feature off, a fault that is not
// drawn any more, a buffer of its default size. Each is one idea; which of them a failure can do without is
// for the shrinker to find.
#pragma once

#include <span>

#include "sim/swarm/plan.hh"

namespace dashi {

// Makes the plan plainer in one way; false: it is already.
using SimplerStep = bool (*)(Plan&);
std::span<const SimplerStep> simpler_steps();

// Without connection `index`: its errands go with it.
Plan without_exchange(const Plan& plan, size_t index);

}  // namespace dashi
