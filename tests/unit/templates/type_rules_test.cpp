// SPDX-License-Identifier: Apache-2.0
//
// Which types have kernels for what, and the rules for narrow ones: pairs, widened bf16, bytes, codebooks, the matrix unit.
#include <string>

#include <gtest/gtest.h>

#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

TEST(StoredAs, AFormatWithoutGroupsStandsForAllThatTypesCanBeStoredIn) {
  const auto names = [](const Format& format, ElementTypes types) {
    std::string text;
    for (const Format& stored : stored_as(format, types))
      text += to_text(stored) + " ";
    return text;
  };
  EXPECT_EQ(names(Bsr{16, 8}, ElementTypes::kF32), "bsr16x8 ");
  EXPECT_EQ(names(Bsr{16, 8}, ElementTypes::kBf16), "bsr16x8g2 bsr16x8 ");
  EXPECT_EQ(names(Bsr{16, 8, 2}, ElementTypes::kBf16), "bsr16x8g2 ");
  EXPECT_EQ(names(Bsr{16, 3}, ElementTypes::kBf16F32), "bsr16x3 ");
  EXPECT_EQ(names(Bsr{16, 8}, ElementTypes::kS8S8F32), "bsr16x8g4 bsr16x8 ");
  EXPECT_EQ(names(Bsr{16, 2}, ElementTypes::kS8S8F32), "bsr16x2 ");
  EXPECT_EQ(names(Jam{4}, ElementTypes::kBf16), "jam4 ");
}

KernelSpec pair_spec(Op op, const Bsr& block, const Schedule& schedule) {
  KernelSpec spec;
  spec.op = op;
  spec.types = ElementTypes::kBf16;
  spec.format = block;
  spec.schedule = schedule;
  return spec;
}

TEST(PairSchedules, AreThereForEveryOperationAndLayout) {
  for (const char* const name : {"zen4", "skylake-x", "x86-64-v3"}) {
    const Target target = find_target(name).value();
    for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm})
      for (const Layout b : {Layout::kRowMajor, Layout::kColMajor})
        for (const Layout c : {Layout::kRowMajor, Layout::kColMajor})
          for (const Bsr block : {Bsr{2, 2, 2}, Bsr{16, 16, 2}, Bsr{64, 2, 2}, Bsr{2, 64, 2}}) {
            KernelSpec spec = pair_spec(op, block, {});
            spec.layout_b = b;
            spec.layout_c = c;
            EXPECT_FALSE(enumerate_schedules(spec, target).empty())
                << name << " " << to_text(op) << " " << to_text(spec.format);
          }
  }
}

TEST(PairSchedules, BreakTheseRules) {
  const Target zen4 = find_target("zen4").value();
  const auto fault = [&](const KernelSpec& spec, const Target& target) {
    const auto legal = check_schedule(spec, target);
    return legal ? std::string() : legal.error().message;
  };
  const Schedule row{Strategy::kRowTile, 4, 2, 1, LoopOrder::kPanelOuter, true};
  EXPECT_EQ(fault(pair_spec(Op::kSpmm, {16, 2, 2}, row), zen4), "");
  EXPECT_EQ(fault(pair_spec(Op::kSpmm, {16, 4, 4}, row), zen4),
            "bsr16x4g4 stores groups of 4, bf16 needs 2");
  EXPECT_EQ(fault(pair_spec(Op::kSpmmTransposed, {3, 4, 2}, row), zen4),
            "the 3 rows of a block are not a multiple of group 2");
  Schedule changed = row;
  changed.pack = false;
  EXPECT_EQ(fault(pair_spec(Op::kSpmm, {16, 2, 2}, changed), zen4),
            "the row strategy needs pack with a column-major operand or narrow elements");
  changed = row;
  changed.order = LoopOrder::kTileOuter;
  EXPECT_EQ(
      fault(pair_spec(Op::kSpmmTransposed, {4, 16, 2}, changed), zen4),
      "a panel's values are rearranged once: spmm_transposed of bsr4x16g2 needs loop order po");
  changed = {Strategy::kScatter, 4, 1, 1, LoopOrder::kTileOuter, true};
  EXPECT_EQ(fault(pair_spec(Op::kSpmmTransposed, {4, 16, 2}, changed), zen4),
            "the scatter strategy is not for groups of 2");
  changed = {Strategy::kSddmmTile, 3, 1, 1, LoopOrder::kPanelOuter, true};
  EXPECT_EQ(fault(pair_spec(Op::kSddmm, {16, 16, 2}, changed), zen4),
            "mr 3 is not a multiple of group 2");
  changed = row;
  changed.ku = 2;
  EXPECT_EQ(fault(pair_spec(Op::kSpmm, {16, 16, 2}, changed), find_target("skylake-x").value()),
            "bf16 is widened on skylake-x, which needs ku 1");
}

