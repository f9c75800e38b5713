// SPDX-License-Identifier: Apache-2.0
//
// What a tile of the row strategy reads and writes: a chunk of the reduced dimension, with glu a half of A.
#pragma once

#include <functional>

#include "templates/llvm/dense_tile.h"
#include "templates/llvm/panel_values.h"
#include "templates/llvm/tile_loops.h"

namespace lacuna {

// A chunk of the reduced dimension (schedule.h: kc), and where the call's sums of the chunks before it lie: tile by tile,
// in the order in which panels and stretches come. Without kc there is one, and `number` is null.
struct Chunk {
  llvm::Value* number = nullptr;
  llvm::Value* count = nullptr;
  RowsOfB rows;
  llvm::Value* sums = nullptr;
};
[[nodiscard]] llvm::Value* is_last(KernelBuilder& kb, const Chunk& chunk);
// What follows the last chunk.
void when_finished(KernelBuilder& kb, const Chunk& chunk, const std::function<void()>& finish);

// Where a tile of columns is read and written, and with stages_values() the values of the panels at hand.
struct TileOperands {
  ColumnTile tile;
  DenseTile b, c;
  PanelValues staged;
  Chunk chunk;
  llvm::Value* sums = nullptr;  // of earlier chunks, of the panel's first row
  HalfOfA half;                 // whose panels are at hand
};
// The same for one half, whose sums go half_bytes behind the other's.
[[nodiscard]] TileOperands in_half(KernelBuilder& kb, const TileOperands& in, const HalfOfA& half,
                                   llvm::Value* half_bytes);
// The panel of A whose sums are wanted in a panel of C.
[[nodiscard]] llvm::Value* panel_of_a(KernelBuilder& kb, llvm::Value* panel,
                                      const TileOperands& in);

// The sums of earlier chunks of panel 0 in a tile; the panels' lie panel_bytes apart.
struct SumsOfTile {
  llvm::Value* base = nullptr;
  llvm::Value* panel_bytes = nullptr;
};
[[nodiscard]] SumsOfTile sums_of_tile(KernelBuilder& kb, const Chunk& chunk, const Stretch& stretch,
                                      const ColumnTile& tile);
// The same with those of a panel of C, if there are chunks.
[[nodiscard]] TileOperands with_sums(KernelBuilder& kb, llvm::Value* panel, const SumsOfTile& sums,
                                     TileOperands in);

}  // namespace lacuna
