// SPDX-License-Identifier: Apache-2.0
//
// A tile of a dense operand, in place or in scratch; packing, storing and unpacking it.
//
// Scratch of the row-tile and scatter kernels, in floats (W = nv * lanes; scratch_floats() in call_layout.cpp agrees):
//   W                     a row that absorbs stores of rows and columns that are not this call's
//   sums_tile_floats()    a tile of sums on their way through the epilogue (finish.h)
//   up(rows_in/g) * W     with pack: a packed tile of B, of rows of groups of g (element_types.h); with loop order po
//                         as many of them as the call's columns have stretches; with kc of chunk_capacity() rows, and
//                         for chunked_columns() of the call's columns at a time
//   up(rows) * W          with pack: rows of C; those of panels_per_group() panels when C is column-major (row tile),
//                         all of them (scatter); with glu first those of the gate, then as many of the other half
//   the rest              staged values (panel_values.h, widen.h), or in the row tile with kc the sums of the panels, tile
//                         by tile
// where up() rounds up to whole vectors.
#pragma once

#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/tile_loops.h"

namespace lacuna {

struct DenseTile {
  llvm::Value* base = nullptr;       // element (row 0, first column of the tile)
  llvm::Value* row_bytes = nullptr;  // i64
  bool in_place = true;              // in the caller's operand: masks and the epilogue apply
};

// The tile in the caller's row-major operand.
[[nodiscard]] DenseTile b_in_place(KernelBuilder& kb, const ColumnTile& tile);
[[nodiscard]] DenseTile c_in_place(KernelBuilder& kb, const ColumnTile& tile);

// A stretch of columns [n0, end) that is worked on at a time, from packing to storing.
struct Stretch {
  llvm::Value* n0 = nullptr;
  llvm::Value* end = nullptr;
};
// Rows [begin, end) of B, those that are packed at a time: all of them, or a chunk (schedule.h: kc).
struct RowsOfB {
  llvm::Value* begin = nullptr;
  llvm::Value* end = nullptr;
};
[[nodiscard]] RowsOfB all_rows_of_b(KernelBuilder& kb);
// The tile of B as if scratch held all rows.
[[nodiscard]] DenseTile b_in_scratch(KernelBuilder& kb, const Stretch& stretch,
                                     const ColumnTile& tile, const RowsOfB& packed);
[[nodiscard]] DenseTile c_in_scratch(KernelBuilder& kb, const Stretch& stretch,
                                     const ColumnTile& tile, llvm::Value* first_row);
// With glu: how far behind the collected rows of the gate those of the other half lie.
[[nodiscard]] llvm::Value* collected_half_bytes(KernelBuilder& kb);
// The tile of sums, where there is one.
[[nodiscard]] DenseTile sums_in_scratch(KernelBuilder& kb);
// Where scratch holds staged values, or with kc the sums of earlier chunks.
[[nodiscard]] llvm::Value* staged_base(KernelBuilder& kb);

// Copies a column-major operand [rows, columns] of 32-bit elements (or groups, or of elements that are widened), whose element
// (0, 0) is at `from`, to row-major at `to`. It may write whole vectors: columns rounded up to lanes, those beyond the end
// copies of the last.
struct TransposeCopy {
  llvm::Value *from, *ld_bytes, *rows, *columns, *to, *row_bytes;
  bool shifts = false;  // signed bytes become unsigned ones (shifts_dense())
};
void transpose_copy(KernelBuilder& kb, const TransposeCopy& copy);

// Calls body for each stretch of at most W of the call's columns.
void for_each_stretch(KernelBuilder& kb, const std::function<void(const Stretch&)>& body);
// Copies B to scratch, n contiguous and rows in groups, transposing a column-major B. What columns beyond the end hold does not matter:
// what is computed from them is not stored.
void pack_b(KernelBuilder& kb, const Stretch& stretch, const RowsOfB& rows);
// Writes rows [begin, end) of C, which scratch holds from row `begin` on, to the operand, transposing into a
// column-major one, with accumulation and epilogue.
void unpack_c(KernelBuilder& kb, const Stretch& stretch, llvm::Value* begin, llvm::Value* end);

// Calls body(number, address) for each row of the tile, number from 0 to rows - 1.
void for_each_row(KernelBuilder& kb, const DenseTile& tile, llvm::Value* rows,
                  const std::function<void(llvm::Value* number, llvm::Value* address)>& body);

// Stores accumulators of `count` rows from rows.first on; adds C and applies the epilogue where C is in place.
void store_rows(KernelBuilder& kb, const Values& acc, const ColumnTile& tile, const DenseTile& c,
                const PanelRows& rows, int count);

}  // namespace lacuna
