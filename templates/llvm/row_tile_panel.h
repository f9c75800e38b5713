// SPDX-License-Identifier: Apache-2.0
//
// The inner loops of the row strategy on blocks: a panel's entries, and the steps of each.
#pragma once

#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/row_tile_operands.h"

namespace lacuna {

// Rows [sub, sub + count) of a panel's output.
struct RowRange {
  llvm::Value* sub = nullptr;  // i64
  int count = 1;
};

// What the sums of those rows are after all blocks of the panel, from what they start from: row by row, a tile's vectors
// side by side.
[[nodiscard]] Values accumulate_panel(KernelBuilder& kb, llvm::Value* panel, const TileOperands& in,
                                      const RowRange& rows, Values sums);

}  // namespace lacuna
