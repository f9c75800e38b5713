// SPDX-License-Identifier: Apache-2.0
//
// Plans whose epilogue has glu: one product of two halves of A's rows, beside other problems of the same values.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/fields.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::EngineFixture;
using test::make_mask;
using test::make_problem;
using test::make_request;
using test::Product;

Problem glu_problem(const Mask& mask, const char* epilogue = "bias_silu_glu") {
  Problem problem = make_problem(mask);
  problem.epilogue = parse_epilogue(epilogue).value();
  return problem;
}

bool same_bytes(const std::vector<float>& x, const std::vector<float>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

// Layouts of B and C.
class GluProduct : public EngineFixture,
                   public testing::WithParamInterface<std::tuple<Layout, Layout>> {
 protected:
  static Problem problem_for(const Mask& mask, const char* epilogue) {
    Problem problem = glu_problem(mask, epilogue);
    std::tie(problem.layout_b, problem.layout_c) = GetParam();
    return problem;
  }
};

TEST_P(GluProduct, MatchesTheReference) {
  const auto engine = make_engine();
  for (const std::int64_t m : {2, 6, 50, 96}) {
    const Mask mask = make_mask(m, 67, 0.3);
    for (const char* epilogue :
         {"glu", "bias_silu_glu", "scale_rows_columns_bias_gelu_tanh_glu_residual"}) {
      const auto plan =
          ExecutablePlan::create(*engine, make_request(mask, {problem_for(mask, epilogue)}));
      ASSERT_TRUE(plan) << plan.error().message;
      SCOPED_TRACE((*plan)->kernel_name_of(0));
      Product product(**plan, 0, mask, 35);
      EXPECT_EQ(product.c.size(), static_cast<std::size_t>(m / 2 * 35));
      const auto done = (*plan)->execute(0, product.operands());
      ASSERT_TRUE(done) << done.error().message;
      product.verify(**plan);
    }
  }
}

// Runs the tasks last to first, in this thread.
void run_backwards(void* /*pool*/, std::int64_t tasks, ParallelFor::Body body, void* context) {
  for (std::int64_t task = tasks; task-- > 0;)
    body(context, task);
}

TEST_P(GluProduct, HasTheSameBitsForAnyNumberOfThreads) {
  const auto engine = make_engine();
  const Mask mask = make_mask(640, 323, 0.4);
  const PlanRequest request = make_request(mask, {problem_for(mask, "bias_silu_glu")});
  for (const Format& format : {Format{Bsr{16, 16}}, Format{Jam{4}}, Format{Bsr{1, 8}}}) {
    PlanRequest pinned = request;
    pinned.pinned_format = format;
    const auto plan = ExecutablePlan::create(*engine, pinned);
    ASSERT_TRUE(plan) << plan.error().message;
    Product one(**plan, 0, mask, 131);
    ASSERT_TRUE((*plan)->execute(0, one.operands(), openmp_parallel_for(1)));
    one.verify(**plan);
    for (const ParallelFor& parallel :
         {openmp_parallel_for(3), ParallelFor{run_backwards, nullptr, 5},
          ParallelFor{run_backwards, nullptr, 64}}) {
      Product other(**plan, 0, mask, 131);
      ASSERT_TRUE((*plan)->execute(0, other.operands(), parallel));
      EXPECT_TRUE(same_bytes(one.c, other.c)) << to_text(format) << " " << parallel.threads;
    }
  }
}

// Sums of both halves wait in scratch between three chunks.
TEST_P(GluProduct, TakesChunks) {
  const auto engine = make_engine();
  const Mask mask = make_mask(96, 171, 0.4);
  const PlanRequest request = make_request(mask, {problem_for(mask, "bias_silu_glu")});
  const Schedule in_chunks{Strategy::kRowTile, 4, 1, 1, LoopOrder::kPanelOuter, true, 64};
  for (const Format& format : {Format{Jam{4}}, Format{Bsr{16, 16}}}) {
    const auto plan = ExecutablePlan::create(*engine, request, Plan{format, {in_chunks}, {}});
    ASSERT_TRUE(plan) << plan.error().message;
    Product product(**plan, 0, mask, 291);
    ASSERT_TRUE((*plan)->execute(0, product.operands()));
    product.verify(**plan);
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, GluProduct,
                         testing::Combine(testing::Values(Layout::kRowMajor, Layout::kColMajor),
                                          testing::Values(Layout::kRowMajor, Layout::kColMajor)),
                         [](const auto& test) {
                           return "b_" + std::string(to_text(std::get<0>(test.param))) + "_c_" +
                                  std::string(to_text(std::get<1>(test.param)));
                         });

// Training: the sums of both halves, the layer itself, and the gradients of both halves at once.
TEST_F(EngineFixture, GluSharesValuesWithEveryOtherProblem) {
  const auto engine = make_engine();
  const Mask mask = make_mask(96, 80, 0.4);
  PlanRequest request =
      make_request(mask, {glu_problem(mask), make_problem(mask),
                          make_problem(mask, Op::kSpmmTransposed), make_problem(mask, Op::kSddmm)});
  request.padding = Padding::kExact;
  const auto plan = ExecutablePlan::create(*engine, request);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ((*plan)->values_count(), mask.nnz());
  for (std::size_t i = 0; i < request.problems.size(); ++i) {
    Product product(**plan, i, mask, 48);
    ASSERT_TRUE((*plan)->execute(i, product.operands()));
    product.verify(**plan);
  }
}

TEST_F(EngineFixture, GluOfNothingIsTheProductOfBiases) {
  const auto engine = make_engine();
  for (const auto& [m, k, n] : {std::tuple{0, 40, 9}, {40, 0, 9}, {40, 24, 0}, {0, 0, 0}}) {
    const auto mask =
        Mask::from_dense(m, k, std::vector<float>(static_cast<std::size_t>(m * k)), std::max(k, 1));
    ASSERT_TRUE(mask) << mask.error().message;
    for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
      Problem problem = glu_problem(*mask);
      problem.layout_b = problem.layout_c = layout;
      const auto plan = ExecutablePlan::create(*engine, make_request(*mask, {problem}));
      ASSERT_TRUE(plan) << plan.error().message;
      Product product(**plan, 0, *mask, n);
      const auto done = (*plan)->execute(0, product.operands());
      ASSERT_TRUE(done) << done.error().message;
      product.verify(**plan);
    }
  }
}

// ---- which formats ----

TEST(GluFormats, AreThoseWhosePanelsDivideAHalf) {
  const Mask mask = make_mask(40, 64, 0.5);
  const std::vector<Format> formats = candidate_formats(make_request(mask, {glu_problem(mask)}));
  std::vector<std::int32_t> heights;
  for (const Format& format : formats) {
    EXPECT_TRUE(std::holds_alternative<Bsr>(format) || std::holds_alternative<Jam>(format));
    heights.push_back(counted_as(format).r);
    EXPECT_EQ(20 % heights.back(), 0) << to_text(format);
  }
  EXPECT_EQ(std::count(heights.begin(), heights.end(), 4), 7 + 1);  // blocks, and jam4
  EXPECT_EQ(std::count(heights.begin(), heights.end(), 5), 1);
  EXPECT_EQ(heights.size(), 3U * 7 + 3);  // blocks of 1, 2 and 4 rows; 2, 4 and 5 jammed
}

std::string fault_of(const Mask& mask, const Format& format) {
  PlanRequest request = make_request(mask, {glu_problem(mask)});
  request.target = find_target("zen4").value();
  request.pinned_format = format;
  const auto plan = DefaultPlanner("").plan(request);
  return plan ? std::string() : plan.error().message;
}

TEST(GluFormats, ThatArePinnedMustServeBothHalves) {
  const Mask mask = make_mask(40, 64, 0.5);
  EXPECT_EQ(fault_of(mask, Bsr{4, 16}), "");
  EXPECT_EQ(fault_of(mask, Bsr{16, 16}),
            "format bsr16x16 has panels of 16 rows, which do not divide the 20 rows of a half, as "
            "glu needs");
  EXPECT_EQ(fault_of(mask, Bsr{64, 1}),
            "format bsr40x1 has panels of 40 rows, which do not divide the 20 rows of a half, as "
            "glu needs");
  EXPECT_EQ(fault_of(mask, NofM{2, 4}), "glu is for blocks and jammed rows, not for nm2of4");
  EXPECT_EQ(fault_of(mask, Baked{20}), "glu is for blocks and jammed rows, not for baked20");
}

TEST_F(EngineFixture, APlanThatStraddlesTheHalvesIsRefused) {
  const auto engine = make_engine();
  const Mask mask = make_mask(40, 64, 0.5);
  const auto plan = ExecutablePlan::create(*engine, make_request(mask, {glu_problem(mask)}),
                                           Plan{Bsr{16, 16}, {Schedule{}}, {}});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message,
            "format bsr16x16 has panels of 16 rows, which do not divide the 20 rows of a half, as "
            "glu needs");
}

