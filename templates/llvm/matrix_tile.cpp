// SPDX-License-Identifier: Apache-2.0
//
// spmm and spmm_transposed on matrix units (Intel AMX: Intel SDM, vol. 1, chapter 18; vol. 2, TDPBF16PS): one instruction
// multiplies 16 rows of 64 bytes of the reduced dimension by 64 bytes of it x 16. Which operand comes first follows from
// C's layout (matrix_unit.h). Column-major B and C are such tiles as they lie in memory, and so are the blocks of A, in
// groups of 32 bits: spmm may take all as they are, or pack B. All else packs B once a call, and rearranges the values of
// a panel once.
//
// A kernel holds mr x nv tiles of C: 16 mr tokens and 16 nv output rows of a panel. Fewer than 16 tokens at the end of
// a call are, in place, tiles with fewer rows, so that nothing outside the operands is read; packed, whole tiles whose
// end is not stored. Blocks with fewer than 16 output rows are smaller tiles.
#include <cstdint>
#include <functional>
#include <vector>

#include "templates/llvm/bodies.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/matrix_finish.h"
#include "templates/llvm/matrix_operands.h"
#include "templates/llvm/matrix_unit.h"
#include "templates/llvm/tile_loops.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

// Where one step reads: its first tiles of tokens and of weights.
struct StepOperands {
  Value *tokens, *weights;
};

// One step: `count` tiles of tokens times nv of weights.
void multiply_step(KernelBuilder& kb, int count, const DenseTiles& dense, const WeightTiles& values,
                   const StepOperands& from) {
  MatrixUnit unit(kb);
  const TileNumbers tiles = tile_numbers(kb.spec());
  const bool tokens_first = matrix_shape(kb.spec()).tokens_first;
  const auto load_tokens = [&](int i) {
    unit.load(tiles.tokens(i), kb.at(from.tokens, kb.mul(dense.tile_bytes, kb.i64(i))),
              dense.row_bytes);
  };
  const auto load_weights = [&](int v) {
    unit.load(tiles.weights(v), kb.at(from.weights, v * values.tile_bytes),
              kb.i64(values.row_bytes));
  };
  const auto multiply = [&](int i, int v) {
    const int tokens = tiles.tokens(i), weights = tiles.weights(v);
    unit.multiply_add(tiles.sums(i, v), tokens_first ? tokens : weights,
                      tokens_first ? weights : tokens);
  };
  if (tiles.tokens_stay()) {
    for (int i = 0; i < count; ++i)
      load_tokens(i);
    for (int v = 0; v < tiles.nv; ++v) {
      load_weights(v);
      for (int i = 0; i < count; ++i)
        multiply(i, v);
    }
    return;
  }
  for (int v = 0; v < tiles.nv; ++v)
    load_weights(v);
  for (int i = 0; i < count; ++i) {
    load_tokens(i);
    for (int v = 0; v < tiles.nv; ++v)
      multiply(i, v);
  }
}

// Entries [begin, end) of a panel, their values, and its output rows.
struct Panel {
  Value *begin = nullptr, *end = nullptr;
  WeightTiles values;
  PanelRows rows;
};

Panel make_panel(KernelBuilder& kb, Value* number) {
  Value* const begin = kb.load_i64(kb.args().ptr, number);
  Value* const end = kb.load_i64(kb.args().ptr, kb.add(number, kb.i64(1)));
  const auto height = static_cast<int>(matrix_shape(kb.spec()).height);
  return {begin, end, weight_tiles(kb, begin, end), panel_rows(kb, number, height)};
}

void compute_slice(KernelBuilder& kb, const Panel& panel, const TokenGroup& tokens,
                   const RowSlice& slice) {
  MatrixUnit unit(kb);
  const MatrixShape shape = matrix_shape(kb.spec());
  const WeightTiles& weights = panel.values;
  for (int t = 0; t < tokens.tiles * kb.spec().schedule.nv; ++t)
    unit.clear(t);
  const DenseTiles dense = dense_tiles(kb, tokens.n0);
  Value* const before = kb.sub(panel.begin, weights.values.first);
  Value* const values =
      kb.at(kb.at(weights.values.base, kb.mul(slice.sub, kb.i64(weights.sub_bytes))),
            kb.mul(before, kb.i64(weights.block_bytes)));
  kb.loop(panel.begin, panel.end, 1, {values}, Trip::kMayBeZero,
          [&](Value* entry, const Values& p) -> Values {
            Value* const block = tiles_of_block(kb, dense, kb.load_i32(kb.args().origin, entry));
            for (std::int64_t s = 0; s < shape.steps; ++s)
              multiply_step(
                  kb, tokens.tiles, dense, weights,
                  {kb.at(block, s * dense.step_bytes), kb.at(p[0], s * weights.step_bytes)});
            return {kb.at(p[0], weights.block_bytes)};
          });
  finish_slice(kb, tokens, slice);
}

