// SPDX-License-Identifier: Apache-2.0
//
// The dense operands of the stream strategy.
//
// Scratch, in floats (stream_scratch_floats() in templates/stream.cpp agrees):
//   16                      a row that absorbs stores of rows that are not there
//   sums_tile_floats()      16 rows of a row-major C on their way through the epilogue (finish.h), a vector each
//   kRowsBeforeCollected    room for the rows of a shifted panel that are not its own: nothing is stored there
//   up4(mr) * collected     the results of some panels, column by column
//   columns * column        with pack: the columns of a stretch of B, each contiguous
#pragma once

#include "templates/llvm/dense_tile.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/stream.h"

namespace lacuna {

// B as it is read for a tile of mr dense columns: element (k, column j) is at base + k * row_bytes + columns[j].
struct StreamedB {
  llvm::Value *base, *row_bytes;
  Values columns;
};

// The results of the panels that are collected.
[[nodiscard]] llvm::Value* collected_panels(KernelBuilder& kb);

// Copies the columns of a stretch of a row-major B to scratch, unless it is a single one that is contiguous.
void pack_columns(KernelBuilder& kb, const StreamShape& shape, const Stretch& stretch);
// The tile of columns from n0 on; those beyond the stretch's end as its last one.
[[nodiscard]] StreamedB streamed_b(KernelBuilder& kb, const StreamShape& shape,
                                   const Stretch& stretch, llvm::Value* n0);

}  // namespace lacuna
