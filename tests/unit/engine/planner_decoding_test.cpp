// SPDX-License-Identifier: Apache-2.0
//
// What planners offer and choose for products with few dense columns.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "runtime/planner.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::make_problem;
using test::make_request;

PlanRequest request_for(const Mask& mask, Op op = Op::kSpmm) {
  PlanRequest request = make_request(mask, {make_problem(mask, op)});
  request.target = find_target("zen4").value();
  return request;
}

// The N:M formats among them, "none" without one.
std::string nm_of(const std::vector<Format>& formats) {
  std::string found;
  for (const Format& format : formats)
    if (std::holds_alternative<NofM>(format)) found += to_text(format);
  return found.empty() ? "none" : found;
}

// The smallest usual pattern, with the shortest indices, and only where all is spmm of few columns.
TEST(CandidateFormats, ForDecodingIncludeNOfM) {
  const auto offered_for = [](const Mask& mask, std::int64_t n, Op op = Op::kSpmm) {
    PlanRequest request = request_for(mask, op);
    request.problems[0].n = n;
    return nm_of(candidate_formats(request));
  };
  for (const auto& [n, m, name] :
       {std::tuple{2, 4, "nm2of4"}, std::tuple{1, 4, "nm1of4"}, std::tuple{2, 8, "nm2of8"},
        std::tuple{1, 16, "nm1of16"}, std::tuple{1, 2, "nm2of4"}, std::tuple{4, 32, "nm4of32"}}) {
    const Mask mask = make_random_nm_mask(64, 128, n, m, 1).value();
    for (const std::int64_t columns : {1, 8, 16})
      EXPECT_EQ(offered_for(mask, columns), name);
    EXPECT_EQ(offered_for(mask, 17), "none");
    EXPECT_EQ(offered_for(mask, 0), "none");  // unknown
    EXPECT_EQ(offered_for(mask, 4, Op::kSpmmTransposed), "none");
    EXPECT_EQ(offered_for(mask, 4, Op::kSddmm), "none");
  }
  EXPECT_EQ(offered_for(make_random_block_mask(64, 128, 1, 1, 0.6, 1).value(), 1), "none");

  const Mask mask = make_random_nm_mask(64, 128, 2, 4, 1).value();
  PlanRequest request = request_for(mask);
  request.problems[0].n = 1;
  request.padding = Padding::kExact;
  EXPECT_EQ(nm_of(candidate_formats(request)), "nm2of4");  // stores nothing else
  request.problems.push_back(make_problem(mask, Op::kSddmm));
  EXPECT_EQ(nm_of(candidate_formats(request)), "none");
}

TEST(CandidateFormats, ForDecodingHaveNoCodeOfTheMask) {
  const Mask mask = make_random_block_mask(64, 128, 1, 1, 0.5, 1).value();
  PlanRequest request = request_for(mask);
  for (const auto& [columns, baked] : {std::pair{1, false}, {16, false}, {17, true}, {0, true}}) {
    request.problems[0].n = columns;
    EXPECT_EQ(std::ranges::any_of(candidate_formats(request),
                                  [](const Format& f) { return std::holds_alternative<Baked>(f); }),
              baked)
        << columns;
  }
}

TEST(DefaultPlanner, DecodesNOfMInItsFormat) {
  for (const auto& [n, m] : {std::pair{2, 4}, std::pair{1, 4}, std::pair{1, 16}}) {
    const Mask mask = make_random_nm_mask(1024, 1024, n, m, 1).value();
    for (const std::int64_t columns : {1, 2, 3, 4, 8}) {
      PlanRequest request = request_for(mask);
      request.problems[0].n = columns;
      const auto plan = DefaultPlanner("").plan(request);
      ASSERT_TRUE(plan) << plan.error().message;
      EXPECT_EQ(to_text(plan->format), "nm" + std::to_string(n) + "of" + std::to_string(m));
      EXPECT_EQ(plan->schedules[0].mr, columns);
    }
  }
}

}  // namespace
}  // namespace lacuna
