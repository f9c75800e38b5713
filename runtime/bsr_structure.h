// SPDX-License-Identifier: Apache-2.0
//
// BsrStructure: where the stored blocks of A are, by rows and by columns. Immutable; no values (those are the
// caller's buffers, one per plan->values_count() floats: weights, gradients and momenta alike).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/mask.h"
#include "runtime/panel_index.h"
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
};

// r and c are first clamped to m and k, but stay at least 1. Any mask is legal: m = 0 has no block rows, an empty
// mask empty panels. Errors: kInvalidArgument (r or c outside [1, 64]; more than 2^31 - 1 blocks).
[[nodiscard]] Result<BsrStructure> make_bsr_structure(const Mask& mask, const Bsr& format);

// Exact number of nonempty blocks of every shape in `shapes` (any r, c in [1, 64]), from the bitmap, in the order of
// `shapes`: what make_bsr_structure would store. Shapes with the same r share one pass over the bitmap; a c that is a
// power of two costs a few word operations per 64 weights, another c a few operations per block.
[[nodiscard]] std::vector<std::int64_t> count_blocks(const Mask& mask, std::span<const Bsr> shapes);

// values <- dense (row-major, a[i*lda + j]) at the stored blocks. Elements of edge blocks that belong to a
// neighbour are written as zeros; elements inside a block but outside the mask are copied as they are.
void pack_values(const BsrStructure& s, const float* dense, std::int64_t lda, float* values);
// dense <- values at the stored blocks, zero elsewhere.
void unpack_values(const BsrStructure& s, const float* values, float* dense, std::int64_t lda);
// Sets the elements of edge blocks that belong to a neighbour to zero (after sddmm).
void clear_edge_overlap(const BsrStructure& s, float* values);
// Calls visit(row, column, index of the value) for each stored element that is the block's own, block by block.
void for_each_weight(
    const BsrStructure& s,
    const std::function<void(std::int64_t row, std::int64_t col, std::int64_t index)>& visit);
// True if every stored element is in the mask: the format adds no padding (edge overlap aside).
// The structure's sizes must be the mask's.
[[nodiscard]] bool is_exact(const BsrStructure& s, const Mask& mask);
// The same for the structure that make_bsr_structure would make, without making it; stops at the first padded block.
[[nodiscard]] bool is_exact(const Mask& mask, const Bsr& format);

}  // namespace lacuna
