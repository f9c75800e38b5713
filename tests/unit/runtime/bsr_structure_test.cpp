// SPDX-License-Identifier: Apache-2.0
#include "runtime/bsr_structure.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {
namespace {

struct Case {
  std::int64_t m, k;
  double density;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.m << "x" << c.k << "@" << c.density;
}

Mask random_mask(const Case& c) {
  std::mt19937_64 random(static_cast<std::uint64_t>(c.m * 1000 + c.k));
  std::bernoulli_distribution present(c.density);
  auto builder = MaskBuilder::create(c.m, c.k).value();
  for (std::int64_t i = 0; i < c.m; ++i) {
    for (std::int64_t j = 0; j < c.k; ++j) {
      if (present(random)) builder.insert(i, j);
    }
  }
  return std::move(builder).finish();
}

// A block as the definition in templates/format.h has it, found element by element.
struct Block {
  std::int64_t p, j;      // block row, block column
  std::int64_t row, col;  // origin
  bool operator==(const Block&) const = default;
};

bool holds_weight(const Mask& mask, const Bsr& f, std::int64_t p, std::int64_t j) {
  for (std::int64_t i = p * f.r; i < std::min(mask.m(), (p + 1) * f.r); ++i)
    for (std::int64_t l = j * f.c; l < std::min(mask.k(), (j + 1) * f.c); ++l)
      if (mask.at(i, l)) return true;
  return false;
}

std::vector<Block> brute_force_blocks(const Mask& mask, const Bsr& f) {
  std::vector<Block> blocks;
  for (std::int64_t p = 0; p * f.r < mask.m(); ++p) {
    for (std::int64_t j = 0; j * f.c < mask.k(); ++j) {
      if (holds_weight(mask, f, p, j)) {
        blocks.push_back({p, j, std::max<std::int64_t>(0, std::min(p * f.r, mask.m() - f.r)),
                          std::max<std::int64_t>(0, std::min(j * f.c, mask.k() - f.c))});
      }
    }
  }
  return blocks;
}

const std::vector<Bsr> kShapes = {{1, 1},   {1, 2},  {2, 1},   {3, 5},   {4, 4},   {5, 3},
                                  {7, 64},  {8, 8},  {16, 1},  {16, 16}, {1, 64},  {24, 48},
                                  {32, 32}, {63, 2}, {64, 64}, {64, 1},  {33, 17}, {8, 32}};

class BsrStructureCase : public testing::TestWithParam<Case> {};

TEST_P(BsrStructureCase, CountsEqualBruteForce) {
  const Mask mask = random_mask(GetParam());
  const auto counts = count_blocks(mask, kShapes);
  ASSERT_EQ(counts.size(), kShapes.size());
  for (std::size_t i = 0; i < kShapes.size(); ++i) {
    EXPECT_EQ(counts[i], static_cast<std::int64_t>(brute_force_blocks(mask, kShapes[i]).size()))
        << kShapes[i].r << "x" << kShapes[i].c;
  }
}

TEST_P(BsrStructureCase, StructureEqualsBruteForce) {
  const Mask mask = random_mask(GetParam());
  for (const Bsr& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.r << "x" << shape.c);
    const auto s = make_bsr_structure(mask, shape);
    ASSERT_TRUE(s) << s.error().message;
    EXPECT_EQ(s->format.r, std::clamp<std::int64_t>(mask.m(), 1, shape.r));
    EXPECT_EQ(s->format.c, std::clamp<std::int64_t>(mask.k(), 1, shape.c));
    auto blocks = brute_force_blocks(mask, s->format);
    ASSERT_EQ(s->nnz_blocks(), static_cast<std::int64_t>(blocks.size()));
    EXPECT_EQ(s->block_rows(), (s->m + s->format.r - 1) / s->format.r);
    EXPECT_EQ(s->block_columns(), (s->k + s->format.c - 1) / s->format.c);
    EXPECT_TRUE(s->by_row.block.empty());
    std::vector<std::int64_t> numbers;
    for (std::size_t e = 0; e < blocks.size(); ++e) {
      const auto p = static_cast<std::size_t>(blocks[e].p);
      EXPECT_LE(s->by_row.ptr[p], static_cast<std::int64_t>(e));
      EXPECT_GT(s->by_row.ptr[p + 1], static_cast<std::int64_t>(e));
      EXPECT_EQ(s->by_row.origin[e], blocks[e].col);
      numbers.push_back(static_cast<std::int64_t>(e));
    }
    // By column: the same blocks, by block column, then block row.
    std::ranges::sort(numbers, {}, [&](std::int64_t e) {
      return std::pair(blocks[static_cast<std::size_t>(e)].j, e);
    });
    ASSERT_EQ(s->by_column.block.size(), blocks.size());
    for (std::size_t e = 0; e < numbers.size(); ++e) {
      const Block& block = blocks[static_cast<std::size_t>(numbers[e])];
      const auto j = static_cast<std::size_t>(block.j);
      EXPECT_LE(s->by_column.ptr[j], static_cast<std::int64_t>(e));
      EXPECT_GT(s->by_column.ptr[j + 1], static_cast<std::int64_t>(e));
      EXPECT_EQ(s->by_column.block[e], numbers[e]);
      EXPECT_EQ(s->by_column.origin[e], block.row);
    }
  }
}

