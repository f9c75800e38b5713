// SPDX-License-Identifier: Apache-2.0
//
// Where a rival leaves a parameter to its user (a tile, a block size), the benchmark gives it the one that is fastest
// for the case, as Lacuna's tuner does for its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

namespace lacuna {

// The number of the call with the shortest of a few samples, taken in turn; calls.size() is at least 1.
inline std::size_t fastest_of(const std::vector<std::function<void()>>& calls) {
  using Clock = std::chrono::steady_clock;
  constexpr int kRounds = 4;  // the first one also touches pages and instruction memory
  std::size_t best = 0;
  double best_s = std::numeric_limits<double>::infinity();
  if (calls.size() == 1) return best;
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto begin = Clock::now();
      calls[i]();
      const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      if (round > 0 && seconds < best_s) {
        best_s = seconds;
        best = i;
      }
    }
  return best;
}

}  // namespace lacuna
