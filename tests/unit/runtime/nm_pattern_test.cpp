// SPDX-License-Identifier: Apache-2.0
#include "runtime/nm_pattern.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {
namespace {

template <class T>
std::string error_of(const Result<T>& result) {
  if (result) return "no error";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  return result.error().message;
}

// A few distinct magnitudes, so that ties are common.
std::vector<float> coarse_weights(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<float> weights(static_cast<std::size_t>(count));
  for (float& weight : weights)
    weight = (static_cast<float>(engine() % 9) - 4) / 4;
  return weights;
}

struct Case {
  std::int64_t m, k;
  NmPattern pattern;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.m << " x " << c.k << ", " << to_text(c.pattern);
}

// Every group size with several n and v, on sizes that neither divides.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (std::int32_t m = 2; m <= kMaxNmGroup; ++m)
    for (const std::int32_t n : {1, 2, m / 2, m - 1})
      for (const std::int32_t v : {1, 3, 16})
        if (n >= 1 && n < m) all.push_back({7 + m % 3 * 5, 3 * m + m / 2, {n, m, v}});
  all.push_back({5, 1, {1, 2, 1}});
  all.push_back({5, 200, {2, 4, 100}});
  all.push_back({0, 8, {2, 4, 1}});
  all.push_back({8, 0, {2, 4, 1}});
  return all;
}

class Pruned : public testing::TestWithParam<Case> {};

double magnitude_of(const std::vector<float>& weights, const Case& c, std::int64_t first,
                    std::int64_t col) {
  double sum = 0;
  for (std::int64_t i = first; i < std::min(c.m, first + c.pattern.v); ++i)
    sum += std::abs(weights[static_cast<std::size_t>(i * (c.k + 2) + col)]);
  return sum;
}

// In each group: as many as promised, the same in all rows of a vector, and no column that stays comes behind one that
// goes, in the order of magnitudes and then of columns.
TEST_P(Pruned, KeepsTheLargestOfEachGroup) {
  const Case& c = GetParam();
  const auto weights = coarse_weights(c.m * (c.k + 2), 11);
  const auto mask = prune_to_n_of_m(weights, c.m, c.k, c.k + 2, c.pattern);
  ASSERT_TRUE(mask) << mask.error().message;
  for (std::int64_t first = 0; first < c.m; first += c.pattern.v)
    for (std::int64_t begin = 0; begin < c.k; begin += c.pattern.m) {
      const std::int64_t end = std::min<std::int64_t>(c.k, begin + c.pattern.m);
      std::int64_t kept = 0;
      for (std::int64_t j = begin; j < end; ++j) {
        kept += mask->at(first, j) ? 1 : 0;
        for (std::int64_t i = first; i < std::min(c.m, first + c.pattern.v); ++i)
          ASSERT_EQ(mask->at(i, j), mask->at(first, j));
        for (std::int64_t other = begin; other < end; ++other) {
          if (!mask->at(first, j) || mask->at(first, other)) continue;
          const double of_j = magnitude_of(weights, c, first, j);
          const double of_other = magnitude_of(weights, c, first, other);
          ASSERT_TRUE(of_j > of_other || (of_j == of_other && j < other)) << first << ", " << j;
        }
      }
      const double share = static_cast<double>(c.pattern.n) / c.pattern.m;
      ASSERT_EQ(kept, std::ceil(static_cast<double>(end - begin) * share - 1e-9));
    }
}

TEST_P(Pruned, Conforms) {
  const Case& c = GetParam();
  const auto mask = prune_to_n_of_m(coarse_weights(c.m * c.k, 5), c.m, c.k, c.k, c.pattern).value();
  EXPECT_TRUE(check_conforms(mask, c.pattern));
}

TEST_P(Pruned, IsFoundAgain) {
  const Case& c = GetParam();
  std::mt19937 engine(3);
  std::vector<float> weights(static_cast<std::size_t>(c.m * c.k));
  for (float& weight : weights)
    weight = static_cast<float>(engine());
  const auto found = find_nm_pattern(prune_to_n_of_m(weights, c.m, c.k, c.k, c.pattern).value());
  if (c.m == 0 || c.k < c.pattern.m) {
    EXPECT_EQ(found, std::nullopt);
    return;
  }
  // The smallest group that is always as full: 1:2 where 2:4 happens to be 1:2 too.
  ASSERT_TRUE(found);
  const auto smallest = found.value_or(c.pattern);
  EXPECT_LE(smallest.m, c.pattern.m);
  EXPECT_TRUE(smallest.m < c.pattern.m || smallest.n == c.pattern.n);
}

INSTANTIATE_TEST_SUITE_P(NmPattern, Pruned, testing::ValuesIn(cases()));