// Once seen as spills of spmm_transposed_bsr8x8_f32_bcol_ccol_x86_64_v3_col_mr6nv1ku4_po_silu_residual.
TEST(CodebookSchedules, AreThoseOfF32ThatReadStoredValues) {
  const Target zen4 = find_target("zen4").value();
  const auto message = [&](const KernelSpec& spec) {
    const auto legal = check_schedule(spec, zen4);
    return legal ? std::string() : legal.error().message;
  };
  KernelSpec spec;
  spec.types = ElementTypes::kC6F32;
  spec.format = Bsr{16, 16};
  spec.layout_b = spec.layout_c = Layout::kColMajor;
  spec.schedule = {Strategy::kColumnTile, 24, 1, 1, LoopOrder::kPanelOuter, false};
  EXPECT_EQ(message(spec), "");
  spec.schedule.mr = 28;  // f32 has room for it, indices have not
  EXPECT_EQ(message(spec), "mr 28 x nv 1 needs 32 vector registers, zen4 has 30 to use");
  spec.op = Op::kSpmmTransposed;
  EXPECT_EQ(message(spec), "the col strategy of spmm_transposed has no codebooks, not c6f32");
  spec.op = Op::kSddmm;
  EXPECT_EQ(message(spec), "c6f32 is not for sddmm");
  EXPECT_TRUE(enumerate_schedules(spec, zen4).empty());
}

TEST(WidenedSchedules, AreThereForEveryOperationFormatAndLayout) {
  for (const char* const name : {"zen4", "skylake-x", "x86-64-v3"}) {
    const Target target = find_target(name).value();
    for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm})
      for (const Layout b : {Layout::kRowMajor, Layout::kColMajor})
        for (const Layout c : {Layout::kRowMajor, Layout::kColMajor})
          for (const Format& format :
               {Format(Bsr{1, 1}), Format(Bsr{16, 1}), Format(Bsr{3, 5}), Format(Jam{4})}) {
            KernelSpec spec = pair_spec(op, {}, {});
            spec.format = format;
            spec.layout_b = b;
            spec.layout_c = c;
            EXPECT_FALSE(enumerate_schedules(spec, target).empty())
                << name << " " << to_text(op) << " " << to_text(spec.format);
          }
  }
}

TEST(WidenedSchedules, BreakTheseRules) {
  const Target sapphire = find_target("sapphire-rapids").value();
  const auto fault = [&](const KernelSpec& spec) {
    const auto legal = check_schedule(spec, sapphire);
    return legal ? std::string() : legal.error().message;
  };
  const Schedule row{Strategy::kRowTile, 4, 2, 1, LoopOrder::kTileOuter, true};
  KernelSpec spec = pair_spec(Op::kSpmmTransposed, {16, 4}, row);
  EXPECT_EQ(fault(spec), "");
  spec.schedule.pack = false;
  EXPECT_EQ(fault(spec),
            "the row strategy needs pack with a column-major operand or narrow elements");
  spec.schedule = {Strategy::kScatter, 4, 2, 1, LoopOrder::kTileOuter, false};
  EXPECT_EQ(fault(spec),
            "the scatter strategy needs pack with a column-major operand or narrow elements");
  spec = pair_spec(Op::kSddmm, {16, 4}, {Strategy::kSddmmTile, 4, 1, 1});
  spec.layout_b = Layout::kColMajor;
  EXPECT_EQ(fault(spec), "the dot strategy needs pack with a row-major B or narrow elements");
  spec.format = Jam{4};
  EXPECT_EQ(fault(spec),
            "sddmm of jammed rows packs column-major operands and narrow elements, and no others");
  spec = pair_spec(Op::kSpmm, {16, 16}, {Strategy::kColumnTile, 4, 1, 1});
  spec.layout_b = spec.layout_c = Layout::kColMajor;
  EXPECT_EQ(fault(spec), "the col strategy does not widen bf16");
  spec.schedule.strategy = Strategy::kMatrixTile;
  EXPECT_EQ(fault(spec), "the amx strategy is for bf16 and bytes in groups, and not for sddmm");
}

