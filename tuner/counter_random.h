// SPDX-License-Identifier: Apache-2.0
//
// Counter-based random numbers: value i of a stream is a pure function of (seed, i), so results do not depend on
// the order in which values are drawn, and every run repeats.
#pragma once

#include <cstdint>

namespace lacuna {

// Two rounds of multiply and xor-shift over seed and counter; all 64 bits depend on all input bits.
[[nodiscard]] constexpr std::uint64_t counter_bits(std::uint64_t seed, std::uint64_t counter) {
  std::uint64_t x =
      counter * 0x9E3779B97F4A7C15ULL + seed * 0xD1342543DE82EF95ULL + 0x2545F4914F6CDD1DULL;
  x = (x ^ (x >> 32U)) * 0xD6E8FEB86659FD93ULL;
  x = (x ^ (x >> 32U)) * 0xD6E8FEB86659FD93ULL;
  return x ^ (x >> 32U);
}

// Uniform in [-1, 1), a multiple of 2^-23.
[[nodiscard]] constexpr float counter_uniform(std::uint64_t seed, std::uint64_t counter) {
  const auto top = static_cast<std::int32_t>(counter_bits(seed, counter) >> 40U);
  return static_cast<float>(top - (1 << 23)) * (1.0F / static_cast<float>(1 << 23));
}

// Uniform in [0, bound); bound > 0. The bias is below bound / 2^32.
[[nodiscard]] constexpr std::uint32_t counter_below(std::uint64_t seed, std::uint64_t counter,
                                                    std::uint32_t bound) {
  return static_cast<std::uint32_t>(((counter_bits(seed, counter) >> 32U) * bound) >> 32U);
}

}  // namespace lacuna
