// SPDX-License-Identifier: Apache-2.0
//
// Blas: single-precision matrix products of OpenBLAS, loaded at run time. The dense baseline, and the default
// backend of dense layers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "targets/base/dynlib.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

enum class Transpose : std::uint8_t { kNo, kYes };

// A row-major operand of a product.
struct MatrixRef {
  const float* data = nullptr;
  std::int64_t ld = 0;
  Transpose transpose = Transpose::kNo;
};

// A row-major result.
struct MatrixOut {
  float* data = nullptr;
  std::int64_t ld = 0;
};

// The number of threads is a setting of the whole library: one Blas a process at a time.
class Blas {
 public:
  // Errors: kUnsupported, naming the Debian package to install and the way to do without.
  [[nodiscard]] static Result<std::shared_ptr<const Blas>> open(int threads);

  // C[m,n] = op(A)[m,k] * op(B)[k,n]. Sizes and leading dimensions must fit 32 bits.
  void multiply(std::int64_t m, std::int64_t n, std::int64_t k, MatrixRef a, MatrixRef b,
                MatrixOut c) const;
  // Version and processor kernel as the library reports them, e.g. "OpenBLAS 0.3.21 ... SkylakeX".
  [[nodiscard]] const std::string& description() const { return description_; }

 private:
  using Sgemm = void(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                     const float* a, int lda, const float* b, int ldb, float beta, float* c,
                     int ldc);
  Blas() = default;
  DynLib library_;
  Sgemm* sgemm_ = nullptr;
  std::string description_;
};

}  // namespace lacuna::trainer
