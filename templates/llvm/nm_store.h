// SPDX-License-Identifier: Apache-2.0
//
// From results that lie in scratch column by column (strategies perm and stream), 16 rows of them, to C.
#pragma once

#include <cstdint>

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Results at `from`, a dense column column_bytes behind the other, of mr columns rounded up to four: rows from row `first`
// of C on, those below `row_end`, dense columns [n0, end). What is read beyond them need not be set.
struct CollectedPanel {
  llvm::Value* from;
  std::int64_t column_bytes;
  llvm::Value *first, *row_end, *n0, *end;
};
// Adds what C held where the kernel accumulates, applies the epilogue and stores.
void store_panel(KernelBuilder& kb, const CollectedPanel& panel);

}  // namespace lacuna
