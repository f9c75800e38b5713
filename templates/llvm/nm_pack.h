// SPDX-License-Identifier: Apache-2.0
//
// B in scratch as the permute strategy reads it: for each group of columns of A its tables, those of mr dense columns
// side by side, so that one pointer serves all.
//
// Scratch, in floats (permute_scratch_floats() in templates/permute.cpp agrees):
//   16                          a row that absorbs stores of rows that are not there
//   sums_tile_floats()          16 rows of a row-major C on their way through the epilogue (finish.h), a vector each
//   nv * up4(mr) * 16           the results of nv panels, those of a panel column by column
//   tiles * groups * mr * table_floats   for each tile of mr dense columns of a stretch the tables of its groups
#pragma once

#include "templates/llvm/dense_tile.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/permute.h"

namespace lacuna {

// Groups of columns of A, as i64.
[[nodiscard]] llvm::Value* nm_groups(KernelBuilder& kb);
// Bytes from a group's tables to the next group's, in one tile of columns.
[[nodiscard]] std::int64_t group_bytes(const KernelBuilder& kb, const PermuteShape& shape);

// Dense columns that a panel's results have room for: transposes take four at a time.
[[nodiscard]] inline std::int64_t collected_columns(int mr) {
  return (mr + 3LL) / 4 * 4;
}
// 16 rows of a row-major C on their way through the epilogue.
[[nodiscard]] llvm::Value* rows_on_their_way(KernelBuilder& kb);
// The results of panel number `number` of those that are taken at once.
[[nodiscard]] llvm::Value* collected_panel(KernelBuilder& kb, llvm::Value* number);
// The tables of the tile of columns that begins at n0.
[[nodiscard]] llvm::Value* tables_of_tile(KernelBuilder& kb, const PermuteShape& shape,
                                          const Stretch& stretch, llvm::Value* n0);

// Copies the columns of B. What columns beyond the end hold does not matter, but is finite where B is.
void pack_tables(KernelBuilder& kb, const PermuteShape& shape, const Stretch& stretch);

}  // namespace lacuna