// The values that the format says: blocks in order, each column-major, zero where a neighbour's elements overlap.
std::vector<float> packed_by_hand(const BsrStructure& s, const std::vector<Block>& blocks,
                                  const std::vector<float>& dense, std::int64_t lda) {
  std::vector<float> values;
  for (const Block& block : blocks) {
    for (std::int64_t j = block.col; j < block.col + s.format.c; ++j) {
      for (std::int64_t i = block.row; i < block.row + s.format.r; ++i) {
        const bool own = i / s.format.r == block.p && j / s.format.c == block.j;
        values.push_back(own ? dense[static_cast<std::size_t>(i * lda + j)] : 0.0F);
      }
    }
  }
  return values;
}

TEST_P(BsrStructureCase, PackedValuesFollowTheFormat) {
  const Mask mask = random_mask(GetParam());
  const std::int64_t lda = mask.k() + 3;
  std::vector<float> dense(static_cast<std::size_t>(mask.m() * lda));
  for (std::size_t i = 0; i < dense.size(); ++i)
    dense[i] = static_cast<float>(i + 1);
  for (const Bsr& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.r << "x" << shape.c);
    const auto s = make_bsr_structure(mask, shape).value();
    std::vector<float> values(static_cast<std::size_t>(s.values_count()), NAN);
    pack_values(s, dense.data(), lda, DType::kF32, values.data());
    ASSERT_EQ(values, packed_by_hand(s, brute_force_blocks(mask, s.format), dense, lda));
  }
}

// What a row-major matrix looks like after unpack: stored blocks from `dense`, zeros elsewhere, padding untouched.
std::vector<float> unpacked_by_hand(const BsrStructure& s, const std::vector<Block>& blocks,
                                    const std::vector<float>& dense, std::int64_t lda) {
  std::vector<float> expected(dense.size(), -1.0F);
  for (std::int64_t i = 0; i < s.m; ++i)
    std::fill_n(expected.begin() + i * lda, s.k, 0.0F);
  for (const Block& block : blocks) {
    const std::int64_t rows_end = std::min(s.m, (block.p + 1) * s.format.r);
    const std::int64_t first = block.j * s.format.c;
    const std::int64_t count = std::min(s.k, first + s.format.c) - first;
    for (std::int64_t i = block.p * s.format.r; i < rows_end; ++i)
      std::copy_n(dense.begin() + i * lda + first, count, expected.begin() + i * lda + first);
  }
  return expected;
}

TEST_P(BsrStructureCase, UnpackRestoresStoredBlocksOnly) {
  const Mask mask = random_mask(GetParam());
  const std::int64_t lda = mask.k() + 2;
  std::vector<float> dense(static_cast<std::size_t>(mask.m() * lda));
  for (std::size_t i = 0; i < dense.size(); ++i)
    dense[i] = static_cast<float>(i + 1);
  for (const Bsr& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.r << "x" << shape.c);
    const auto s = make_bsr_structure(mask, shape).value();
    std::vector<float> values(static_cast<std::size_t>(s.values_count()));
    pack_values(s, dense.data(), lda, DType::kF32, values.data());
    std::vector<float> unpacked(dense.size(), -1.0F);
    unpack_values(s, DType::kF32, values.data(), unpacked.data(), lda);
    ASSERT_EQ(unpacked, unpacked_by_hand(s, brute_force_blocks(mask, s.format), dense, lda));
  }
}

TEST_P(BsrStructureCase, ClearEdgeOverlapZeroesWhatPackZeroes) {
  const Mask mask = random_mask(GetParam());
  const std::vector<float> ones(static_cast<std::size_t>(mask.m() * mask.k()), 1.0F);
  for (const Bsr& shape : kShapes) {
    const auto s = make_bsr_structure(mask, shape).value();
    std::vector<float> packed(static_cast<std::size_t>(s.values_count()));
    pack_values(s, ones.data(), mask.k(), DType::kF32, packed.data());
    std::vector<float> cleared(packed.size(), 1.0F);
    clear_edge_overlap(s, DType::kF32, cleared.data());
    ASSERT_EQ(cleared, packed) << shape.r << "x" << shape.c;
  }
}

