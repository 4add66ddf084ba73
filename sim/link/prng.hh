// Deterministic randomness of simulated worlds: named substreams, integers only. A substream is named
// by (seed, subsystem, entity), so that a draw more in one place moves nothing anywhere else.
// xoshiro256** (Blackman, Vigna 2018), seeded through SplitMix64. Not for secrets; production's
// randomness is Entropy. No <cmath>, no std distributions, no floating point: equal in every build.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/check.hh"
#include "core/base/time.hh"

namespace dashi {

// One step of SplitMix64: moves `state` on and gives a well-mixed value of it.
constexpr uint64_t splitmix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// A probability as a count out of 2^32, so that it is exact in every build.
struct Chance {
  uint64_t of_2_32 = 0;  // 0..2^32

  static constexpr Chance never() { return {0}; }
  static constexpr Chance always() { return {uint64_t{1} << 32}; }
  static constexpr Chance ppm(uint32_t n) { return {((uint64_t{n} << 32) + 500'000) / 1'000'000}; }
  static constexpr Chance percent(uint32_t n) { return ppm(n * 10'000); }
  constexpr bool is_never() const { return of_2_32 == 0; }
  friend constexpr bool operator==(const Chance&, const Chance&) = default;
};

// A range of durations, both ends included.
struct DurationRange {
  Duration least{};
  Duration most{};
  constexpr bool is_zero() const { return most == Duration{}; }
  friend constexpr bool operator==(const DurationRange&, const DurationRange&) = default;
};

class Prng {
 public:
  Prng(uint64_t seed, std::string_view subsystem, uint64_t entity) {
    // FNV-1a of the name keeps substreams apart; SplitMix64 spreads it over the state.
    uint64_t name = 0xcbf29ce484222325;
    for (const char c : subsystem) name = (name ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    uint64_t mix = seed;
    const uint64_t a = splitmix64(mix);
    mix = a ^ name;
    const uint64_t b = splitmix64(mix);
    mix = b ^ entity;
    for (uint64_t& word : state_) word = splitmix64(mix);
  }

  uint64_t next_u64() {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // Uniform in 0..n-1 (Lemire 2019: multiply, and reject the biased part).
  uint64_t below(uint64_t n) {
    DASHI_CHECK(n != 0);
    auto product = static_cast<unsigned __int128>(next_u64()) * n;
    if (static_cast<uint64_t>(product) < n) {
      const uint64_t threshold = (0 - n) % n;
      while (static_cast<uint64_t>(product) < threshold) {
        product = static_cast<unsigned __int128>(next_u64()) * n;
      }
    }
    return static_cast<uint64_t>(product >> 64);
  }
  // Uniform in least..most.
  uint64_t between(uint64_t least, uint64_t most) { return least + below(most - least + 1); }

  // Always one draw, so that a changed probability does not move later draws.
  bool chance(Chance p) { return (next_u64() >> 32) < p.of_2_32; }

  Duration duration(DurationRange range) {
    if (range.most <= range.least) return range.least;
    const auto width = static_cast<uint64_t>((range.most - range.least).count());
    return range.least + Duration(static_cast<int64_t>(below(width + 1)));
  }

 private:
  static constexpr uint64_t rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

  std::array<uint64_t, 4> state_{};
};

}  // namespace dashi
