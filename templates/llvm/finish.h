// SPDX-License-Identifier: Apache-2.0
//
// The way of finished sums into C: what C held is added where the kernel accumulates, and the epilogue is applied
// (epilogue.h gives the order). Two forms: for store paths that hold sums in registers, where finishes_in_registers()
// says so, and for sums in memory, any epilogue.
#pragma once

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Scale and bias of the elements of C that a vector of sums belongs to; null where the epilogue has none. Made from the
// rows, then for each vector from its columns.
struct Terms {
  llvm::Value* scale = nullptr;
  llvm::Value* bias = nullptr;
};
// One row, for all lanes (a row-major C) / rows row, row + 1, ... (a column-major one).
[[nodiscard]] Terms terms_of_row(KernelBuilder& kb, llvm::Value* row);
[[nodiscard]] Terms terms_of_rows(KernelBuilder& kb, llvm::Value* row, llvm::Value* mask);
// The same in columns n, n + 1, ... (a row-major C) / in column n, for all lanes (a column-major one).
[[nodiscard]] Terms in_columns(KernelBuilder& kb, const Terms& of_row, llvm::Value* n,
                               llvm::Value* mask);
[[nodiscard]] Terms in_column(KernelBuilder& kb, const Terms& of_rows, llvm::Value* n);

// The epilogue of a vector of sums, which has no dense operands.
[[nodiscard]] llvm::Value* finish_in_registers(KernelBuilder& kb, llvm::Value* sum,
                                               const Terms& terms);

// Rows [row, row_end) x columns [n, n_end) of C; nothing where a range is empty.
struct PartOfC {
  llvm::Value *row, *row_end, *n, *n_end;
};
// The sums of a part, in memory in C's layout: that of (row, n) is at `base`, the next line (row of a row-major C,
// column of a column-major one) line_bytes further on.
struct SumsInMemory {
  llvm::Value *base, *line_bytes;
  bool in_c = false;  // they lie in C itself (of f32), with what it held already added
  llvm::Value* half_bytes = nullptr;  // with glu: how far behind them those of the other half lie
};
void finish_part(KernelBuilder& kb, const PartOfC& part, const SumsInMemory& sums);

}  // namespace lacuna
