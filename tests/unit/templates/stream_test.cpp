// SPDX-License-Identifier: Apache-2.0
#include "templates/stream.h"

#include <algorithm>
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

KernelSpec stream_spec(const Bsr& bsr, int mr, int nv, int ku) {
  KernelSpec spec;
  spec.format = bsr;
  spec.layout_b = Layout::kColMajor;
  spec.schedule = {Strategy::kStream, mr, nv, ku, LoopOrder::kPanelOuter, false, 0};
  return spec;
}

std::string refusal(const KernelSpec& spec, const char* target = "zen4") {
  const auto legal = check_schedule(spec, find_target(target).value());
  return legal ? "legal" : legal.error().message;
}

bool has_streams(const Bsr& bsr, const char* target) {
  KernelSpec spec;
  spec.format = bsr;
  return std::ranges::any_of(
      enumerate_schedules(spec, find_target(target).value()),
      [](const Schedule& schedule) { return schedule.strategy == Strategy::kStream; });
}

TEST(StreamSchedules, AreThereForBlocksThatFillVectors) {
  for (const char* const target : {"zen4", "x86-64-v3"}) {
    for (const auto& [r, c] : {std::pair{1, 1},
                               {1, 16},
                               {1, 2},
                               {2, 2},
                               {4, 4},
                               {8, 1},
                               {8, 8},
                               {16, 1},
                               {16, 16},
                               {32, 32},
                               {4, 1},
                               {2, 64},
                               {16, 5}})
      EXPECT_TRUE(has_streams({r, c}, target)) << target << " " << r << "x" << c;
    for (const auto& [r, c] : {std::pair{3, 1}, {5, 7}, {1, 3}, {2, 5}, {12, 4}})
      EXPECT_FALSE(has_streams({r, c}, target)) << target << " " << r << "x" << c;
  }
}

// The vectors of 64 rows do not fit 16 registers twice.
TEST(StreamSchedules, OfHighBlocksNeedRegisters) {
  EXPECT_TRUE(has_streams({64, 64}, "zen4"));
  EXPECT_FALSE(has_streams({64, 64}, "x86-64-v3"));
}

TEST(StreamSchedules, RefuseWhatTheKernelsCannotDo) {
  EXPECT_EQ(refusal(stream_spec({16, 16}, 1, 1, 4)), "legal");
  EXPECT_EQ(refusal(stream_spec({5, 7}, 1, 1, 4)),
            "the stream strategy needs blocks that fill vectors of 16 lanes, not bsr5x7");
  EXPECT_EQ(refusal(stream_spec({32, 4}, 1, 1, 4)), "nv 1 is not the 2 vectors of 32 rows");
  EXPECT_EQ(refusal(stream_spec({16, 16}, 9, 1, 1)),
            "the stream strategy takes at most mr 8, not 9");
  EXPECT_EQ(refusal(stream_spec({64, 4}, 8, 4, 1)),
            "mr 8 x nv 4 needs 38 vector registers, zen4 has 30 to use");
  EXPECT_EQ(refusal(stream_spec({1, 1}, 4, 1, 1), "x86-64-v3"),
            "mr 4 x nv 1 needs 16 vector registers, x86-64-v3 has 15 to use");
  KernelSpec spec = stream_spec({16, 16}, 1, 1, 4);
  spec.schedule.order = LoopOrder::kTileOuter;
  EXPECT_EQ(refusal(spec), "the stream strategy needs loop order po");
  spec = stream_spec({16, 16}, 1, 1, 4);
  spec.op = Op::kSpmmTransposed;
  EXPECT_EQ(refusal(spec), "the stream strategy is for spmm on blocks");
  spec = stream_spec({16, 16}, 1, 1, 4);
  spec.format = Jam{1};
  EXPECT_EQ(refusal(spec), "the stream strategy is for spmm on blocks");
  spec = stream_spec({16, 16}, 1, 1, 4);
  spec.types = ElementTypes::kC8F32;
  EXPECT_EQ(refusal(spec), "the stream strategy is for f32, not c8f32");
}

TEST(StreamSchedules, PackWhereElementsOfARowMajorBAreReadAlongK) {
  const char* const message =
      "the stream strategy packs a row-major B where a vector covers several columns, and only "
      "then";
  KernelSpec spec = stream_spec({4, 4}, 1, 1, 1);
  EXPECT_EQ(refusal(spec), "legal");
  spec.layout_b = Layout::kRowMajor;
  EXPECT_EQ(refusal(spec), message);
  spec.schedule.pack = true;
  EXPECT_EQ(refusal(spec), "legal");
  spec.format = Bsr{16, 4};
  EXPECT_EQ(refusal(spec), message);
}

