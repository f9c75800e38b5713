// SPDX-License-Identifier: Apache-2.0
//
// Interleaved measurement of rates: the part of the probe that knows time but no hardware.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "targets/base/result.h"
#include "tuner/clock.h"
#include "tuner/probe/probe_machine.h"

namespace lacuna {

// One quantity: `run(steps)` does work_per_step * steps.
struct RateTask {
  std::string what;
  std::function<void(std::int64_t steps)> run;
  double work_per_step = 1;
  double sample_scale = 1;  // of options.sample_s, for tasks with a start-up cost
};

// Best rate of each task, in 1e9 work per second. Each sample is preceded by an untimed step (it brings the
// task's data back into the caches that the other tasks used) and takes at least options.sample_s * sample_scale.
// Errors: kInterrupted; kUnsupported when the clock shows no progress over very many steps.
[[nodiscard]] Result<std::vector<double>> measure_rates(const std::vector<RateTask>& tasks,
                                                        Clock& clock, const ProbeOptions& options);

}  // namespace lacuna
