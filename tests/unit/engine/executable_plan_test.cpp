// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/bf16.h"
#include "targets/base/fields.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/unit/codegen/temp_cache.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::EngineFixture;
using test::make_mask;
using test::make_problem;
using test::make_request;
using test::Product;

bool same_bytes(const std::vector<float>& x, const std::vector<float>& y) {
  return x.size() == y.size() &&
         (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
}

std::unique_ptr<ExecutablePlan> make_plan(Engine& engine, const PlanRequest& request) {
  auto plan = ExecutablePlan::create(engine, request);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? std::move(*plan) : nullptr;
}

// ---- every op and layout, as the default planner sets them up ----

using OpAndLayouts = std::tuple<Op, Layout, Layout>;

class PlannedProduct : public EngineFixture, public testing::WithParamInterface<OpAndLayouts> {
 protected:
  [[nodiscard]] static Problem problem_for(const Mask& mask) {
    Problem problem = make_problem(mask, std::get<0>(GetParam()));
    problem.layout_b = std::get<1>(GetParam());
    problem.layout_c = std::get<2>(GetParam());
    if (problem.op != Op::kSddmm)
      problem.epilogue = {.bias = true, .activation = Activation::kRelu};
    return problem;
  }
};

TEST_P(PlannedProduct, MatchesTheReference) {
  const auto engine = make_engine();
  const Mask mask = make_mask(101, 67, 0.3);
  const auto plan = make_plan(*engine, make_request(mask, {problem_for(mask)}));
  ASSERT_NE(plan, nullptr);
  Product product(*plan, 0, mask, 35);
  const auto done = plan->execute(0, product.operands());
  ASSERT_TRUE(done) << done.error().message;
  product.verify(*plan);
}

// Runs the tasks last to first, in this thread: an order that no pool would choose.
void run_backwards(void* /*pool*/, std::int64_t tasks, ParallelFor::Body body, void* context) {
  for (std::int64_t task = tasks; task-- > 0;)
    body(context, task);
}

void expect_same_bits_for_any_threads(Engine& engine, const PlanRequest& request,
                                      const std::optional<Plan>& given = std::nullopt) {
  const Mask& mask = *request.mask;
  const auto made = ExecutablePlan::create(engine, request, given);
  ASSERT_TRUE(made) << made.error().message;
  const auto& plan = *made;
  constexpr std::int64_t kColumns = 291;
  Product one(*plan, 0, mask, kColumns);
  ASSERT_TRUE(plan->execute(0, one.operands(), openmp_parallel_for(1)));
  one.verify(*plan);
  for (const ParallelFor& parallel :
       {openmp_parallel_for(2), openmp_parallel_for(5), ParallelFor{run_backwards, nullptr, 2},
        ParallelFor{run_backwards, nullptr, 5}, ParallelFor{run_backwards, nullptr, 64}}) {
    Product other(*plan, 0, mask, kColumns);
    ASSERT_TRUE(plan->execute(0, other.operands(), parallel));
    EXPECT_TRUE(same_bytes(one.c, other.c) && same_bytes(one.values, other.values))
        << parallel.threads;
  }
}

// Enough work for several tasks, edge blocks in both directions.
TEST_P(PlannedProduct, HasTheSameBitsForAnyNumberOfThreads) {
  const Mask mask = make_mask(519, 323, 0.4);
  expect_same_bits_for_any_threads(*make_engine(), make_request(mask, {problem_for(mask)}));
}

TEST_P(PlannedProduct, HasTheSameBitsForAnyNumberOfThreadsAsJammedRows) {
  const Mask mask = make_mask(519, 323, 0.4);
  PlanRequest request = make_request(mask, {problem_for(mask)});
  request.pinned_format = Jam{4};
  expect_same_bits_for_any_threads(*make_engine(), request);
}

// Three chunks, and more columns than are worked on at a time.
TEST_P(PlannedProduct, HasTheSameBitsForAnyNumberOfThreadsInChunks) {
  const Mask mask = make_mask(149, 171, 0.4);
  const PlanRequest request = make_request(mask, {problem_for(mask)});
  const auto engine = make_engine();
  Schedule in_chunks{Strategy::kRowTile, 4, 1, 1, LoopOrder::kPanelOuter, true, 64};
  for (const Format& format : {Format{Jam{4}}, Format{Bsr{16, 16}}}) {
    const Plan plan{format, {in_chunks}, {}};
    if (check_schedule(make_kernel_spec(request.problems[0], format, in_chunks), engine->target()))
      expect_same_bits_for_any_threads(*engine, request, plan);
  }
}

// Few rows, so that calls are cut along n, between tiles of three vectors and of others. Small tiles have their sums in parts.
TEST_P(PlannedProduct, HasTheSameBitsForAnyNumberOfThreadsInSmallTiles) {
  const Mask mask = make_mask(16, 9001, 0.4);
  const PlanRequest request = make_request(mask, {problem_for(mask)});
  const auto engine = make_engine();
  for (const Format& format : {Format{Bsr{1, 1}}, Format{Bsr{2, 2}}, Format{Bsr{16, 4}}})
    for (const Strategy strategy : {Strategy::kRowTile, Strategy::kStream})
      for (const int mr : {1, 2})
        for (const int nv : {1, 3})
          for (const bool pack : {false, true}) {
            const Schedule small{strategy, mr, nv, 1, LoopOrder::kPanelOuter, pack, 0};
            const KernelSpec spec = make_kernel_spec(request.problems[0], format, small);
            if (check_schedule(spec, engine->target()))
              expect_same_bits_for_any_threads(*engine, request, Plan{format, {small}, {}});
          }
}

// One row has a quarter of all weights, so that its panel is cut along n where that is allowed.
TEST_P(PlannedProduct, HasTheSameBitsForAnyNumberOfThreadsWithSkewedRows) {
  const auto mask = make_random_zipf_mask({519, 1500, 1, 1, 0.02, 1.2, 3});
  ASSERT_TRUE(mask) << mask.error().message;
  for (const Format& format : {Format{Jam{4}}, Format{Bsr{4, 1}}}) {
    PlanRequest request = make_request(*mask, {problem_for(*mask)});
    request.pinned_format = format;
    expect_same_bits_for_any_threads(*make_engine(), request);
  }
}

TEST_F(EngineFixture, NOfMHasTheSameBitsForAnyNumberOfThreads) {
  const auto engine = make_engine();
  for (const auto& [n, m] : {std::pair{2, 4}, std::pair{1, 8}})
    for (const Layout layout_b : {Layout::kRowMajor, Layout::kColMajor})
      for (const Layout layout_c : {Layout::kRowMajor, Layout::kColMajor}) {
        const Mask mask = make_random_nm_mask(519, 1023, n, m, 1).value();
        PlanRequest request = make_request(mask, {make_problem(mask)});
        request.problems[0].layout_b = layout_b;
        request.problems[0].layout_c = layout_c;
        request.pinned_format = NofM{n, m};
        expect_same_bits_for_any_threads(*engine, request);
      }
}

INSTANTIATE_TEST_SUITE_P(ExecutablePlan, PlannedProduct,
                         testing::Combine(testing::Values(Op::kSpmm, Op::kSpmmTransposed,
                                                          Op::kSddmm),
                                          testing::Values(Layout::kRowMajor, Layout::kColMajor),
                                          testing::Values(Layout::kRowMajor, Layout::kColMajor)),
                         [](const auto& test) {
                           return std::string(to_text(std::get<0>(test.param))) + "_b_" +
                                  std::string(to_text(std::get<1>(test.param))) + "_c_" +
                                  std::string(to_text(std::get<2>(test.param)));
                         });

// ---- splitting ----

struct CountingPool {
  std::vector<int> runs;
};

TEST_F(EngineFixture, RunsEachTaskOnceThroughTheCallersPool) {
  const auto engine = make_engine();
  const Mask mask = make_mask(512, 512, 0.5);
  const auto plan = make_plan(*engine, make_request(mask, {make_problem(mask)}));
  ASSERT_NE(plan, nullptr);
  Product product(*plan, 0, mask, 256);
  CountingPool pool;
  const ParallelFor parallel{
      [](void* context, std::int64_t tasks, ParallelFor::Body body, void* body_context) {
        static_cast<CountingPool*>(context)->runs.assign(static_cast<std::size_t>(tasks), 1);
        for (std::int64_t task = 0; task < tasks; ++task)
          body(body_context, task);
      },
      &pool, 3};
  ASSERT_TRUE(plan->execute(0, product.operands(), parallel));
  EXPECT_GE(pool.runs.size(), 6U);   // several tasks a thread
  EXPECT_LE(pool.runs.size(), 24U);  // but not many more than needed
  product.verify(*plan);
}

TEST_F(EngineFixture, RunsSmallProductsInPlace) {
  const auto engine = make_engine();
  const Mask mask = make_mask(32, 32, 0.5);
  const auto plan = make_plan(*engine, make_request(mask, {make_problem(mask)}));
  ASSERT_NE(plan, nullptr);
  Product product(*plan, 0, mask, 16);
  const ParallelFor parallel{
      [](void*, std::int64_t, ParallelFor::Body, void*) { FAIL() << "the pool was used"; }, nullptr,
      4};
  ASSERT_TRUE(plan->execute(0, product.operands(), parallel));
  product.verify(*plan);
}

// ---- one plan, several problems ----

TEST_F(EngineFixture, ProblemsOfAPlanShareValues) {
  const auto engine = make_engine();
  const Mask mask = make_mask(96, 80, 0.4);
  PlanRequest request =
      make_request(mask, {make_problem(mask), make_problem(mask, Op::kSpmmTransposed),
                          make_problem(mask, Op::kSddmm)});
  request.padding = Padding::kExact;
  const auto plan = make_plan(*engine, request);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->values_count(), mask.nnz());
  for (std::size_t i = 0; i < request.problems.size(); ++i) {
    Product product(*plan, i, mask, 48);
    ASSERT_TRUE(plan->execute(i, product.operands()));
    product.verify(*plan);
    EXPECT_EQ(plan->kernel_name_of(i).rfind(to_text(request.problems[i].op), 0), 0U);
  }
  EXPECT_EQ(plan->kernel_name_of(3), "");
}

