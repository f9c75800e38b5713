// SPDX-License-Identifier: Apache-2.0
#include "templates/panel_cost.h"

#include <gtest/gtest.h>

#include "targets/target_yaml.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

KernelSpec spec_of(Op op, const Format& format, const Schedule& schedule) {
  KernelSpec spec;
  spec.op = op;
  spec.format = format;
  spec.schedule = schedule;
  return spec;
}

constexpr Schedule kRow{Strategy::kRowTile, 4, 2, 1, LoopOrder::kPanelOuter, false};

TEST(PanelCost, OfBlocksIsInTheirEntries) {
  const Target target = find_target("skylake-x").value();
  const PanelCost cost = panel_cost(spec_of(Op::kSpmm, Bsr{4, 4}, kRow), target, 64);
  EXPECT_GT(cost.entry, 0);
  EXPECT_GT(cost.panel, 0);
  EXPECT_EQ(cost.weight, 0);
  EXPECT_EQ(cost.list, 0);
}

TEST(PanelCost, OfABlockGrowsWithItsElements) {
  const Target target = find_target("skylake-x").value();
  const PanelCost narrow = panel_cost(spec_of(Op::kSpmm, Bsr{4, 4}, kRow), target, 64);
  const PanelCost wide = panel_cost(spec_of(Op::kSpmm, Bsr{4, 16}, kRow), target, 64);
  EXPECT_DOUBLE_EQ(wide.entry, 4 * narrow.entry);
  EXPECT_DOUBLE_EQ(wide.panel, narrow.panel);
}

// skylake-x: 2 FMAs, 2 loads, 2 broadcasts and 1 store a cycle. 64 columns are 4 vectors, 2 tiles of 2.
TEST(PanelCost, CountsTheInstructionsOfARowTile) {
  const Target target = find_target("skylake-x").value();
  ASSERT_EQ(target.pipes.fma_per_cycle, 2);
  ASSERT_EQ(target.pipes.load_per_cycle, 2);
  ASSERT_EQ(target.pipes.broadcast_per_cycle, 2);
  ASSERT_EQ(target.pipes.store_per_cycle, 1);
  const PanelCost cost = panel_cost(spec_of(Op::kSpmm, Bsr{4, 1}, kRow), target, 64);
  // 4 rows x 4 vectors of FMAs, 4 loads of B, 4 broadcasts for each tile.
  EXPECT_DOUBLE_EQ(cost.entry, 16.0 / 2 + 4.0 / 2 + 8.0 / 2);
  // 4 rows x 4 vectors of stores; 2 passes.
  EXPECT_DOUBLE_EQ(cost.panel, 16.0 + 2.0 * (target.pipes.fma_latency + 8));
}

TEST(PanelCost, OfJammedRowsTellsColumnsFromWeights) {
  const Target target = find_target("skylake-x").value();
  const Schedule jam{Strategy::kRowTile, 4, 2, 1, LoopOrder::kPanelOuter, false};
  const PanelCost cost = panel_cost(spec_of(Op::kSpmm, Jam{4}, jam), target, 64);
  // A weight: 4 FMAs and a broadcast for each of 2 tiles. A column: 4 loads and, for each tile, its number.
  EXPECT_DOUBLE_EQ(cost.weight, 4.0 / 2 + 2.0 / 2);
  EXPECT_DOUBLE_EQ(cost.entry, 4.0 / 2 + 2.0 / 2);
  // A group's loop ends once for each tile, with a misprediction.
  EXPECT_DOUBLE_EQ(cost.list, 2 * 16);
  EXPECT_GT(cost.panel, 0);
}

TEST(PanelCost, IsThereForEveryOperationAndFormat) {
  const Target target = find_target("skylake-x").value();
  for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm})
    for (const Format& format : {Format{Bsr{16, 16}}, Format{Bsr{16, 1}}, Format{Jam{4}}})
      for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
        KernelSpec spec = spec_of(op, format, {});
        spec.layout_b = spec.layout_c = layout;
        for (const Schedule& schedule : enumerate_schedules(spec, target)) {
          spec.schedule = schedule;
          const PanelCost cost = panel_cost(spec, target, 64);
          EXPECT_GT(cost.entry, 0) << kernel_name(spec, target.name);
          EXPECT_GE(cost.panel, 0) << kernel_name(spec, target.name);
          EXPECT_GE(cost.list, 0) << kernel_name(spec, target.name);
          EXPECT_EQ(cost.weight > 0, std::holds_alternative<Jam>(format))
              << kernel_name(spec, target.name);
        }
      }
}

}  // namespace
}  // namespace lacuna
