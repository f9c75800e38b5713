// SPDX-License-Identifier: Apache-2.0
#include "runtime/mask.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"

namespace lacuna {
namespace {

std::string error_of(const Result<Mask>& result) {
  if (result) return "no error";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  return result.error().message;
}

TEST(Mask, FromDenseTakesNonzerosAndHonoursLda) {
  const std::vector<float> a = {1, 0, -0.0F, 9, 0, 1e-40F, 3};
  const auto mask = Mask::from_dense(2, 3, a, 4);
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(mask->m(), 2);
  EXPECT_EQ(mask->k(), 3);
  EXPECT_EQ(mask->nnz(), 3);
  EXPECT_TRUE(mask->at(0, 0));
  EXPECT_FALSE(mask->at(0, 2));  // a negative zero is zero
  EXPECT_TRUE(mask->at(1, 1));   // a denormal is not
  EXPECT_TRUE(mask->at(1, 2));
  EXPECT_DOUBLE_EQ(mask->density(), 0.5);
}

TEST(Mask, FromDenseErrorsNameValueAndLimit) {
  const std::vector<float> a(6, 1.0F);
  EXPECT_EQ(error_of(Mask::from_dense(-1, 3, a, 3)), "m -1 is outside [0, 134217728]");
  EXPECT_EQ(error_of(Mask::from_dense(2, -3, a, 3)), "k -3 is outside [0, 134217728]");
  EXPECT_EQ(error_of(Mask::from_dense(2, 3, a, 2)), "lda 2 is less than k 3");
  EXPECT_EQ(error_of(Mask::from_dense(2, 3, a, 4)),
            "a has 6 elements, too few for 2 x 3 with lda 4");
  EXPECT_EQ(error_of(Mask::from_dense(3, 3, a, std::numeric_limits<std::int64_t>::max())),
            "a has 6 elements, too few for 3 x 3 with lda 9223372036854775807");
  EXPECT_EQ(error_of(Mask::from_dense(kMaxMaskDim, 128, {}, 128)),
            "a 134217728 x 128 mask needs 2147483648 bytes, limit 1073741824");
}

TEST(Mask, FromDenseRefusesNanAndInfinity) {
  std::vector<float> a(6, 1.0F);
  a[5] = std::nanf("");
  EXPECT_EQ(error_of(Mask::from_dense(2, 3, a, 3)), "the element at row 1, column 2 is nan");
  a[1] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(error_of(Mask::from_dense(2, 3, a, 3)), "the element at row 0, column 1 is -inf");
}

TEST(Mask, EmptySizesAreLegal) {
  for (const auto& [m, k] : {std::pair{0, 0}, std::pair{0, 5}, std::pair{5, 0}}) {
    const auto mask = Mask::from_dense(m, k, {}, k);
    ASSERT_TRUE(mask) << mask.error().message;
    EXPECT_EQ(mask->nnz(), 0);
    EXPECT_EQ(mask->density(), 0);
    EXPECT_EQ(mask->words_per_row(), (k + 63) / 64);
  }
}

TEST(Mask, FromCsrEqualsFromDense) {
  const std::vector<std::int64_t> row_ptr = {0, 2, 2, 3};
  const std::vector<std::int64_t> col_idx = {0, 69, 64};
  std::vector<float> dense(std::size_t{3} * 70, 0.0F);
  dense[0] = dense[69] = dense[2 * 70 + 64] = 1;
  const auto csr = Mask::from_csr(3, 70, row_ptr, col_idx);
  ASSERT_TRUE(csr) << csr.error().message;
  EXPECT_EQ(*csr, *Mask::from_dense(3, 70, dense, 70));
  EXPECT_EQ(csr->row_words(0)[1], std::uint64_t{1} << 5);
}

struct BadCsr {
  std::vector<std::int64_t> row_ptr, col_idx;
  const char* message;
};

class MaskFromBadCsr : public testing::TestWithParam<BadCsr> {};

TEST_P(MaskFromBadCsr, IsAnError) {
  EXPECT_EQ(error_of(Mask::from_csr(2, 4, GetParam().row_ptr, GetParam().col_idx)),
            GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Mask, MaskFromBadCsr,
    testing::Values(
        BadCsr{{0, 1}, {0}, "row_ptr has 2 entries, 2 rows need 3"},
        BadCsr{{1, 1, 1}, {0}, "row_ptr[0] is 1, not 0"},
        BadCsr{{0, 2, 1}, {0, 1}, "row_ptr[2] is 1, below row_ptr[1] 2"},
        BadCsr{{0, 1, 3}, {0, 1}, "row_ptr[2] is 3, col_idx has 2 entries"},
        BadCsr{{0, 1, 2}, {0, 4}, "row 1, position 1: column index 4 is outside [0, 4)"},
        BadCsr{{0, 1, 2}, {-1, 0}, "row 0, position 0: column index -1 is outside [0, 4)"},
        BadCsr{
            {0, 0, 2}, {3, 1}, "row 1, position 1: column index 1 follows 3: indices are unsorted"},
        BadCsr{{0, 2, 2}, {2, 2}, "row 0, position 1: column index 2 is a duplicate"}));

TEST(Mask, FromBlocksCoversEdgeBlocks) {
  const std::vector<std::uint8_t> flags = {1, 0, 0, 7};
  const auto mask = Mask::from_blocks(5, 7, 3, 4, flags);
  ASSERT_TRUE(mask) << mask.error().message;
  for (std::int64_t i = 0; i < 5; ++i) {
    for (std::int64_t j = 0; j < 7; ++j)
      EXPECT_EQ(mask->at(i, j), (i < 3) == (j < 4));
  }
  EXPECT_EQ(mask->nnz(), 3 * 4 + 2 * 3);
}

TEST(Mask, FromBlocksErrorsNameValueAndLimit) {
  const std::vector<std::uint8_t> flags(4, 1);
  EXPECT_EQ(error_of(Mask::from_blocks(4, 4, 0, 2, flags)), "block shape 0x2 is not at least 1x1");
  EXPECT_EQ(error_of(Mask::from_blocks(4, 6, 2, 2, flags)), "4 block flags, 2 x 3 blocks need 6");
}

TEST(Mask, DigestTellsSizesAndElementsApart) {
  const std::vector<std::uint8_t> none(1, 0);
  const std::vector<std::uint8_t> all(1, 1);
  const auto a = Mask::from_blocks(2, 3, 2, 3, all);
  const auto b = Mask::from_blocks(3, 2, 3, 2, all);
  const auto c = Mask::from_blocks(2, 3, 2, 3, none);
  const auto d = Mask::from_blocks(3, 2, 3, 2, none);
  EXPECT_NE(a->digest(), b->digest());
  EXPECT_NE(a->digest(), c->digest());
  EXPECT_NE(c->digest(), d->digest());
  EXPECT_EQ(a->digest(), Mask::from_blocks(2, 3, 1, 3, std::vector<std::uint8_t>(2, 1))->digest());
}

TEST(MaskBuilder, CountsEachElementOnce) {
  auto builder = MaskBuilder::create(2, 200);
  ASSERT_TRUE(builder);
  EXPECT_TRUE(builder->insert(1, 130));
  EXPECT_FALSE(builder->insert(1, 130));
  builder->insert_range(1, 60, 131);
  builder->insert_range(0, 0, 0);
  const Mask mask = std::move(*builder).finish();
  EXPECT_EQ(mask.nnz(), 71);
  EXPECT_FALSE(mask.at(1, 59));
  EXPECT_TRUE(mask.at(1, 60));
  EXPECT_TRUE(mask.at(1, 130));
  EXPECT_FALSE(mask.at(1, 131));
}

TEST(RandomBlockMask, MeetsDensityInEveryBlockRowAndIsDeterministic) {
  const auto mask = make_random_block_mask(64, 320, 16, 8, 0.3, 7);
  ASSERT_TRUE(mask) << mask.error().message;
  for (std::int64_t p = 0; p < 4; ++p) {
    std::int64_t blocks = 0;
    for (std::int64_t j = 0; j < 40; ++j)
      blocks += mask->at(p * 16, j * 8) ? 1 : 0;
    EXPECT_EQ(blocks, 12);
  }
  EXPECT_EQ(mask->nnz(), 4 * 12 * 16 * 8);
  EXPECT_EQ(*mask, *make_random_block_mask(64, 320, 16, 8, 0.3, 7));
  EXPECT_NE(*mask, *make_random_block_mask(64, 320, 16, 8, 0.3, 8));
}

TEST(RandomBlockMask, ReachesEveryColumn) {
  std::vector<std::int64_t> hits(16, 0);
  const auto mask = make_random_block_mask(4096, 16, 1, 1, 0.25, 1);
  ASSERT_TRUE(mask);
  for (std::int64_t i = 0; i < 4096; ++i) {
    for (std::size_t j = 0; j < 16; ++j)
      hits[j] += mask->at(i, static_cast<std::int64_t>(j));
  }
  // Binomial(4096, 1/4): mean 1024, deviation 28; six deviations never happen by chance.
  for (const std::int64_t count : hits)
    EXPECT_NEAR(static_cast<double>(count), 1024, 6 * 28);
}

TEST(RandomBlockMask, AcceptsExtremesAndRefusesTheRest) {
  EXPECT_EQ(make_random_block_mask(10, 10, 4, 4, 0, 1)->nnz(), 0);
  EXPECT_EQ(make_random_block_mask(10, 10, 4, 4, 1, 1)->nnz(), 100);
  EXPECT_EQ(make_random_block_mask(0, 10, 4, 4, 1, 1)->nnz(), 0);
  EXPECT_EQ(error_of(make_random_block_mask(4, 4, 1, 1, 1.5, 1)), "density 1.5 is outside [0, 1]");
  EXPECT_EQ(error_of(make_random_block_mask(4, 4, 1, 1, std::nan(""), 1)),
            "density nan is outside [0, 1]");
  EXPECT_EQ(error_of(make_random_block_mask(4, 4, 1, 0, 0.5, 1)),
            "block shape 1x0 is not at least 1x1");
}

// Blocks of each block row, the longest first.
std::vector<std::int64_t> sorted_lengths(const Mask& mask, std::int64_t r, std::int64_t c) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < mask.m(); i += r) {
    lengths.push_back(0);
    for (std::int64_t j = 0; j < mask.k(); j += c)
      lengths.back() += mask.at(i, j) ? 1 : 0;
  }
  std::ranges::sort(lengths, std::greater{});
  return lengths;
}

TEST(RandomZipfMask, HasRowsAsLongAsTheLawSaysAndIsDeterministic) {
  const ZipfMask wanted{64, 320, 16, 8, 0.25, 1, 7};  // 4 x 40 blocks of which 40 are there
  const auto mask = make_random_zipf_mask(wanted);
  ASSERT_TRUE(mask) << mask.error().message;
  // 1, 1/2, 1/3, 1/4 of 40 / (25 / 12).
  EXPECT_EQ(sorted_lengths(*mask, 16, 8), (std::vector<std::int64_t>{19, 10, 6, 5}));
  EXPECT_EQ(mask->nnz(), 40 * 16 * 8);
  EXPECT_EQ(*mask, *make_random_zipf_mask(wanted));
  ZipfMask other = wanted;
  other.seed = 8;
  EXPECT_NE(*mask, *make_random_zipf_mask(other));
}

TEST(RandomZipfMask, HasAsManyBlocksAsAUniformOne) {
  for (const double exponent : {0.0, 0.5, 1.0, 2.0, 10.0})
    for (const double density : {0.01, 0.3, 0.9, 1.0}) {
      const auto mask = make_random_zipf_mask({1000, 300, 1, 1, density, exponent, 1});
      ASSERT_TRUE(mask) << mask.error().message;
      EXPECT_EQ(mask->nnz(), make_random_block_mask(1000, 300, 1, 1, density, 1)->nnz())
          << exponent << ", " << density;
    }
}

TEST(RandomZipfMask, FillsTheLongestRowsWhereTheLawAsksForMore) {
  const auto mask = make_random_zipf_mask({4, 10, 1, 1, 0.6, 1, 1});  // 24 of 40
  ASSERT_TRUE(mask) << mask.error().message;
  // The first would have 11.5. The others share 14 as 1/2 : 1/3 : 1/4.
  EXPECT_EQ(sorted_lengths(*mask, 1, 1), (std::vector<std::int64_t>{10, 6, 5, 3}));
  const auto steep = make_random_zipf_mask({4, 10, 1, 1, 0.5, 10, 1});
  ASSERT_TRUE(steep) << steep.error().message;
  EXPECT_EQ(sorted_lengths(*steep, 1, 1), (std::vector<std::int64_t>{10, 10, 0, 0}));
}

TEST(RandomZipfMask, WithExponentZeroHasEqualRows) {
  const auto mask = make_random_zipf_mask({8, 16, 1, 1, 0.25, 0, 1});
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(sorted_lengths(*mask, 1, 1), std::vector<std::int64_t>(8, 4));
}

TEST(RandomZipfMask, PutsTheLongRowsAnywhere) {
  const auto mask = make_random_zipf_mask({256, 64, 1, 1, 0.1, 1, 1});
  ASSERT_TRUE(mask) << mask.error().message;
  std::int64_t in_first_half = 0;
  for (std::int64_t i = 0; i < 128; ++i)
    for (std::int64_t j = 0; j < 64; ++j)
      in_first_half += mask->at(i, j) ? 1 : 0;
  EXPECT_GT(in_first_half, mask->nnz() / 10);
  EXPECT_LT(in_first_half, mask->nnz() * 9 / 10);
}

TEST(RandomZipfMask, RefusesWhatIsNoMask) {
  EXPECT_EQ(make_random_zipf_mask({0, 10, 1, 1, 0.5, 1, 1})->nnz(), 0);
  EXPECT_EQ(error_of(make_random_zipf_mask({4, 4, 1, 1, 0.5, -1, 1})),
            "zipf exponent -1 is outside [0, 10]");
  EXPECT_EQ(error_of(make_random_zipf_mask({4, 4, 1, 1, 0.5, std::nan(""), 1})),
            "zipf exponent nan is outside [0, 10]");
  EXPECT_EQ(error_of(make_random_zipf_mask({4, 4, 1, 1, 2, 1, 1})), "density 2 is outside [0, 1]");
  EXPECT_EQ(error_of(make_random_zipf_mask({4, 4, 0, 1, 0.5, 1, 1})),
            "block shape 0x1 is not at least 1x1");
}

TEST(RandomNmMask, HasNWeightsInEveryGroupAndIsDeterministic) {
  const auto mask = make_random_nm_mask(50, 70, 2, 4, 3);  // the last group has two columns
  ASSERT_TRUE(mask) << mask.error().message;
  for (std::int64_t i = 0; i < 50; ++i)
    for (std::int64_t begin = 0; begin < 70; begin += 4) {
      int weights = 0;
      for (std::int64_t j = begin; j < std::min<std::int64_t>(70, begin + 4); ++j)
        weights += mask->at(i, j) ? 1 : 0;
      ASSERT_EQ(weights, 2) << i << ", " << begin;
    }
  EXPECT_EQ(*mask, *make_random_nm_mask(50, 70, 2, 4, 3));
  EXPECT_NE(*mask, *make_random_nm_mask(50, 70, 2, 4, 4));
}

TEST(RandomNmMask, RowsOfAVectorShareTheirChoice) {
  const auto mask = make_random_nm_mask(50, 70, 2, 8, 3, 4);  // the last vector has two rows
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(mask->nnz(), 50 * 9 * 2);
  int equal_neighbours = 0;
  for (std::int64_t i = 0; i < 50; ++i) {
    EXPECT_TRUE(std::ranges::equal(mask->row_words(i), mask->row_words(i / 4 * 4))) << i;
    if (i % 4 == 0 && i > 0)
      equal_neighbours += std::ranges::equal(mask->row_words(i), mask->row_words(i - 1)) ? 1 : 0;
  }
  EXPECT_EQ(equal_neighbours, 0);
  EXPECT_EQ(*make_random_nm_mask(50, 70, 2, 8, 3, 1), *make_random_nm_mask(50, 70, 2, 8, 3));
}

TEST(RandomNmMask, AcceptsExtremesAndRefusesTheRest) {
  EXPECT_EQ(error_of(make_random_nm_mask(4, 4, 1, 4, 1, 0)),
            "0 rows that share a choice are not at least 1");
  EXPECT_EQ(make_random_nm_mask(3, 8, 0, 4, 1)->nnz(), 0);
  EXPECT_EQ(make_random_nm_mask(3, 8, 4, 4, 1)->nnz(), 24);
  EXPECT_EQ(make_random_nm_mask(3, 1, 2, 4, 1)->nnz(), 3);
  EXPECT_EQ(error_of(make_random_nm_mask(4, 4, 5, 4, 1)),
            "5 of 4 columns is not N of M with 0 <= N <= M");
  EXPECT_EQ(error_of(make_random_nm_mask(4, 4, 0, 0, 1)),
            "0 of 0 columns is not N of M with 0 <= N <= M");
}

TEST(ForEachInRow, VisitsTheColumnsOfARowInOrder) {
  const Mask mask = make_random_block_mask(5, 200, 1, 1, 0.3, 3).value();
  for (std::int64_t i = 0; i < mask.m(); ++i) {
    std::vector<std::int64_t> wanted;
    for (std::int64_t j = 0; j < mask.k(); ++j)
      if (mask.at(i, j)) wanted.push_back(j);
    std::vector<std::int64_t> visited;
    for_each_in_row(mask, i, [&](std::int64_t j) { visited.push_back(j); });
    EXPECT_EQ(visited, wanted);
  }
}

}  // namespace
}  // namespace lacuna
