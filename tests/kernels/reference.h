// SPDX-License-Identifier: Apache-2.0
//
// The reference: plain triple loops in double, and the bound that a float result must meet.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "targets/base/bf16.h"
#include "targets/base/dtype.h"
#include "templates/problem.h"

namespace lacuna::test {

// A dense X[rows, n] in a caller's memory.
struct DenseView {
  const float* data = nullptr;
  std::int64_t rows = 0, n = 0, ld = 0;
  Layout layout = Layout::kRowMajor;

  [[nodiscard]] std::int64_t index(std::int64_t row, std::int64_t column) const {
    return layout == Layout::kRowMajor ? row * ld + column : row + column * ld;
  }
  [[nodiscard]] double at(std::int64_t row, std::int64_t column) const {
    return data[index(row, column)];
  }
};

// Sum and sum of magnitudes of one element.
struct Sum {
  double value = 0, magnitude = 0;
  void add(double term) {
    value += term;
    magnitude += std::abs(term);
  }
};

// |c - ref| may be up to (L + 2) u (sum of magnitudes) + u' |c| for an accumulation of L terms in f32, u and u' the unit
// roundoffs of f32 and of the result. Holds for every order of summation, with and without FMA; products of bf16 are
// exact in f32.
[[nodiscard]] inline double error_bound(std::int64_t length, const Sum& sum, DType result) {
  const double u = unit_roundoff(DType::kF32);
  const double accumulation = static_cast<double>(length + 2) * u * sum.magnitude;
  return accumulation + unit_roundoff(result) * (std::abs(sum.value) + accumulation);
}

// The nearest number of the type, ties to even.
[[nodiscard]] inline float round_to(DType type, float value) {
  return type == DType::kBf16 ? static_cast<float>(Bf16(value)) : value;
}

// Row-major dense A[m, k] as sums: `a` transposed where the op is.
//   out[i, n] = sum over j of a(i, j) * b(j, n)
[[nodiscard]] inline std::vector<Sum> multiply(std::span<const float> a, std::int64_t m,
                                               std::int64_t k, bool transposed,
                                               const DenseView& b) {
  const std::int64_t rows = transposed ? k : m, depth = transposed ? m : k;
  std::vector<Sum> out(static_cast<std::size_t>(rows * b.n));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < depth; ++j) {
      const double value = a[static_cast<std::size_t>(transposed ? j * k + i : i * k + j)];
      if (value == 0) continue;
      for (std::int64_t n = 0; n < b.n; ++n)
        out[static_cast<std::size_t>(i * b.n + n)].add(value * b.at(j, n));
    }
  return out;
}

// One element of B * C^T.
[[nodiscard]] inline Sum dot(const DenseView& b, std::int64_t b_row, const DenseView& c,
                             std::int64_t c_row) {
  Sum sum;
  for (std::int64_t n = 0; n < b.n; ++n)
    sum.add(b.at(b_row, n) * c.at(c_row, n));
  return sum;
}

}  // namespace lacuna::test
