// SPDX-License-Identifier: Apache-2.0
//
// From the results of the permute strategy, which lie in scratch column by column (nm_pack.h), to C.
#pragma once

#include "templates/llvm/kernel_builder.h"
#include "templates/permute.h"

namespace lacuna {

// The results of one panel at `from`: rows from row `first` of C on, which may not all be there, dense columns [n0, end).
struct CollectedPanel {
  llvm::Value *from, *first, *n0, *end;
};
// Adds what C held where the kernel accumulates, applies the epilogue and stores.
void store_panel(KernelBuilder& kb, const PermuteShape& shape, const CollectedPanel& panel);

}  // namespace lacuna
