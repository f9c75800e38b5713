// SPDX-License-Identifier: Apache-2.0
#include "tuner/predictor.h"

#include <algorithm>
#include <cstdint>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/result.h"
#include "targets/machine_profile.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/unit/tuner/tuning_case.h"
#include "tuner/candidates.h"

namespace lacuna {
namespace {

class PredictorTest : public ::testing::TestWithParam<Op> {
 protected:
  void SetUp() override {
    auto target = find_target("zen4");
    ASSERT_TRUE(target) << target.error().message;
    target_ = *target;
    problem_.op = GetParam();
    problem_.m = problem_.k = 1024;
    rates_ = make_machine_rates(target_, nullptr);
    spec_ = make_kernel_spec(problem_, Bsr{16, 16}, Schedule{});
    const auto schedules = enumerate_schedules(spec_, target_);
    ASSERT_FALSE(schedules.empty());
    spec_.schedule = schedules.front();
  }
  [[nodiscard]] double seconds(std::int64_t blocks, std::int64_t n,
                               std::int32_t threads = 1) const {
    return predict(spec_, target_, rates_,
                   block_counts(problem_, Bsr{16, 16}, {blocks, 256 * blocks}), n, threads)
        .seconds;
  }

  Target target_;
  Problem problem_;
  MachineRates rates_;
  KernelSpec spec_;
};

TEST_P(PredictorTest, MoreBlocksTakeLonger) {
  double last = seconds(64, 256);
  EXPECT_GT(last, 0);
  for (const std::int64_t blocks : {128, 256, 512, 1024, 4096}) {
    EXPECT_GT(seconds(blocks, 256), last) << blocks;
    last = seconds(blocks, 256);
  }
}

TEST_P(PredictorTest, MoreColumnsTakeLonger) {
  EXPECT_LT(seconds(512, 64), seconds(512, 128));
  EXPECT_LT(seconds(512, 128), seconds(512, 1024));
}

TEST_P(PredictorTest, NothingBeatsTheFmaPeak) {
  const double flops = 2.0 * 1024 * 256 * 256;
  const double peak = rates_.vector_fmas * 2 * target_.f32_lanes();
  EXPECT_GE(seconds(1024, 256), flops / peak * 0.999);
}

TEST_P(PredictorTest, TwoThreadsHelpALargeProblemByAtMostTwo) {
  const double one = seconds(4096, 2048);
  const double two = seconds(4096, 2048, 2);
  EXPECT_LT(two, one);
  EXPECT_GE(two, one / 2);
}

TEST_P(PredictorTest, ASlowerMachineTakesLonger) {
  MachineProfile profile;
  profile.fma_f32_gflops = 1;
  profile.clock_ghz = 1;
  const MachineRates slow = make_machine_rates(target_, &profile);
  EXPECT_TRUE(slow.measured);
  const BlockCounts counts = block_counts(problem_, Bsr{16, 16}, {512, 512 * 256});
  EXPECT_GT(predict(spec_, target_, slow, counts, 256, 1).seconds,
            predict(spec_, target_, rates_, counts, 256, 1).seconds);
}

TEST_P(PredictorTest, ThePartsExplainTheTotal) {
  const Prediction p = predict(spec_, target_, rates_,
                               block_counts(problem_, Bsr{16, 16}, {512, 512 * 256}), 256, 1);
  const double most = std::max({p.fma_s, p.load_s, p.store_s, p.memory_s});
  EXPECT_GE(p.seconds, most);
  EXPECT_LE(p.seconds, p.fma_s + p.load_s + p.store_s + p.memory_s + p.overhead_s);
}

INSTANTIATE_TEST_SUITE_P(Ops, PredictorTest,
                         ::testing::Values(Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm),
                         [](const auto& test) { return std::string(to_text(test.param)); });

TEST(MachineRates, TakesMeasuredValuesWhereThereAreSome) {
  Target target;
  target.vector_bits = 512;
  MachineProfile profile;
  profile.fma_f32_gflops = 64;
  profile.l2_read_gbps = 100;
  const MachineRates rates = make_machine_rates(target, &profile);
  EXPECT_DOUBLE_EQ(rates.vector_fmas, 2e9);  // 64 GFLOP/s / (2 flop x 16 lanes)
  EXPECT_DOUBLE_EQ(rates.l2_bytes, 1e11);
  EXPECT_DOUBLE_EQ(rates.dots_bf16, 3e9);  // not measured: one a cycle
  profile.fma_bf16_gflops = 32;
  EXPECT_DOUBLE_EQ(make_machine_rates(target, &profile).dots_bf16, 0.5e9);
  EXPECT_DOUBLE_EQ(rates.clock_hz, 3e9);  // not measured: assumed
  EXPECT_FALSE(make_machine_rates(target, nullptr).measured);
}

// Three products of tiles in flight are enough: more sums must not look faster.
TEST(Predictor, MoreTilesOfSumsDoNotMultiplyFaster) {
  const Target target = find_target("sapphire-rapids").value();
  const MachineRates rates = make_machine_rates(target, nullptr);
  const BlockCounts counts{
      .panels = 16, .blocks = 64, .weights = 64 * 512, .rows_out = 256, .rows_in = 512};
  const auto fma_s = [&](const char* schedule) {
    const std::string name =
        std::string("spmm_bsr16x32g2_bf16_bcol_ccol_sapphire_rapids_") + schedule;
    return predict(parse_kernel_name(name).value().spec, target, rates, counts, 320, 1).fma_s;
  };
  EXPECT_DOUBLE_EQ(fma_s("amx_mr4nv1ku1_po"), fma_s("amx_mr5nv1ku1_po"));
  EXPECT_LT(fma_s("amx_mr4nv1ku1_po"), fma_s("amx_mr2nv1ku1_po"));
}

TEST(RankCandidates, IsSortedCompleteAndExact) {
  const Mask mask = blocky_mask();
  PlanRequest request;
  request.mask = &mask;
  request.problems = {problem_of(mask, Op::kSpmm), problem_of(mask, Op::kSddmm)};
  auto target = find_target("zen4");
  ASSERT_TRUE(target) << target.error().message;
  request.target = *target;
  const auto ranked = rank_candidates(request, make_machine_rates(*target, nullptr));
  ASSERT_TRUE(ranked) << ranked.error().message;
  EXPECT_EQ(ranked->size(), candidate_formats(request).size());
  double last = 0;
  for (const RankedFormat& format : *ranked) {
    EXPECT_GE(format.predicted_s, last);
    last = format.predicted_s;
    ASSERT_EQ(format.schedules.size(), 2U);
    EXPECT_DOUBLE_EQ(format.predicted_s, format.schedules[0].front().prediction.seconds +
                                             format.schedules[1].front().prediction.seconds);
    const auto structure = make_structure(mask, format.format);
    ASSERT_TRUE(structure);
    EXPECT_EQ(format.stored.weights, values_count(*structure)) << to_text(format.format);
  }
}

TEST(RankCandidates, SaysWhyThereAreNone) {
  const Mask mask = make_random_block_mask(64, 64, 1, 1, 0.3, 1).value();
  PlanRequest request;
  request.mask = &mask;
  request.problems = {problem_of(mask, Op::kSpmm)};
  request.target = find_target("x86-64-v3").value();
  request.problems[0].types = ElementTypes::kS8S8F32;
  request.pinned_format = Bsr{16, 4, 4};
  const auto bytes = rank_candidates(request, make_machine_rates(request.target, nullptr));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(bytes.error().message,
            "x86-64-v3 has no instruction for bsr16x4g4 of s8s8f32 (VPDPBUSD)");
  request.padding = Padding::kExact;
  const auto exact = rank_candidates(request, make_machine_rates(request.target, nullptr));
  ASSERT_FALSE(exact);
  EXPECT_EQ(exact.error().message, "format bsr16x4g4 would store elements outside the mask");
}

TEST(RankCandidates, RefusesABadRequest) {
  const auto ranked = rank_candidates(PlanRequest{}, MachineRates{});
  ASSERT_FALSE(ranked);
  EXPECT_EQ(ranked.error().message, "the plan has no mask");
}

}  // namespace
}  // namespace lacuna
