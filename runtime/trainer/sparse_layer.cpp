// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/trainer/block_mask.h"
#include "runtime/trainer/elementwise.h"
#include "runtime/trainer/lacuna_handles.h"
#include "runtime/trainer/layer.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

class SparseLayer final : public Layer {
 public:
  SparseLayer(LayerShape shape, PlanHandle plan)
      : Layer(std::move(shape), lacuna_plan_values_count(plan.get())), plan_(std::move(plan)) {}

  Result<> forward(const float* x, float* y, std::int64_t n) override {
    return execute(LayerProblem::kForward, weights_.value.data(), x, y, n);
  }

  Result<> backward(const BackwardArgs& args) override {
    relu_bias_backward({args.dy, shape_.mask.m, args.n, shape_.ld}, shape_.relu ? args.y : nullptr,
                       bias_.gradient.data(), shape_.threads);
    // sddmm reads its operand c.
    LACUNA_TRY_VOID(execute(LayerProblem::kWeightGradient, weights_.gradient.data(), args.dy,
                            const_cast<float*>(args.x), args.n));
    if (args.dx == nullptr) return {};
    return execute(LayerProblem::kInputGradient, weights_.value.data(), args.dy, args.dx, args.n);
  }

  [[nodiscard]] LayerInfo info() const override {
    LayerInfo info;
    info.units = shape_.mask.m;
    info.inputs = shape_.mask.k;
    info.nnz = shape_.mask.nnz();
    info.kind = info.nnz == info.units * info.inputs
                    ? "dense lacuna"
                    : fmt::format("sparse {}x{}", shape_.mask.r, shape_.mask.c);
    info.stored = lacuna_plan_values_count(plan_.get());
    info.format = lacuna_plan_format(plan_.get());
    info.provenance = lacuna_plan_provenance(plan_.get());
    for (std::size_t p = 0; p < layer_problems(shape_).size(); ++p)
      info.kernels.emplace_back(lacuna_plan_kernel(plan_.get(), p));
    return info;
  }

  [[nodiscard]] Result<std::vector<float>> to_canonical(
      std::span<const float> stored) const override {
    const std::int64_t k = shape_.mask.k;
    std::vector<float> dense(static_cast<std::size_t>(shape_.mask.m * k));
    LACUNA_TRY_VOID(to_result(lacuna_plan_unpack(plan_.get(), stored.data(), dense.data(), k)));
    std::vector<float> canonical;
    canonical.reserve(stored.size());
    for (std::int64_t row = 0; row < shape_.mask.m; ++row)
      for_each_run(shape_.mask, row, [&](std::int64_t first, std::int64_t end) {
        canonical.insert(canonical.end(), dense.begin() + row * k + first,
                         dense.begin() + row * k + end);
      });
    return canonical;
  }

  [[nodiscard]] Result<> from_canonical(std::span<const float> canonical,
                                        std::span<float> stored) const override {
    const std::int64_t k = shape_.mask.k;
    std::vector<float> dense(static_cast<std::size_t>(shape_.mask.m * k));
    const float* next = canonical.data();
    for (std::int64_t row = 0; row < shape_.mask.m; ++row)
      for_each_run(shape_.mask, row, [&](std::int64_t first, std::int64_t end) {
        std::copy_n(next, end - first, dense.begin() + row * k + first);
        next += end - first;
      });
    return to_result(lacuna_plan_pack(plan_.get(), dense.data(), k, stored.data()));
  }

 private:
  [[nodiscard]] Result<> execute(LayerProblem problem, float* values, const float* b, float* c,
                                 std::int64_t n) const {
    lacuna_operands operands = LACUNA_OPERANDS_INIT;
    operands.values = values;
    operands.b = b;
    operands.c = c;
    operands.ldb = operands.ldc = shape_.ld;
    operands.bias = problem == LayerProblem::kForward ? bias_.value.data() : nullptr;
    operands.n = n;
    return to_result(
        lacuna_plan_execute(plan_.get(), static_cast<std::size_t>(problem), &operands));
  }

  PlanHandle plan_;
};

}  // namespace

std::vector<lacuna_problem> layer_problems(const LayerShape& shape) {
  lacuna_problem forward = LACUNA_PROBLEM_INIT;
  forward.n = shape.batch;
  lacuna_problem weight_gradient = forward;
  lacuna_problem input_gradient = forward;
  forward.epilogue = shape.relu ? LACUNA_EPILOGUE_BIAS_RELU : LACUNA_EPILOGUE_BIAS;
  weight_gradient.op = LACUNA_OP_SDDMM;
  input_gradient.op = LACUNA_OP_SPMM_TRANSPOSED;
  std::vector<lacuna_problem> problems = {forward, weight_gradient};
  if (!shape.first) problems.push_back(input_gradient);
  return problems;
}

Result<std::unique_ptr<Layer>> make_sparse_layer(LayerShape shape, lacuna_context* context) {
  const BlockMask& blocks = shape.mask;
  lacuna_mask* raw_mask = nullptr;
  LACUNA_TRY_VOID(to_result(lacuna_mask_from_blocks(blocks.m, blocks.k, blocks.r, blocks.c,
                                                    blocks.flags.data(), &raw_mask)));
  const MaskHandle mask(raw_mask);
  lacuna_plan_options options{};
  options.struct_size = sizeof options;
  options.exact = 1;  // gradients and optimizer state exist for the mask's weights only
  const std::vector<lacuna_problem> problems = layer_problems(shape);
  lacuna_plan* raw_plan = nullptr;
  LACUNA_TRY_VOID(to_result(lacuna_plan_create(context, mask.get(), problems.data(),
                                               problems.size(), &options, &raw_plan)));
  return std::make_unique<SparseLayer>(std::move(shape), PlanHandle(raw_plan));
}

}  // namespace lacuna::trainer
