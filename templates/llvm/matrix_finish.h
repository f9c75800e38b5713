// SPDX-License-Identifier: Apache-2.0
//
// The way of the amx strategy's sums into C: straight from the tiles where nothing is left to do, else through scratch,
// where epilogues and conversions are vector code.
#pragma once

#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/tile_loops.h"

namespace lacuna {

// Tokens [n0, n0 + tiles * 16), of the last tile at the end of a call `count` (i64) in one tile.
struct TokenGroup {
  llvm::Value* n0 = nullptr;
  int tiles = 1;
  llvm::Value* count = nullptr;  // null = whole tiles
};

// Output rows of a panel from `sub` on, and where the panel's lie in C.
struct RowSlice {
  llvm::Value* sub = nullptr;
  PanelRows rows;
};

// Tile (i, v) of the sums is tokens n0 + 16 i and rows sub + 16 v.
void finish_slice(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice);

}  // namespace lacuna