TEST(NmPattern, TiesGoToTheLowerColumn) {
  const std::vector<float> weights = {1, -1, 1, -1, 0, 0, 0, 0, 2, -3, 3, 0};
  const auto mask = prune_to_n_of_m(weights, 1, 12, 12, {2, 4}).value();
  EXPECT_EQ(column_bits(mask, 0, 0, 12), 0b0110'0011'0011U);
}

TEST(NmPattern, AVectorDecidesByTheSumOfMagnitudes) {
  // Column 1 is largest in row 0, column 0 in both together.
  const std::vector<float> weights = {3, 4, 0, 0, -3, 1, 0, 1};
  const auto mask = prune_to_n_of_m(weights, 2, 4, 4, {1, 4, 2}).value();
  EXPECT_EQ(column_bits(mask, 0, 0, 4), 1U);
  EXPECT_EQ(column_bits(mask, 1, 0, 4), 1U);
  const auto apart = prune_to_n_of_m(weights, 2, 4, 4, {1, 4, 1}).value();
  EXPECT_EQ(column_bits(apart, 0, 0, 4), 2U);
}

TEST(NmPattern, ALastGroupKeepsItsShareRoundedUp) {
  const std::vector<float> weights(22, 1.0F);
  EXPECT_EQ(prune_to_n_of_m(weights, 1, 22, 22, {2, 8}).value().nnz(), 2 + 2 + 2);
  EXPECT_EQ(prune_to_n_of_m(weights, 1, 20, 20, {2, 8}).value().nnz(), 2 + 2 + 1);
  EXPECT_EQ(prune_to_n_of_m(weights, 1, 17, 17, {1, 8}).value().nnz(), 1 + 1 + 1);
}

TEST(NmPattern, WeightsThatHaveNoOrderAreErrors) {
  std::vector<float> weights(12, 1.0F);
  weights[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_of(prune_to_n_of_m(weights, 2, 6, 6, {2, 4})),
            "the weight at row 1, column 1 is nan");
  weights[7] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(error_of(prune_to_n_of_m(weights, 2, 6, 6, {2, 4})),
            "the weight at row 1, column 1 is -inf");
}

TEST(NmPattern, PruningChecksSizes) {
  const std::vector<float> weights(12, 1.0F);
  EXPECT_EQ(error_of(prune_to_n_of_m(weights, 2, 6, 5, {2, 4})), "lda 5 is less than k 6");
  EXPECT_EQ(error_of(prune_to_n_of_m(weights, 3, 6, 6, {2, 4})),
            "a has 12 elements, too few for 3 x 6 with lda 6");
  EXPECT_EQ(error_of(prune_to_n_of_m(weights, -1, 6, 6, {2, 4})),
            fmt::format("m -1 is outside [0, {}]", kMaxMaskDim));
}

TEST(NmPattern, LimitsAreNamed) {
  EXPECT_TRUE(check_pattern({1, 2, 1}));
  EXPECT_TRUE(check_pattern({31, 32, std::numeric_limits<std::int32_t>::max()}));
  EXPECT_EQ(error_of(check_pattern({1, 1})), "pattern 1:1: the group 1 is not in [2, 32]");
  EXPECT_EQ(error_of(check_pattern({1, 33})), "pattern 1:33: the group 33 is not in [2, 32]");
  EXPECT_EQ(error_of(check_pattern({0, 4})), "pattern 0:4: 0 of a group is not in [1, 3]");
  EXPECT_EQ(error_of(check_pattern({4, 4})), "pattern 4:4: 4 of a group is not in [1, 3]");
  EXPECT_EQ(error_of(check_pattern({2, 4, 0})),
            "pattern 2:4: 0 rows that share a choice are not at least 1");
  const Mask mask = make_random_nm_mask(4, 8, 2, 4, 1).value();
  EXPECT_EQ(error_of(check_conforms(mask, {4, 4})), "pattern 4:4: 4 of a group is not in [1, 3]");
  const std::vector<float> weights(8, 1.0F);
  EXPECT_EQ(error_of(prune_to_n_of_m(weights, 1, 8, 8, {5, 4})),
            "pattern 5:4: 5 of a group is not in [1, 3]");
}

TEST(NmPattern, ParsesBack) {
  EXPECT_EQ(*parse_nm_pattern("2:4"), (NmPattern{2, 4}));
  EXPECT_EQ(to_text(NmPattern{31, 32}), "31:32");
  EXPECT_EQ(*parse_nm_pattern("31:32"), (NmPattern{31, 32}));
  EXPECT_EQ(to_text(NmPattern{2, 8, 16}), "2:8 by 16 rows");
  for (const char* const text : {"", "2", "2:", ":4", "2:4:1", "2of4", "-2:4", "2:4 ", "02:4",
                                 "2:04", "2:99999999999999999999"})
    EXPECT_EQ(error_of(parse_nm_pattern(text)),
              fmt::format("pattern '{}' is not N:M, for example 2:4", text));
  EXPECT_EQ(error_of(parse_nm_pattern("4:64")), "pattern 4:64: the group 64 is not in [2, 32]");
}

