// SPDX-License-Identifier: Apache-2.0
//
// The dense operands of sddmm as rows along n, for vectors along n (the dot strategy of jammed rows, inner). A column-major
// operand is first transposed into scratch, one of bf16 widened: rows of B of the call's panels, and all of C.
//
// Scratch, in floats: rows_in * up(n) for C, then rows_out * up(n) for B, each where the operand is column-major or
// widened (scratch_floats() in call_layout.cpp agrees).
#pragma once

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// An operand with n contiguous, or some rows of it.
struct SddmmRows {
  llvm::Value* base = nullptr;  // of row 0 of the operand
  llvm::Value* row_bytes = nullptr;
  [[nodiscard]] llvm::Value* at(KernelBuilder& kb, llvm::Value* row) const {
    return kb.at(base, kb.mul(row, row_bytes));
  }
};

// In place, or copied here.
[[nodiscard]] SddmmRows sddmm_rows_of_c(KernelBuilder& kb);
// The same, those of the call's panels of `height` rows.
[[nodiscard]] SddmmRows sddmm_rows_of_b(KernelBuilder& kb, int height);

}  // namespace lacuna
