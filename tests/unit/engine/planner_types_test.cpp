// SPDX-License-Identifier: Apache-2.0
//
// What planners offer and choose for narrow types.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "runtime/planner.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::make_mask;
using test::make_problem;
using test::make_request;

PlanRequest request_for(const Mask& mask, Op op = Op::kSpmm) {
  PlanRequest request = make_request(mask, {make_problem(mask, op)});
  request.target = find_target("zen4").value();
  return request;
}

// Those whose weights are stored in pairs, and the others.
std::pair<std::int64_t, std::int64_t> count_pairs(const std::vector<Format>& formats) {
  const auto pairs =
      std::ranges::count_if(formats, [](const Format& f) { return group_of(f) == 2; });
  return {pairs, static_cast<std::int64_t>(formats.size()) - pairs};
}

TEST(CandidateFormats, OfBf16AreInWholePairsAndOneByOne) {
  const Mask mask = make_mask(16, 24, 0.5);
  PlanRequest request = request_for(mask);
  request.problems[0].types = ElementTypes::kBf16;
  // r 1 2 4 8 16, c 2 4 8 16 24; c 1 too, and four of jammed rows
  EXPECT_EQ(count_pairs(candidate_formats(request)), std::pair(25L, 34L));
  request.problems[0].op = Op::kSpmmTransposed;
  EXPECT_EQ(count_pairs(candidate_formats(request)), std::pair(20L, 34L));  // r 2 4 8 16
  request.pinned_format = Bsr{16, 8};
  EXPECT_EQ(candidate_formats(request), (std::vector<Format>{Bsr{16, 8, 2}, Bsr{16, 8}}));
  request.pinned_format = Bsr{16, 8, 2};
  EXPECT_EQ(candidate_formats(request), (std::vector<Format>{Bsr{16, 8, 2}}));
  request.pinned_format = Bsr{16, 1};
  EXPECT_EQ(candidate_formats(request), (std::vector<Format>{Bsr{16, 1}}));
  request.pinned_format = Jam{4};
  EXPECT_EQ(candidate_formats(request), (std::vector<Format>{Jam{4}}));
}

TEST(CandidateFormats, OfBf16HaveNoPairsWhereTheMatrixIsOdd) {
  const Mask odd_k = make_mask(16, 25, 0.5), odd_m = make_mask(17, 24, 0.5);
  PlanRequest request = request_for(odd_k);
  request.problems[0].types = ElementTypes::kBf16;
  EXPECT_EQ(count_pairs(candidate_formats(request)).first, 0);
  request = request_for(odd_m);
  request.problems[0].types = ElementTypes::kBf16;
  EXPECT_GT(count_pairs(candidate_formats(request)).first, 0);
  request.problems[0].op = Op::kSpmmTransposed;
  EXPECT_EQ(count_pairs(candidate_formats(request)).first, 0);
}

// Blocks that pairs would fit, without a matrix unit.
TEST(DefaultPlanner, WidensBf16WhereItsDotProductsAreSlow) {
  const Mask mask = make_mask(64, 64, 1);
  PlanRequest request = request_for(mask);
  request.problems[0].types = ElementTypes::kBf16;
  request.pinned_format = Bsr{16, 16};
  request.target.pipes.fma_per_cycle = 2;
  request.target.pipes.dot_bf16_per_cycle = 0.5;
  EXPECT_EQ(DefaultPlanner("").plan(request).value().format, Format(Bsr{16, 16}));
  request.target.pipes.dot_bf16_per_cycle = 2;
  EXPECT_EQ(DefaultPlanner("").plan(request).value().format, Format(Bsr{16, 16, 2}));
}

// Masks without blocks have no groups; nor have matrices whose rows are not whole groups.
TEST(DefaultPlanner, MultipliesNarrowElementsOfAnyMask) {
  const Mask mask = make_random_block_mask(64, 61, 1, 1, 0.3, 1).value();
  PlanRequest request = request_for(mask);
  request.padding = Padding::kExact;
  for (const ElementTypes types :
       {ElementTypes::kS8S8F32, ElementTypes::kS8U8S32, ElementTypes::kBf16})
    for (const Op op : {Op::kSpmm, Op::kSpmmTransposed})
      for (const char* const target : {"zen4", "skylake-x", "x86-64-v3"}) {
        request.problems[0].types = types;
        request.problems[0].op = op;
        request.target = find_target(target).value();
        const auto plan = DefaultPlanner("").plan(request);
        ASSERT_TRUE(plan) << target << " " << to_text(types) << ": " << plan.error().message;
        EXPECT_EQ(group_of(plan->format), 1);
      }
}

TEST(CandidateFormats, OfBf16HaveNoNOfM) {
  const Mask mask = make_random_nm_mask(64, 128, 2, 4, 1).value();
  PlanRequest request = request_for(mask);
  request.problems[0].n = 1;
  request.problems[0].types = ElementTypes::kBf16;
  for (const Format& format : candidate_formats(request))
    EXPECT_FALSE(std::holds_alternative<NofM>(format)) << to_text(format);
}

}  // namespace
}  // namespace lacuna