TEST(NmPattern, TheFirstGroupThatDoesNotConformIsNamed) {
  auto builder = MaskBuilder::create(6, 70).value();
  builder.insert_range(3, 62, 66);  // across a word: two in a group of 4, two in the next
  builder.insert_range(4, 63, 66);
  const Mask mask = std::move(builder).finish();
  EXPECT_TRUE(check_conforms(mask, {2, 4}));
  EXPECT_EQ(error_of(check_conforms(mask, {1, 4})),
            "row 3 has weights in 2 of the columns 60 to 63, 1:4 allows 1");
  EXPECT_EQ(error_of(check_conforms(mask, {1, 3})),
            "row 3 has weights in 3 of the columns 63 to 65, 1:3 allows 1");
  EXPECT_TRUE(check_conforms(mask, {2, 4, 2}));
  EXPECT_EQ(
      error_of(check_conforms(mask, {1, 4, 2})),
      "rows 2 to 3 together have weights in 2 of the columns 60 to 63, 1:4 by 2 rows allows 1");
  EXPECT_EQ(
      error_of(check_conforms(mask, {1, 32, 8})),
      "rows 0 to 5 together have weights in 2 of the columns 32 to 63, 1:32 by 8 rows allows 1");
}

TEST(NmPattern, RowsOfAVectorMayUseFewerColumnsThanTheyShare) {
  auto builder = MaskBuilder::create(2, 8).value();
  builder.insert(0, 0);
  builder.insert(1, 2);
  const Mask mask = std::move(builder).finish();
  EXPECT_TRUE(check_conforms(mask, {2, 4, 2}));
  EXPECT_FALSE(check_conforms(mask, {1, 4, 2}));
}

TEST(NmPattern, ColumnBitsCrossWords) {
  const Mask mask = make_random_block_mask(5, 200, 1, 1, 0.5, 9).value();
  for (std::int64_t begin = 0; begin < 200; ++begin)
    for (const std::int64_t count : {1, 2, 7, 31, 32, 63, 64}) {
      if (begin + count > 200) continue;
      const std::uint64_t bits = column_bits(mask, 3, begin, count);
      for (std::int64_t j = 0; j < 64; ++j)
        ASSERT_EQ((bits >> j & 1) != 0, j < count && mask.at(3, begin + j)) << begin << ", " << j;
    }
}

TEST(FindNmPattern, FindsWhatAMaskWasMadeFor) {
  for (const NmPattern& pattern :
       {NmPattern{2, 4}, NmPattern{1, 4}, NmPattern{2, 8}, NmPattern{1, 16}, NmPattern{3, 5},
        NmPattern{2, 32}, NmPattern{2, 4, 2}, NmPattern{1, 8, 16}, NmPattern{4, 8, 64}}) {
    const Mask mask = make_random_nm_mask(256, 340, pattern.n, pattern.m, 1, pattern.v).value();
    EXPECT_EQ(find_nm_pattern(mask), pattern) << to_text(pattern);
  }
  // Three rows that share a choice are no power of two.
  EXPECT_EQ(find_nm_pattern(make_random_nm_mask(99, 64, 2, 4, 1, 3).value()), (NmPattern{2, 4}));
}

TEST(FindNmPattern, FindsNothingInOtherMasks) {
  EXPECT_EQ(find_nm_pattern(make_random_block_mask(64, 64, 1, 1, 0.5, 1).value()), std::nullopt);
  EXPECT_EQ(find_nm_pattern(make_random_block_mask(64, 64, 8, 8, 1, 1).value()), std::nullopt);
  EXPECT_EQ(find_nm_pattern(make_random_block_mask(64, 64, 8, 8, 0, 1).value()), std::nullopt);
  EXPECT_EQ(find_nm_pattern(make_random_nm_mask(0, 64, 2, 4, 1).value()), std::nullopt);
  EXPECT_EQ(find_nm_pattern(make_random_nm_mask(64, 0, 2, 4, 1).value()), std::nullopt);
  // All of each complete group, and not all of the last, shorter one.
  EXPECT_EQ(
      find_nm_pattern(Mask::from_blocks(1, 33, 1, 32, std::vector<std::uint8_t>{1, 0}).value()),
      std::nullopt);
  // One weight too many in the last, shorter group.
  auto builder = MaskBuilder::create(1, 66).value();
  for (const std::int64_t j : {0, 32, 64, 65})
    builder.insert(0, j);
  EXPECT_EQ(find_nm_pattern(builder.mask()), std::nullopt);
}

}  // namespace
}  // namespace lacuna
