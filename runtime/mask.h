// SPDX-License-Identifier: Apache-2.0
//
// Mask: which weights of A[M,K] may be nonzero. Immutable after construction; safe to share between threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna {

// Stored as a bitmap, 1 bit a weight, rows padded to 64-bit words: 4096 x 4096 is 2 MiB.
class Mask {
 public:
  // Nonzero elements of dense row-major a[i*lda + j] are in the mask. Errors: kInvalidArgument for negative
  // sizes, lda < k, or a NaN or infinity (the message names its row and column).
  [[nodiscard]] static Result<Mask> from_dense(std::int64_t m, std::int64_t k, std::span<const float> a,
                                               std::int64_t lda);
  // Column indices of row i are col_idx[row_ptr[i] .. row_ptr[i+1]). Errors: kInvalidArgument for a row_ptr
  // that does not start at 0, decreases or exceeds col_idx; an index outside [0, k); unsorted or duplicate
  // indices in a row (the message names row and position).
  [[nodiscard]] static Result<Mask> from_csr(std::int64_t m, std::int64_t k, std::span<const std::int64_t> row_ptr,
                                             std::span<const std::int64_t> col_idx);
  // Every element of the blocks whose flag is nonzero; flags row-major, ceil(m/r) x ceil(k/c).
  [[nodiscard]] static Result<Mask> from_blocks(std::int64_t m, std::int64_t k, std::int32_t r, std::int32_t c,
                                                std::span<const std::uint8_t> flags);

  [[nodiscard]] std::int64_t m() const { return m_; }
  [[nodiscard]] std::int64_t k() const { return k_; }
  [[nodiscard]] std::int64_t nnz() const { return nnz_; }
  [[nodiscard]] double density() const;  // nnz / (m*k); 0 for an empty matrix
  [[nodiscard]] bool at(std::int64_t row, std::int64_t col) const {
    return (words_[static_cast<std::size_t>(row * words_per_row_ + col / 64)] >> (col % 64)) & 1U;
  }
  [[nodiscard]] std::int64_t words_per_row() const { return words_per_row_; }
  // Bit j%64 of word j/64 of row i; bits beyond k are zero.
  [[nodiscard]] std::span<const std::uint64_t> row_words(std::int64_t row) const {
    return std::span(words_).subspan(static_cast<std::size_t>(row * words_per_row_),
                                     static_cast<std::size_t>(words_per_row_));
  }
  // Exact identity: hash of sizes and bitmap.
  [[nodiscard]] Hash128 digest() const;

  bool operator==(const Mask&) const = default;

 private:
  std::int64_t m_ = 0, k_ = 0, words_per_row_ = 0, nnz_ = 0;
  std::vector<std::uint64_t> words_;
};

// A deterministic random mask whose r x c blocks are present with probability `density` (each block row gets
// the same number, rounded, so that the density is met exactly up to rounding); for examples, tests, benchmarks.
[[nodiscard]] Result<Mask> make_random_block_mask(std::int64_t m, std::int64_t k, std::int32_t r, std::int32_t c,
                                                  double density, std::uint64_t seed);

}  // namespace lacuna
