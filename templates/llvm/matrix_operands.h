// SPDX-License-Identifier: Apache-2.0
//
// The operands of the amx strategy: tiles of B in place or packed, values as they are stored or staged.
//
// A packed tile is contiguous, whatever the leading dimension: rows a power of two apart share a few sets of L1 (16 x 16
// blocks ran at 0.55 instead of 0.87 TFLOP/s with rows of 2048 bytes, Granite Rapids). Packed B: for each 16 tokens,
// for each block of the reduced dimension, the tiles of its steps.
//
// Scratch, in floats (scratch_floats() in call_layout.cpp agrees): kTileConfigFloats for the tiles' shapes, mr * nv tiles
// of 16 x 16 sums, packed B, staged values of a panel.
#pragma once

#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/matrix_unit.h"
#include "templates/llvm/panel_values.h"

namespace lacuna {

inline constexpr std::int64_t kSumsTileBytes = 4 * kMatrixTileRows * kMatrixTileRows;

// Tiles of B that start at token n0: tile i of the step s of the block at `origin` is at
// at(origin) + i * tile_bytes + s * step_bytes.
struct DenseTiles {
  llvm::Value *base, *tile_bytes;
  std::int64_t step_bytes;
  llvm::Value* row_bytes;
};
[[nodiscard]] DenseTiles dense_tiles(KernelBuilder& kb, llvm::Value* n0);
// Where the tiles of the block begin.
[[nodiscard]] llvm::Value* tiles_of_block(KernelBuilder& kb, const DenseTiles& tiles,
                                          llvm::Value* origin);
// Packs all of the call's B. What tokens beyond the end hold does not matter: their sums are not stored.
void pack_dense_tiles(KernelBuilder& kb);

// Weights of output rows from `sub` on are at base + (entry - first) * block_bytes + sub * sub_bytes; tile v of step s
// another v * tile_bytes + s * step_bytes on.
struct WeightTiles {
  PanelValues values;
  std::int64_t block_bytes = 0, sub_bytes = 0, tile_bytes = 0, step_bytes = 0, row_bytes = 0;
};
// Entries [begin, end) of a panel: as they are stored, or staged.
[[nodiscard]] WeightTiles weight_tiles(KernelBuilder& kb, llvm::Value* begin, llvm::Value* end);

}  // namespace lacuna
