// SPDX-License-Identifier: Apache-2.0
//
// The dense operands of sddmm on blocks, as its tiles read them: in place or packed. Columns of n are taken in groups
// (element_types.h); one that is not whole ends in zeros, so that it needs no other code where it was packed.
//
// Scratch with packing, in 32-bit lanes (scratch_floats() in call_layout.cpp agrees; up() rounds up to whole vectors, g is
// the group, `columns` those of a stretch, see takes_stretches()):
//   up(columns)/g * up(r)            the panel of B, [n/g][r]
//   up(rows_in) * kPackedRowOfC      with packs_c(), f32 and widened: a stretch of C, [k][n]; rows of packed_row_of_c()
//                                    where it is the whole C
//   up(columns)/g * packed_row_of_c()   with packs_c(), groups: [n/g][k]
#pragma once

#include "templates/llvm/dense_tile.h"
#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Rows [first, first + r) of B as vectors: vector v of group p is at base + p * column_bytes + v * vector_bytes, where
// group 0 begins the stretch at hand.
struct PanelOfB {
  llvm::Value* base = nullptr;
  llvm::Value* column_bytes = nullptr;
  bool padded = false;  // whole vectors may be read
};

// The panel whose first row is `first`, packed where the schedule says so.
[[nodiscard]] PanelOfB panel_of_b(KernelBuilder& kb, const Stretch& stretch, llvm::Value* first);

// Element k of group p of C is at base + k * row_bytes + p * column_bytes.
struct DenseC {
  llvm::Value* base = nullptr;
  llvm::Value* row_bytes = nullptr;
  llvm::Value* column_bytes = nullptr;
  bool rows_reachable =
      false;  // displacements reach all rows of a tile: row_bytes is a small constant
};
[[nodiscard]] DenseC dense_c(KernelBuilder& kb, const Stretch& stretch);

// Groups of a stretch: those that are whole, and all.
[[nodiscard]] llvm::Value* whole_groups(KernelBuilder& kb, const Stretch& stretch);
[[nodiscard]] llvm::Value* all_groups(KernelBuilder& kb, const Stretch& stretch);

}  // namespace lacuna
