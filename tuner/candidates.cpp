// SPDX-License-Identifier: Apache-2.0
#include "tuner/candidates.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tuner/predictor.h"

namespace lacuna {
namespace {

std::vector<RankedSchedule> rank_schedules(const PlanRequest& request, const Problem& problem,
                                           const RankedFormat& option, const MachineRates& rates) {
  const BlockCounts counts = block_counts(problem, option.format, option.stored);
  const std::int64_t n = planning_n(problem);
  KernelSpec spec = make_kernel_spec(problem, option.format, Schedule{});
  std::vector<RankedSchedule> ranked;
  if (!check_pattern_bytes(option.format, counts)) return ranked;
  for (const Schedule& schedule : enumerate_schedules(spec, request.target)) {
    spec.schedule = schedule;
    if (!suits(spec, counts)) continue;
    ranked.push_back({schedule, predict(spec, request.target, rates, counts, n, request.threads)});
  }
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::tie(a.prediction.seconds, a.schedule) < std::tie(b.prediction.seconds, b.schedule);
  });
  return ranked;
}

}  // namespace

Result<std::vector<RankedFormat>> rank_candidates(const PlanRequest& request,
                                                  const MachineRates& rates) {
  LACUNA_TRY_VOID(check_plan_request(request));
  const std::vector<Format> formats = candidate_formats(request);
  const std::vector<StoredCounts> stored =
      count_stored(*request.mask, formats, walks_block_columns(request));
  if (request.pinned_format && !formats.empty())
    LACUNA_TRY_VOID(check_pattern_bytes(
        formats.front(), block_counts(request.problems.front(), formats.front(), stored.front())));

  std::vector<RankedFormat> ranked;
  for (std::size_t i = 0; i < formats.size(); ++i) {
    RankedFormat option{
        .format = formats[i], .stored = stored[i], .schedules = {}, .predicted_s = 0};
    bool legal = true;
    for (const Problem& problem : request.problems) {
      option.schedules.push_back(rank_schedules(request, problem, option, rates));
      legal = legal && !option.schedules.back().empty();
      if (legal) option.predicted_s += option.schedules.back().front().prediction.seconds;
    }
    if (legal) ranked.push_back(std::move(option));
  }
  if (ranked.empty()) return no_plan_error(request, formats);
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::tie(a.predicted_s, a.format) < std::tie(b.predicted_s, b.format);
  });
  return ranked;
}

}  // namespace lacuna
