// Memory of which a copy can be kept and put back, byte for byte, where it was: what a small world is made of, so
// that it goes on from a point again and again without its beginning being done again. A fork of the
// process would do the same, and as a fork does, a copy takes only the pages that anybody writes to: the
// machine tells of the first time.
//
// What is made while Inside lives is in the present thread's arena, everything else is not; either may be
// given back at any time. Nothing in the arena may hold what is outside and may be given back from within,
// and nothing outside may hold what was made inside after the copy that is put back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dashi::kept_memory {

class Inside {
 public:
  Inside();
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

// The arena is empty: what was in it is gone, undestroyed, and copies with it.
void clear();
// All is made that every copy has: from now on copies may be kept.
void settle();
void keep(std::vector<uint8_t>& copy);
void put_back(const std::vector<uint8_t>& copy);

}  // namespace dashi::kept_memory
