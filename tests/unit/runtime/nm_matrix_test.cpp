// SPDX-License-Identifier: Apache-2.0
#include "runtime/nm_matrix.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
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

// Some weights of a conforming mask taken away, so that groups are not full.
Mask thinned(const Mask& mask, std::mt19937& engine) {
  auto builder = MaskBuilder::create(mask.m(), mask.k()).value();
  for (std::int64_t i = 0; i < mask.m(); ++i)
    for (std::int64_t j = 0; j < mask.k(); ++j)
      if (mask.at(i, j) && engine() % 4 != 0) builder.insert(i, j);
  return std::move(builder).finish();
}

struct Shape {
  std::int64_t m, k;
};

void expect_round_trip(const Shape& shape, const NmPattern& pattern, unsigned seed) {
  SCOPED_TRACE(testing::Message() << shape.m << " x " << shape.k << ", " << to_text(pattern));
  std::mt19937 engine(seed);
  const Mask mask = thinned(
      make_random_nm_mask(shape.m, shape.k, pattern.n, pattern.m, seed, pattern.v).value(), engine);
  const std::int64_t lda = shape.k + 3;
  std::vector<float> dense(static_cast<std::size_t>(shape.m * lda), 0.0F);
  for (std::int64_t i = 0; i < shape.m; ++i)
    for (std::int64_t j = 0; j < lda; ++j)
      if (j >= shape.k || mask.at(i, j))
        dense[static_cast<std::size_t>(i * lda + j)] = static_cast<float>(engine()) - 2e9F;

  const auto matrix = compress_nm(mask, pattern, dense, lda);
  ASSERT_TRUE(matrix) << matrix.error().message;
  EXPECT_EQ(static_cast<std::int64_t>(matrix->values.size()),
            shape.m * matrix->groups() * pattern.n);
  EXPECT_EQ(static_cast<std::int64_t>(matrix->indices.size()),
            matrix->index_rows() * matrix->index_row_bytes());
  for (std::int64_t i = 0; i < shape.m; ++i)
    for (std::int64_t g = 0; g < matrix->groups(); ++g)
      for (std::int64_t s = 0; s < pattern.n; ++s) {
        const std::int64_t column = matrix->column(i, g, s);
        ASSERT_TRUE(column >= g * pattern.m && column < (g + 1) * pattern.m);
        ASSERT_TRUE(s == 0 || column > matrix->column(i, g, s - 1));
      }
  std::vector<float> back = dense;  // what lies between the rows stays
  for (std::int64_t i = 0; i < shape.m; ++i)
    for (std::int64_t j = 0; j < shape.k; ++j)
      back[static_cast<std::size_t>(i * lda + j)] = 7;
  ASSERT_TRUE(decompress_nm(*matrix, back, lda));
  EXPECT_EQ(back, dense);
}

TEST(NmMatrix, RoundTripsEveryGroupSize) {
  for (std::int32_t m = 2; m <= kMaxNmGroup; ++m)
    for (std::int32_t n = 1; n < m; n += (n < 3 || n + 2 >= m) ? 1 : m / 5 + 1)
      for (const std::int32_t v : {1, 2, 5})
        expect_round_trip({9, 2 * m + m / 2 + 1}, {n, m, v}, static_cast<unsigned>(n * 100 + m));
}

TEST(NmMatrix, RoundTripsOddSizes) {
  unsigned seed = 1;
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 3}, Shape{3, 4}, Shape{17, 129}, Shape{64, 64},
                             Shape{0, 8}, Shape{8, 0}, Shape{33, 31}})
    for (const NmPattern& pattern : {NmPattern{2, 4}, NmPattern{1, 16, 4}, NmPattern{5, 32, 33}})
      expect_round_trip(shape, pattern, ++seed);
}

TEST(NmMatrix, KeepsNegativeZerosAndNans) {
  const Mask mask = make_random_nm_mask(1, 4, 2, 4, 1).value();
  std::vector<float> dense(4, -0.0F);
  for (std::int64_t j = 0; j < 4; ++j)
    if (!mask.at(0, j)) dense[static_cast<std::size_t>(j)] = 0;
  std::vector<float> back(4);
  ASSERT_TRUE(decompress_nm(compress_nm(mask, {2, 4}, dense, 4).value(), back, 4));
  for (std::size_t j = 0; j < 4; ++j)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(back[j]), std::bit_cast<std::uint32_t>(dense[j]));
}

