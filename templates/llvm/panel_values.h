// SPDX-License-Identifier: Apache-2.0
//
// The values of a panel as a register tile reads them: in place, or *staged* in scratch (stages_values() in
// registry.h): rearranged once per call where the stored order does not serve, or widened (widen.h).
#pragma once

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Group (output row i, depth d) of entry e is at base + (e - first) * block_bytes + d * depth_bytes + i * row_bytes,
// with the bytes of block_shape().
struct PanelValues {
  llvm::Value* base = nullptr;
  llvm::Value* first =
      nullptr;  // the entry that `base` belongs to; jammed rows: the number of the value
};

// Of entries [begin, end), which `staged` has room for: the transposed blocks, for spmm_transposed.
[[nodiscard]] PanelValues stage_values(KernelBuilder& kb, llvm::Value* begin, llvm::Value* end,
                                       llvm::Value* staged);

// With gathers_values(), of panels [begin, end): their values in the order of A's transpose.
[[nodiscard]] PanelValues gather_values(KernelBuilder& kb, llvm::Value* begin, llvm::Value* end,
                                        llvm::Value* staged);

// With shifts_dense(): what the sums of a panel's rows start from, 32-bit integers, to `starts`. Entries [begin, end).
void store_starts(KernelBuilder& kb, llvm::Value* begin, llvm::Value* end, llvm::Value* starts);

}  // namespace lacuna
