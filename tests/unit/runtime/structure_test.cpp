// SPDX-License-Identifier: Apache-2.0
//
// What all formats promise alike, and jammed rows in detail.
#include "runtime/structure.h"

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/panel_index.h"
#include "targets/base/bf16.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/abi.h"
#include "templates/format.h"

namespace lacuna {
namespace {

Mask random_mask(std::int64_t m, std::int64_t k, double density) {
  std::mt19937 random(7);
  std::vector<float> dense(static_cast<std::size_t>(m * k));
  for (float& x : dense)
    x = random() * 0x1p-32 < density ? 1.0F : 0.0F;
  auto mask = Mask::from_dense(m, k, dense, k);
  EXPECT_TRUE(mask) << mask.error().message;
  return std::move(*mask);
}

std::vector<Format> formats() {
  return {Bsr{1, 1}, Bsr{16, 1}, Bsr{4, 8}, Bsr{64, 64}, Jam{1},    Jam{2},   Jam{3},
          Jam{4},    Jam{6},     Baked{1},  Baked{3},    Baked{24}, Baked{28}};
}

class StructureOf : public testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {};

TEST_P(StructureOf, PacksAndUnpacksTheMatrix) {
  const auto [m, k] = GetParam();
  const Mask mask = random_mask(m, k, 0.3);
  std::vector<float> dense(static_cast<std::size_t>(m * k));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < k; ++j)
      if (mask.at(i, j))
        dense[static_cast<std::size_t>(i * k + j)] = static_cast<float>(1 + i * k + j);
  for (const Format& format : formats()) {
    SCOPED_TRACE(to_text(format));
    const auto s = make_structure(mask, format);
    ASSERT_TRUE(s) << s.error().message;
    std::vector<float> values(static_cast<std::size_t>(values_count(*s)), -1.0F);
    pack_values(*s, dense.data(), k, DType::kF32, values.data());
    std::vector<float> found(dense.size(), -1.0F);
    unpack_values(*s, DType::kF32, values.data(), found.data(), k);
    EXPECT_EQ(found, dense);
    std::int64_t last = -1;
    std::int64_t weights = 0;
    for_each_weight(*s, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
      EXPECT_GT(index, last);  // in the order of the values
      last = index;
      EXPECT_EQ(values[static_cast<std::size_t>(index)],
                dense[static_cast<std::size_t>(row * k + col)]);
      weights += mask.at(row, col) ? 1 : 0;
    });
    EXPECT_EQ(weights, mask.nnz());
    EXPECT_LT(last, values_count(*s));
  }
}

// Of the formats as they are clamped to the matrix.
TEST_P(StructureOf, IsCountedExactlyWithoutBeingMade) {
  const auto [m, k] = GetParam();
  const Mask mask = random_mask(m, k, 0.2);
  for (const Format& format : formats()) {
    auto s = make_structure(mask, format);
    ASSERT_TRUE(s);
    const Format clamped = format_of(*s);
    const StoredCounts counted = count_stored(mask, std::span(&clamped, 1), true).front();
    EXPECT_EQ(counted.weights, values_count(*s)) << to_text(clamped);
    const PanelIndex& by_row = panel_index(*s, PanelDirection::kBlockRows);
    EXPECT_EQ(counted.blocks, by_row.entries_before(by_row.panels())) << to_text(clamped);
    const auto* const jam = std::get_if<Jam>(&clamped);
    if (jam != nullptr && k < jam->r) continue;
    ASSERT_TRUE(add_block_columns(mask, *s)) << to_text(clamped);
    const PanelIndex& by_column = panel_index(*s, PanelDirection::kBlockColumns);
    EXPECT_EQ(counted.blocks_by_column, by_column.entries_before(by_column.panels()))
        << to_text(clamped);
  }
}

TEST_P(StructureOf, BlockColumnsNumberEachWeightOnce) {
  const auto [m, k] = GetParam();
  const Mask mask = random_mask(m, k, 0.3);
  for (const Format& format : {Format{Jam{4}}, Format{Baked{24}}}) {
    auto s = make_structure(mask, format);
    ASSERT_TRUE(s);
    if (std::holds_alternative<Jam>(format) && k < 4) continue;
    ASSERT_TRUE(add_block_columns(mask, *s));
    const PanelIndex& index = panel_index(*s, PanelDirection::kBlockColumns);
    std::vector<std::int32_t> numbers = index.block;
    std::ranges::sort(numbers);
    ASSERT_EQ(static_cast<std::int64_t>(numbers.size()), mask.nnz());
    for (std::size_t i = 0; i < numbers.size(); ++i)
      EXPECT_EQ(numbers[i], static_cast<std::int32_t>(i));
  }
}