// The bytes that the header promises.
TEST(NmMatrix, PacksTwoFourAndEightBits) {
  const auto indices_of = [](const std::vector<std::int64_t>& columns, std::int64_t k,
                             const NmPattern& pattern) {
    auto builder = MaskBuilder::create(1, k).value();
    for (const std::int64_t column : columns)
      builder.insert(0, column);
    const std::vector<float> dense(static_cast<std::size_t>(k), 1.0F);
    return compress_nm(builder.mask(), pattern, dense, k).value().indices;
  };
  using Bytes = std::vector<std::uint8_t>;
  // Groups (1, 3), (0, 2), (2, 3): 1 | 3<<2 | 0<<4 | 2<<6, 2 | 3<<2.
  EXPECT_EQ(indices_of({1, 3, 4, 6, 10, 11}, 12, {2, 4}), (Bytes{0x8D, 0x0E}));
  // Groups (5), (15), (0): nibbles, the first lowest.
  EXPECT_EQ(indices_of({5, 31, 32}, 48, {1, 16}), (Bytes{0xF5, 0x00}));
  EXPECT_EQ(indices_of({17, 32 + 31}, 64, {1, 32}), (Bytes{17, 31}));
  // The lowest other columns fill up: (0, 2), (0, 1), and beyond K (0, 1) of a group with one column.
  EXPECT_EQ(indices_of({2}, 9, {2, 4}), (Bytes{0x48, 0x04}));
}

TEST(NmMatrix, FillsUpWithTheLowestOtherColumns) {
  EXPECT_EQ(nm_stored_columns(0b1000, {3, 4}), 0b1011U);
  EXPECT_EQ(nm_stored_columns(0, {2, 4}), 0b0011U);
  EXPECT_EQ(nm_stored_columns(0b0110, {2, 4}), 0b0110U);
  EXPECT_EQ(nm_stored_columns(std::uint64_t{1} << 31, {31, 32}), 0xBFFFFFFFU);
}

TEST(NmMatrix, RowsOfAVectorShareTheirIndices) {
  auto builder = MaskBuilder::create(3, 4).value();
  builder.insert(0, 3);
  builder.insert(1, 1);
  builder.insert(2, 0);
  const std::vector<float> dense = {0, 0, 0, 5, 0, 6, 0, 0, 7, 0, 0, 0};
  const auto matrix = compress_nm(builder.mask(), {2, 4, 2}, dense, 4).value();
  EXPECT_EQ(matrix.values, (std::vector<float>{0, 5, 6, 0, 7, 0}));
  EXPECT_EQ(matrix.indices, (std::vector<std::uint8_t>{1 | 3 << 2, 0 | 1 << 2}));
}

TEST(NmMatrix, RefusesMasksAndSizesThatDoNotFit) {
  const Mask mask = make_random_nm_mask(2, 8, 2, 4, 1).value();
  std::vector<float> dense(16);
  EXPECT_EQ(error_of(compress_nm(mask, {1, 4}, dense, 8)),
            "row 0 has weights in 2 of the columns 0 to 3, 1:4 allows 1");
  EXPECT_EQ(error_of(compress_nm(mask, {2, 4}, dense, 7)), "lda 7 is less than k 8");
  EXPECT_EQ(error_of(compress_nm(mask, {2, 4}, dense, 9)),
            "a has 16 elements, too few for 2 x 8 with lda 9");
  auto matrix = compress_nm(mask, {2, 4}, dense, 8).value();
  EXPECT_EQ(error_of(decompress_nm(matrix, dense, 7)), "lda 7 is less than k 8");
  EXPECT_EQ(error_of(decompress_nm(matrix, dense, 9)),
            "a has 16 elements, too few for 2 x 8 with lda 9");
  matrix.indices.pop_back();
  EXPECT_EQ(error_of(decompress_nm(matrix, dense, 8)),
            "8 values and 1 bytes of indices, a 2 x 8 matrix of 2:4 has 8 and 2");
  matrix.pattern.n = 4;
  EXPECT_EQ(error_of(decompress_nm(matrix, dense, 8)),
            "pattern 4:4: 4 of a group is not in [1, 3]");
}

}  // namespace
}  // namespace lacuna