void compute_panel(KernelBuilder& kb, const Panel& panel, const TokenGroup& tokens) {
  const std::int64_t step = kb.spec().schedule.nv * kMatrixTileRows;
  for_each_step(kb, kb.i64(0), kb.i64(matrix_shape(kb.spec()).height), step,
                [&](Value* sub) { compute_slice(kb, panel, tokens, {sub, panel.rows}); });
}

using TokenBody = std::function<void(const TokenGroup&)>;

// Groups of mr tiles of tokens, then single tiles, of whole tiles only.
void for_each_whole_group(KernelBuilder& kb, Value* whole_end, const TokenBody& body) {
  Value* begin = kb.args().n_begin;
  std::vector<int> sizes{kb.spec().schedule.mr};
  if (sizes.front() > 1) sizes.push_back(1);
  for (const int size : sizes) {
    const std::int64_t width = size * kMatrixTileRows;
    Value* const groups = kb.ir().CreateSDiv(kb.sub(whole_end, begin), kb.i64(width));
    Value* const end = kb.add(begin, kb.mul(groups, kb.i64(width)));
    for_each_step(kb, begin, end, width, [&](Value* n0) { body({n0, size, nullptr}); });
    begin = end;
  }
}

// The tokens behind the last whole tile, if there are any.
void if_tokens_left(KernelBuilder& kb, Value* whole_end, const TokenBody& body) {
  Value* const end = kb.args().n_end;
  kb.if_then(kb.ir().CreateICmpSLT(whole_end, end),
             [&] { body({whole_end, 1, kb.sub(end, whole_end)}); });
}

void for_each_product(KernelBuilder& kb, const std::function<void(const TokenBody&)>& for_tokens) {
  if (kb.spec().schedule.order == LoopOrder::kPanelOuter) {
    for_each_panel(kb, [&](Value* number) {
      const Panel panel = make_panel(kb, number);
      for_tokens([&](const TokenGroup& tokens) { compute_panel(kb, panel, tokens); });
    });
    return;
  }
  for_tokens([&](const TokenGroup& tokens) {
    for_each_panel(kb, [&](Value* number) { compute_panel(kb, make_panel(kb, number), tokens); });
  });
}

void compute_packed(KernelBuilder& kb, Value* whole_end) {
  configure_tiles(kb, kb.i64(kMatrixTileRows));
  pack_dense_tiles(kb);
  for_each_product(kb, [&](const TokenBody& body) {
    for_each_whole_group(kb, whole_end, body);
    if_tokens_left(kb, whole_end, body);
  });
}

void compute_in_place(KernelBuilder& kb, Value* whole_end) {
  kb.if_then(kb.ir().CreateICmpSLT(kb.args().n_begin, whole_end), [&] {
    configure_tiles(kb, kb.i64(kMatrixTileRows));
    for_each_product(kb, [&](const TokenBody& body) { for_each_whole_group(kb, whole_end, body); });
  });
  if_tokens_left(kb, whole_end, [&](const TokenGroup& tokens) {
    configure_tiles(kb, tokens.count);
    for_each_product(kb, [&](const TokenBody& body) { body(tokens); });
  });
}

}  // namespace

void emit_matrix_tile(KernelBuilder& kb) {
  const auto& a = kb.args();
  Value* const tiles = kb.ir().CreateSDiv(kb.sub(a.n_end, a.n_begin), kb.i64(kMatrixTileRows));
  Value* const whole_end = kb.add(a.n_begin, kb.mul(tiles, kb.i64(kMatrixTileRows)));
  if (kb.spec().schedule.pack)
    compute_packed(kb, whole_end);
  else
    compute_in_place(kb, whole_end);
  MatrixUnit(kb).release();
}

}  // namespace lacuna
