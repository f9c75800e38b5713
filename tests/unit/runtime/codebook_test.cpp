// SPDX-License-Identifier: Apache-2.0
#include "runtime/codebook.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/problem.h"

namespace lacuna {
namespace {

// Normal numbers, every fourth one pruned.
std::vector<float> pruned_weights(std::size_t count) {
  std::mt19937 random(3);
  std::vector<float> weights(count);
  for (std::size_t i = 0; i < count; ++i) {
    double sum = -6;
    for (int j = 0; j < 12; ++j)
      sum += random() * 0x1p-32;
    weights[i] = i % 4 == 0 ? 0.0F : static_cast<float>(sum);
  }
  return weights;
}

double squared_error(const std::vector<float>& weights, const Codebook& codebook) {
  double error = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double off = weights[i] - codebook.entries[codebook.indices[i]];
    error += off * off;
  }
  return error;
}

TEST(Codebook, IsExactWhereItHasAnEntryForEachWeight) {
  std::vector<float> weights;
  for (int i = 0; i < 300; ++i)
    weights.push_back(static_cast<float>(i % 16) * 0.3F - 1.5F);  // 15 but zero
  weights.push_back(-0.0F);
  const auto codebook = make_codebook(weights, 4);
  ASSERT_TRUE(codebook) << codebook.error().message;
  ASSERT_EQ(codebook->entries.size(), 16U);
  EXPECT_EQ(codebook->entries[0], 0.0F);
  EXPECT_TRUE(std::ranges::is_sorted(codebook->entries.begin() + 1, codebook->entries.end()));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_EQ(codebook->entries[codebook->indices[i]], weights[i]);
    EXPECT_EQ(codebook->indices[i] == 0, weights[i] == 0);
  }
}

// Sums of the large ones swallow digits of the small one.
TEST(Codebook, IsExactBesideWeightsFarApart) {
  std::vector<float> weights(1000, -1e8F);
  weights.resize(2000, 0.1F);
  const auto codebook = make_codebook(weights, 8);
  ASSERT_TRUE(codebook) << codebook.error().message;
  for (std::size_t i = 0; i < weights.size(); ++i)
    EXPECT_EQ(codebook->entries[codebook->indices[i]], weights[i]);
}

// A fixed point of Lloyd's: each weight at its nearest entry, each entry the mean of its weights.
TEST(Codebook, EntriesAreTheMeansOfTheWeightsNearestToThem) {
  const std::vector<float> weights = pruned_weights(1500);
  const auto codebook = make_codebook(weights, 4);
  ASSERT_TRUE(codebook) << codebook.error().message;
  std::vector<double> sums(16);
  std::vector<int> counts(16);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::uint8_t index = codebook->indices[i];
    ASSERT_EQ(index == 0, weights[i] == 0);
    if (index == 0) continue;
    sums[index] += weights[i];
    ++counts[index];
    for (std::size_t e = 1; e < 16; ++e)
      ASSERT_LE(std::abs(weights[i] - codebook->entries[index]),
                std::abs(weights[i] - codebook->entries[e]))
          << weights[i];
  }
  for (std::size_t e = 1; e < 16; ++e) {
    ASSERT_GT(counts[e], 0);
    EXPECT_NEAR(codebook->entries[e], sums[e] / counts[e], 1e-6);
  }
}

TEST(Codebook, MoreBitsAreNearer) {
  const std::vector<float> weights = pruned_weights(5000);
  double last = std::numeric_limits<double>::infinity();
  for (int bits = kLeastCodebookBits; bits <= kMostCodebookBits; ++bits) {
    const auto codebook = make_codebook(weights, bits);
    ASSERT_TRUE(codebook) << codebook.error().message;
    ASSERT_EQ(codebook->entries.size(), std::size_t{1} << bits);
    const double error = squared_error(weights, *codebook);
    EXPECT_LT(error, 0.5 * last) << bits;
    last = error;
  }
  // Of 5000 normal weights 4 bits keep all but 2 % of the variance.
  EXPECT_LT(squared_error(weights, make_codebook(weights, 4).value()), 0.02 * 0.75 * 5000);
}

TEST(Codebook, IsTheSameForTheSameWeights) {
  const std::vector<float> weights = pruned_weights(3000);
  std::vector<float> backwards(weights.rbegin(), weights.rend());
  const Codebook one = make_codebook(weights, 5).value();
  const Codebook other = make_codebook(backwards, 5).value();
  EXPECT_EQ(one.entries, other.entries);
  std::vector<std::uint8_t> indices(other.indices.rbegin(), other.indices.rend());
  EXPECT_EQ(one.indices, indices);
}

TEST(Codebook, OfNothingIsZeros) {
  const auto none = make_codebook({}, 6);
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(none->entries, std::vector<float>(64));
  const auto zeros = make_codebook(std::vector<float>(9), 4);
  ASSERT_TRUE(zeros) << zeros.error().message;
  EXPECT_EQ(zeros->indices, std::vector<std::uint8_t>(9));
}

TEST(Codebook, NamesWhatItCannotTake) {
  std::vector<float> weights = {1, 2, std::nanf("")};
  EXPECT_EQ(make_codebook(weights, 4).error().message, "weight 2 is nan, not a finite number");
  weights[1] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(make_codebook(weights, 4).error().message, "weight 1 is -inf, not a finite number");
  EXPECT_EQ(make_codebook({}, 3).error().message, "bits 3 is not in [4, 8]");
  EXPECT_EQ(make_codebook({}, 9).error().message, "bits 9 is not in [4, 8]");
}

TEST(CheckIndices, NamesTheFirstThatIsNone) {
  Problem problem;
  const std::vector<std::uint8_t> values = {0, 15, 16, 200};
  EXPECT_TRUE(check_indices(problem, values.data(), 1));
  problem.types = ElementTypes::kC4F32;
  EXPECT_TRUE(check_indices(problem, values.data(), 2));
  const auto checked = check_indices(problem, values.data(), 4);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(checked.error().message, "value 2 is index 16, the codebook of c4f32 has 16 entries");
  problem.types = ElementTypes::kC8F32;
  EXPECT_TRUE(check_indices(problem, values.data(), 4));
}

}  // namespace
}  // namespace lacuna
