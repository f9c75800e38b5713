// SPDX-License-Identifier: Apache-2.0
//
// The matrix unit (Intel AMX) as the amx strategy uses it: which tile holds what, and the shapes of tiles.
//
// One instruction adds to a tile of 16 x 16 sums the product of a *first* tile, 16 rows of up to 64 bytes of the reduced
// dimension, and a *second* tile, whose rows are groups (element_types.h) of the reduced dimension, 16 side by side.
// Where C is column-major, tokens are the first operand and weights the second, so that a row of sums is a token's
// part of C; where it is row-major, weights are the first and tokens the second.
#pragma once

#include <cstdint>

#include "templates/llvm/kernel_builder.h"
#include "templates/registry.h"

namespace lacuna {

// The instructions. Tiles are named by number, so that nothing allocates them.
class MatrixUnit {
 public:
  explicit MatrixUnit(KernelBuilder& kb) : kb_(kb) {}

  void configure(llvm::Value* config);
  void release();
  void clear(int tile);
  void load(int tile, llvm::Value* pointer, llvm::Value* row_bytes);
  void store(int tile, llvm::Value* pointer, llvm::Value* row_bytes);
  void multiply_add(int sums, int first, int second);

 private:
  llvm::Value* number(int tile) { return kb_.ir().getInt8(static_cast<std::uint8_t>(tile)); }
  KernelBuilder& kb_;
};

// Of the longer side of the register tile two operands take turns, those of the shorter side stay for a step.
struct TileNumbers {
  int mr, nv;  // tiles of tokens, of output rows
  [[nodiscard]] int sums(int i, int v) const { return i * nv + v; }
  [[nodiscard]] bool tokens_stay() const { return mr < nv; }
  [[nodiscard]] int tokens(int i) const { return mr * nv + (tokens_stay() ? i : nv + i % 2); }
  [[nodiscard]] int weights(int v) const { return mr * nv + (tokens_stay() ? mr + v % 2 : v); }
};

// The sizes of a kernel's tiles.
struct MatrixShape {
  bool tokens_first = true;      // C is column-major
  std::int64_t height = 0;       // output rows of a panel
  std::int64_t depth_bytes = 0;  // of the reduced dimension of a block
  std::int64_t step_bytes = 0;   // of it in one tile
  std::int64_t steps = 0;        // of a block
  [[nodiscard]] std::int64_t rows_of_tile() const {
    return height < kMatrixTileRows ? height : kMatrixTileRows;
  }
  // A tile of tokens where B is packed: as first operand 16 rows of step_bytes, as second step_bytes / 4 rows of 64.
  [[nodiscard]] std::int64_t packed_tile_bytes() const { return kMatrixTileRows * step_bytes; }
};
[[nodiscard]] MatrixShape matrix_shape(const KernelSpec& spec);
[[nodiscard]] TileNumbers tile_numbers(const KernelSpec& spec);

// Writes the shapes of all tiles to scratch and makes them the unit's; tiles of tokens are of `tokens` (i64).
void configure_tiles(KernelBuilder& kb, llvm::Value* tokens);

}  // namespace lacuna
