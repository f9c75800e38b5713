// SPDX-License-Identifier: Apache-2.0
#include "templates/pattern_code.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

// Three rows in panels of two; columns 0, 1, 9 and 40.
const std::vector<std::int64_t> kPtr{0, 3, 4};
const std::vector<std::int32_t> kColumns{0, 9, 40, 1};
const std::vector<std::uint32_t> kRows{1, 3, 2, 1};

Pattern small_pattern() {
  return {.format = Baked{2}, .m = 3, .k = 50, .ptr = kPtr, .column = kColumns, .rows = kRows};
}

std::string code_of(const Pattern& pattern, std::int64_t panel) {
  std::vector<PatternInstruction> code;
  make_panel_code(pattern, panel, code);
  return to_text(code);
}

TEST(PatternCode, VisitsColumnsInOrderAndWeightsOneAfterTheOther) {
  EXPECT_EQ(code_of(small_pattern(), 0), R"(begin
step_weights +512
zero s0
zero s1
load_row v2 +0
multiply_add s0 v2 -512
step_rows +1
load_row v3 +1
multiply_add s0 v3 -508
multiply_add s1 v3 -504
step_rows +4
load_row v4 +0
multiply_add s1 v4 -500
store s0
next_row
store s1
return
)");
}

TEST(PatternCode, TheLastPanelHasTheRowsThatAreLeft) {
  EXPECT_EQ(code_of(small_pattern(), 1), R"(begin
step_weights +512
zero s0
load_row v2 +1
multiply_add s0 v2 -512
store s0
return
)");
}

TEST(PatternCode, MovesThePointerToWeightsWhereAByteOfDisplacementEnds) {
  std::vector<std::int64_t> ptr{0, 300};
  std::vector<std::int32_t> columns(300);
  for (std::size_t i = 0; i < columns.size(); ++i)
    columns[i] = static_cast<std::int32_t>(i);
  const std::vector<std::uint32_t> rows(300, 1);
  std::vector<PatternInstruction> code;
  make_panel_code(
      {.format = Baked{1}, .m = 1, .k = 300, .ptr = ptr, .column = columns, .rows = rows}, 0, code);
  std::int64_t pointer = 0;
  std::int64_t expected = 0;
  for (const PatternInstruction& i : code) {
    if (i.op == PatternOp::kStepWeights) pointer += i.number;
    if (i.op != PatternOp::kMultiplyAdd) continue;
    EXPECT_EQ(pointer + i.number, expected);
    EXPECT_GE(i.number, -512);
    EXPECT_LE(i.number, 508);
    EXPECT_GE(i.vector, 1);
    EXPECT_LT(i.vector, 32);
    expected += 4;
  }
  EXPECT_EQ(expected, 300 * 4);
}

TEST(PatternName, DiffersBetweenMasks) {
  const std::string name = pattern_name(small_pattern(), "skylake-x");
  EXPECT_EQ(name.rfind("pattern_baked2_skylake_x_", 0), 0U) << name;
  EXPECT_EQ(name, pattern_name(small_pattern(), "skylake-x"));
  std::vector<std::uint32_t> rows = kRows;
  rows[2] = 1;
  Pattern other = small_pattern();
  other.rows = rows;
  EXPECT_NE(name, pattern_name(other, "skylake-x"));
  other = small_pattern();
  other.k = 51;
  EXPECT_NE(name, pattern_name(other, "skylake-x"));
}

BlockCounts counts_of_square(std::int64_t size, std::int64_t weights, std::int64_t columns) {
  BlockCounts counts;
  counts.panels = (size + 23) / 24;
  counts.blocks = columns;
  counts.weights = weights;
  counts.rows_out = counts.rows_in = size;
  return counts;
}

TEST(PatternBytes, AreLimited) {
  const BlockCounts fits = counts_of_square(1024, 104857, 40000);
  EXPECT_TRUE(check_pattern_bytes(Baked{24}, fits));
  EXPECT_TRUE(check_pattern_bytes(Jam{4}, counts_of_square(4096, 1 << 24, 1 << 20)));
  const BlockCounts large = counts_of_square(4096, 1677721, 640000);
  const auto checked = check_pattern_bytes(Baked{24}, large);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(checked.error().message, "the code of baked24 for 1677721 weights takes up to " +
                                         std::to_string(pattern_bytes(Baked{24}, large)) +
                                         " bytes, the limit is 2097152");
}