// ---- which schedules ----

TEST(GluSchedules, BreakTheseRules) {
  const Target target = find_target("sapphire-rapids").value();
  KernelSpec spec;
  spec.layout_b = spec.layout_c = Layout::kColMajor;
  spec.epilogue.glu = true;
  spec.format = Bsr{16, 16};
  const auto message = [&] {
    const auto legal = check_schedule(spec, target);
    return legal ? std::string() : legal.error().message;
  };
  spec.schedule = {.strategy = Strategy::kColumnTile, .mr = 4};
  EXPECT_EQ(message(), "");
  spec.accumulate = true;
  EXPECT_EQ(message(), "glu is for spmm without accumulation");
  spec.accumulate = false;
  spec.op = Op::kSpmmTransposed;
  EXPECT_EQ(message(), "glu is for spmm without accumulation");
  spec.op = Op::kSpmm;
  spec.types = ElementTypes::kBf16;
  spec.format = Bsr{16, 16, 2};
  spec.schedule.strategy = Strategy::kMatrixTile;
  EXPECT_EQ(message(), "glu is for the strategies row and col, not amx");
  spec.types = ElementTypes::kS8S8F32;
  spec.format = Bsr{16, 16, 4};
  spec.schedule.strategy = Strategy::kColumnTile;
  EXPECT_EQ(message(), "the col strategy of s8s8f32 has no glu");
  spec.format = NofM{2, 4};
  EXPECT_EQ(message(), "glu is for blocks and jammed rows, not for nm2of4");
}

