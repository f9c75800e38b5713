// SPDX-License-Identifier: Apache-2.0
#include "runtime/planner.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/structure.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::make_mask;
using test::make_problem;
using test::make_request;

Target zen4() {
  auto target = find_target("zen4");
  EXPECT_TRUE(target) << target.error().message;
  return std::move(*target);
}

PlanRequest request_for(const Mask& mask, Op op = Op::kSpmm) {
  PlanRequest request = make_request(mask, {make_problem(mask, op)});
  request.target = zen4();
  return request;
}

std::vector<std::string> names(const std::vector<Format>& formats) {
  std::vector<std::string> texts;
  for (const Format& format : formats)
    texts.push_back(to_text(format));
  return texts;
}

TEST(CandidateFormats, AreAllPowersOfTwoUpTo64AndJammedRows) {
  const Mask mask = make_mask(128, 128, 0.5);
  EXPECT_EQ(candidate_formats(request_for(mask)).size(), 49U + 4U + 3U);  // jammed, baked
}

TEST(CandidateFormats, AreClampedToTheMatrixWithoutDuplicates) {
  const Mask mask = make_mask(3, 1, 1.0);
  EXPECT_EQ(names(candidate_formats(request_for(mask))),
            (std::vector<std::string>{"bsr1x1", "bsr2x1", "bsr3x1", "jam2", "jam3", "baked3"}));
}

TEST(CandidateFormats, OneRowIsNotJammed) {
  const Mask mask = make_mask(1, 300, 0.5);
  for (const Format& format : candidate_formats(request_for(mask)))
    EXPECT_FALSE(std::holds_alternative<Jam>(format)) << to_text(format);
}

TEST(CandidateFormats, AreBakedOnlyWhereEveryProblemHasSuchKernels) {
  const Mask mask = make_mask(128, 128, 0.5);
  const auto bakes = [](const PlanRequest& request) {
    return std::ranges::any_of(candidate_formats(request), [](const Format& format) {
      return std::holds_alternative<Baked>(format);
    });
  };
  PlanRequest request = request_for(mask);
  EXPECT_TRUE(bakes(request));
  request.problems.push_back(request.problems[0]);
  request.problems[1].op = Op::kSpmmTransposed;
  EXPECT_TRUE(bakes(request));
  request.problems[1].op = Op::kSddmm;
  EXPECT_FALSE(bakes(request));
  request = request_for(mask);
  request.target = find_target("x86-64-v3").value();
  EXPECT_FALSE(bakes(request));
}

TEST(CandidateFormats, AreOnlyThePinnedOne) {
  const Mask mask = make_mask(128, 128, 0.5);
  PlanRequest request = request_for(mask);
  request.pinned_format = Bsr{5, 7};
  EXPECT_EQ(names(candidate_formats(request)), std::vector<std::string>{"bsr5x7"});
}

TEST(CandidateFormats, StoreExactlyTheMaskWhereAsked) {
  const Mask mask = make_mask(64, 64, 0.3);  // blocks of 8 x 4
  PlanRequest request = request_for(mask);
  request.padding = Padding::kExact;
  for (const Format& format : candidate_formats(request)) {
    const auto* const block = std::get_if<Bsr>(&format);
    EXPECT_TRUE(block == nullptr || (block->r <= 8 && block->c <= 4)) << to_text(format);
  }
  EXPECT_EQ(candidate_formats(request).size(),
            12U + 4U + 3U);  // r of 1, 2, 4, 8; c of 1, 2, 4; jammed
}

TEST(CandidateFormats, StoreExactlyTheMaskAlsoAtEdges) {
  const Mask mask =
      make_mask(67, 45, 0.3);  // the last block row has 3 rows, the last block column 1
  PlanRequest request = request_for(mask);
  request.padding = Padding::kExact;
  for (const Format& format : candidate_formats(request)) {
    const auto structure = make_structure(mask, format);
    ASSERT_TRUE(structure);
    EXPECT_TRUE(is_exact(*structure, mask)) << to_text(format);
  }
  EXPECT_EQ(candidate_formats(request).size(), 12U + 4U + 3U);
}

struct BadRequest {
  const char* name;
  std::function<void(PlanRequest&)> spoil;
  ErrorCode code;
  const char* message;
};

class PlanRequestError : public testing::TestWithParam<BadRequest> {};

