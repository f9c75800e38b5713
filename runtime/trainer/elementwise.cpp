// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/elementwise.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace lacuna::trainer {
namespace {

// Sums are kept in this many lanes and folded in a fixed order, which lets the compiler use vectors without leave to
// reorder floating-point sums.
constexpr std::int64_t kLanes = 16;

float fold(const float* lanes) {
  float sum = 0;
  for (std::int64_t l = 0; l < kLanes; ++l)
    sum += lanes[l];
  return sum;
}

float masked_row_sum(float* __restrict dy, const float* __restrict y, std::int64_t n) {
  alignas(64) float lanes[kLanes] = {};
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l) {
      const float g = y[j + l] > 0 ? dy[j + l] : 0.0F;
      dy[j + l] = g;
      lanes[l] += g;
    }
  for (std::int64_t l = 0; j + l < n; ++l) {
    const float g = y[j + l] > 0 ? dy[j + l] : 0.0F;
    dy[j + l] = g;
    lanes[l] += g;
  }
  return fold(lanes);
}

float row_sum(const float* dy, std::int64_t n) {
  alignas(64) float lanes[kLanes] = {};
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l)
      lanes[l] += dy[j + l];
  for (std::int64_t l = 0; j + l < n; ++l)
    lanes[l] += dy[j + l];
  return fold(lanes);
}

// The largest logit of column j and, in `best`, its row.
float column_max(const MatrixView& logits, std::int64_t j, std::int64_t& best) {
  float largest = logits.data[j];
  best = 0;
  for (std::int64_t i = 1; i < logits.rows; ++i)
    if (logits.data[i * logits.ld + j] > largest) {
      largest = logits.data[i * logits.ld + j];
      best = i;
    }
  return largest;
}

}  // namespace

void add_bias(MatrixView y, const float* bias, bool relu, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < y.rows; ++i) {
    float* row = y.data + i * y.ld;
    const float b = bias[i];
    if (relu) {
      for (std::int64_t j = 0; j < y.n; ++j)
        row[j] = row[j] + b > 0 ? row[j] + b : 0.0F;
    } else {
      for (std::int64_t j = 0; j < y.n; ++j)
        row[j] += b;
    }
  }
}

void relu_bias_backward(MatrixView dy, const float* y, float* bias_gradient, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < dy.rows; ++i) {
    float* row = dy.data + i * dy.ld;
    bias_gradient[i] = y == nullptr ? row_sum(row, dy.n) : masked_row_sum(row, y + i * dy.ld, dy.n);
  }
}

LossResult softmax_loss(MatrixView logits, std::span<const std::uint8_t> labels) {
  LossResult result;
  for (std::int64_t j = 0; j < logits.n; ++j) {
    const std::uint8_t label = labels[static_cast<std::size_t>(j)];
    std::int64_t best = 0;
    const float largest = column_max(logits, j, best);
    double denominator = 0;
    for (std::int64_t i = 0; i < logits.rows; ++i)
      denominator += std::exp(logits.data[i * logits.ld + j] - largest);
    result.loss_sum +=
        std::log(denominator) - static_cast<double>(logits.data[label * logits.ld + j] - largest);
    result.correct += best == label ? 1 : 0;
  }
  return result;
}

LossResult softmax_loss_gradient(MatrixView logits, std::span<const std::uint8_t> labels) {
  const LossResult result = softmax_loss(logits, labels);
  const double scale = 1.0 / static_cast<double>(std::max<std::int64_t>(1, logits.n));
  for (std::int64_t j = 0; j < logits.n; ++j) {
    std::int64_t best = 0;
    const float largest = column_max(logits, j, best);
    double denominator = 0;
    for (std::int64_t i = 0; i < logits.rows; ++i) {
      float& logit = logits.data[i * logits.ld + j];
      logit = std::exp(logit - largest);
      denominator += logit;
    }
    for (std::int64_t i = 0; i < logits.rows; ++i) {
      float& p = logits.data[i * logits.ld + j];
      const double target = i == labels[static_cast<std::size_t>(j)] ? 1.0 : 0.0;
      p = static_cast<float>((p / denominator - target) * scale);
    }
  }
  return result;
}

void sgd_update(std::span<float> value, std::span<float> velocity, std::span<const float> gradient,
                SgdStep step, int threads) {
  const auto count = static_cast<std::int64_t>(value.size());
  float* const w = value.data();
  float* const v = velocity.data();
  const float* const g = gradient.data();
#pragma omp parallel for simd schedule(static) num_threads(threads) if (count > 4096)
  for (std::int64_t i = 0; i < count; ++i) {
    const float next = step.momentum * v[i] + (g[i] + step.weight_decay * w[i]);
    v[i] = next;
    w[i] -= step.lr * next;
  }
}

}  // namespace lacuna::trainer
