// SPDX-License-Identifier: Apache-2.0
//
// Plans of baked panels: code that belongs to a mask, values that do not.
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::make_mask;
using test::make_problem;
using test::make_request;
using test::Product;

class BakedPlan : public test::EngineFixture {
 protected:
  void SetUp() override {
    engine_ = make_engine();
    ASSERT_NE(engine_, nullptr);
    if (const auto bakes = check_bakes(Op::kSpmm, ElementTypes::kF32, engine_->target()); !bakes)
      GTEST_SKIP() << bakes.error().message;
  }
  static Result<std::unique_ptr<ExecutablePlan>> make_plan(Engine& engine, const Mask& mask) {
    PlanRequest request = make_request(mask, {make_problem(mask)});
    request.pinned_format = Baked{24};
    request.padding = Padding::kExact;
    return ExecutablePlan::create(engine, request);
  }
  std::unique_ptr<Engine> engine_;
};

TEST_F(BakedPlan, TakesNewValuesWithoutNewCode) {
  const Mask mask = make_mask(101, 67, 0.3);
  const auto plan = make_plan(*engine_, mask);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(to_text((*plan)->plan().format), "baked24");
  EXPECT_EQ(engine_->counters().compiled, 2);  // the kernel and the pattern
  Product product(**plan, 0, mask, 35);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE((*plan)->execute(0, product.operands()));
    product.verify(**plan);
    for (float& weight : product.a)
      weight *= -0.5F;
    pack_values((*plan)->structure(), product.a.data(), mask.k(), DType::kF32,
                product.values.data());
  }
  EXPECT_EQ(engine_->counters().compiled, 2);
}

TEST_F(BakedPlan, OfAnotherMaskSharesTheKernelOnly) {
  const Mask mask = make_mask(101, 67, 0.3), other = make_mask(101, 67, 0.5);
  ASSERT_TRUE(make_plan(*engine_, mask));
  const auto plan = make_plan(*engine_, other);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(engine_->counters().compiled, 3);
  EXPECT_EQ(engine_->counters().memory_hits, 1);
  Product product(**plan, 0, other, 20);
  ASSERT_TRUE((*plan)->execute(0, product.operands()));
  product.verify(**plan);
}

TEST_F(BakedPlan, IsFoundInTheDiskCache) {
  const Mask mask = make_mask(50, 40, 0.3);
  ASSERT_TRUE(make_plan(*engine_, mask));
  const auto later = make_engine();
  const auto plan = make_plan(*later, mask);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(later->counters().compiled, 0);
  EXPECT_EQ(later->counters().cache_hits, 2);
  Product product(**plan, 0, mask, 20);
  ASSERT_TRUE((*plan)->execute(0, product.operands()));
  product.verify(**plan);
}

TEST_F(BakedPlan, HasTheSameBitsForAnyNumberOfThreads) {
  const Mask mask = make_mask(519, 323, 0.4);
  const auto plan = make_plan(*engine_, mask);
  ASSERT_TRUE(plan) << plan.error().message;
  Product one(**plan, 0, mask, 211), many(**plan, 0, mask, 211);
  ASSERT_TRUE((*plan)->execute(0, one.operands(), openmp_parallel_for(1)));
  ASSERT_TRUE((*plan)->execute(0, many.operands(), openmp_parallel_for(5)));
  one.verify(**plan);
  EXPECT_EQ(one.c, many.c);
}

TEST_F(BakedPlan, IsRefusedWhereTheCodeWouldBeTooLarge) {
  const Mask mask = make_mask(1024, 1024, 0.5);
  const auto plan = make_plan(*engine_, mask);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(plan.error().message.find("bytes, the limit is 2097152"), std::string::npos)
      << plan.error().message;
  const auto forced =
      ExecutablePlan::create(*engine_, make_request(mask, {make_problem(mask)}),
                             Plan{Baked{24}, {{.strategy = Strategy::kRowTile, .mr = 24}}, {}});
  ASSERT_FALSE(forced);
  EXPECT_EQ(forced.error().message, plan.error().message);
  // Not pinned, another format takes it.
  EXPECT_TRUE(ExecutablePlan::create(*engine_, make_request(mask, {make_problem(mask)})));
}

}  // namespace
}  // namespace lacuna
