// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/planner.h"
#include "runtime/record.h"
#include "runtime/structure.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

struct RankedPlan {
  Plan plan;
  double cycles = 0;
};

// Threads that have work in a call of `weights` weights.
std::int32_t team_of(const Problem& problem, std::int64_t weights, std::int32_t threads) {
  return static_cast<std::int32_t>(std::min<std::int64_t>(
      planning_threads(threads), worthwhile_tasks(weights, planning_n(problem))));
}

struct RankedSchedule {
  Schedule schedule;
  double cycles = 0;
};

std::vector<RankedSchedule> estimate_schedules(const Problem& problem, const Format& format,
                                               const StoredCounts& stored, const Target& target,
                                               std::int32_t team) {
  KernelSpec spec = make_kernel_spec(problem, format, {});
  const BlockCounts counts = block_counts(problem, format, stored);
  const std::int64_t n = planning_n(problem);
  std::vector<RankedSchedule> ranked;
  if (!check_pattern_bytes(format, counts)) return ranked;
  for (const Schedule& schedule : enumerate_schedules(spec, target)) {
    spec.schedule = schedule;
    if (!suits(spec, counts)) continue;
    const auto cycles_of = [&](const BlockCounts& part) {
      return estimate_cycles(estimate_work(spec, target, part, n), target);
    };
    const Splits splits = allowed_splits(spec, target);
    const double cycles = cycles_of(counts);
    const double repeated = splits.repeats_packing ? cycles_of(without_blocks(counts)) : 0;
    const double share = longest_share(splits, counts, n, team);
    ranked.push_back({schedule, repeated + (cycles - repeated) * share});
  }
  return ranked;
}

RankedPlan rank_format(const PlanRequest& request, const Format& format,
                       const StoredCounts& stored) {
  RankedPlan ranked{.plan = {format, {}, Provenance::kDefault}, .cycles = 0};
  for (const Problem& problem : request.problems) {
    // By the mask's weights, not the stored ones: else a format would gain by its padding.
    const std::int32_t team = team_of(problem, request.mask->nnz(), request.threads);
    const auto schedules = estimate_schedules(problem, format, stored, request.target, team);
    if (schedules.empty()) return {.plan = {}, .cycles = std::numeric_limits<double>::infinity()};
    const auto best = std::ranges::min_element(schedules, {}, &RankedSchedule::cycles);
    ranked.plan.schedules.push_back(best->schedule);
    ranked.cycles += best->cycles;
  }
  return ranked;
}

// The record's plan, unless it fits no longer (templates change): then it is a miss like any other.
std::optional<Plan> recorded_plan(const PlanRequest& request, const std::string& fingerprint) {
  if (fingerprint.empty()) return std::nullopt;
  const auto record = find_record(fingerprint, record_key(request));
  if (!record) return std::nullopt;
  auto plan = plan_of_record(*record);
  if (!plan || plan->schedules.size() != request.problems.size()) return std::nullopt;
  for (std::size_t i = 0; i < plan->schedules.size(); ++i)
    if (!check_schedule(make_kernel_spec(request.problems[i], plan->format, plan->schedules[i]),
                        request.target))
      return std::nullopt;
  return std::move(*plan);
}

}  // namespace

std::vector<Schedule> rank_schedules(const Problem& problem, const Format& format,
                                     const StoredCounts& stored, const Target& target,
                                     std::int32_t threads) {
  std::vector<RankedSchedule> ranked = estimate_schedules(
      problem, format, stored, target, team_of(problem, stored.weights, threads));
  std::ranges::sort(ranked, [](const RankedSchedule& x, const RankedSchedule& y) {
    return std::tie(x.cycles, x.schedule) < std::tie(y.cycles, y.schedule);
  });
  std::vector<Schedule> schedules;
  schedules.reserve(ranked.size());
  for (const RankedSchedule& item : ranked)
    schedules.push_back(item.schedule);
  return schedules;
}

Result<Plan> DefaultPlanner::plan(const PlanRequest& request) {
  LACUNA_TRY_VOID(check_plan_request(request));
  if (auto plan = recorded_plan(request, fingerprint_)) return std::move(*plan);

  const std::vector<Format> formats = candidate_formats(request);
  const std::vector<StoredCounts> stored =
      count_stored(*request.mask, formats, walks_block_columns(request));
  if (request.pinned_format && !formats.empty())
    LACUNA_TRY_VOID(check_pattern_bytes(
        formats.front(), block_counts(request.problems.front(), formats.front(), stored.front())));

  RankedPlan best{.plan = {}, .cycles = std::numeric_limits<double>::infinity()};
  for (std::size_t i = 0; i < formats.size(); ++i)
    if (RankedPlan ranked = rank_format(request, formats[i], stored[i]);
        ranked.cycles < best.cycles)
      best = std::move(ranked);
  if (best.plan.schedules.empty()) return no_plan_error(request, formats);
  return std::move(best.plan);
}

}  // namespace lacuna
