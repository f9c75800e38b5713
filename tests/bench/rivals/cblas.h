// SPDX-License-Identifier: Apache-2.0
//
// The part of the C interface of BLAS that OpenBLAS, BLIS and MKL share, as its manuals give it.
#pragma once

#include "tests/bench/rivals/rival_case.h"

namespace lacuna {

using CblasSgemm = void(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                        const float* a, int lda, const float* b, int ldb, float beta, float* c,
                        int ldc);
inline constexpr int kCblasRowMajor = 101;
inline constexpr int kCblasColMajor = 102;
inline constexpr int kCblasNoTrans = 111;
inline constexpr int kCblasTrans = 112;

// C = A * B with dense A. For column-major operands the product is written as the libraries see it best: column-major
// throughout, A[m][k] being a transposed matrix there.
inline void run_sgemm(CblasSgemm* sgemm, const RivalCase& p) {
  const int m = static_cast<int>(p.m);
  const int k = static_cast<int>(p.k);
  const int n = static_cast<int>(p.n);
  if (p.column_major != 0)
    sgemm(kCblasColMajor, kCblasTrans, kCblasNoTrans, m, n, k, 1.0F, p.dense_a, k, p.b, k, 0.0F,
          p.c, m);
  else
    sgemm(kCblasRowMajor, kCblasNoTrans, kCblasNoTrans, m, n, k, 1.0F, p.dense_a, k, p.b, n, 0.0F,
          p.c, n);
}

}  // namespace lacuna