// Each part of a call has a copy of C of its own.
TEST(WidenedSchedules, RepeatTheCopyOfC) {
  const Target target = find_target("sapphire-rapids").value();
  KernelSpec spec = pair_spec(
      Op::kSddmm, {}, {.strategy = Strategy::kSddmmTile, .mr = 4, .nv = 1, .ku = 1, .pack = true});
  for (const Format& format : {Format(Jam{4}), Format(Bsr{16, 4})}) {
    spec.format = format;
    spec.types = ElementTypes::kBf16;
    EXPECT_TRUE(allowed_splits(spec, target).repeats_packing) << to_text(format);
    spec.types = ElementTypes::kF32;
    EXPECT_FALSE(allowed_splits(spec, target).repeats_packing) << to_text(format);
  }
}

// Pairs take one VDPBF16PS where widened elements take two FMAs.
TEST(EstimateWork, CountsDotProductsOfPairsBesideFmas) {
  const Target sapphire = find_target("sapphire-rapids").value();
  const BlockCounts counts{
      .panels = 4, .blocks = 8, .weights = 8 * 256, .rows_out = 64, .rows_in = 64};
  const Schedule row{Strategy::kRowTile, 4, 2, 1, LoopOrder::kPanelOuter, true};
  const auto work = [&](const Bsr& block) {
    return estimate_work(pair_spec(Op::kSpmm, block, row), sapphire, counts, 64);
  };
  const double vectors = 8 * 256 * 64 / 16;
  EXPECT_DOUBLE_EQ(work({16, 16, 2}).dots_bf16, vectors / 2);
  EXPECT_DOUBLE_EQ(work({16, 16, 2}).fmas, 0);
  EXPECT_DOUBLE_EQ(work({16, 16}).dots_bf16, 0);
  EXPECT_DOUBLE_EQ(work({16, 16}).fmas, vectors);
}

// B is packed once, its tiles are read by every panel; a product of tiles counts as so many FMAs.
TEST(EstimateWork, OfTheMatrixUnitCountsProductsAndPacking) {
  const Target sapphire = find_target("sapphire-rapids").value();
  const BlockCounts counts{
      .panels = 2, .blocks = 4, .weights = 4 * 1024, .rows_out = 64, .rows_in = 64};
  Schedule amx{Strategy::kMatrixTile, 2, 2, 1, LoopOrder::kPanelOuter, false};
  KernelSpec spec = pair_spec(Op::kSpmm, {32, 32, 2}, amx);
  spec.layout_b = spec.layout_c = Layout::kColMajor;
  const WorkEstimate in_place = estimate_work(spec, sapphire, counts, 64);
  EXPECT_DOUBLE_EQ(in_place.fmas, 4 * 2 * 4 * 32.0 * 2);  // blocks x row tiles x token tiles
  EXPECT_DOUBLE_EQ(in_place.reused_bytes, 64 * 64 * 2);
  EXPECT_DOUBLE_EQ(in_place.shuffles, 0);
  spec.schedule.pack = true;
  const WorkEstimate packed = estimate_work(spec, sapphire, counts, 64);
  EXPECT_DOUBLE_EQ(packed.stores - in_place.stores, 32 * 4);  // pairs of rows x vectors
  EXPECT_DOUBLE_EQ(packed.shuffles, 0);
  spec.layout_b = spec.layout_c = Layout::kRowMajor;
  EXPECT_GT(estimate_work(spec, sapphire, counts, 64).shuffles, 0);
  spec.op = Op::kSpmmTransposed;
  EXPECT_GT(estimate_work(spec, sapphire, counts, 64).shuffles, 0);
}