TEST_P(BsrStructureCase, ExactMeansNoElementOutsideTheMask) {
  const Mask mask = random_mask(GetParam());
  for (const Bsr& shape : kShapes) {
    const auto s = make_bsr_structure(mask, shape).value();
    std::int64_t own = 0;  // stored elements without edge overlap
    for (const Block& block : brute_force_blocks(mask, s.format)) {
      own += std::min<std::int64_t>(s.format.r, s.m - block.p * s.format.r) *
             std::min<std::int64_t>(s.format.c, s.k - block.j * s.format.c);
    }
    EXPECT_EQ(is_exact(s, mask), own == mask.nnz()) << shape.r << "x" << shape.c;
    EXPECT_EQ(is_exact(mask, shape), own == mask.nnz()) << shape.r << "x" << shape.c;
  }
}

INSTANTIATE_TEST_SUITE_P(BsrStructure, BsrStructureCase,
                         testing::Values(Case{0, 0, 0.5}, Case{0, 70, 0.5}, Case{70, 0, 0.5},
                                         Case{1, 1, 1}, Case{1, 1, 0}, Case{1, 200, 0.1},
                                         Case{200, 1, 0.1}, Case{64, 64, 0.02}, Case{65, 129, 0.01},
                                         Case{96, 96, 0.5}, Case{63, 127, 1}, Case{100, 100, 0},
                                         Case{128, 256, 0.005}, Case{31, 33, 0.9}));

TEST(BsrStructure, ExactForMasksMadeOfItsBlocks) {
  for (const Bsr& shape : kShapes) {
    const auto mask = make_random_block_mask(130, 150, shape.r, shape.c, 0.5, 3).value();
    const auto s = make_bsr_structure(mask, shape).value();
    EXPECT_TRUE(is_exact(s, mask)) << shape.r << "x" << shape.c;
    EXPECT_TRUE(is_exact(mask, shape)) << shape.r << "x" << shape.c;
  }
}

TEST(BsrStructure, CountsRepeatedAndUnorderedShapes) {
  const auto mask = make_random_block_mask(64, 64, 4, 4, 0.25, 1).value();
  const std::vector<Bsr> shapes = {{4, 4}, {1, 1}, {4, 4}, {64, 64}};
  EXPECT_EQ(count_blocks(mask, shapes), (std::vector<std::int64_t>{64, 1024, 64, 1}));
  EXPECT_TRUE(count_blocks(mask, {}).empty());
}

TEST(BsrStructure, RefusesShapesOutOfRange) {
  const auto mask = make_random_block_mask(8, 8, 1, 1, 0.5, 1).value();
  for (const Bsr& shape : {Bsr{0, 1}, Bsr{1, 0}, Bsr{65, 1}, Bsr{1, 65}, Bsr{-4, 4}}) {
    const auto s = make_bsr_structure(mask, shape);
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(s.error().message,
              fmt::format("block shape {}x{} is outside 1x1 to 64x64", shape.r, shape.c));
  }
}

TEST(BsrStructure, UnpackKeepsTheNeighbourOfAShiftedBlock) {
  // 5 x 5 in 4x4 blocks: the last block row and column overlap three rows and columns of the first.
  const auto mask = Mask::from_blocks(5, 5, 5, 5, std::vector<std::uint8_t>{1}).value();
  const auto s = make_bsr_structure(mask, {4, 4}).value();
  ASSERT_EQ(s.nnz_blocks(), 4);
  EXPECT_EQ(s.by_row.origin, (std::vector<std::int32_t>{0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(s.by_column.origin, (std::vector<std::int32_t>{0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(s.by_column.block, (std::vector<std::int32_t>{0, 2, 1, 3}));
  std::vector<float> dense(25);
  for (std::size_t i = 0; i < dense.size(); ++i)
    dense[i] = static_cast<float>(i) + 1;
  std::vector<float> values(64);
  pack_values(s, dense.data(), 5, DType::kF32, values.data());
  EXPECT_EQ(std::ranges::count(values, 0.0F), 64 - 25);
  std::vector<float> back(25);
  unpack_values(s, DType::kF32, values.data(), back.data(), 5);
  EXPECT_EQ(back, dense);
}

}  // namespace
}  // namespace lacuna
