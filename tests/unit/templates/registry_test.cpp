// SPDX-License-Identifier: Apache-2.0
//
// The rules for jammed rows; those for blocks are tested through the kernels they admit.
#include "templates/registry.h"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/target_yaml.h"

namespace lacuna {
namespace {

KernelSpec jam_spec(Op op, const Schedule& schedule) {
  KernelSpec spec;
  spec.op = op;
  spec.format = Jam{4};
  spec.schedule = schedule;
  return spec;
}

TEST(JamSchedules, AreThereForEveryOperationAndLayout) {
  for (const char* const name : {"zen4", "x86-64-v3"}) {
    const Target target = find_target(name).value();
    for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm})
      for (const Layout b : {Layout::kRowMajor, Layout::kColMajor})
        for (const Layout c : {Layout::kRowMajor, Layout::kColMajor})
          for (std::int32_t r = 1; r <= kMaxJam; ++r) {
            KernelSpec spec = jam_spec(op, {});
            spec.format = Jam{r};
            spec.layout_b = b;
            spec.layout_c = c;
            EXPECT_FALSE(enumerate_schedules(spec, target).empty())
                << name << " " << to_text(op) << " jam" << r;
          }
  }
}

struct Broken {
  Op op;
  Schedule schedule;
  const char* message;
};

TEST(JamSchedules, RefuseWhatTheKernelsCannotDo) {
  constexpr auto kRow = Strategy::kRowTile;
  constexpr auto kScatter = Strategy::kScatter;
  constexpr auto kDot = Strategy::kSddmmTile;
  const std::vector<Broken> cases = {
      {Op::kSpmm, {.strategy = kRow, .mr = 2}, "mr 2 is not the 4 jammed rows"},
      {Op::kSpmm,
       {.strategy = kRow, .mr = 4, .nv = 1, .ku = 2},
       "jammed rows take the row strategy for spmm only, with ku 1"},
      {Op::kSpmmTransposed,
       {.strategy = kRow, .mr = 4},
       "jammed rows take the row strategy for spmm only, with ku 1"},
      {Op::kSpmm,
       {.strategy = Strategy::kColumnTile, .mr = 4},
       "the col strategy is for blocks, and not for sddmm"},
      {Op::kSpmm, {.strategy = kScatter, .mr = 4}, "the scatter strategy is for spmm_transposed"},
      {Op::kSddmm,
       {.strategy = kDot, .mr = 4, .nv = 2},
       "sddmm of jammed rows needs nv 1 and order po"},
      {Op::kSddmm,
       {.strategy = kDot, .mr = 4, .pack = true},
       "sddmm of jammed rows packs column-major operands, and no others"}};
  const Target target = find_target("zen4").value();
  for (const Broken& broken : cases) {
    const auto legal = check_schedule(jam_spec(broken.op, broken.schedule), target);
    ASSERT_FALSE(legal) << broken.message;
    EXPECT_EQ(legal.error().message, broken.message);
  }
}

TEST(JamSchedules, RefuseRowsOutOfRange) {
  KernelSpec spec = jam_spec(Op::kSpmm, {.strategy = Strategy::kRowTile, .mr = 7});
  spec.format = Jam{7};
  const auto legal = check_schedule(spec, find_target("zen4").value());
  ASSERT_FALSE(legal);
  EXPECT_EQ(legal.error().message, "7 jammed rows are outside 1 to 6");
}

// 512 columns of 100 weights in panels of 4 rows, 32 dense columns: 2 vectors.
TEST(JamEstimate, CountsWeightsOnceAndColumnsOnce) {
  const Target target = find_target("zen4").value();
  const KernelSpec spec =
      jam_spec(Op::kSpmm,
               {.strategy = Strategy::kRowTile, .mr = 4, .nv = 2, .order = LoopOrder::kPanelOuter});
  BlockCounts counts;
  counts.panels = 8;
  counts.blocks = 512;
  counts.weights = 800;
  counts.rows_out = 32;
  counts.rows_in = 100;
  const WorkEstimate work = estimate_work(spec, target, counts, 32);
  EXPECT_DOUBLE_EQ(work.fmas, 800 * 2);
  EXPECT_DOUBLE_EQ(work.vector_loads, 512 * 2);
  EXPECT_DOUBLE_EQ(work.stores, 32 * 2);
  EXPECT_DOUBLE_EQ(work.tile_passes, 8);
  EXPECT_DOUBLE_EQ(work.loop_ends, 8 * (15 + 1.5));
}

// Each part of a call transposes its own rows of B, and all of C for itself.
TEST(JamEstimate, OfNoBlocksIsTheRepeatedPacking) {
  const Target target = find_target("zen4").value();
  KernelSpec spec = jam_spec(
      Op::kSddmm,
      {.strategy = Strategy::kSddmmTile, .mr = 4, .order = LoopOrder::kPanelOuter, .pack = true});
  spec.layout_b = spec.layout_c = Layout::kColMajor;
  ASSERT_TRUE(allowed_splits(spec, target).repeats_packing);
  BlockCounts counts;
  counts.rows_out = 4096;
  counts.rows_in = 64;
  const WorkEstimate work = estimate_work(spec, target, counts, 32);
  EXPECT_DOUBLE_EQ(work.stores, 64 * 2);
  EXPECT_DOUBLE_EQ(work.bytes_b, 0);
  EXPECT_DOUBLE_EQ(work.bytes_c, 64 * 32 * 4);
}

}  // namespace
}  // namespace lacuna
