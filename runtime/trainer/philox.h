// SPDX-License-Identifier: Apache-2.0
//
// Philox 4x32-10: random numbers as a pure function of (seed, stream, index).
//
// A counter-based generator has no state to save, so a resumed run draws what an uninterrupted one would have,
// and threads may draw in any order. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011 (section 4.3); ten rounds pass BigCrush. Thread safety: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace lacuna::trainer {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

// One block of 128 random bits.
[[nodiscard]] PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key);

// What a number is drawn for. The value is part of every trained model's bits: append, never renumber.
enum class RandomUse : std::uint32_t { kWeights = 1, kMask = 2, kShuffle = 3 };

// An independent sequence of random numbers. `part` is the layer (weights, mask) or the epoch (shuffle).
struct RandomStream {
  std::uint64_t seed = 0;
  RandomUse use = RandomUse::kWeights;
  std::uint32_t part = 0;

  // Block number `index`: the counter is (index, use, part), the key is the seed.
  [[nodiscard]] PhiloxCounter block(std::uint64_t index) const;
  // Uniform in [0, bound), bound in [1, 2^32). 64 random bits are scaled, so the bias is below bound / 2^64.
  [[nodiscard]] std::uint32_t below(std::uint64_t index, std::uint32_t bound) const;
  // Standard normal (Box-Muller in double, one block a number).
  [[nodiscard]] double normal(std::uint64_t index) const;
};

// A permutation of 0..count-1 (Fisher-Yates from the end); draws indices [first, first + count) of the stream.
[[nodiscard]] std::vector<std::uint32_t> random_permutation(const RandomStream& stream,
                                                            std::uint32_t count,
                                                            std::uint64_t first = 0);

}  // namespace lacuna::trainer
