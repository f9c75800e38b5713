// SPDX-License-Identifier: Apache-2.0
//
// Random block masks for sparse layers.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/trainer/philox.h"

namespace lacuna::trainer {

// Which r x c blocks of a weight matrix [m, k] exist: flags[block_row * block_columns + block_column].
struct BlockMask {
  std::int64_t m = 0, k = 0;
  std::int32_t r = 1, c = 1;
  std::vector<std::uint8_t> flags;

  bool operator==(const BlockMask&) const = default;
  [[nodiscard]] std::int64_t block_rows() const { return (m + r - 1) / r; }
  [[nodiscard]] std::int64_t block_columns() const { return (k + c - 1) / c; }
  // Existing weights of output unit `row` (its fan-in), and of the whole matrix.
  [[nodiscard]] std::int64_t row_nnz(std::int64_t row) const;
  [[nodiscard]] std::int64_t nnz() const;
};

// All block rows hold the same number of blocks and all block columns too, each give or take one (at least one a
// block row): block columns are dealt from shuffled decks. No input is then left unused by chance, and the work
// of forward and transposed products is even. density in (0, 1].
[[nodiscard]] BlockMask make_balanced_block_mask(std::int64_t m, std::int64_t k, std::int32_t r,
                                                 std::int32_t c, double density,
                                                 const RandomStream& stream);
// Every weight exists.
[[nodiscard]] BlockMask make_full_mask(std::int64_t m, std::int64_t k);

// Visits the existing weights in the canonical order of checkpoints and initial values, which does not depend on
// how a plan stores them: rows, then columns. visit(row, first_column, end_column), one call a run of a block row.
template <class Visit>
void for_each_run(const BlockMask& mask, std::int64_t row, Visit&& visit) {
  const std::uint8_t* flags = mask.flags.data() + row / mask.r * mask.block_columns();
  for (std::int64_t j = 0; j < mask.block_columns(); ++j) {
    if (flags[j] == 0) continue;
    const std::int64_t first = j * mask.c;
    visit(first, first + mask.c < mask.k ? first + mask.c : mask.k);
  }
}

}  // namespace lacuna::trainer
