// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/trainer/blas.h"
#include "runtime/trainer/elementwise.h"
#include "runtime/trainer/layer.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

// Weights row-major [units, inputs]: the canonical order.
class DenseLayer final : public Layer {
 public:
  DenseLayer(LayerShape shape, std::shared_ptr<const Blas> blas)
      : Layer(std::move(shape), 0), blas_(std::move(blas)) {
    weights_ = Parameters(shape_.mask.m * shape_.mask.k);
  }

  Result<> forward(const float* x, float* y, std::int64_t n) override {
    const auto& [m, k] = std::pair(shape_.mask.m, shape_.mask.k);
    blas_->multiply(m, n, k, {weights_.value.data(), k}, {x, shape_.ld}, {y, shape_.ld});
    add_bias({y, m, n, shape_.ld}, bias_.value.data(), shape_.relu, shape_.threads);
    return {};
  }

  Result<> backward(const BackwardArgs& args) override {
    const auto& [m, k] = std::pair(shape_.mask.m, shape_.mask.k);
    relu_bias_backward({args.dy, m, args.n, shape_.ld}, shape_.relu ? args.y : nullptr,
                       bias_.gradient.data(), shape_.threads);
    blas_->multiply(m, k, args.n, {args.dy, shape_.ld}, {args.x, shape_.ld, Transpose::kYes},
                    {weights_.gradient.data(), k});
    if (args.dx != nullptr)
      blas_->multiply(k, args.n, m, {weights_.value.data(), k, Transpose::kYes},
                      {args.dy, shape_.ld}, {args.dx, shape_.ld});
    return {};
  }

  [[nodiscard]] LayerInfo info() const override {
    LayerInfo info;
    info.kind = "dense openblas";
    info.units = shape_.mask.m;
    info.inputs = shape_.mask.k;
    info.nnz = info.units * info.inputs;
    info.stored = info.nnz;
    info.format = "dense";
    info.kernels.assign(shape_.first ? 2 : 3, "cblas_sgemm");
    return info;
  }

  [[nodiscard]] Result<std::vector<float>> to_canonical(
      std::span<const float> stored) const override {
    return std::vector<float>(stored.begin(), stored.end());
  }
  [[nodiscard]] Result<> from_canonical(std::span<const float> canonical,
                                        std::span<float> stored) const override {
    std::copy(canonical.begin(), canonical.end(), stored.begin());
    return {};
  }

 private:
  std::shared_ptr<const Blas> blas_;
};

}  // namespace

Result<std::unique_ptr<Layer>> make_dense_layer(LayerShape shape,
                                                std::shared_ptr<const Blas> blas) {
  return std::make_unique<DenseLayer>(std::move(shape), std::move(blas));
}

}  // namespace lacuna::trainer