TEST(ByteSchedules, NeedTheInstructionOrTheMatrixUnit) {
  KernelSpec spec = pair_spec(Op::kSpmm, {16, 16, 4},
                              {Strategy::kRowTile, 4, 2, 1, LoopOrder::kPanelOuter, true});
  spec.types = ElementTypes::kS8U8F32;
  EXPECT_TRUE(check_schedule(spec, find_target("zen4").value()));
  EXPECT_EQ(check_schedule(spec, find_target("skylake-x").value()).error().message,
            "skylake-x has no instruction for bsr16x16g4 of s8u8f32 (VPDPBUSD)");
  EXPECT_TRUE(enumerate_schedules(spec, find_target("x86-64-v3").value()).empty());
  spec.op = Op::kSddmm;
  EXPECT_EQ(check_schedule(spec, find_target("zen4").value()).error().message,
            "s8u8f32 is not for sddmm");
  spec.op = Op::kSpmm;
  spec.layout_b = spec.layout_c = Layout::kColMajor;
  spec.schedule = {Strategy::kColumnTile, 4, 1, 2, LoopOrder::kPanelOuter, false};
  EXPECT_EQ(check_schedule(spec, find_target("zen4").value()).error().message,
            "the col strategy of bytes needs ku 1");
}

TEST(MatrixSchedules, BreakTheseRules) {
  const Target sapphire = find_target("sapphire-rapids").value();
  const auto fault = [&](const Bsr& block, const Schedule& schedule) {
    KernelSpec spec = pair_spec(Op::kSpmm, block, schedule);
    spec.layout_b = spec.layout_c = Layout::kColMajor;
    const auto legal = check_schedule(spec, sapphire);
    return legal ? std::string() : legal.error().message;
  };
  const Schedule amx{Strategy::kMatrixTile, 2, 2, 1, LoopOrder::kPanelOuter, false};
  EXPECT_EQ(fault({32, 32, 2}, amx), "");
  EXPECT_EQ(fault({16, 32, 2}, amx),
            "the 16 output rows of a block are not a multiple of nv 2 tiles of 16");
  EXPECT_EQ(fault({32, 48, 2}, amx), "the block's depth of 48 is not a multiple of a tile's 32");
  Schedule changed = amx;
  changed.mr = 3;
  EXPECT_EQ(fault({32, 32, 2}, changed), "mr 3 x nv 2 needs 10 tiles, there are 8");
  changed = amx;
  changed.ku = 2;
  EXPECT_EQ(fault({32, 32, 2}, changed), "the amx strategy needs ku 1");
  KernelSpec spec = pair_spec(Op::kSpmm, {32, 32, 2}, amx);
  EXPECT_EQ(check_schedule(spec, sapphire).error().message,
            "the amx strategy needs pack but for spmm with column-major B and C");
  spec.schedule.pack = true;
  EXPECT_TRUE(check_schedule(spec, sapphire));
  spec.schedule.order = LoopOrder::kTileOuter;
  EXPECT_EQ(check_schedule(spec, sapphire).error().message,
            "the amx strategy rearranges a panel once: it needs loop order po here");
  spec.schedule = amx;
  spec.schedule.pack = true;
  spec.schedule.nv = 1;
  spec.format = Bsr{6, 32, 2};
  EXPECT_EQ(
      check_schedule(spec, sapphire).error().message,
      "the 6 output rows of a block are not a multiple of 4, which the amx strategy needs with "
      "a row-major C");
  spec.format = Bsr{8, 4, 2};
  spec.layout_b = Layout::kColMajor;
  EXPECT_EQ(check_schedule(spec, sapphire).error().message,
            "the block's depth of 4 is not a multiple of 8, which the amx strategy needs with a "
            "column-major B and a row-major C");
  spec.op = Op::kSddmm;
  EXPECT_EQ(check_schedule(spec, sapphire).error().message,
            "the amx strategy is for bf16 and bytes in groups, and not for sddmm");
  spec = pair_spec(Op::kSpmm, {32, 32, 2}, amx);
  EXPECT_EQ(check_schedule(spec, find_target("zen4").value()).error().message,
            "zen4 has no matrix unit for bf16");
  spec.types = ElementTypes::kF32;
  spec.format = Bsr{32, 32};
  EXPECT_EQ(check_schedule(spec, sapphire).error().message,
            "the amx strategy is for bf16 and bytes in groups, and not for sddmm");
}

}  // namespace
}  // namespace lacuna
