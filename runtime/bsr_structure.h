// SPDX-License-Identifier: Apache-2.0
//
// BsrStructure: where the stored blocks of A are, by rows and by columns. Immutable; no values (those are the
// caller's buffers of plan->values_count() elements: weights, gradients and momenta alike).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/mask.h"
#include "runtime/panel_index.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {

struct BsrStructure {
  std::int64_t m = 0, k = 0;
  Bsr format;  // r and c clamped to m and k
  PanelIndex
      by_row;  // panels are block rows, origins columns of A (shifted at the edge, see format.h)
  PanelIndex by_column;  // panels are block columns, origins rows of A

  [[nodiscard]] std::int64_t block_rows() const { return by_row.panels(); }
  [[nodiscard]] std::int64_t block_columns() const { return by_column.panels(); }
  [[nodiscard]] std::int64_t nnz_blocks() const { return by_row.ptr.back(); }
  [[nodiscard]] std::int64_t values_count() const { return nnz_blocks() * format.r * format.c; }
  // Where element (i, j) of a block lies among its values.
  [[nodiscard]] std::int64_t index_in_block(std::int64_t i, std::int64_t j) const {
    const std::int64_t g = format.group;
    return j / g * format.r * g + i * g + j % g;
  }
  // First row of block row p: shifted back where it would pass the end.
  [[nodiscard]] std::int64_t first_row(std::int64_t p) const {
    return std::max<std::int64_t>(0, std::min(p * format.r, m - format.r));
  }
};

// r and c are first clamped to m and k (clamped_to). Any mask is legal: m = 0 has no block rows, an empty mask empty
// panels. Errors: kInvalidArgument (r or c outside [1, 64], k not a multiple of the group; more than 2^31 - 1 blocks).
[[nodiscard]] Result<BsrStructure> make_bsr_structure(const Mask& mask, const Bsr& format);

// Exact number of nonempty blocks of every shape in `shapes` (any r, c in [1, 64]), from the bitmap, in the order of
// `shapes`: what make_bsr_structure would store. Shapes with the same r share one pass over the bitmap; a c that is a
// power of two costs a few word operations per 64 weights, another c a few operations per block.
[[nodiscard]] std::vector<std::int64_t> count_blocks(const Mask& mask, std::span<const Bsr> shapes);

// One stored block: where it lies in A, its leading rows and columns that belong to neighbours, its values.
struct BlockPlace {
  std::int64_t row = 0, col = 0;
  std::int64_t row_overlap = 0, col_overlap = 0;
  std::int64_t first_value = 0;
};

template <class Visit>
void for_each_place(const BsrStructure& s, Visit&& visit) {
  const std::int64_t r = s.format.r;
  const std::int64_t c = s.format.c;
  // How many leading rows (columns) of the block at `origin` belong to its neighbour. A shifted origin is never a
  // multiple of the size, an unshifted one always is.
  const auto overlap_of = [](std::int64_t origin, std::int64_t size) {
    return origin % size == 0 ? 0 : size - origin % size;
  };
  for (std::int64_t p = 0; p < s.block_rows(); ++p) {
    const std::int64_t row = s.first_row(p);
    const auto at = static_cast<std::size_t>(p);
    for (std::int64_t e = s.by_row.ptr[at]; e < s.by_row.ptr[at + 1]; ++e) {
      const std::int64_t col = s.by_row.origin[static_cast<std::size_t>(e)];
      visit(BlockPlace{row, col, overlap_of(row, r), overlap_of(col, c), e * r * c});
    }
  }
}

// Calls visit(row, column, index of the value) for each stored element that is the block's own, block by block.
template <class Visit>
void for_each_weight(const BsrStructure& s, Visit&& visit) {
  for_each_place(s, [&](const BlockPlace& block) {
    for (std::int64_t j = block.col_overlap; j < s.format.c; ++j)
      for (std::int64_t i = block.row_overlap; i < s.format.r; ++i)
        visit(block.row + i, block.col + j, block.first_value + s.index_in_block(i, j));
  });
}

// Sets the elements of edge blocks that belong to a neighbour to zero. `values` has values_count() elements of `type`.
void clear_edge_overlap(const BsrStructure& s, DType type, void* values);
// True if every stored element is in the mask: the format adds no padding (edge overlap aside).
// The structure's sizes must be the mask's.
[[nodiscard]] bool is_exact(const BsrStructure& s, const Mask& mask);
// The same for the structure that make_bsr_structure would make, without making it; stops at the first padded block.
[[nodiscard]] bool is_exact(const Mask& mask, const Bsr& format);

}  // namespace lacuna