TEST(GluEstimate, CountsTheSumsOfBothHalvesAndOneResult) {
  const Target target = find_target("zen4").value();
  KernelSpec spec;
  spec.format = Bsr{8, 8};
  spec.schedule = {.strategy = Strategy::kRowTile, .mr = 8, .nv = 2};
  BlockCounts counts;
  counts.panels = 8;
  counts.blocks = 20;
  counts.weights = 20 * 64;
  counts.rows_out = 64;
  counts.rows_in = 100;
  const WorkEstimate plain = estimate_work(spec, target, counts, 32);
  spec.epilogue.glu = true;
  counts.rows_out = 32;
  const WorkEstimate work = estimate_work(spec, target, counts, 32);
  EXPECT_DOUBLE_EQ(work.fmas - plain.fmas, 32 * 2);  // the product of the halves
  EXPECT_DOUBLE_EQ(work.tile_passes, plain.tile_passes);
  EXPECT_DOUBLE_EQ(work.stores, 64 * 2 + 32 * 2);  // to the tile, to C
  EXPECT_DOUBLE_EQ(work.vector_loads - plain.vector_loads, 64 * 2);
  EXPECT_DOUBLE_EQ(work.bytes_c, 32 * 32 * 4);
}

}  // namespace
}  // namespace lacuna
