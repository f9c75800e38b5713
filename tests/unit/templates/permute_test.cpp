// SPDX-License-Identifier: Apache-2.0
#include "templates/permute.h"

#include <cstdint>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

KernelSpec nm_spec(const NofM& nm, const Schedule& schedule) {
  KernelSpec spec;
  spec.format = nm;
  spec.schedule = schedule;
  return spec;
}

constexpr Schedule kDecode = {.strategy = Strategy::kPermute,
                              .mr = 1,
                              .nv = 2,
                              .ku = 2,
                              .order = LoopOrder::kPanelOuter,
                              .pack = true};

std::string refusal(const KernelSpec& spec, const char* target = "zen4") {
  const auto legal = check_schedule(spec, find_target(target).value());
  if (legal) return "legal";
  EXPECT_EQ(legal.error().code, ErrorCode::kInvalidArgument);
  return legal.error().message;
}

TEST(PermuteSchedules, AreThereForEveryPatternAndLayout) {
  for (const char* const name : {"zen4", "x86-64-v3"})
    for (std::int32_t m = 2; m <= kMaxNmGroup; ++m)
      for (std::int32_t n = 1; n < m; ++n)
        for (const Layout b : {Layout::kRowMajor, Layout::kColMajor})
          for (const Layout c : {Layout::kRowMajor, Layout::kColMajor})
            for (const char* const epilogue : {"none", "gelu_erf_gate_residual"}) {
              KernelSpec spec = nm_spec({n, m}, {});
              spec.layout_b = b;
              spec.layout_c = c;
              spec.epilogue = parse_epilogue(epilogue).value();
              EXPECT_FALSE(enumerate_schedules(spec, find_target(name).value()).empty())
                  << name << " " << n << " of " << m << " " << epilogue;
            }
}

TEST(PermuteSchedules, AreForSpmmOnly) {
  for (const auto& [op, name] :
       {std::pair{Op::kSddmm, "sddmm"}, std::pair{Op::kSpmmTransposed, "spmm_transposed"}}) {
    KernelSpec spec = nm_spec({2, 4}, kDecode);
    spec.op = op;
    const std::string message =
        std::string("format nm2of4 has kernels for spmm only, not for ") + name;
    EXPECT_EQ(refusal(spec), message);
    EXPECT_EQ(check_operation(op, ElementTypes::kF32, NofM{2, 4}).error().message, message);
    EXPECT_TRUE(enumerate_schedules(spec, find_target("zen4").value()).empty());
    EXPECT_TRUE(check_operation(op, ElementTypes::kF32, Jam{4}));
  }
}

TEST(PermuteSchedules, RefuseWhatTheKernelsCannotDo) {
  EXPECT_EQ(refusal(nm_spec({2, 4}, kDecode)), "legal");
  EXPECT_EQ(refusal(nm_spec({4, 4}, kDecode)),
            "4 of 4 columns is not N of M with 1 <= N < M <= 32");
  Schedule schedule = kDecode;
  schedule.pack = false;
  EXPECT_EQ(refusal(nm_spec({2, 4}, schedule)), "the perm strategy needs loop order po and pack");
  schedule = kDecode;
  schedule.order = LoopOrder::kTileOuter;
  EXPECT_EQ(refusal(nm_spec({2, 4}, schedule)), "the perm strategy needs loop order po and pack");
  schedule = kDecode;
  schedule.mr = 9;
  EXPECT_EQ(refusal(nm_spec({2, 4}, schedule)),
            "the perm strategy takes at most mr 8 and nv 4, not 9 and 2");
  schedule.mr = 8;
  schedule.nv = 4;
  EXPECT_EQ(refusal(nm_spec({2, 4}, schedule)),
            "mr 8 x nv 4 needs 43 vector registers, zen4 has 30 to use");
  // Four tables of 8 floats, and what choosing between them takes.
  schedule.mr = 2;
  schedule.nv = 1;
  EXPECT_EQ(refusal(nm_spec({1, 32}, schedule), "x86-64-v3"),
            "mr 2 x nv 1 needs 18 vector registers, x86-64-v3 has 15 to use");
}

TEST(PermuteSchedules, GoWithNoOtherFormatAndNoOtherStrategyWithTheirs) {
  KernelSpec spec;
  spec.schedule = kDecode;
  spec.format = Bsr{16, 1};
  EXPECT_EQ(refusal(spec), "format bsr16x1 does not go with the perm strategy");
  EXPECT_EQ(refusal(nm_spec({2, 4}, {.strategy = Strategy::kRowTile, .mr = 4})),
            "format nm2of4 does not go with the row strategy");
  EXPECT_EQ(refusal(nm_spec({2, 4}, {.strategy = Strategy::kColumnTile, .mr = 4})),
            "format nm2of4 does not go with the col strategy");
}

