// SPDX-License-Identifier: Apache-2.0
//
// spmm_transposed of formats without blocks: panels of the transpose, whose values are gathered from the forward's.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "templates/format.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"
#include "templates/schedule.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::make_mask;
using test::make_problem;
using test::make_request;
using test::Product;

class TransposedPlan : public test::EngineFixture {};

Plan both_directions(const Format& format, int rows) {
  const Schedule row{.strategy = Strategy::kRowTile, .mr = rows};
  return {format, {row, row}, {}};
}

TEST_F(TransposedPlan, BothDirectionsReadTheSameValues) {
  const auto engine = make_engine();
  const Mask mask = make_mask(131, 77, 0.3);
  const PlanRequest request =
      make_request(mask, {make_problem(mask), make_problem(mask, Op::kSpmmTransposed)});
  std::vector<Plan> plans{both_directions(Jam{4}, 4)};
  if (check_bakes(Op::kSpmmTransposed, ElementTypes::kF32, engine->target()))
    plans.push_back(both_directions(Baked{24}, 24));
  for (const Plan& given : plans) {
    SCOPED_TRACE(to_text(given.format));
    const auto plan = ExecutablePlan::create(*engine, request, given);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ((*plan)->values_count(), mask.nnz());
    Product forward(**plan, 0, mask, 50), backward(**plan, 1, mask, 50), parts(**plan, 1, mask, 50);
    EXPECT_EQ(forward.values, backward.values);
    ASSERT_TRUE((*plan)->execute(0, forward.operands()));
    ASSERT_TRUE((*plan)->execute(1, backward.operands(), openmp_parallel_for(1)));
    ASSERT_TRUE((*plan)->execute(1, parts.operands(), openmp_parallel_for(5)));
    forward.verify(**plan);
    backward.verify(**plan);
    EXPECT_EQ(backward.c, parts.c);
  }
}

// Rows of A^T, the columns of A, are fewer than a panel has.
TEST_F(TransposedPlan, OfANarrowMatrixTakesAnotherStrategy) {
  const auto engine = make_engine();
  const Mask mask = make_mask(40, 3, 0.5);
  PlanRequest request = make_request(mask, {make_problem(mask, Op::kSpmmTransposed)});
  const auto forced = ExecutablePlan::create(
      *engine, request, Plan{Jam{4}, {{.strategy = Strategy::kRowTile, .mr = 4}}, {}});
  ASSERT_FALSE(forced);
  EXPECT_EQ(
      forced.error().message,
      "panels of 4 columns in a matrix of 3: take the scatter strategy for spmm_transposed of "
      "jam4");
  request.pinned_format = Jam{4};
  const auto plan = ExecutablePlan::create(*engine, request);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ((*plan)->plan().schedules.front().strategy, Strategy::kScatter);
  Product product(**plan, 0, mask, 20);
  ASSERT_TRUE((*plan)->execute(0, product.operands()));
  product.verify(**plan);
}

}  // namespace
}  // namespace lacuna
