// SPDX-License-Identifier: Apache-2.0
//
// The loops around a register tile that all spmm kernels share: over panels of A and tiles of dense columns.
#pragma once

#include <functional>

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Dense columns [n0, n0 + vectors*lanes), the last vector cut by `mask` (null = whole).
struct ColumnTile {
  llvm::Value* n0 = nullptr;
  int vectors = 1;
  llvm::Value* mask = nullptr;
  // The mask of vector v of this tile.
  [[nodiscard]] llvm::Value* mask_of(int v) const { return v == vectors - 1 ? mask : nullptr; }
};

// The end of the tile's columns that are the call's.
[[nodiscard]] llvm::Value* end_of_tile(KernelBuilder& kb, const ColumnTile& tile);

// Calls body for each tile of columns [begin, end): tiles of nv vectors, then of a smaller width (2 for nv = 3, nv / 2
// from 4 on), then single masked vectors. Few widths keep the code small: compile time is proportional to the FMAs
// emitted. A single vector is never left over where two narrower tiles can share the rest (16 vectors with nv = 3:
// 3 3 3 3 2 2), because a tile of one vector is bound by its broadcasts.
using TileBody = std::function<void(const ColumnTile&)>;
void for_each_column_tile(KernelBuilder& kb, llvm::Value* begin, llvm::Value* end,
                          const TileBody& body);

// for (i = begin; i < end; i += step) body(i)
void for_each_step(KernelBuilder& kb, llvm::Value* begin, llvm::Value* end, std::int64_t step,
                   const std::function<void(llvm::Value* i)>& body);

// Calls body(panel) for each panel of the call.
void for_each_panel(KernelBuilder& kb, const std::function<void(llvm::Value* panel)>& body);

// With glu (epilogue.h): one of the two halves of A, 0 or 1, and how many panels come before it. Else null.
struct HalfOfA {
  llvm::Value* number = nullptr;
  llvm::Value* panels_before = nullptr;
};
// Calls body for both halves in a loop; once without glu.
void for_each_half(KernelBuilder& kb, const std::function<void(const HalfOfA&)>& body);

// Where a panel's output rows are: rows [first, first + height), of which those below `skip` belong to the previous
// panel (format.h: shifted edge blocks).
struct PanelRows {
  llvm::Value* first = nullptr;
  llvm::Value* skip =
      nullptr;  // 0 except in the last panel of a matrix that `height` does not divide
};
[[nodiscard]] PanelRows panel_rows(KernelBuilder& kb, llvm::Value* panel, int height);

// The block sizes of a kernel, those of jammed rows as r x 1, seen from its output: `height` rows of output per panel,
// `depth` groups of rows of B per block, and where group (output row i, depth d) of a block lies in the values that it
// reads (in values, or staged: panel_values.h).
struct BlockShape {
  int height = 1, depth = 1;
  std::int64_t row_bytes = 4, depth_bytes = 4, block_bytes = 4;
};
[[nodiscard]] BlockShape block_shape(const KernelSpec& spec);

}  // namespace lacuna