TEST(JamStructure, HasNoBlockColumnsWiderThanTheMatrix) {
  const Mask mask = random_mask(9, 3, 0.5);
  auto s = make_structure(mask, Jam{4});
  ASSERT_TRUE(s);
  const auto added = add_block_columns(mask, *s);
  ASSERT_FALSE(added);
  EXPECT_EQ(
      added.error().message,
      "panels of 4 columns in a matrix of 3: take the scatter strategy for spmm_transposed of "
      "jam4");
}

INSTANTIATE_TEST_SUITE_P(Sizes, StructureOf,
                         testing::Values(std::pair{1, 1}, std::pair{3, 70}, std::pair{24, 64},
                                         std::pair{37, 129}, std::pair{100, 5}));

TEST(BakedStructure, StoresExactlyTheMask) {
  const Mask mask = random_mask(41, 200, 0.4);
  for (std::int32_t r = 1; r <= kMaxBaked; ++r) {
    const auto s = make_structure(mask, Baked{r});
    ASSERT_TRUE(s);
    EXPECT_EQ(values_count(*s), mask.nnz());
    EXPECT_TRUE(is_exact(*s, mask));
  }
}

TEST(BakedStructure, HasColumnsInOrderWithTheirRows) {
  // rows 0: 1 . 1   1: . . 1   2: 1 . .
  const auto mask =
      Mask::from_blocks(3, 3, 1, 1, std::vector<std::uint8_t>{1, 0, 1, 0, 0, 1, 1, 0, 0});
  ASSERT_TRUE(mask);
  const auto s = make_baked_structure(*mask, Baked{2});
  ASSERT_TRUE(s);
  const Pattern pattern = pattern_of(*s, PanelDirection::kBlockRows);
  EXPECT_EQ(pattern.panels(), 2);
  EXPECT_EQ(std::vector<std::int64_t>(pattern.ptr.begin(), pattern.ptr.end()),
            (std::vector<std::int64_t>{0, 2, 3}));
  EXPECT_EQ(std::vector<std::int32_t>(pattern.column.begin(), pattern.column.end()),
            (std::vector<std::int32_t>{0, 2, 0}));
  EXPECT_EQ(std::vector<std::uint32_t>(pattern.rows.begin(), pattern.rows.end()),
            (std::vector<std::uint32_t>{1, 3, 1}));
  EXPECT_EQ(s->by_row.first_value, (std::vector<std::int64_t>{0, 3, 4}));
}

TEST(BakedStructure, RefusesRowsOutOfRange) {
  const Mask mask = random_mask(64, 8, 0.5);
  for (const std::int32_t r : {0, -1, kMaxBaked + 1}) {
    const auto s = make_structure(mask, Baked{r});
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().message, std::to_string(r) + " rows of a baked panel are outside 1 to 28");
  }
}

TEST(JamStructure, StoresExactlyTheMask) {
  const Mask mask = random_mask(41, 200, 0.4);
  for (std::int32_t r = 1; r <= kMaxJam; ++r) {
    const auto s = make_structure(mask, Jam{r});
    ASSERT_TRUE(s);
    EXPECT_EQ(values_count(*s), mask.nnz());
    EXPECT_TRUE(is_exact(*s, mask));
  }
}

// Two rows, five columns:  row 0: x x . . x
//                          row 1: . x x . x   groups: row 0 only {0}, row 1 only {2}, both {1, 4}.
TEST(JamStructure, GroupsColumnsByTheRowsTheyTouch) {
  const std::vector<float> dense = {1, 1, 0, 0, 1, 0, 1, 1, 0, 1};
  const auto mask = Mask::from_dense(2, 5, dense, 5);
  ASSERT_TRUE(mask);
  const auto s = make_jam_structure(*mask, Jam{2});
  ASSERT_TRUE(s);
  EXPECT_EQ(s->by_row.lists, 3);
  EXPECT_EQ(s->by_row.panels(), 1);
  EXPECT_EQ(s->by_row.ptr, (std::vector<std::int64_t>{0, 1, 2, 4}));
  EXPECT_EQ(s->by_row.first_value, (std::vector<std::int64_t>{0, 6}));
  std::vector<std::int32_t> origin = {0, 2, 1, 4};
  origin.resize(origin.size() + kOriginPadding, 0);
  EXPECT_EQ(s->by_row.origin, origin);
}

// Three rows in panels of two: the last panel covers rows 1 and 2, and holds only row 2.
TEST(JamStructure, TheLastPanelIsShiftedBackAndHoldsOnlyItsOwnRows) {
  const std::vector<float> dense(6, 1.0F);
  const auto mask = Mask::from_dense(3, 2, dense, 2);
  ASSERT_TRUE(mask);
  const auto s = make_jam_structure(*mask, Jam{2});
  ASSERT_TRUE(s);
  EXPECT_EQ(s->by_row.panels(), 2);
  EXPECT_EQ(s->values_count(), 6);
  EXPECT_TRUE(s->by_row.list(1, 0).empty());   // row 1: the first panel's
  EXPECT_EQ(s->by_row.list(1, 1).size(), 2U);  // row 2
  EXPECT_TRUE(s->by_row.list(1, 2).empty());
}

