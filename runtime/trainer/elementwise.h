// SPDX-License-Identifier: Apache-2.0
//
// The loops around the matrix products: activations, loss, optimizer. Matrices are row-major [rows, n] with leading
// dimension ld >= n; columns from n on are neither read nor written.
// Every row is worked on by one thread in a fixed order: results do not depend on `threads`.
#pragma once

#include <cstdint>
#include <span>

namespace lacuna::trainer {

struct MatrixView {
  float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t n = 0;
  std::int64_t ld = 0;
};

// y(i, j) += bias[i], then max(., 0) if `relu`.
void add_bias(MatrixView y, const float* bias, bool relu, int threads);

// The backward pass of ReLU and bias in one sweep: dy(i, j) = 0 where y(i, j) <= 0, and bias_gradient[i] = the sum of
// row i of the result. y == nullptr: no ReLU. y has the leading dimension of dy.
void relu_bias_backward(MatrixView dy, const float* y, float* bias_gradient, int threads);

struct LossResult {
  double loss_sum = 0;       // sum of -log p(label) over the n images
  std::int64_t correct = 0;  // images whose largest logit is at the label (the first of equal ones)
};

// Softmax cross-entropy of logits [classes, n], labels[j] < classes.
[[nodiscard]] LossResult softmax_loss(MatrixView logits, std::span<const std::uint8_t> labels);
// The same, and replaces the logits by the gradient of the mean loss.
[[nodiscard]] LossResult softmax_loss_gradient(MatrixView logits,
                                               std::span<const std::uint8_t> labels);

struct SgdStep {
  float lr = 0;
  float momentum = 0;
  float weight_decay = 0;
};

// velocity = momentum * velocity + gradient + weight_decay * value;  value -= lr * velocity.
void sgd_update(std::span<float> value, std::span<float> velocity, std::span<const float> gradient,
                SgdStep step, int threads);

}  // namespace lacuna::trainer