TEST(PermuteSchedules, AreForX86) {
  Target target = find_target("zen4").value();
  target.isa = Isa::kAarch64;
  const auto legal = check_schedule(nm_spec({2, 4}, kDecode), target);
  ASSERT_FALSE(legal);
  EXPECT_EQ(legal.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(legal.error().message, "target zen4: no N:M kernels for aarch64 yet");
}

TEST(PermuteSchedules, AreForF32) {
  KernelSpec spec = nm_spec({2, 4}, kDecode);
  spec.types = ElementTypes::kBf16;
  const auto legal = check_schedule(spec, find_target("zen4").value());
  ASSERT_FALSE(legal);
  EXPECT_EQ(legal.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(legal.error().message, "N:M kernels are for f32, not for bf16");
}

TEST(PermuteShape, KeepsAdditionsApartAndTablesWhole) {
  const PermuteShape one = permute_shape(nm_spec({2, 4}, kDecode), 16);
  EXPECT_EQ(one.table_floats, 4);
  EXPECT_EQ(one.tables, 1);
  EXPECT_EQ(one.vectors, 1);
  EXPECT_EQ(one.sums, 2);  // 2 panels
  EXPECT_EQ(one.stretch, 16);
  const PermuteShape wide = permute_shape(nm_spec({3, 20}, kDecode), 8);
  EXPECT_EQ(wide.table_floats, 32);
  EXPECT_EQ(wide.tables, 4);
  EXPECT_EQ(wide.vectors, 2);
  EXPECT_EQ(wide.sums, 1);  // 2 panels of 2 vectors
  Schedule schedule = kDecode;
  schedule.mr = 3;
  EXPECT_EQ(permute_shape(nm_spec({2, 4}, schedule), 16).stretch, 15);
  schedule.mr = schedule.nv = schedule.ku = 1;
  EXPECT_EQ(permute_shape(nm_spec({1, 8}, schedule), 16).sums, 1);  // one slot: no second sum
}

// 2:4, 1024 x 512: 64 panels of 128 groups; 3 columns in a tile of 4.
TEST(PermuteEstimate, CountsSlotsOnceForAllColumns) {
  Schedule schedule = kDecode;
  schedule.mr = 4;
  KernelSpec spec = nm_spec({2, 4}, schedule);
  spec.layout_b = Layout::kColMajor;
  BlockCounts counts;
  counts.panels = 64;
  counts.blocks = 64 * 128;
  counts.weights = counts.blocks * 2 * 16;
  counts.rows_out = 1024;
  counts.rows_in = 512;
  const double slots = 64 * 128 * 2;
  const Target target = find_target("zen4").value();
  const WorkEstimate work = estimate_work(spec, target, counts, 3);
  EXPECT_DOUBLE_EQ(work.fmas, slots * (4 + 4 * 0.75 + 1));
  EXPECT_DOUBLE_EQ(work.vector_loads, slots + 64.0 * 128 / 2 * 4);
  EXPECT_DOUBLE_EQ(work.broadcasts, slots + 512);
  EXPECT_DOUBLE_EQ(work.bytes_a, slots * 16 * 4.25);
  EXPECT_DOUBLE_EQ(work.tile_passes, 32);
  EXPECT_DOUBLE_EQ(work.footprint_bytes, slots * 16 * 4.25 + 1536 * 3 * 4);
  // What each part of a call repeats: the packing alone.
  counts.panels = counts.blocks = counts.weights = 0;
  ASSERT_TRUE(allowed_splits(spec, target).repeats_packing);
  EXPECT_DOUBLE_EQ(estimate_work(spec, target, counts, 3).fmas, 0);
  EXPECT_DOUBLE_EQ(estimate_work(spec, target, counts, 3).bytes_b, 512 * 4 * 4);
}

// Beside them an absorbing row, and two panels of results with room for four columns.
TEST(PermuteScratch, HoldsTheTablesOfAStretch) {
  const Target target = find_target("zen4").value();
  KernelSpec spec = nm_spec({2, 4}, kDecode);
  EXPECT_EQ(scratch_floats(spec, target, 1022, 64, 1), 16 + 128 + 1024);
  EXPECT_EQ(scratch_floats(spec, target, 1022, 64, 100), 16 + 128 + 16 * 1024);
  spec.format = NofM{2, 5};
  EXPECT_EQ(scratch_floats(spec, target, 1022, 64, 1), 16 + 128 + 205 * 8);
}

}  // namespace
}  // namespace lacuna