TEST_F(EngineFixture, AccumulateAddsToWhatIsThere) {
  const auto engine = make_engine();
  const Mask mask = make_mask(64, 64, 0.4);
  Problem problem = make_problem(mask);
  problem.accumulate = true;
  const auto plan = make_plan(*engine, make_request(mask, {problem}));
  ASSERT_NE(plan, nullptr);
  Product product(*plan, 0, mask, 20);
  ASSERT_TRUE(plan->execute(0, product.operands()));
  product.verify(*plan);
}

TEST_F(EngineFixture, PinnedBlockLargerThanTheMatrixIsClamped) {
  const auto engine = make_engine();
  const Mask mask = make_mask(5, 3, 1.0);
  PlanRequest request = make_request(mask, {make_problem(mask)});
  request.pinned_format = Bsr{64, 64};
  const auto plan = make_plan(*engine, request);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(to_text(plan->plan().format), "bsr5x3");
  Product product(*plan, 0, mask, 7);
  ASSERT_TRUE(plan->execute(0, product.operands()));
  product.verify(*plan);
}

// ---- sizes of zero ----

struct EmptyCase {
  const char* name;
  std::int64_t m, k, n;
};

class EmptyProduct : public EngineFixture,
                     public testing::WithParamInterface<std::tuple<Op, Layout, EmptyCase>> {};

