// SPDX-License-Identifier: Apache-2.0
//
// Layer: one linear layer with its bias and, if hidden, its ReLU.
//
//   forward   Y[units, n] = relu(W[units, inputs] * X[inputs, n] + b)
//   backward  dZ = dY where Y > 0;  db = row sums of dZ;  dW = dZ * X^T;  dX = W^T * dZ
//
// Activations are feature-major: row-major [features, n] with one leading dimension for the whole network. Weights,
// gradients and velocities are buffers of the same size, in the order the layer stores them; a sparse layer has
// entries only for the weights of its mask. Not thread-safe: one training loop owns a layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/trainer/blas.h"
#include "runtime/trainer/block_mask.h"
#include "runtime/trainer/buffer.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

struct Parameters {
  FloatBuffer value, velocity, gradient;

  explicit Parameters(std::int64_t count = 0)
      : value(static_cast<std::size_t>(count)), velocity(value.size()), gradient(value.size()) {}
};

// What a layer is built from.
struct LayerShape {
  BlockMask mask;  // [units, inputs]; a full mask for a dense layer
  bool relu = false;
  bool first = false;      // the input needs no gradient
  std::int64_t batch = 0;  // largest n
  std::int64_t ld = 0;     // leading dimension of all activations
  int threads = 1;
};

// For reports; nothing here influences training.
struct LayerInfo {
  std::string kind;  // "dense openblas", "dense lacuna", "sparse 32x32"
  std::int64_t units = 0, inputs = 0;
  std::int64_t nnz = 0;     // weights of the mask
  std::int64_t stored = 0;  // floats of the weights buffer
  std::string format;       // "bsr32x1"; "dense"
  std::string provenance;   // "default", "predicted", "measured"; empty for OpenBLAS
  std::vector<std::string>
      kernels;  // forward, weight gradient, input gradient (not of the first layer)
};

struct BackwardArgs {
  const float* x = nullptr;  // the layer's input and output of the forward pass
  const float* y = nullptr;
  float* dy = nullptr;  // gradient of the loss by Y; overwritten by dZ
  float* dx = nullptr;  // nullptr for the first layer
  std::int64_t n = 0;
};

class Layer {
 public:
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  [[nodiscard]] virtual Result<> forward(const float* x, float* y, std::int64_t n) = 0;
  [[nodiscard]] virtual Result<> backward(const BackwardArgs& args) = 0;
  [[nodiscard]] virtual LayerInfo info() const = 0;
  // Between the layer's own order and the canonical one (block_mask.h: rows, then columns, of existing weights).
  [[nodiscard]] virtual Result<std::vector<float>> to_canonical(
      std::span<const float> stored) const = 0;
  [[nodiscard]] virtual Result<> from_canonical(std::span<const float> canonical,
                                                std::span<float> stored) const = 0;

  [[nodiscard]] const LayerShape& shape() const { return shape_; }
  [[nodiscard]] Parameters& weights() { return weights_; }
  [[nodiscard]] Parameters& bias() { return bias_; }

 protected:
  Layer(LayerShape shape, std::int64_t stored_weights)
      : shape_(std::move(shape)), weights_(stored_weights), bias_(shape_.mask.m) {}

  LayerShape shape_;
  Parameters weights_;
  Parameters bias_;
};

// All products by OpenBLAS.
[[nodiscard]] Result<std::unique_ptr<Layer>> make_dense_layer(LayerShape shape,
                                                              std::shared_ptr<const Blas> blas);
// All products by Lacuna's generated kernels, whatever the mask. `context` outlives the layer.
[[nodiscard]] Result<std::unique_ptr<Layer>> make_sparse_layer(LayerShape shape,
                                                               lacuna_context* context);

// The problems of a sparse layer's plan, in this order: forward, weight gradient, and, unless it is the first layer,
// input gradient. Tuning the same problems on the same mask ahead makes the layer use what was measured.
enum class LayerProblem : std::uint8_t { kForward, kWeightGradient, kInputGradient };
[[nodiscard]] std::vector<lacuna_problem> layer_problems(const LayerShape& shape);

}  // namespace lacuna::trainer
