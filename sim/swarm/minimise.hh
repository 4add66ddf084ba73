// Makes lists and numbers smaller as long as a question about them is answered with yes: the part of
// shrinking that knows nothing of plans. Deterministic, and it ends: every yes makes something smaller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dashi {

// Takes out of `list` all that `holds` can do without, first by large pieces and from the end: what is left
// cannot lose any one element. `holds` is true of the list as it comes.
template <typename T, typename Holds>
void minimise_list(std::vector<T>& list, const Holds& holds) {
  for (size_t piece = list.size(); piece != 0;) {
    bool removed = false;
    for (size_t end = list.size(); end != 0;) {
      const size_t begin = end - (piece < end ? piece : end);
      std::vector<T> rest(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(begin));
      rest.insert(rest.end(), list.begin() + static_cast<std::ptrdiff_t>(end), list.end());
      if (holds(rest)) {
        list = rest;
        removed = true;
      }
      end = begin;
    }
    if (piece == 1 && !removed) return;
    if (piece != 1) piece = (piece + 1) / 2;
  }
}

// A value from `least` up to `value`, as small as doubling and then halving find one for which `holds`; `value`
// is one.
template <typename Holds>
uint64_t minimise_number(uint64_t value, uint64_t least, const Holds& holds) {
  if (value <= least || holds(least)) return value < least ? value : least;
  uint64_t fails = least;
  for (uint64_t step = 1; step < value - least; step *= 2) {
    if (holds(least + step)) {
      value = least + step;
      break;
    }
    fails = least + step;
  }
  while (value - fails > 1) {
    const uint64_t middle = fails + (value - fails) / 2;
    if (holds(middle)) {
      value = middle;
    } else {
      fails = middle;
    }
  }
  return value;
}

}  // namespace dashi