TEST_P(EmptyProduct, DoesWhatTheAlgebraSays) {
  const auto& [op, layout, sizes] = GetParam();
  const auto engine = make_engine();
  const auto mask = Mask::from_dense(
      sizes.m, sizes.k, std::vector<float>(static_cast<std::size_t>(sizes.m * sizes.k)),
      std::max<std::int64_t>(sizes.k, 1));
  ASSERT_TRUE(mask) << mask.error().message;
  Problem problem = make_problem(*mask, op);
  problem.layout_b = problem.layout_c = layout;
  if (op != Op::kSddmm) problem.epilogue = {.bias = true, .activation = Activation::kRelu};
  const auto plan = make_plan(*engine, make_request(*mask, {problem}));
  ASSERT_NE(plan, nullptr);
  Product product(*plan, 0, *mask, sizes.n);
  const auto done = plan->execute(0, product.operands());
  ASSERT_TRUE(done) << done.error().message;
  product.verify(*plan);  // epilogue(0) everywhere
}

// One schedule of each kind (strategy, loop order, packing, chunks) that is legal for the problem and format.
std::vector<Schedule> one_of_each_kind(const Problem& problem, const Format& format,
                                       const Target& target) {
  std::vector<Schedule> kinds;
  for (const Schedule& s : enumerate_schedules(make_kernel_spec(problem, format, {}), target))
    if (std::ranges::none_of(kinds, [&](const Schedule& known) {
          return std::tie(s.strategy, s.order, s.pack, s.kc) ==
                 std::tie(known.strategy, known.order, known.pack, known.kc);
        }))
      kinds.push_back(s);
  return kinds;
}

