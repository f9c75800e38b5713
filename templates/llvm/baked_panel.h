// SPDX-License-Identifier: Apache-2.0
//
// Baked panels (pattern_code.h): the call of a panel's code, and the way of its sums into C.
#pragma once

#include "templates/llvm/dense_tile.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/panel_values.h"
#include "templates/llvm/tile_loops.h"

namespace lacuna {

// One panel of one tile, which is one vector wide. `staged`: with stages_values() where its values are.
void call_baked_panel(KernelBuilder& kb, llvm::Value* panel, const PanelValues& staged,
                      const ColumnTile& tile, const DenseTile& b, const DenseTile& c);

}  // namespace lacuna
