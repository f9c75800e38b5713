// SPDX-License-Identifier: Apache-2.0
//
// The rules for jammed rows and chunks; those for narrow types: type_rules_test.cpp; those for blocks of f32 are tested
// through the kernels they admit.
#include "templates/registry.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/target_yaml.h"
#include "templates/activation.h"

namespace lacuna {
namespace {

// Once seen as spills of spmm_transposed_bsr8x8_f32_bcol_ccol_x86_64_v3_col_mr6nv1ku4_po_silu_residual.
TEST(ColumnSchedules, UnrollLessBesideLongEpiloguesWithSixteenRegisters) {
  KernelSpec spec;
  spec.format = Bsr{8, 8};
  spec.layout_b = spec.layout_c = Layout::kColMajor;
  spec.epilogue = {.activation = Activation::kSilu, .residual = true};
  spec.schedule = {Strategy::kColumnTile, 6, 1, 4, LoopOrder::kPanelOuter, false};
  const Target narrow = find_target("x86-64-v3").value();
  const auto legal = check_schedule(spec, narrow);
  ASSERT_FALSE(legal);
  EXPECT_EQ(legal.error().message,
            "the col strategy with epilogue silu_residual needs ku 2 or less on x86-64-v3");
  spec.schedule.ku = 2;
  EXPECT_TRUE(check_schedule(spec, narrow));
  spec.schedule.ku = 4;
  spec.epilogue = {.bias = true, .activation = Activation::kRelu};
  EXPECT_TRUE(check_schedule(spec, narrow));
}

KernelSpec jam_spec(Op op, const Schedule& schedule) {
  KernelSpec spec;
  spec.op = op;
  spec.format = Jam{4};
  spec.schedule = schedule;
  return spec;
}

TEST(ChunkedSchedules, BreakTheseRules) {
  const Target target = find_target("zen4").value();
  const Schedule legal{Strategy::kRowTile, 8, 3, 1, LoopOrder::kPanelOuter, true, 1024};
  KernelSpec spec;
  spec.format = Bsr{16, 16};
  spec.schedule = legal;
  EXPECT_TRUE(check_schedule(spec, target));
  const auto message = [&](const auto& change) {
    KernelSpec broken = spec;
    change(broken);
    const auto checked = check_schedule(broken, target);
    return checked ? std::string("legal") : checked.error().message;
  };
  EXPECT_EQ(message([](KernelSpec& s) { s.schedule.kc = 1000; }),
            "kc 1000 is not a multiple of 64");
  EXPECT_EQ(message([](KernelSpec& s) { s.schedule.kc = -64; }), "kc -64 is negative");
  EXPECT_EQ(message([](KernelSpec& s) { s.schedule.pack = false; }),
            "kc needs pack and loop order po");
  EXPECT_EQ(message([](KernelSpec& s) { s.schedule.order = LoopOrder::kTileOuter; }),
            "kc needs pack and loop order po");
  EXPECT_EQ(message([](KernelSpec& s) {
              s.op = Op::kSpmmTransposed;
              s.types = ElementTypes::kBf16;
              s.format = Bsr{16, 16, 2};
            }),
            "what is made once of a whole panel has no chunks: no kc for spmm_transposed of bf16");
  EXPECT_EQ(message([](KernelSpec& s) {
              s.layout_b = s.layout_c = Layout::kColMajor;
              s.schedule = {Strategy::kColumnTile, 8, 1, 1, LoopOrder::kPanelOuter, false, 64};
            }),
            "kc is for the row strategy");
}

TEST(ChunkedSchedules, ReadBAgainFromAChunkAndCarrySums) {
  const Target target = find_target("zen4").value();
  KernelSpec spec;
  spec.format = Bsr{16, 16};
  spec.schedule = {Strategy::kRowTile, 6, 4, 1, LoopOrder::kPanelOuter, true, 0};
  const BlockCounts counts{
      .panels = 4, .blocks = 400, .weights = 102400, .rows_out = 64, .rows_in = 4000};
  const WorkEstimate whole = estimate_work(spec, target, counts, 256);
  spec.schedule.kc = 1024;
  const WorkEstimate chunked = estimate_work(spec, target, counts, 256);
  EXPECT_EQ(chunks_of(spec, counts.rows_in), 4);
  EXPECT_EQ(whole.reused_bytes, 4000 * 256 * 4);
  EXPECT_EQ(chunked.reused_bytes, 1024 * 256 * 4);
  const double sums = 3.0 * 64 * 16;  // vectors, of three chunks
  EXPECT_EQ(chunked.stores - whole.stores, sums);
  EXPECT_EQ(chunked.vector_loads - whole.vector_loads, sums);
  EXPECT_EQ(chunked.bytes_c - whole.bytes_c, 2 * sums * 64);
  EXPECT_EQ(chunked.bytes_a, whole.bytes_a);
  EXPECT_EQ(chunked.tile_passes, 4 * whole.tile_passes);
  EXPECT_EQ(estimate_work(spec, target, counts, 512).bytes_a, 2 * whole.bytes_a);
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
      {Op::kSpmm, {.strategy = kRow, .mr = 4, .nv = 1, .ku = 2}, "jammed rows take ku 1"},
      {Op::kSpmmTransposed,
       {.strategy = kRow, .mr = 4, .order = LoopOrder::kTileOuter},
       "a panel's values are rearranged once: spmm_transposed of jam4 needs loop order po"},
      {Op::kSpmmTransposed,
       {.strategy = kRow,
        .mr = 4,
        .nv = 2,
        .order = LoopOrder::kPanelOuter,
        .pack = true,
        .kc = 64},
       "what is made once of a whole panel has no chunks: no kc for spmm_transposed of f32"},
      {Op::kSpmm,
       {.strategy = Strategy::kColumnTile, .mr = 4},
       "the col strategy is for blocks, and not for sddmm"},
      {Op::kSpmm, {.strategy = kScatter, .mr = 4}, "the scatter strategy is for spmm_transposed"},
      {Op::kSddmm,
       {.strategy = kDot, .mr = 4, .nv = 2},
       "sddmm of jammed rows needs nv 1 and order po"},
      {Op::kSddmm,
       {.strategy = kDot, .mr = 4, .pack = true},
       "sddmm of jammed rows packs column-major operands and narrow elements, and no others"}};
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

TEST(EpilogueEstimate, AddsOperandsTheActivationAndTheWayThroughTheTile) {
  const Target target = find_target("zen4").value();
  KernelSpec spec =
      jam_spec(Op::kSpmm,
               {.strategy = Strategy::kRowTile, .mr = 4, .nv = 2, .order = LoopOrder::kPanelOuter});
  BlockCounts counts;
  counts.panels = 8;
  counts.blocks = 512;
  counts.weights = 800;
  counts.rows_out = 32;
  counts.rows_in = 100;
  const WorkEstimate plain = estimate_work(spec, target, counts, 32);
  spec.epilogue = {.bias = true, .activation = Activation::kSilu, .gate = true, .residual = true};
  const WorkEstimate work = estimate_work(spec, target, counts, 32);
  const double vectors = 32 * 2;
  EXPECT_DOUBLE_EQ(work.fmas - plain.fmas, vectors * facts_of(Activation::kSilu).work);
  EXPECT_DOUBLE_EQ(work.vector_loads - plain.vector_loads, vectors * 3);
  EXPECT_DOUBLE_EQ(work.stores - plain.stores, vectors);
  EXPECT_DOUBLE_EQ(work.bytes_c - plain.bytes_c, 2 * 32 * 32 * 4);
  EXPECT_DOUBLE_EQ(work.footprint_bytes - plain.footprint_bytes, 2 * 32 * 32 * 4);
  spec.epilogue = {.bias = true};
  EXPECT_DOUBLE_EQ(estimate_work(spec, target, counts, 32).stores, plain.stores);
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
