// The few worlds that have names: fixed runs that touch every part, for comparing digests between two
// runs, two processes and two builds. At most ten; their digests may be committed, so a world here is
// changed only in a commit that says why.
#pragma once

#include "sim/world.hh"

namespace dashi {

struct NamedWorld {
  const char* name;
  const char* about;
  WorldConfig (*config)();
  void (*run)(World& world);  // from the start to its end
};

const std::vector<NamedWorld>& named_worlds();
const NamedWorld* find_named_world(std::string_view name);

// Makes the world, runs it and gives its digest.
Digest run_named(const NamedWorld& named, const DigestOptions& options);

}  // namespace dashi
