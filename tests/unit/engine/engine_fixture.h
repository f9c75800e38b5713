// SPDX-License-Identifier: Apache-2.0
//
// EngineFixture: an engine on a cache folder of its own. Product: a problem with random operands and its reference.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "templates/epilogue.h"
#include "templates/epilogue_reference.h"
#include "tests/kernels/reference.h"
#include "tests/unit/codegen/temp_cache.h"

namespace lacuna::test {

class EngineFixture : public testing::Test {
 protected:
  // A new engine on the same cache folder each time.
  [[nodiscard]] std::unique_ptr<Engine> make_engine(EngineOptions options = {}) const {
    if (!options.cache_folder) options.cache_folder = cache_.path();
    auto engine = Engine::create(options);
    EXPECT_TRUE(engine) << engine.error().message;
    return engine ? std::move(*engine) : nullptr;
  }
  TempCache cache_;
};

inline Mask make_mask(std::int64_t m, std::int64_t k, double density) {
  auto mask = make_random_block_mask(m, k, 8, 4, density, 5);
  EXPECT_TRUE(mask) << mask.error().message;
  return std::move(*mask);
}

inline Problem make_problem(const Mask& mask, Op op = Op::kSpmm) {
  Problem problem;
  problem.op = op;
  problem.m = mask.m();
  problem.k = mask.k();
  return problem;
}

inline PlanRequest make_request(const Mask& mask, std::vector<Problem> problems) {
  PlanRequest request;
  request.mask = &mask;
  request.problems = std::move(problems);
  return request;
}

// Random operands of one problem, without padding; outputs start as NaN.
struct Product {
  Problem problem;
  std::int64_t n = 0;
  std::vector<float> a;                   // dense, zero outside the mask
  std::vector<float> values, b, c, bias;  // the bias is the scale as well
  std::vector<float> preactivation, gate, residual, scale_columns;

  Product(const ExecutablePlan& plan, std::size_t index, const Mask& mask, std::int64_t columns)
      : problem(plan.problems()[index]), n(columns) {
    std::mt19937 random(7);
    const auto draw = [&](std::int64_t count) {
      std::vector<float> v(static_cast<std::size_t>(count));
      for (float& x : v)
        x = static_cast<float>(random() >> 8) * 0x1p-23F - 1.0F;
      return v;
    };
    a = draw(mask.m() * mask.k());
    for (std::int64_t i = 0; i < mask.m(); ++i)
      for (std::int64_t j = 0; j < mask.k(); ++j)
        if (!mask.at(i, j)) a[static_cast<std::size_t>(i * mask.k() + j)] = 0;
    const bool writes_values = problem.op == Op::kSddmm;
    values.assign(static_cast<std::size_t>(plan.values_count()), std::nanf(""));
    if (!writes_values)
      pack_values(plan.structure(), a.data(), mask.k(), DType::kF32, values.data());
    b = draw(b_rows() * n);
    c = draw(c_rows() * n);
    if (!writes_values && !problem.accumulate) c.assign(c.size(), std::nanf(""));
    bias = draw(c_rows() * problem.epilogue.halves());
    preactivation = draw(c_rows() * n);
    gate = draw(c_rows() * n);
    residual = draw(c_rows() * n);
    scale_columns = draw(n);
    c_before_ = c;
  }

  [[nodiscard]] std::int64_t b_rows() const {
    return problem.op == Op::kSpmm ? problem.k : problem.m;
  }
  [[nodiscard]] std::int64_t c_rows() const { return rows_of_c(problem); }
  [[nodiscard]] Operands operands() {
    const auto ld = [&](Layout layout, std::int64_t rows) {
      return layout == Layout::kRowMajor ? n : rows;
    };
    return {values.data(),
            b.data(),
            ld(problem.layout_b, b_rows()),
            c.data(),
            ld(problem.layout_c, c_rows()),
            bias.data(),
            n,
            bias.data(),
            preactivation.data(),
            ld(problem.layout_c, c_rows()),
            gate.data(),
            ld(problem.layout_c, c_rows()),
            residual.data(),
            ld(problem.layout_c, c_rows()),
            scale_columns.data()};
  }
  [[nodiscard]] DenseView view_b() {
    return {b.data(), b_rows(), n, operands().ldb, problem.layout_b};
  }
  [[nodiscard]] DenseView view_c() {
    return {c.data(), c_rows(), n, operands().ldc, problem.layout_c};
  }

  // Compares what execute wrote with the triple loop.
  void verify(const ExecutablePlan& plan) {
    if (problem.op == Op::kSddmm)
      verify_values(plan);
    else
      verify_dense();
  }

 private:
  // Scale and bias.
  [[nodiscard]] reference::EpilogueTerms terms_of_row(std::int64_t row, std::int64_t column) const {
    const Scale scale = problem.epilogue.scale;
    reference::EpilogueTerms terms;
    terms.bias = bias[static_cast<std::size_t>(row)];
    if (has_factors(scale))
      terms.scale = bias[scales_rows(scale) ? static_cast<std::size_t>(row) : 0];
    if (scales_columns(scale))
      terms.scale_by_column(scale_columns[static_cast<std::size_t>(column)]);
    return terms;
  }
  void verify_dense() {
    const bool transposed = problem.op == Op::kSpmmTransposed;
    const auto sums = multiply(a, problem.m, problem.k, transposed, view_b());
    for (std::int64_t i = 0; i < c_rows(); ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const auto at = static_cast<std::size_t>(view_c().index(i, j));
        Sum sum = sums[static_cast<std::size_t>(i * n + j)];
        if (problem.accumulate) sum.add(c_before_[at]);
        const auto bounded = [&](const Sum& s) {
          return reference::Bounded{s.value, error_bound(b_rows() + 1, s, DType::kF32)};
        };
        reference::EpilogueTerms terms = terms_of_row(i, j);
        terms.preactivation = preactivation[at];
        terms.gate = gate[at];
        terms.residual = residual[at];
        if (const std::int64_t other = i + c_rows(); problem.epilogue.glu)
          terms.other_half = reference::scale_and_bias(
              problem.epilogue, bounded(sums[static_cast<std::size_t>(other * n + j)]),
              terms_of_row(other, j));
        const reference::Bounded expected =
            reference::apply_epilogue(problem.epilogue, bounded(sum), terms, DType::kF32);
        ASSERT_LE(std::abs(c[at] - expected.value), expected.error)
            << "c(" << i << ", " << j << ")";
      }
  }
  void verify_values(const ExecutablePlan& plan) {
    std::vector<float> found(a.size());
    unpack_values(plan.structure(), DType::kF32, values.data(), found.data(), problem.k);
    for (std::int64_t i = 0; i < problem.m; ++i)
      for (std::int64_t j = 0; j < problem.k; ++j) {
        const auto at = static_cast<std::size_t>(i * problem.k + j);
        if (a[at] == 0) continue;  // outside the mask
        const Sum sum = dot(view_b(), i, view_c(), j);
        ASSERT_LE(std::abs(found[at] - sum.value), error_bound(n, sum, DType::kF32))
            << "a(" << i << ", " << j << ")";
      }
  }

  std::vector<float> c_before_;
};

}  // namespace lacuna::test
