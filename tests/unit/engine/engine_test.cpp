// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/target_yaml.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"
#include "tests/unit/codegen/temp_cache.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::EngineFixture;
using test::make_mask;
using test::make_problem;
using test::make_request;
using test::TempCache;

KernelSpec some_spec(const Engine& engine) {
  KernelSpec spec;
  spec.format = Bsr{4, 4};
  spec.schedule = enumerate_schedules(spec, engine.target()).front();
  return spec;
}

TEST_F(EngineFixture, CompilesOnceThenAnswersFromMemory) {
  const auto engine = make_engine();
  const auto first = engine->kernel(some_spec(*engine));
  ASSERT_TRUE(first) << first.error().message;
  const auto second = engine->kernel(some_spec(*engine));
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(engine->counters().compiled, 1);
  EXPECT_EQ(engine->counters().memory_hits, 1);
  EXPECT_EQ(engine->cache_fault(), "");
}

TEST_F(EngineFixture, AnotherEngineFindsTheKernelInTheDiskCache) {
  const auto first = make_engine();
  ASSERT_TRUE(first->kernel(some_spec(*first)));
  const auto second = make_engine();
  ASSERT_TRUE(second->kernel(some_spec(*second)));
  EXPECT_EQ(second->counters().cache_hits, 1);
  EXPECT_EQ(second->counters().compiled, 0);
}

TEST_F(EngineFixture, SearchesBundlesBeforeTheCacheAndNeverWritesThem) {
  const auto maker = make_engine();
  ASSERT_TRUE(maker->kernel(some_spec(*maker)));
  const TempCache empty, own;
  EngineOptions options;
  options.bundle_folders = {empty.path(), cache_.path()};
  options.cache_folder = own.path();
  const auto engine = make_engine(options);
  ASSERT_TRUE(engine->kernel(some_spec(*engine)));
  EXPECT_EQ(engine->counters().bundle_hits, 1);
  KernelSpec other = some_spec(*engine);
  other.accumulate = true;
  ASSERT_TRUE(engine->kernel(other));
  EXPECT_EQ(engine->counters().compiled, 1);
  EXPECT_TRUE(std::filesystem::is_empty(empty.path()));
  EXPECT_FALSE(std::filesystem::is_empty(own.path()));
}

TEST_F(EngineFixture, AnEmptyFolderNameMeansNoDiskCache) {
  EngineOptions options;
  options.cache_folder = "";
  for (int i = 0; i < 2; ++i) {
    const auto engine = make_engine(options);
    ASSERT_TRUE(engine->kernel(some_spec(*engine)));
    EXPECT_EQ(engine->counters().compiled, 1);
  }
}

TEST_F(EngineFixture, SweepsWhatKilledProcessesLeftInTheCache) {
  const auto stale = cache_.path() / ".lacuna-1-1.tmp";
  ASSERT_TRUE(write_file_atomic(stale, "a part"));
  std::filesystem::last_write_time(
      stale, std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  const auto engine = make_engine();
  ASSERT_TRUE(engine->kernel(some_spec(*engine)));
  EXPECT_FALSE(std::filesystem::exists(stale));
}

TEST_F(EngineFixture, CompilesAgainWhenAnIntactCacheEntryDoesNotLoad) {
  const auto engine = make_engine();
  const KernelSpec spec = some_spec(*engine);
  const std::string name = kernel_name(spec, engine->target().name);
  const CompiledKernel not_an_object{name, std::vector<std::byte>(32)};
  ASSERT_TRUE(ObjectCache(cache_.path()).store(not_an_object, kernel_key(spec, engine->target())));
  const auto kernel = engine->kernel(spec);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(engine->counters().compiled, 1);
}

TEST_F(EngineFixture, RefusesAnIllegalSchedule) {
  const auto engine = make_engine();
  KernelSpec spec = some_spec(*engine);
  spec.schedule.mr = 0;
  const auto kernel = engine->kernel(spec);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(kernel.error().message, "mr 0 is outside [1, 64]");
}

TEST_F(EngineFixture, RunsKernelsOfANarrowerTarget) {
  auto narrow = find_target("x86-64-v3");
  ASSERT_TRUE(narrow) << narrow.error().message;
  EngineOptions options;
  options.target = *narrow;
  const auto engine = make_engine(options);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->target().name, "x86-64-v3");
  const Mask mask = make_mask(40, 40, 0.5);
  const auto plan = ExecutablePlan::create(*engine, make_request(mask, {make_problem(mask)}));
  ASSERT_TRUE(plan) << plan.error().message;
  test::Product product(**plan, 0, mask, 21);
  ASSERT_TRUE((*plan)->execute(0, product.operands()));
  product.verify(**plan);
}

TEST(Engine, RefusesATargetOfAnotherMachine) {
  const auto target = find_target("neoverse-v1");
  ASSERT_TRUE(target) << target.error().message;
  EngineOptions options;
  options.target = *target;
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kUnsupported);
}

TEST(Engine, RefusesThreadCountsOutOfRange) {
  for (const std::int32_t threads : {-1, 4097}) {
    EngineOptions options;
    options.threads = threads;
    const auto engine = Engine::create(options);
    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().message,
              "threads " + std::to_string(threads) + " is not in [0, 4096]");
  }
}

TEST_F(EngineFixture, RefusesAPlanForAnotherTarget) {
  const auto engine = make_engine();
  const Mask mask = make_mask(16, 16, 0.5);
  PlanRequest request = make_request(mask, {make_problem(mask)});
  request.target = engine->target();
  request.target.name = "elsewhere";
  const auto plan = ExecutablePlan::create(*engine, request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message, "the plan is for target elsewhere, the engine's target is host");
}

TEST_F(EngineFixture, RefusesAGivenPlanThatDoesNotFit) {
  const auto engine = make_engine();
  const Mask mask = make_mask(16, 16, 0.5);
  PlanRequest request = make_request(mask, {make_problem(mask)});
  const auto no_schedule =
      ExecutablePlan::create(*engine, request, Plan{Bsr{2, 2}, {}, Provenance::kDefault});
  ASSERT_FALSE(no_schedule);
  EXPECT_EQ(no_schedule.error().message, "the plan has 0 schedules for 1 problems");
  request.padding = Padding::kExact;
  const auto padded = ExecutablePlan::create(*engine, request,
                                             Plan{Bsr{16, 16}, {Schedule{}}, Provenance::kDefault});
  ASSERT_FALSE(padded);
  EXPECT_EQ(padded.error().message, "format bsr16x16 would store elements outside the mask");
}

}  // namespace
}  // namespace lacuna
