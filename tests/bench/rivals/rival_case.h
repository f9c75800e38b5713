// SPDX-License-Identifier: Apache-2.0
//
// RivalCase: the product that Lacuna and every rival compute, C[M,N] = A[M,K] * B[K,N] in f32, and the interface of
// adapter modules: rivals whose types need their own headers are compiled into a module each, where those headers are
// installed, and loaded at run time. Plain data only, because both sides of a module share it.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Pointers outlive whatever a rival prepares from them. Leading dimensions are the smallest.
struct RivalCase {
  std::int64_t m, k, n;
  std::int32_t column_major;      // 0: B[k][n] and C[m][n], n contiguous; 1: B[n][k] and C[n][m]
  std::int32_t block_r, block_c;  // the mask's blocks, which divide m and k; 1 x 1: it has none
  const float* dense_a;           // [m][k], zeros where the mask has none
  // A once more as CSR, zero-based, columns ascending.
  const std::int32_t* row_ptr;
  const std::int32_t* col_idx;
  const float* values;
  const float* b;
  float* c;  // overwritten
};

// One way in which a rival computes the product.
struct RivalVariant {
  const char* name;    // "oneDNN 2.6.3 matmul"
  std::int32_t dense;  // 1: takes A as a dense matrix
  // Converts A and compiles: whatever can be done before B is known. Null, with a reason, where the rival has nothing
  // for this case.
  void* (*prepare)(const RivalCase* product, char* reason, std::size_t reason_bytes);
  void (*run)(void* prepared);
  void (*release)(void* prepared);
};

// What every adapter module exports under the name below.
typedef const RivalVariant* RivalVariants(std::int32_t* count);  // NOLINT(modernize-use-using)
}

#define LACUNA_RIVAL_VARIANTS "lacuna_rival_variants"