TEST(StreamShape, CoversColumnsOfOneBlockOrOfSeveral) {
  const StreamShape tall = stream_shape(stream_spec({32, 8}, 1, 2, 4), 16);
  EXPECT_EQ(tall.columns, 1);
  EXPECT_EQ(tall.blocks, 1);
  EXPECT_EQ(tall.steps, 8);
  EXPECT_EQ(tall.together, 1);
  EXPECT_EQ(tall.sums, 4);  // of two vectors
  EXPECT_EQ(tall.panels, 1);
  EXPECT_EQ(tall.collected, 32);
  const StreamShape wide = stream_shape(stream_spec({1, 64}, 2, 1, 8), 16);
  EXPECT_EQ(wide.columns, 16);
  EXPECT_EQ(wide.blocks, 1);
  EXPECT_EQ(wide.steps, 4);
  EXPECT_EQ(wide.together, 2);
  EXPECT_EQ(wide.sums, 4);  // of two columns
  EXPECT_EQ(wide.panels, 16);
  const StreamShape small = stream_shape(stream_spec({2, 2}, 3, 1, 2), 16);
  EXPECT_EQ(small.columns, 8);
  EXPECT_EQ(small.blocks, 4);
  EXPECT_EQ(small.steps, 1);
  EXPECT_EQ(small.together, 2);
  EXPECT_EQ(small.stretch, 15);
  EXPECT_FALSE(gathers_dense(small));
  EXPECT_TRUE(gathers_dense(stream_shape(stream_spec({1, 2}, 1, 1, 1), 16)));
}

// 64 panels of 100 blocks of 4 x 4, three columns in a tile of four: a vector is a block.
TEST(StreamEstimate, CountsValuesOnceForAllColumns) {
  KernelSpec spec = stream_spec({4, 4}, 4, 1, 2);
  BlockCounts counts;
  counts.panels = 64;
  counts.blocks = 6400;
  counts.weights = counts.blocks * 16;
  counts.rows_out = 256;
  counts.rows_in = 1000;
  const Target target = find_target("zen4").value();
  const WorkEstimate work = estimate_work(spec, target, counts, 3);
  const double halvings = 2, results = 256 * 3 / 16.0;
  EXPECT_DOUBLE_EQ(work.fmas, 6400 * 4 + 64 * 4 * (halvings + 1));  // sums are in two parts
  EXPECT_DOUBLE_EQ(work.vector_loads, 6400 + results);
  EXPECT_DOUBLE_EQ(work.broadcasts, 6400 * 4);
  EXPECT_DOUBLE_EQ(work.shuffles, 6400 * 4 + 64 * 4 * halvings);
  EXPECT_DOUBLE_EQ(work.bytes_a, 6400 * (64 + 4));
  EXPECT_DOUBLE_EQ(work.tile_passes, 64);
  spec.layout_b = Layout::kRowMajor;
  spec.schedule.pack = true;
  EXPECT_DOUBLE_EQ(estimate_work(spec, target, counts, 3).bytes_b, work.bytes_b + 1000 * 3 * 4);
  EXPECT_TRUE(allowed_splits(spec, target).repeats_packing);
}

// An absorbing row, room before the results, results of 16 rows for four columns, packed columns.
TEST(StreamScratch, HoldsTheColumnsOfAStretch) {
  const Target target = find_target("zen4").value();
  KernelSpec spec = stream_spec({4, 4}, 1, 1, 2);
  EXPECT_EQ(scratch_floats(spec, target, 1000, 64, 8), 16 + 64 + 64);
  spec.layout_b = Layout::kRowMajor;
  spec.schedule.pack = true;
  EXPECT_EQ(scratch_floats(spec, target, 1000, 64, 8), 16 + 64 + 64 + 8 * (1008 + 16));
  EXPECT_EQ(scratch_floats(spec, target, 1000, 64, 100), 16 + 64 + 64 + 16 * (1008 + 16));
  spec = stream_spec({64, 4}, 5, 4, 1);
  EXPECT_EQ(scratch_floats(spec, target, 1000, 64, 8), 16 + 64 + 8 * 64);
}

}  // namespace
}  // namespace lacuna
