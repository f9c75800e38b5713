// SPDX-License-Identifier: Apache-2.0
//
// Mask: which weights of A[M,K] may be nonzero. Immutable after construction; safe to share between threads.
//
// Limits: m and k up to kMaxMaskDim, and a bitmap of at most kMaxMaskWords words (1 GiB); beyond them every
// constructor answers kInvalidArgument. They keep a hostile file of a few bytes from asking for all memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna {

inline constexpr std::int64_t kMaxMaskDim = std::int64_t{1} << 27;
inline constexpr std::int64_t kMaxMaskWords = std::int64_t{1} << 27;

// Stored as a bitmap, 1 bit a weight, rows padded to 64-bit words: 4096 x 4096 is 2 MiB.
class Mask {
 public:
  // Nonzero elements of dense row-major a[i*lda + j] are in the mask. Errors: kInvalidArgument for negative
  // sizes, lda < k, or a NaN or infinity (the message names its row and column).
  [[nodiscard]] static Result<Mask> from_dense(std::int64_t m, std::int64_t k,
                                               std::span<const float> a, std::int64_t lda);
  // Column indices of row i are col_idx[row_ptr[i] .. row_ptr[i+1]). Errors: kInvalidArgument for a row_ptr
  // that does not start at 0, decreases or exceeds col_idx; an index outside [0, k); unsorted or duplicate
  // indices in a row (the message names row and position).
  [[nodiscard]] static Result<Mask> from_csr(std::int64_t m, std::int64_t k,
                                             std::span<const std::int64_t> row_ptr,
                                             std::span<const std::int64_t> col_idx);
  // Every element of the blocks whose flag is nonzero; flags row-major, ceil(m/r) x ceil(k/c). Any r, c >= 1.
  [[nodiscard]] static Result<Mask> from_blocks(std::int64_t m, std::int64_t k, std::int32_t r,
                                                std::int32_t c,
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
  friend class MaskBuilder;
  std::int64_t m_ = 0, k_ = 0, words_per_row_ = 0, nnz_ = 0;
  std::vector<std::uint64_t> words_;
};

// Columns [begin, begin + count) of a row's words as bits, column `begin` lowest. 1 <= count <= 64; columns beyond the
// words read as zero.
[[nodiscard]] inline std::uint64_t column_bits(std::span<const std::uint64_t> words,
                                               std::int64_t begin, std::int64_t count) {
  const auto word = static_cast<std::size_t>(begin / 64);
  const std::int64_t shift = begin % 64;
  std::uint64_t bits = words[word] >> shift;
  if (shift != 0 && word + 1 < words.size()) bits |= words[word + 1] << (64 - shift);
  return bits & (~std::uint64_t{0} >> (64 - count));
}
[[nodiscard]] inline std::uint64_t column_bits(const Mask& mask, std::int64_t row,
                                               std::int64_t begin, std::int64_t count) {
  return column_bits(mask.row_words(row), begin, count);
}

// Calls visit(column) for each weight of a row, in order.
template <class Visit>
void for_each_in_row(const Mask& mask, std::int64_t row, Visit&& visit) {
  const auto words = mask.row_words(row);
  for (std::size_t w = 0; w < words.size(); ++w)
    for (std::uint64_t bits = words[w]; bits != 0; bits &= bits - 1)
      visit(static_cast<std::int64_t>(w) * 64 + std::countr_zero(bits));
}

// Makes a mask element by element, in any order (files in coordinate or column order).
class MaskBuilder {
 public:
  // Errors: kInvalidArgument for sizes that are negative or beyond the limits, kIo when memory is short.
  [[nodiscard]] static Result<MaskBuilder> create(std::int64_t m, std::int64_t k);
  // 0 <= row < m and 0 <= col < k must hold. Returns false if the element was there already.
  bool insert(std::int64_t row, std::int64_t col) {
    std::uint64_t& word =
        mask_.words_[static_cast<std::size_t>(row * mask_.words_per_row_ + col / 64)];
    const std::uint64_t bit = std::uint64_t{1} << (col % 64);
    const bool absent = (word & bit) == 0;
    word |= bit;
    mask_.nnz_ += absent ? 1 : 0;
    return absent;
  }
  // Elements [col_begin, col_end) of a row, whether there already or not.
  void insert_range(std::int64_t row, std::int64_t col_begin, std::int64_t col_end);
  [[nodiscard]] const Mask& mask() const { return mask_; }
  [[nodiscard]] Mask finish() && { return std::move(mask_); }

 private:
  MaskBuilder() = default;
  Mask mask_;
};

// Whether row-major a[i*lda + j] with i < m, j < k lies in `elements` elements. Errors: kInvalidArgument (lda < k, too
// few elements). m and k were checked.
[[nodiscard]] Result<> check_dense_span(std::int64_t m, std::int64_t k, std::int64_t lda,
                                        std::size_t elements);

// A deterministic random mask whose r x c blocks are present with probability `density` (each block row gets
// the same number, rounded, so that the density is met exactly up to rounding); for examples, tests, benchmarks.
// The same on every machine. Errors: kInvalidArgument (sizes, r or c below 1, a density outside [0, 1]).
[[nodiscard]] Result<Mask> make_random_block_mask(std::int64_t m, std::int64_t k, std::int32_t r,
                                                  std::int32_t c, double density,
                                                  std::uint64_t seed);

// The same number of blocks, but in block rows of unequal length: that of rank i, in random order, is as long as
// 1 / (i + 1)^exponent says, up to all columns. Exponent 0: all are equal.
struct ZipfMask {
  std::int64_t m = 0, k = 0;
  std::int32_t r = 1, c = 1;  // of a block
  double density = 0.1;
  double exponent = 1;
  std::uint64_t seed = 1;
};
// Errors: as above; an exponent outside [0, 10].
[[nodiscard]] Result<Mask> make_random_zipf_mask(const ZipfMask& wanted);

// The same for N:M masks: each row has n weights in every `group` columns that follow one another, as many as fit in
// the last, shorter ones; every v rows from row 0 on have the same (V:N:M). Errors: kInvalidArgument (sizes, n outside
// [0, group], a group or v below 1).
[[nodiscard]] Result<Mask> make_random_nm_mask(std::int64_t m, std::int64_t k, std::int32_t n,
                                               std::int32_t group, std::uint64_t seed,
                                               std::int32_t v = 1);

}  // namespace lacuna
