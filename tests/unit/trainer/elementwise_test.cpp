// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/elementwise.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/trainer/philox.h"

namespace lacuna::trainer {
namespace {

constexpr float kCanary = 12345;

// rows x n of normal numbers, canaries in the columns up to ld.
std::vector<float> make_matrix(std::int64_t rows, std::int64_t n, std::int64_t ld,
                               std::uint32_t part) {
  const RandomStream stream{11, RandomUse::kWeights, part};
  std::vector<float> x(static_cast<std::size_t>(rows * ld), kCanary);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      x[static_cast<std::size_t>(i * ld + j)] =
          static_cast<float>(stream.normal(static_cast<std::uint64_t>(i * n + j)));
  return x;
}

class RowLoops : public testing::TestWithParam<std::int64_t> {};

TEST_P(RowLoops, AddBiasMatchesItsDefinition) {
  const std::int64_t n = GetParam();
  const std::int64_t ld = n + 5;
  const std::vector<float> bias = {-1, 0, 0.5};
  for (const bool relu : {false, true}) {
    const auto before = make_matrix(3, n, ld, 0);
    auto y = before;
    add_bias({y.data(), 3, n, ld}, bias.data(), relu, 2);
    for (std::int64_t i = 0; i < 3; ++i)
      for (std::int64_t j = 0; j < ld; ++j) {
        const auto at = static_cast<std::size_t>(i * ld + j);
        const float sum = before[at] + bias[static_cast<std::size_t>(i)];
        EXPECT_EQ(y[at], j >= n ? kCanary : relu ? std::max(sum, 0.0F) : sum);
      }
  }
}

TEST_P(RowLoops, ReluBackwardMasksAndSums) {
  const std::int64_t n = GetParam();
  const std::int64_t ld = n + 5;
  auto y = make_matrix(4, n, ld, 1);
  for (float& value : y)
    value = std::max(value, 0.0F);
  const auto before = make_matrix(4, n, ld, 2);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    auto dy = before;
    std::vector<float> sums(4, kCanary);
    relu_bias_backward({dy.data(), 4, n, ld}, y.data(), sums.data(), threads);
    for (std::int64_t i = 0; i < 4; ++i) {
      double sum = 0;
      for (std::int64_t j = 0; j < ld; ++j) {
        const auto at = static_cast<std::size_t>(i * ld + j);
        EXPECT_EQ(dy[at], j >= n ? kCanary : y[at] > 0 ? before[at] : 0.0F);
        if (j < n) sum += dy[at];
      }
      EXPECT_NEAR(sums[static_cast<std::size_t>(i)], sum, 1e-6 * static_cast<double>(n + 1) * 4);
    }
    if (first.empty()) first = sums;
    EXPECT_EQ(sums, first) << threads;
  }
}

TEST_P(RowLoops, WithoutReluOnlySums) {
  const std::int64_t n = GetParam();
  std::vector<float> dy(static_cast<std::size_t>(2 * n), 1);
  std::vector<float> sums(2);
  relu_bias_backward({dy.data(), 2, n, n}, nullptr, sums.data(), 1);
  EXPECT_EQ(sums, std::vector<float>(2, static_cast<float>(n)));
}

INSTANTIATE_TEST_SUITE_P(Sizes, RowLoops, testing::Values(0, 1, 15, 16, 17, 256));

TEST(SoftmaxLoss, OfEqualLogitsIsTheLogarithmOfTheClasses) {
  std::vector<float> logits(10 * 4, 3);
  const std::vector<std::uint8_t> labels = {0, 1, 9, 0};
  const LossResult result = softmax_loss({logits.data(), 10, 4, 4}, labels);
  EXPECT_NEAR(result.loss_sum, 4 * std::log(10.0), 1e-12);
  EXPECT_EQ(result.correct, 2);  // the first of equal logits counts
}

TEST(SoftmaxLoss, SurvivesLargeLogits) {
  std::vector<float> logits = {1e30F, -1e30F, -1e30F, 1e30F};
  const std::vector<std::uint8_t> labels = {0, 1};
  const LossResult result = softmax_loss({logits.data(), 2, 2, 2}, labels);
  EXPECT_EQ(result.loss_sum, 0);
  EXPECT_EQ(result.correct, 2);
}

// Central differences of the mean loss in double.
TEST(SoftmaxLossGradient, MatchesDifferences) {
  constexpr std::int64_t kClasses = 5;
  constexpr std::int64_t kImages = 3;
  constexpr std::int64_t kLd = 7;
  const auto logits = make_matrix(kClasses, kImages, kLd, 3);
  const std::vector<std::uint8_t> labels = {4, 0, 2};
  const auto loss = [&](std::int64_t i, std::int64_t j, double delta) {
    double total = 0;
    for (std::int64_t column = 0; column < kImages; ++column) {
      double sum = 0;
      double at_label = 0;
      for (std::int64_t row = 0; row < kClasses; ++row) {
        const double z = logits[static_cast<std::size_t>(row * kLd + column)] +
                         (row == i && column == j ? delta : 0);
        sum += std::exp(z);
        if (row == labels[static_cast<std::size_t>(column)]) at_label = z;
      }
      total += std::log(sum) - at_label;
    }
    return total / kImages;
  };
  auto gradient = logits;
  const LossResult result =
      softmax_loss_gradient({gradient.data(), kClasses, kImages, kLd}, labels);
  EXPECT_NEAR(result.loss_sum / kImages, loss(0, 0, 0), 1e-6);
  constexpr double kDelta = 1e-4;
  for (std::int64_t i = 0; i < kClasses; ++i)
    for (std::int64_t j = 0; j < kLd; ++j) {
      const float got = gradient[static_cast<std::size_t>(i * kLd + j)];
      if (j >= kImages) {
        EXPECT_EQ(got, kCanary);
      } else {
        EXPECT_NEAR(got, (loss(i, j, kDelta) - loss(i, j, -kDelta)) / (2 * kDelta), 1e-6);
      }
    }
}

TEST(SgdUpdate, FollowsItsFormulaForAnyThreads) {
  constexpr std::size_t kCount = 10007;
  const auto value = make_matrix(1, kCount, kCount, 4);
  const auto velocity = make_matrix(1, kCount, kCount, 5);
  const auto gradient = make_matrix(1, kCount, kCount, 6);
  const SgdStep step{0.1F, 0.9F, 0.01F};
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    auto w = value;
    auto v = velocity;
    sgd_update(w, v, gradient, step, threads);
    for (std::size_t i = 0; i < kCount; ++i) {
      const double next = 0.9 * velocity[i] + gradient[i] + 0.01 * value[i];
      ASSERT_NEAR(v[i], next, 1e-5);
      ASSERT_NEAR(w[i], value[i] - 0.1 * next, 1e-5);
    }
    if (first.empty()) first = w;
    EXPECT_EQ(w, first) << threads;
  }
}

}  // namespace
}  // namespace lacuna::trainer
