// SPDX-License-Identifier: Apache-2.0
//
// Walking a panel of jammed rows (templates/format.h): a loop for each group, all columns of which touch the same rows,
// so that the code inside is straight. What is done with a column depends on the operation.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "templates/llvm/dense_tile.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/panel_values.h"
#include "templates/llvm/tile_loops.h"

namespace lacuna {

// A column of a panel, inside the loop of its group.
struct JammedColumn {
  std::vector<int> rows;           // of the panel, those that have a weight in this column
  llvm::Value* number = nullptr;   // i64, of the column of A
  llvm::Value* weights = nullptr;  // where they are: as many as rows
};
using JammedBody = std::function<Values(const JammedColumn& column, const Values& carried)>;

// Which columns of a panel: those of one of `count` chunks of K (schedule.h: kc), or with `number` null all.
struct JammedChunk {
  llvm::Value* number = nullptr;
  llvm::Value* count = nullptr;
};

// Where the weights of the panels lie, and how far apart.
struct JammedValues {
  PanelValues values;
  std::int64_t bytes = 4;
};
// In the caller's memory.
[[nodiscard]] JammedValues values_in_place(KernelBuilder& kb);

// What is walked of a panel.
struct JammedWalk {
  JammedChunk chunk;
  JammedValues weights;
};

// Calls body for each column of the panel, group by group; returns the last carried values.
Values for_each_jammed_column(KernelBuilder& kb, llvm::Value* panel, const JammedWalk& walk,
                              const Values& carried, const JammedBody& body);

// spmm: adds the products of all r rows of the panel to their sums, row by row, for one tile of dense columns.
[[nodiscard]] Values accumulate_jammed(KernelBuilder& kb, llvm::Value* panel,
                                       const JammedWalk& walk, const ColumnTile& tile,
                                       const DenseTile& b, const Values& first);

// spmm_transposed: adds the panel's part to the rows of C that its columns name; b_rows are the panel's rows of B, row
// by row.
void scatter_jammed(KernelBuilder& kb, llvm::Value* panel, const JammedValues& weights,
                    const ColumnTile& tile, const DenseTile& c, const Values& b_rows);

}  // namespace lacuna