TEST(JamStructure, TakesEmptyMatrices) {
  for (const auto& [m, k] : {std::pair{0, 4}, std::pair{4, 0}, std::pair{0, 0}}) {
    const auto mask = Mask::from_blocks(m, k, 1, 1, std::vector<std::uint8_t>(0));
    ASSERT_TRUE(mask) << mask.error().message;
    const auto s = make_jam_structure(*mask, Jam{4});
    ASSERT_TRUE(s);
    EXPECT_EQ(s->values_count(), 0);
    EXPECT_EQ(s->by_row.panels(), m == 0 ? 0 : 1);
  }
}

TEST(JamStructure, RefusesMoreGroupsThanFitTheIndex) {
  const auto mask = Mask::from_blocks(std::int64_t{1} << 26, 1, 64, 1,
                                      std::vector<std::uint8_t>(std::size_t{1} << 20));
  ASSERT_TRUE(mask) << mask.error().message;
  const auto s = make_jam_structure(*mask, Jam{6});
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().message.find("the limits are 268435456 groups"), std::string::npos)
      << s.error().message;
}

TEST(JamStructure, RefusesRowsOutOfRange) {
  const Mask mask = random_mask(8, 8, 0.5);
  for (const std::int32_t r : {0, -1, kMaxJam + 1}) {
    const auto s = make_structure(mask, Jam{r});
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(s.error().message, std::to_string(r) + " jammed rows are outside 1 to 6");
  }
}

// Pairs lie side by side, rows under each other; bf16 rounds to the nearest.
TEST(CutIntoChunks, CutsEachListWhereItsOriginsPassAMultiple) {
  PanelIndex index;
  index.lists = 2;
  index.ptr = {0, 3, 3, 5, 9};  // two panels of two lists, one of them empty
  index.origin = {0, 63, 64, 128, 191, 10, 20, 200, 250};
  index.origin.resize(index.origin.size() + kOriginPadding, 0);
  EXPECT_EQ(cut_into_chunks(index, 64, 4), (std::vector<std::int64_t>{0, 2, 3, 3, 3,  // list 0
                                                                      3, 3, 3, 3,     // 1
                                                                      3, 3, 5, 5,     // 2
                                                                      7, 7, 7, 9}));
  EXPECT_EQ(cut_into_chunks(index, 256, 1), index.ptr);
}

TEST(PackValues, PutsPairsSideBySide) {
  const Mask mask = Mask::from_blocks(4, 4, 2, 2, std::vector<std::uint8_t>{1, 0, 0, 1}).value();
  const auto s = make_structure(mask, Bsr{2, 2, 2});
  ASSERT_TRUE(s) << s.error().message;
  const std::vector<float> dense = {1, 2, 0, 0,  //
                                    3, 4, 0, 0,  //
                                    0, 0, 5, 6,  //
                                    0, 0, 7, 8.02F};
  std::vector<Bf16> values(8);
  pack_values(*s, dense.data(), 4, DType::kBf16, values.data());
  const auto as_float = [&](std::size_t i) { return static_cast<float>(values[i]); };
  for (std::size_t i = 0; i < 7; ++i)
    EXPECT_EQ(as_float(i), static_cast<float>(i + 1));
  EXPECT_EQ(as_float(7), 8.0F);
  std::vector<float> back(16, -1.0F);
  unpack_values(*s, DType::kBf16, values.data(), back.data(), 4);
  EXPECT_EQ(back[15], 8.0F);
  EXPECT_EQ(back[2], 0.0F);
}

TEST(PackValues, EdgeBlocksOfPairsHoldZerosOfTheirNeighbours) {
  std::vector<std::uint8_t> all(6 * 10, 1);
  const Mask mask = Mask::from_blocks(6, 10, 1, 1, all).value();
  const auto s = make_structure(mask, Bsr{4, 8, 2});
  ASSERT_TRUE(s) << s.error().message;
  std::vector<float> dense(60);
  for (std::size_t i = 0; i < dense.size(); ++i)
    dense[i] = static_cast<float>(i + 1);
  std::vector<Bf16> values(static_cast<std::size_t>(values_count(*s)), Bf16(7.0F));
  pack_values(*s, dense.data(), 10, DType::kBf16, values.data());
  double sum = 0;
  for (const Bf16 value : values)
    sum += static_cast<float>(value);
  EXPECT_EQ(sum, 60 * 61 / 2);  // each element once, all else zero
}

TEST(MakeStructure, RefusesColumnsThatAreNoWholeGroups) {
  const Mask mask = Mask::from_blocks(4, 5, 1, 1, std::vector<std::uint8_t>(20, 1)).value();
  EXPECT_EQ(make_structure(mask, Bsr{2, 2, 2}).error().message, "k 5 is not a multiple of group 2");
}

}  // namespace
}  // namespace lacuna
