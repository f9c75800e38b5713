// SPDX-License-Identifier: Apache-2.0
//
// Candidates: every legal (format, schedule) of a request with its predicted time, best first.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/planner.h"
#include "tuner/predictor.h"

namespace lacuna {

struct RankedSchedule {
  Schedule schedule;
  Prediction prediction;
};

// One format for all problems.
struct RankedFormat {
  Format format;
  StoredCounts stored;                                 // exact
  std::vector<std::vector<RankedSchedule>> schedules;  // [problem], best predicted first
  double predicted_s = 0;  // one call of every problem in turn, each with its best schedule
};

// n = 0 counts as 256. Formats by predicted time, then by name. Every list is nonempty.
// Errors: those of check_plan_request; no_plan_error when no format has a legal schedule for every problem.
[[nodiscard]] Result<std::vector<RankedFormat>> rank_candidates(const PlanRequest& request,
                                                                const MachineRates& rates);

}  // namespace lacuna
