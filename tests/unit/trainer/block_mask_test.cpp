// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/block_mask.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/trainer/philox.h"

namespace lacuna::trainer {
namespace {

struct Case {
  std::int64_t m, k;
  std::int32_t r, c;
  double density;
};

class BalancedMask : public testing::TestWithParam<Case> {};

TEST_P(BalancedMask, SpreadsBlocksEvenlyOverRowsAndColumns) {
  const auto [m, k, r, c, density] = GetParam();
  const BlockMask mask = make_balanced_block_mask(m, k, r, c, density, {1, RandomUse::kMask, 0});
  const std::int64_t rows = mask.block_rows();
  const std::int64_t columns = mask.block_columns();
  ASSERT_EQ(static_cast<std::int64_t>(mask.flags.size()), rows * columns);
  std::vector<std::int64_t> of_row(static_cast<std::size_t>(rows));
  std::vector<std::int64_t> of_column(static_cast<std::size_t>(columns));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      of_row[static_cast<std::size_t>(i)] += mask.flags[static_cast<std::size_t>(i * columns + j)];
      of_column[static_cast<std::size_t>(j)] +=
          mask.flags[static_cast<std::size_t>(i * columns + j)];
    }
  const auto [row_least, row_most] = std::minmax_element(of_row.begin(), of_row.end());
  const auto [column_least, column_most] = std::minmax_element(of_column.begin(), of_column.end());
  EXPECT_LE(*row_most - *row_least, 1);
  EXPECT_LE(*column_most - *column_least, 1);
  EXPECT_GE(*row_least, 1);
  std::int64_t total = 0;
  for (const std::int64_t count : of_row)
    total += count;
  const double per_row = std::max(1.0, density * static_cast<double>(columns));
  EXPECT_EQ(total, std::llround(static_cast<double>(rows) * per_row));
}

INSTANTIATE_TEST_SUITE_P(Shapes, BalancedMask,
                         testing::Values(Case{2048, 784, 32, 32, 0.1},
                                         Case{2048, 2048, 32, 32, 0.05},
                                         Case{2048, 784, 16, 16, 0.1}, Case{100, 70, 32, 16, 0.3},
                                         Case{7, 5, 1, 1, 0.9}, Case{64, 64, 32, 32, 1.0},
                                         Case{64, 64, 8, 8, 1e-9}, Case{1, 1, 64, 64, 0.5}));

TEST(BalancedMask, DependsOnTheStreamOnly) {
  const auto make = [](std::uint64_t seed, std::uint32_t layer) {
    return make_balanced_block_mask(256, 256, 16, 16, 0.25, {seed, RandomUse::kMask, layer});
  };
  EXPECT_EQ(make(1, 0), make(1, 0));
  EXPECT_NE(make(1, 0), make(2, 0));
  EXPECT_NE(make(1, 0), make(1, 1));
}

TEST(BlockMask, CountsWeightsOfEdgeBlocksOnce) {
  const BlockMask mask{.m = 5, .k = 7, .r = 4, .c = 4, .flags = {1, 1, 0, 1}};
  EXPECT_EQ(mask.row_nnz(0), 7);
  EXPECT_EQ(mask.row_nnz(4), 3);
  EXPECT_EQ(mask.nnz(), 4 * 7 + 3);
}

TEST(FullMask, HoldsEveryWeight) {
  EXPECT_EQ(make_full_mask(10, 2048).nnz(), 20480);
  EXPECT_EQ(make_full_mask(3, 100).nnz(), 300);
  EXPECT_EQ(make_full_mask(1, 1).nnz(), 1);
}

}  // namespace
}  // namespace lacuna::trainer
