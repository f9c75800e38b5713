// SPDX-License-Identifier: Apache-2.0
//
// NmMatrix: an N:M matrix compressed row by row: its kept values, and which column of its group each is from.
//
// Groups: g of a row are columns [g*m, g*m + m), as many as cover K. Each stores n values, in ascending columns.
//   values   float32, value s of group g of row i at values[(i*groups + g)*n + s]
//   indices  one index row for every v rows of A (V:N:M: they share it). Slot t = g*n + s of a row is the column within
//            the group, in b = index_bits() bits (2 for m <= 4, 4 for m <= 16, 8 for m <= 32): bits [b*t, b*t + b) of
//            the index row, counted from the lowest bit of its first byte. Index rows are whole bytes:
//            index_row_bytes() = ceil(groups*n*b / 8), unused bits are zero.
// The n columns of a group are distinct and ascend. Where fewer than n are in the mask, the lowest others fill up, with
// zeros for values; in a shorter last group they may lie beyond K. 2:4 is 4 bits a group, as the sparse tensor cores of
// NVIDIA GPUs take them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {

struct NmMatrix {
  std::int64_t m = 0, k = 0;
  NmPattern pattern;
  std::vector<float> values;
  std::vector<std::uint8_t> indices;

  [[nodiscard]] std::int64_t groups() const { return (k + pattern.m - 1) / pattern.m; }  // of a row
  [[nodiscard]] int index_bits() const { return NofM{pattern.n, pattern.m}.index_bits(); }
  [[nodiscard]] std::int64_t index_rows() const { return (m + pattern.v - 1) / pattern.v; }
  [[nodiscard]] std::int64_t index_row_bytes() const {
    return (groups() * pattern.n * index_bits() + 7) / 8;
  }
  // The column of slot s of group g in row i; in a shorter last group it may be K or more.
  [[nodiscard]] std::int64_t column(std::int64_t i, std::int64_t g, std::int64_t s) const;

  bool operator==(const NmMatrix&) const = default;
};

// Row-major dense[i*lda + j] at the weights of the mask. Errors: kInvalidArgument (check_conforms; lda < k, too few
// elements), kIo (no memory).
[[nodiscard]] Result<NmMatrix> compress_nm(const Mask& mask, const NmPattern& pattern,
                                           std::span<const float> dense, std::int64_t lda);

// dense[i*lda + j] <- the matrix, zero where nothing is stored. Errors: kInvalidArgument (lda < k, too few elements;
// values or indices of another size than m, k and the pattern ask for).
[[nodiscard]] Result<> decompress_nm(const NmMatrix& matrix, std::span<float> dense,
                                     std::int64_t lda);

}  // namespace lacuna
