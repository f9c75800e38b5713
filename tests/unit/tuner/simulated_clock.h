// SPDX-License-Identifier: Apache-2.0
//
// A clock that advances only when simulated work runs: statistics are tested without time.
#pragma once

#include <cstdint>
#include <functional>

#include "tuner/clock.h"
#include "tuner/counter_random.h"
#include "tuner/measurer.h"

namespace lacuna {

class SimulatedClock final : public Clock {
 public:
  [[nodiscard]] double now_s() override { return now_s_; }
  void advance(double seconds) { now_s_ += seconds; }

 private:
  double now_s_ = 0;
};

// A machine whose speed drifts and jitters, as a shared one does.
struct SimulatedMachine {
  SimulatedClock clock;
  double jitter = 0;          // each call takes up to this share longer
  double drift_period_s = 0;  // > 0: speed changes by up to `drift` over this time, as a triangle
  double drift = 0;
  std::uint64_t seed = 1;
  std::uint64_t calls = 0;

  // A kernel that takes `seconds` on the undisturbed machine.
  [[nodiscard]] TimedCall kernel(double seconds) {
    return [this, seconds] {
      const double noise = 0.5 * (1.0 + counter_uniform(seed, ++calls));
      double factor = 1.0 + jitter * noise * noise * noise;
      if (drift_period_s > 0) {
        const double phase = clock.now_s() / drift_period_s;
        const double place = phase - static_cast<double>(static_cast<std::int64_t>(phase));
        factor += drift * (place < 0.5 ? 2 * place : 2 - 2 * place);
      }
      clock.advance(seconds * factor);
    };
  }
};

}  // namespace lacuna
