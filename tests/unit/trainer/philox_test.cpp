// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/philox.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace lacuna::trainer {
namespace {

// The known answers that the authors publish with their Random123 library (kat_vectors, philox4x32 10).
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, UsesEveryPartOfItsIdentity) {
  const RandomStream base{1, RandomUse::kWeights, 0};
  std::set<PhiloxCounter> blocks = {base.block(0), base.block(1),
                                    base.block(std::uint64_t{1} << 32)};
  blocks.insert(RandomStream{2, RandomUse::kWeights, 0}.block(0));
  blocks.insert(RandomStream{1 + (std::uint64_t{1} << 32), RandomUse::kWeights, 0}.block(0));
  blocks.insert(RandomStream{1, RandomUse::kMask, 0}.block(0));
  blocks.insert(RandomStream{1, RandomUse::kWeights, 1}.block(0));
  EXPECT_EQ(blocks.size(), 7U);
}

TEST(RandomStream, BelowStaysBelowAndMeetsEveryValueEvenly) {
  const RandomStream stream{7, RandomUse::kShuffle, 3};
  constexpr std::uint32_t kBound = 10;
  constexpr int kDraws = 100000;
  std::vector<int> counts(kBound);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const std::uint32_t value = stream.below(i, kBound);
    ASSERT_LT(value, kBound);
    ++counts[value];
  }
  // Standard deviation of a count is about 95: five of them.
  for (const int count : counts)
    EXPECT_NEAR(count, kDraws / 10, 475);
  EXPECT_EQ(stream.below(0, 1), 0U);
}

TEST(RandomStream, NormalHasTheMomentsOfANormal) {
  const RandomStream stream{7, RandomUse::kWeights, 0};
  constexpr int kDraws = 200000;
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double x = stream.normal(i);
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3, 5 * std::sqrt(96.0 / kDraws));
}

TEST(RandomPermutation, HoldsEveryIndexOnce) {
  for (const std::uint32_t count : {0U, 1U, 2U, 1000U}) {
    std::vector<std::uint32_t> order = random_permutation({1, RandomUse::kShuffle, 0}, count);
    ASSERT_EQ(order.size(), count);
    std::sort(order.begin(), order.end());
    for (std::uint32_t i = 0; i < count; ++i)
      EXPECT_EQ(order[i], i);
  }
}

TEST(RandomPermutation, DependsOnSeedPartAndFirstIndex) {
  const auto order = random_permutation({1, RandomUse::kShuffle, 0}, 100);
  EXPECT_EQ(order, random_permutation({1, RandomUse::kShuffle, 0}, 100));
  EXPECT_NE(order, random_permutation({2, RandomUse::kShuffle, 0}, 100));
  EXPECT_NE(order, random_permutation({1, RandomUse::kShuffle, 1}, 100));
  EXPECT_NE(order, random_permutation({1, RandomUse::kShuffle, 0}, 100, 100));
}

}  // namespace
}  // namespace lacuna::trainer
