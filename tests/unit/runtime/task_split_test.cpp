// SPDX-License-Identifier: Apache-2.0
//
// Predicted work only: no kernel and no clock. How well predictions fit is measured by skew_bench.
#include "runtime/task_split.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace lacuna {
namespace {

constexpr std::int64_t kManyCuts = 256;

// An index of blocks: panel p has entries[p].
PanelIndex index_of(const std::vector<std::int64_t>& entries) {
  PanelIndex index;
  index.ptr.push_back(0);
  for (const std::int64_t count : entries)
    index.ptr.push_back(index.ptr.back() + count);
  return index;
}

PanelCost by_entries() {
  PanelCost cost;
  cost.entry = 1;
  return cost;
}

Splits splits_of(bool panels, bool n, std::int32_t n_granule = 16) {
  Splits splits;
  splits.panels = panels;
  splits.n = n;
  splits.n_granule = n_granule;
  return splits;
}

// Zipf row lengths: the panel of rank i, of `panels`, has total / (i + 1)^exponent entries, normalised, at most `most`;
// the ranks in an order that looks random.
std::vector<std::int64_t> zipf_entries(std::int64_t panels, std::int64_t total, double exponent,
                                       std::int64_t most) {
  std::vector<std::int64_t> entries(static_cast<std::size_t>(panels));
  double sum = 0;
  for (std::int64_t i = 0; i < panels; ++i)
    sum += std::pow(i + 1, -exponent);
  for (std::int64_t i = 0; i < panels; ++i) {
    const double share = std::pow(i + 1, -exponent) / sum * static_cast<double>(total);
    entries[static_cast<std::size_t>(i * 37 % panels)] =
        std::min(most, static_cast<std::int64_t>(share));
  }
  return entries;
}

double work_of(const std::vector<std::int64_t>& entries, const Task& task, std::int64_t n) {
  const auto begin = entries.begin();
  const auto sum =
      std::accumulate(begin + task.panel_begin, begin + task.panel_end, std::int64_t{0});
  return static_cast<double>(sum) * static_cast<double>(task.n_end - task.n_begin) /
         static_cast<double>(n);
}

// What the last of so many threads ends at when each takes the next task as soon as it is free.
double end_of(const std::vector<std::int64_t>& entries, const std::vector<Task>& tasks,
              std::int64_t n, std::size_t threads) {
  std::vector<double> busy_until(threads, 0);
  for (const Task& task : tasks)
    *std::ranges::min_element(busy_until) += work_of(entries, task, n);
  return *std::ranges::max_element(busy_until);
}

// Each pair of a panel and a column belongs to exactly one task.
void expect_covered_once(const std::vector<Task>& tasks, std::int64_t panels, std::int64_t n) {
  std::vector<int> seen(static_cast<std::size_t>(panels * n), 0);
  for (const Task& task : tasks) {
    ASSERT_LT(task.panel_begin, task.panel_end);
    ASSERT_LT(task.n_begin, task.n_end);
    for (std::int64_t panel = task.panel_begin; panel < task.panel_end; ++panel)
      for (std::int64_t column = task.n_begin; column < task.n_end; ++column)
        ++seen[static_cast<std::size_t>(panel * n + column)];
  }
  EXPECT_TRUE(std::ranges::all_of(seen, [](int times) { return times == 1; }));
}

TEST(CutPanels, CutsEqualPanelsEvenly) {
  const auto cuts = cut_panels(index_of(std::vector<std::int64_t>(64, 3)), by_entries(), 4);
  EXPECT_EQ(cuts, (std::vector<PanelCut>{{0, 0}, {16, 48}, {32, 96}, {48, 144}, {64, 192}}));
}

TEST(CutPanels, GivesAHeavyPanelARangeOfItsOwn) {
  const auto cuts = cut_panels(index_of({1, 1, 100, 1, 1}), by_entries(), 4);
  EXPECT_EQ(cuts, (std::vector<PanelCut>{{0, 0}, {2, 2}, {3, 102}, {5, 104}}));
}

TEST(CutPanels, CountsPanelsWithoutEntries) {
  PanelCost cost = by_entries();
  cost.panel = 2;
  const auto cuts = cut_panels(index_of({0, 0, 0, 0, 8, 0}), cost, 2);
  EXPECT_EQ(cuts, (std::vector<PanelCut>{{0, 0}, {4, 8}, {6, 20}}));
}

TEST(CutPanels, AddsUpEveryPartOfTheCost) {
  PanelIndex jammed;  // two panels of two lists: {3, 0} and {1, 1} columns
  jammed.lists = 2;
  jammed.ptr = {0, 3, 3, 4, 5};
  jammed.origin.resize(5);
  jammed.first_value = {0, 3, 6};
  PanelCost cost;
  cost.panel = 1000;
  cost.list = 100;
  cost.entry = 10;
  cost.weight = 1;
  const auto cuts = cut_panels(jammed, cost, 2);
  EXPECT_EQ(cuts, (std::vector<PanelCut>{{0, 0}, {1, 1133}, {2, 1133 + 1223}}));
}

// Panels 0 and 3, 1 and 4, 2 and 5 make one of the call each.
TEST(CutPanels, AddsUpBothHalves) {
  const auto cuts = cut_panels(index_of({1, 1, 1, 9, 1, 1}), by_entries(), 3, 2);
  EXPECT_EQ(cuts, (std::vector<PanelCut>{{0, 0}, {1, 10}, {3, 14}}));
}

TEST(CutPanels, TakesAnEmptyMatrix) {
  const auto cuts = cut_panels(index_of({}), by_entries(), 4);
  EXPECT_EQ(cuts.front(), (PanelCut{0, 0}));
  EXPECT_EQ(cuts.back(), (PanelCut{0, 0}));
}

TEST(SplitCall, CutsPanelsWhereTheLoopOrderHasThemOutside) {
  const std::vector<std::int64_t> entries(64, 2);
  const auto cuts = cut_panels(index_of(entries), by_entries(), kManyCuts);
  const auto tasks = split_call(cuts, splits_of(true, true), LoopOrder::kPanelOuter, 64, 4);
  EXPECT_EQ(tasks,
            (std::vector<Task>{{0, 16, 0, 64}, {16, 32, 0, 64}, {32, 48, 0, 64}, {48, 64, 0, 64}}));
}

TEST(SplitCall, CutsColumnsFirstWhereTheLoopOrderHasTilesOutside) {
  const auto cuts = cut_panels(index_of({1, 1, 1, 1}), by_entries(), kManyCuts);
  const auto tasks = split_call(cuts, splits_of(true, true), LoopOrder::kTileOuter, 40, 5);
  EXPECT_EQ(tasks, (std::vector<Task>{{0, 2, 0, 16},
                                      {0, 2, 16, 32},
                                      {0, 2, 32, 40},
                                      {2, 4, 0, 16},
                                      {2, 4, 16, 32},
                                      {2, 4, 32, 40}}));
}

TEST(SplitCall, CutsFewPanelsAlongColumnsToo) {
  const auto cuts = cut_panels(index_of({5, 5, 5}), by_entries(), kManyCuts);
  const auto tasks = split_call(cuts, splits_of(true, true), LoopOrder::kPanelOuter, 96, 8);
  EXPECT_EQ(tasks.size(), 9U);
  for (const Task& task : tasks)
    EXPECT_EQ(task.n_end - task.n_begin, 32);
  expect_covered_once(tasks, 3, 96);
}

TEST(SplitCall, CutsOnlyAHeavyPanelAlongColumns) {
  std::vector<std::int64_t> entries(61, 1);
  entries[20] = 60;  // half of all work
  const auto cuts = cut_panels(index_of(entries), by_entries(), kManyCuts);
  const auto tasks = split_call(cuts, splits_of(true, true), LoopOrder::kPanelOuter, 64, 8);
  expect_covered_once(tasks, 61, 64);
  for (const Task& task : tasks)
    EXPECT_EQ(task.n_end - task.n_begin, task.panel_begin <= 20 && task.panel_end > 20 ? 16 : 64);
  // 120 units: an eighth is 15.
  for (const Task& task : tasks)
    EXPECT_LE(work_of(entries, task, 64), 15 * 1.25);
}

TEST(SplitCall, LeavesAHeavyPanelWholeWhereColumnsMayNotBeCut) {
  std::vector<std::int64_t> entries(61, 1);
  entries[20] = 60;
  const auto cuts = cut_panels(index_of(entries), by_entries(), kManyCuts);
  const auto tasks = split_call(cuts, splits_of(true, false), LoopOrder::kPanelOuter, 64, 8);
  expect_covered_once(tasks, 61, 64);
  // The heavy panel and, at most, a light task beside it: the other thread does the rest meanwhile.
  EXPECT_LE(end_of(entries, tasks, 64, 2), 60 + 15);
}

TEST(SplitCall, CutsColumnsOnlyWherePanelsMayNotBeCut) {
  const auto cuts = cut_panels(index_of({1, 9, 1}), by_entries(), kManyCuts);
  for (const LoopOrder order : {LoopOrder::kPanelOuter, LoopOrder::kTileOuter})
    EXPECT_EQ(split_call(cuts, splits_of(false, true), order, 64, 4),
              (std::vector<Task>{{0, 3, 0, 16}, {0, 3, 16, 32}, {0, 3, 32, 48}, {0, 3, 48, 64}}));
}

TEST(SplitCall, PutsTheLongestTasksFirst) {
  std::vector<std::int64_t> entries(8, 1);
  entries[6] = 6;
  const auto cuts = cut_panels(index_of(entries), by_entries(), kManyCuts);
  const auto tasks = split_call(cuts, splits_of(true, false), LoopOrder::kPanelOuter, 16, 4);
  ASSERT_GT(tasks.size(), 1U);
  EXPECT_LE(tasks.front().panel_begin, 6);
  EXPECT_GT(tasks.front().panel_end, 6);
  for (std::size_t i = 1; i < tasks.size(); ++i)
    EXPECT_GE(work_of(entries, tasks[i - 1], 16), work_of(entries, tasks[i], 16));
}

TEST(SplitCall, IsOneTaskWhereNothingMayBeCut) {
  const auto cuts = cut_panels(index_of({1, 9, 1}), by_entries(), kManyCuts);
  EXPECT_EQ(split_call(cuts, splits_of(false, false), LoopOrder::kPanelOuter, 64, 8),
            (std::vector<Task>{{0, 3, 0, 64}}));
}

struct Skew {
  double exponent = 0;
  std::int64_t panels = 0;
  bool n = true;
};

class SkewedCall : public testing::TestWithParam<Skew> {};

// Zipf row lengths: two, four and eight threads end within a tenth of an even share.
TEST_P(SkewedCall, IsBalancedWithinATenth) {
  const Skew& skew = GetParam();
  const auto entries = zipf_entries(skew.panels, skew.panels * 100, skew.exponent, 1000);
  const auto total = static_cast<double>(std::accumulate(entries.begin(), entries.end(), 0LL));
  constexpr std::int64_t kColumns = 256;
  const auto cuts = cut_panels(index_of(entries), by_entries(), 512);
  for (const std::int64_t threads : {2, 4, 8}) {
    const auto tasks =
        split_call(cuts, splits_of(true, skew.n), LoopOrder::kPanelOuter, kColumns, 4 * threads);
    expect_covered_once(tasks, skew.panels, kColumns);
    const double even = total / static_cast<double>(threads);
    EXPECT_LE(end_of(entries, tasks, kColumns, static_cast<std::size_t>(threads)), 1.1 * even)
        << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(Zipf, SkewedCall,
                         testing::Values(Skew{0.5, 1024, true}, Skew{1, 1024, true},
                                         Skew{1.5, 1024, true}, Skew{1, 64, true},
                                         Skew{1.5, 64, true}, Skew{1, 1024, false}),
                         [](const auto& test) {
                           return "exponent" +
                                  std::to_string(static_cast<int>(10 * test.param.exponent)) +
                                  "_panels" + std::to_string(test.param.panels) +
                                  (test.param.n ? "_n" : "");
                         });

}  // namespace
}  // namespace lacuna