TEST_P(EmptyProduct, DoesSoWithEveryKindOfKernel) {
  const auto& [op, layout, sizes] = GetParam();
  static const test::TempCache kKernels;  // most are the same for each of the sizes
  EngineOptions options;
  options.cache_folder = kKernels.path();
  const auto engine = make_engine(options);
  const auto mask = Mask::from_blocks(
      sizes.m, sizes.k, 64, 64, std::vector<std::uint8_t>(sizes.m == 0 || sizes.k == 0 ? 0 : 1));
  ASSERT_TRUE(mask) << mask.error().message;
  Problem problem = make_problem(*mask, op);
  if (op != Op::kSddmm) problem.epilogue = {.bias = true, .activation = Activation::kRelu};
  std::set<Strategy> strategies;
  for (const Format& format : {Format{Bsr{16, 16}}, Format{Bsr{16, 1}}, Format{Jam{4}},
                               Format{NofM{2, 4}}, Format{Baked{24}}})
    for (const Layout layout_c : {Layout::kRowMajor, Layout::kColMajor}) {
      problem.layout_b = layout;
      problem.layout_c = layout_c;
      const auto structure = make_structure(*mask, format);
      ASSERT_TRUE(structure) << structure.error().message;
      const Format clamped = format_of(*structure);
      for (const Schedule& s : one_of_each_kind(problem, clamped, engine->target())) {
        SCOPED_TRACE(to_text(clamped) + " " + to_text(s));
        const auto plan =
            ExecutablePlan::create(*engine, make_request(*mask, {problem}), Plan{clamped, {s}, {}});
        ASSERT_TRUE(plan) << plan.error().message;
        Product product(**plan, 0, *mask, sizes.n);
        const auto done = (*plan)->execute(0, product.operands());
        ASSERT_TRUE(done) << done.error().message;
        product.verify(**plan);
        strategies.insert(s.strategy);
      }
    }
  // Where m or k is 0, blocks are one row or column wide, which not every strategy takes.
  const std::size_t expected = op == Op::kSddmm ? 1 : op == Op::kSpmm || sizes.m == 0 ? 1 : 2;
  EXPECT_GE(strategies.size(), expected);
}

INSTANTIATE_TEST_SUITE_P(
    ExecutablePlan, EmptyProduct,
    testing::Combine(testing::Values(Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm),
                     testing::Values(Layout::kRowMajor, Layout::kColMajor),
                     testing::Values(EmptyCase{"m0", 0, 40, 9}, EmptyCase{"k0", 40, 0, 9},
                                     EmptyCase{"n0", 40, 24, 0}, EmptyCase{"empty_mask", 40, 24, 9},
                                     EmptyCase{"all0", 0, 0, 0})),
    [](const auto& test) {
      return std::string(to_text(std::get<0>(test.param))) + "_" +
             std::string(to_text(std::get<1>(test.param))) + "_" + std::get<2>(test.param).name;
    });

// Nothing to add up: C is zero. (Blocks of no rows once had one, half a pair.)
TEST_F(EngineFixture, PairsOfNoRowsTransposeToZeros) {
  const auto engine = make_engine();
  const Mask mask = make_mask(0, 40, 1.0);
  Problem problem = make_problem(mask, Op::kSpmmTransposed);
  problem.types = ElementTypes::kBf16;
  const auto plan = make_plan(*engine, make_request(mask, {problem}));
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->values_count(), 0);
  const Bf16 b(1.0F);
  std::vector<Bf16> c(40 * 9, Bf16(7.0F));
  Operands operands;
  operands.b = &b;
  operands.ldb = 9;
  operands.c = c.data();
  operands.ldc = 9;
  operands.n = 9;
  const auto done = plan->execute(0, operands);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(c, std::vector<Bf16>(c.size(), Bf16(0.0F)));
}

TEST_F(EngineFixture, SddmmOverNoColumnsWritesZerosUnlessItAccumulates) {
  const auto engine = make_engine();
  const Mask mask = make_mask(16, 16, 1.0);
  Problem problem = make_problem(mask, Op::kSddmm);
  Problem accumulating = problem;
  accumulating.accumulate = true;
  const auto plan = make_plan(*engine, make_request(mask, {problem, accumulating}));
  ASSERT_NE(plan, nullptr);
  std::vector<float> values(static_cast<std::size_t>(plan->values_count()), 3.0F);
  Operands operands;
  operands.values = values.data();
  ASSERT_TRUE(plan->execute(1, operands));
  EXPECT_EQ(values, std::vector<float>(values.size(), 3.0F));
  ASSERT_TRUE(plan->execute(0, operands));
  EXPECT_EQ(values, std::vector<float>(values.size(), 0.0F));
}

}  // namespace
}  // namespace lacuna