KernelSpec baked_spec(const Schedule& schedule) {
  KernelSpec spec;
  spec.format = Baked{24};
  spec.schedule = schedule;
  return spec;
}

TEST(BakedSchedules, AreOfOneVectorInEveryOrder) {
  const Target target = find_target("zen4").value();
  EXPECT_EQ(enumerate_schedules(baked_spec({}), target).size(), 4U);  // two orders, packed or not
  KernelSpec spec = baked_spec({});
  spec.layout_b = Layout::kColMajor;
  EXPECT_EQ(enumerate_schedules(spec, target).size(), 2U);
  EXPECT_TRUE(enumerate_schedules(baked_spec({}), find_target("x86-64-v3").value()).empty());
}

TEST(BakedSchedules, BreakTheseRules) {
  const Target target = find_target("zen4").value();
  const auto fault = [](const KernelSpec& spec, const Target& on) {
    const auto legal = check_schedule(spec, on);
    return legal ? std::string() : legal.error().message;
  };
  const Schedule row{Strategy::kRowTile, 24, 1, 1, LoopOrder::kPanelOuter, false};
  EXPECT_EQ(fault(baked_spec(row), target), "");
  Schedule changed = row;
  changed.nv = 2;
  EXPECT_EQ(fault(baked_spec(changed), target),
            "baked panels of 24 rows need mr 24, nv 1 and ku 1, without kc");
  changed = row;
  changed.strategy = Strategy::kColumnTile;
  EXPECT_EQ(fault(baked_spec(changed), target), "baked panels take the row strategy only");
  KernelSpec spec = baked_spec(row);
  spec.layout_c = Layout::kColMajor;
  EXPECT_EQ(fault(spec, target), "baked panels need pack with a column-major operand");
  changed = row;
  changed.order = LoopOrder::kTileOuter;
  spec = baked_spec(changed);
  spec.op = Op::kSpmmTransposed;
  EXPECT_EQ(fault(spec, target),
            "a panel's values are gathered once: spmm_transposed of baked panels needs loop order "
            "po");
  spec = baked_spec(row);
  spec.op = Op::kSddmm;
  EXPECT_EQ(fault(spec, target),
            "baked panels are for spmm and spmm_transposed of f32 with AVX-512, not for sddmm of "
            "f32 on zen4");
  EXPECT_EQ(fault(baked_spec(row), find_target("x86-64-v3").value()),
            "baked panels are for spmm and spmm_transposed of f32 with AVX-512, not for spmm of "
            "f32 on x86-64-v3");
}

// The code is fetched once tile after tile, for every tile otherwise, and counts among the operands.
TEST(BakedEstimate, CountsCode) {
  const Target target = find_target("zen4").value();
  const BlockCounts counts = counts_of_square(240, 6000, 2200);
  const auto work = [&](LoopOrder order) {
    return estimate_work(baked_spec({Strategy::kRowTile, 24, 1, 1, order, false}), target, counts,
                         64);
  };
  const auto code = static_cast<double>(pattern_bytes(Baked{24}, counts));
  EXPECT_DOUBLE_EQ(work(LoopOrder::kPanelOuter).code_bytes, code);
  EXPECT_DOUBLE_EQ(work(LoopOrder::kTileOuter).code_bytes, 4 * code);
  EXPECT_DOUBLE_EQ(work(LoopOrder::kPanelOuter).footprint_bytes,
                   code + 6000 * 4 + 2 * 240 * 64 * 4);
  EXPECT_DOUBLE_EQ(work(LoopOrder::kPanelOuter).fmas, 6000 * 4);
  EXPECT_DOUBLE_EQ(work(LoopOrder::kPanelOuter).vector_loads, 2200 * 4);
}

}  // namespace
}  // namespace lacuna
