// SPDX-License-Identifier: Apache-2.0
//
// Clock: where the tuner's time comes from. Only tuner/ reads clocks, and only through this interface, so that
// every statistic can be tested with simulated time.
#pragma once

#include <chrono>

namespace lacuna {

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since an arbitrary start. Never goes backwards.
  [[nodiscard]] virtual double now_s() = 0;
};

// The system's monotonic clock; a read costs about 25 ns.
class SteadyClock final : public Clock {
 public:
  [[nodiscard]] double now_s() override {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace lacuna