TEST_P(PlanRequestError, IsReported) {
  const Mask mask = make_mask(16, 24, 0.5);
  PlanRequest request = request_for(mask);
  GetParam().spoil(request);
  const auto plan = DefaultPlanner("").plan(request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, GetParam().code);
  EXPECT_EQ(plan.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Planner, PlanRequestError,
    testing::Values(
        BadRequest{"NoMask", [](PlanRequest& r) { r.mask = nullptr; }, ErrorCode::kInvalidArgument,
                   "the plan has no mask"},
        BadRequest{"NoProblem", [](PlanRequest& r) { r.problems.clear(); },
                   ErrorCode::kInvalidArgument, "the plan has no problem"},
        BadRequest{"OtherSize", [](PlanRequest& r) { r.problems[0].k = 25; },
                   ErrorCode::kInvalidArgument, "problem 0 is 16 x 25, the mask is 16 x 24"},
        BadRequest{"PinnedR", [](PlanRequest& r) { r.pinned_format = Bsr{65, 1}; },
                   ErrorCode::kInvalidArgument, "block shape 65x1 is outside 1x1 to 64x64"},
        BadRequest{"PinnedC", [](PlanRequest& r) { r.pinned_format = Bsr{1, 0}; },
                   ErrorCode::kInvalidArgument, "block shape 1x0 is outside 1x1 to 64x64"},
        BadRequest{"PinnedNOfM", [](PlanRequest& r) { r.pinned_format = NofM{4, 4}; },
                   ErrorCode::kInvalidArgument,
                   "4 of 4 columns is not N of M with 1 <= N < M <= 32"},
        BadRequest{"NotNOfM", [](PlanRequest& r) { r.pinned_format = NofM{1, 4}; },
                   ErrorCode::kInvalidArgument,
                   "format nm1of4: row 0 has weights in 4 of the columns 4 to 7, 1:4 allows 1"},
        BadRequest{"NOfMForAnotherOperation",
                   [](PlanRequest& r) {
                     r.pinned_format = NofM{1, 4};
                     r.problems[0].op = Op::kSddmm;
                   },
                   ErrorCode::kInvalidArgument,
                   "format nm1of4 has kernels for spmm only, not for sddmm"},
        BadRequest{"NOfMOfPairs",
                   [](PlanRequest& r) {
                     r.problems[0].types = ElementTypes::kBf16;
                     r.pinned_format = NofM{1, 4};
                   },
                   ErrorCode::kUnsupported, "N:M kernels are for f32, not for bf16"},
        BadRequest{"NoThreads", [](PlanRequest& r) { r.threads = 0; }, ErrorCode::kInvalidArgument,
                   "threads 0 is not positive"},
        BadRequest{"PinnedOddPairs",
                   [](PlanRequest& r) {
                     r.problems[0].types = ElementTypes::kBf16;
                     r.problems[0].op = Op::kSpmmTransposed;
                     r.pinned_format = Bsr{3, 8, 2};
                   },
                   ErrorCode::kInvalidArgument,
                   "format bsr3x8g2 has no whole groups of 2 elements, which bf16 needs"},
        BadRequest{"PinnedOtherGroups",
                   [](PlanRequest& r) {
                     r.problems[0].types = ElementTypes::kBf16;
                     r.pinned_format = Bsr{16, 8, 4};
                   },
                   ErrorCode::kInvalidArgument,
                   "format bsr16x8g4 has no whole groups of 2 elements, which bf16 needs"},
        BadRequest{"PinnedJammed", [](PlanRequest& r) { r.pinned_format = Jam{7}; },
                   ErrorCode::kInvalidArgument, "7 jammed rows are outside 1 to 6"},
        BadRequest{"PinnedBakedPairs",
                   [](PlanRequest& r) {
                     r.problems[0].types = ElementTypes::kBf16;
                     r.pinned_format = Baked{24};
                   },
                   ErrorCode::kUnsupported,
                   "baked panels are for spmm and spmm_transposed of f32 with AVX-512, not for "
                   "spmm of bf16 on zen4"},
        BadRequest{"PinnedBakedR", [](PlanRequest& r) { r.pinned_format = Baked{29}; },
                   ErrorCode::kInvalidArgument, "29 rows of a baked panel are outside 1 to 28"},
        BadRequest{"MixedGroups",
                   [](PlanRequest& r) {
                     r.problems.push_back(r.problems[0]);
                     r.problems[1].types = ElementTypes::kBf16;
                   },
                   ErrorCode::kInvalidArgument,
                   "problem 1 is of bf16, problem 0 of f32: they cannot share values"},
        BadRequest{"MixedCodebooks",
                   [](PlanRequest& r) {
                     r.problems[0].types = ElementTypes::kC8F32;
                     r.problems.push_back(r.problems[0]);
                     r.problems[1].types = ElementTypes::kC4F32;
                   },
                   ErrorCode::kInvalidArgument,
                   "problem 1 is of c4f32, problem 0 of c8f32: they cannot share values"},
        BadRequest{"MixedBesideSddmm",
                   [](PlanRequest& r) {
                     r.problems[0].op = Op::kSddmm;
                     r.problems.push_back(r.problems[0]);
                     r.problems[1].op = Op::kSpmm;
                     r.problems.push_back(r.problems[1]);
                     r.problems[2].types = ElementTypes::kC4F32;
                   },
                   ErrorCode::kInvalidArgument,
                   "problem 2 is of c4f32, problem 1 of f32: they cannot share values"},
        BadRequest{"PinnedNotExact",
                   [](PlanRequest& r) {
                     r.pinned_format = Bsr{16, 16};
                     r.padding = Padding::kExact;
                   },
                   ErrorCode::kInvalidArgument,
                   "format bsr16x16 would store elements outside the mask"},
        BadRequest{"NoInstruction",
                   [](PlanRequest& r) {
                     r.problems[0].types = ElementTypes::kS8S8F32;
                     r.pinned_format = Bsr{16, 4, 4};
                     r.target = find_target("x86-64-v3").value();
                   },
                   ErrorCode::kUnsupported,
                   "x86-64-v3 has no instruction for bsr16x4g4 of s8s8f32 (VPDPBUSD)"},
        BadRequest{"OtherIsa", [](PlanRequest& r) { r.target.isa = Isa::kCuda; },
                   ErrorCode::kUnsupported, "target zen4: no kernels for cuda yet"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(NoPlanError, CountsTheFormatsWithoutALegalSchedule) {
  const Mask mask = make_mask(16, 24, 0.5);
  const std::vector<Format> formats = {Bsr{16, 8}, Jam{4}};
  const Error error = no_plan_error(request_for(mask), formats).value();
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message, "target zen4: no legal schedule for any of 2 formats");
}

TEST(DefaultPlanner, GivesOneLegalScheduleForEachProblem) {
  const Mask mask = make_mask(256, 192, 0.1);
  PlanRequest request = request_for(mask);
  request.problems = {make_problem(mask), make_problem(mask, Op::kSpmmTransposed),
                      make_problem(mask, Op::kSddmm)};
  const auto plan = DefaultPlanner("").plan(request);
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->schedules.size(), 3U);
  EXPECT_EQ(plan->provenance, Provenance::kDefault);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto legal = check_schedule(
        make_kernel_spec(request.problems[i], plan->format, plan->schedules[i]), request.target);
    EXPECT_TRUE(legal) << legal.error().message;
  }
}

TEST(DefaultPlanner, GivesTheSamePlanEachTime) {
  const Mask mask = make_mask(256, 192, 0.1);
  const auto first = DefaultPlanner("").plan(request_for(mask));
  const auto second = DefaultPlanner("").plan(request_for(mask));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
}

TEST(DefaultPlanner, DoesNotPadAScatteredMask) {
  std::vector<float> dense(256 * 256);
  for (std::size_t i = 0; i < 256; ++i)
    dense[i * 256 + i * 37 % 256] = 1;  // one weight a row and column
  const auto mask = Mask::from_dense(256, 256, dense, 256);
  ASSERT_TRUE(mask);
  const auto plan = DefaultPlanner("").plan(request_for(*mask));
  ASSERT_TRUE(plan) << plan.error().message;
  const auto* const block = std::get_if<Bsr>(&plan->format);
  EXPECT_TRUE(block == nullptr || block->r * block->c <= 4) << to_text(plan->format);
}

TEST(DefaultPlanner, UsesTallBlocksForABlockMask) {
  const auto mask = make_random_block_mask(1024, 1024, 32, 32, 0.2, 1);
  ASSERT_TRUE(mask);
  const auto plan = DefaultPlanner("").plan(request_for(*mask));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_GE(std::get<Bsr>(plan->format).r, 8) << to_text(plan->format);
}

TEST(LongestShare, IsThatOfTheLargestNumberOfPieces) {
  BlockCounts counts;
  counts.panels = 5;
  EXPECT_DOUBLE_EQ(longest_share({.panels = true, .n = false}, counts, 256, 1), 1);
  EXPECT_DOUBLE_EQ(longest_share({.panels = true, .n = false}, counts, 256, 4), 2.0 / 5);
  EXPECT_DOUBLE_EQ(longest_share({.panels = false, .n = true, .n_granule = 64}, counts, 65, 8),
                   1.0 / 2);
  EXPECT_DOUBLE_EQ(longest_share({.panels = true, .n = false, .halves = 2}, counts, 256, 4),
                   1.0 / 2);
  EXPECT_DOUBLE_EQ(longest_share({.panels = false, .n = false}, counts, 256, 8), 1);
  EXPECT_DOUBLE_EQ(longest_share({.panels = true, .n = true, .n_granule = 64}, {}, 64, 8), 1);
}

// Every part of a packed sddmm transposes C for itself: threads do not make that shorter.
// A tile of B with all of K exceeds L2 (2 MiB), a chunk does not.
TEST(DefaultPlanner, TakesChunksOfALongReducedDimension) {
  const Target target = find_target("sapphire-rapids").value();
  Problem problem;
  problem.m = 4096;
  problem.k = 22016;
  problem.n = 256;
  const std::int64_t blocks = 256 * 1376 / 2;
  const auto ranked = rank_schedules(problem, Bsr{16, 16}, {blocks, blocks * 256}, target, 1);
  EXPECT_GT(ranked.front().kc, 0) << to_text(ranked.front());
  problem.k = 512;
  for (const Schedule& schedule : rank_schedules(problem, Bsr{16, 16}, {4096, 1 << 20}, target, 1))
    EXPECT_EQ(schedule.kc, 0);  // one chunk is none
}

TEST(DefaultPlanner, RepeatedPackingIsNotShared) {
  Problem problem;
  problem.op = Op::kSddmm;
  problem.m = problem.k = 1024;
  problem.n = 256;
  problem.layout_b = problem.layout_c = Layout::kColMajor;
  const Target target = find_target("sapphire-rapids").value();
  const auto ranked = rank_schedules(problem, Bsr{16, 1}, {64, 1024}, target, 64);
  ASSERT_FALSE(ranked.empty());
  // A block a panel: next to nothing is computed, and C as a whole would be transposed.
  EXPECT_FALSE(ranked.front().pack);
  KernelSpec spec = make_kernel_spec(problem, Bsr{16, 1}, ranked.front());
  EXPECT_FALSE(allowed_splits(spec, target).repeats_packing);
  spec.schedule.pack = true;
  EXPECT_TRUE(allowed_splits(spec, target).repeats_packing);
}

// A kernel that packs B once for all panels can be cut only along n, and 16 columns are one piece.
class DefaultPlannerForThreads : public testing::TestWithParam<std::tuple<Op, Layout>> {};

TEST_P(DefaultPlannerForThreads, GivesEachOfThemWork) {
  const auto mask = make_random_block_mask(1024, 1024, 16, 1, 0.3, 1);
  ASSERT_TRUE(mask);
  PlanRequest request = request_for(*mask, std::get<0>(GetParam()));
  Problem& problem = request.problems.front();
  problem.layout_b = problem.layout_c = std::get<1>(GetParam());
  problem.n = 16;
  request.threads = 8;
  const auto plan = DefaultPlanner("").plan(request);
  ASSERT_TRUE(plan) << plan.error().message;
  const BlockCounts counts = block_counts(problem, plan->format, {1, 1});
  const KernelSpec spec = make_kernel_spec(problem, plan->format, plan->schedules.front());
  EXPECT_LE(longest_share(allowed_splits(spec, request.target), counts, problem.n, 8), 0.25)
      << kernel_name(spec, request.target.name);
}

INSTANTIATE_TEST_SUITE_P(Planner, DefaultPlannerForThreads,
                         testing::Combine(testing::Values(Op::kSpmm, Op::kSpmmTransposed,
                                                          Op::kSddmm),
                                          testing::Values(Layout::kRowMajor, Layout::kColMajor)),
                         [](const auto& test) {
                           return std::string(to_text(std::get<0>(test.param))) + "_" +
                                  std::string(to_text(std::get<1>(test.param)));
                         });

// Such a call runs in place: its plan, and so each bit of its result, is that of one thread.
TEST(DefaultPlanner, PlansASmallProductForOneThread) {
  const Mask mask = make_mask(64, 48, 0.5);
  for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm}) {
    PlanRequest request = request_for(mask, op);
    request.problems.front().n = 32;
    const auto one = DefaultPlanner("").plan(request);
    request.threads = 64;
    const auto many = DefaultPlanner("").plan(request);
    ASSERT_TRUE(one && many);
    EXPECT_EQ(*one, *many) << to_text(op);
  }
}

}  // namespace
}  // namespace lacuna
