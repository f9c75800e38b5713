// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/matrix_operands.h"

#include <cstdint>
#include <functional>

#include "templates/format.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/transpose.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/spec_dims.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

// Blocks of the reduced dimension.
Value* blocks_along(KernelBuilder& kb) {
  const std::int64_t depth = dims_of(kb.spec()).depth;
  return kb.ir().CreateUDiv(kb.add(kb.args().rows_in, kb.i64(depth - 1)), kb.i64(depth));
}

// Bytes of the packed tiles of 16 tokens.
Value* packed_strip_bytes(KernelBuilder& kb) {
  const MatrixShape shape = matrix_shape(kb.spec());
  return kb.mul(blocks_along(kb), kb.i64(shape.steps * shape.packed_tile_bytes()));
}

Value* packed_base(KernelBuilder& kb) {
  const auto& s = kb.spec().schedule;
  return kb.at(kb.args().scratch, kTileConfigFloats * 4 + kSumsTileBytes * s.mr * s.nv);
}

Value* staged_values_base(KernelBuilder& kb) {
  const auto& a = kb.args();
  Value* const tokens = kb.add(kb.sub(a.n_end, a.n_begin), kb.i64(kMatrixTileRows - 1));
  Value* const strips = kb.ir().CreateUDiv(tokens, kb.i64(kMatrixTileRows));
  return kb.at(packed_base(kb), kb.mul(strips, packed_strip_bytes(kb)));
}

// One tile of B to pack: tokens [n0, n0 + count), and step_bytes of the reduced dimension from row `row` on.
struct TileOfB {
  Value *n0, *count, *row, *to;
};

// A step of column-major tokens as rows.
void copy_rows(KernelBuilder& kb, const TileOfB& tile) {
  const auto& a = kb.args();
  const std::int64_t bytes = matrix_shape(kb.spec()).step_bytes;
  Value* const mask = bytes < kb.vector_bytes() ? kb.mask_below(kb.i64(bytes / 4)) : nullptr;
  Value* const from =
      kb.at(kb.at(a.b, kb.mul(tile.n0, a.ldb_bytes)), kb.mul(tile.row, kb.i64(kb.b_bytes())));
  kb.loop(kb.i64(0), tile.count, 1, {from, tile.to}, Trip::kAtLeastOne,
          [&](Value*, const Values& p) -> Values {
            kb.store(p[1], kb.load(p[0], mask), mask);
            return {kb.at(p[0], a.ldb_bytes), kb.at(p[1], bytes)};
          });
}

// The same as rows of groups, 16 tokens side by side.
void transpose_columns(KernelBuilder& kb, const TileOfB& tile) {
  const auto& a = kb.args();
  const std::int64_t groups = matrix_shape(kb.spec()).step_bytes / 4;
  Value* const last = kb.sub(tile.count, kb.i64(1));
  Values columns;
  for (int t = 0; t < kMatrixTileRows; ++t) {
    Value* const n = kb.add(tile.n0, kb.min(kb.i64(t), last));
    columns.push_back(
        kb.at(kb.at(a.b, kb.mul(n, a.ldb_bytes)), kb.mul(tile.row, kb.i64(kb.b_bytes()))));
  }
  Value* to = tile.to;
  for (std::int64_t quad = 0; quad < groups; quad += 4)
    for (Value* const vector : load_four_columns(kb, columns, quad * 4)) {
      kb.store(to, vector);
      to = kb.at(to, kb.vector_bytes());
    }
}

// Rows of groups of a row-major B.
void interleave_rows(KernelBuilder& kb, const TileOfB& tile) {
  const auto& a = kb.args();
  const std::int64_t groups = matrix_shape(kb.spec()).step_bytes / 4;
  Value* const mask = kb.mask_below(tile.count);
  Value* const from =
      kb.at(kb.at(a.b, kb.mul(tile.row, a.ldb_bytes)), kb.mul(tile.n0, kb.i64(kb.b_bytes())));
  kb.loop(kb.i64(0), kb.i64(groups), 1, {from, tile.to}, Trip::kAtLeastOne,
          [&](Value*, const Values& p) -> Values {
            Value* address = p[0];
            Values rows;
            for (std::int32_t i = 0; i < kb.group(); ++i) {
              rows.push_back(address);
              address = kb.at(address, a.ldb_bytes);
            }
            kb.store(p[1], kb.load_groups(rows, mask));
            return {address, kb.at(p[1], kb.vector_bytes())};
          });
}

// And those transposed to tokens, through the first tile of sums, which nothing uses yet.
void transpose_rows(KernelBuilder& kb, const TileOfB& tile) {
  const std::int64_t bytes = matrix_shape(kb.spec()).step_bytes;
  Value* const interleaved = kb.at(kb.args().scratch, kTileConfigFloats * 4);
  interleave_rows(kb, {tile.n0, tile.count, tile.row, interleaved});
  Values rows;
  for (std::int64_t g = 0; g < bytes / 4; ++g)
    rows.push_back(kb.at(interleaved, g * kb.vector_bytes()));
  Value* const mask = bytes < kb.vector_bytes() ? kb.mask_below(kb.i64(bytes / 4)) : nullptr;
  Value* to = tile.to;
  for (std::int64_t quad = 0; quad < kMatrixTileRows; quad += 4)
    for (Value* const vector : load_four_columns(kb, rows, quad * 4)) {
      kb.store(to, vector, mask);
      to = kb.at(to, bytes);
    }
}

void pack_tile(KernelBuilder& kb, const TileOfB& tile) {
  const bool by_token = kb.spec().layout_b == Layout::kColMajor;
  if (matrix_shape(kb.spec()).tokens_first)
    by_token ? copy_rows(kb, tile) : transpose_rows(kb, tile);
  else
    by_token ? transpose_columns(kb, tile) : interleave_rows(kb, tile);
}

// The tiles of block `number` of the reduced dimension for 16 tokens from n0 on.
void pack_block(KernelBuilder& kb, Value* n0, Value* number) {
  const auto& a = kb.args();
  const MatrixShape shape = matrix_shape(kb.spec());
  const std::int64_t depth = dims_of(kb.spec()).depth;
  Value* const count = kb.min(kb.sub(a.n_end, n0), kb.i64(kMatrixTileRows));
  Value* const origin = kb.min(kb.mul(number, kb.i64(depth)), kb.sub(a.rows_in, kb.i64(depth)));
  Value* const tiles = kb.at(dense_tiles(kb, n0).base,
                             kb.mul(number, kb.i64(shape.steps * shape.packed_tile_bytes())));
  for_each_step(kb, kb.i64(0), kb.i64(shape.steps), 1, [&](Value* step) {
    Value* const row = kb.add(origin, kb.mul(step, kb.i64(shape.step_bytes / kb.b_bytes())));
    pack_tile(kb, {n0, count, row, kb.at(tiles, kb.mul(step, kb.i64(shape.packed_tile_bytes())))});
  });
}

// [c/g][r] groups of a block to its rows, [r][c].
void transpose_block(KernelBuilder& kb, const Bsr& bsr, Value* from, Value* to) {
  const MatrixShape shape = matrix_shape(kb.spec());
  const std::int64_t groups = shape.step_bytes / 4;
  Value* const mask = groups < kb.lanes() ? kb.mask_below(kb.i64(groups)) : nullptr;
  const std::int64_t line_bytes = bsr.r * 4LL;
  for_each_step(kb, kb.i64(0), kb.i64(shape.steps), 1, [&](Value* step) {
    Value* const first = kb.at(from, kb.mul(step, kb.i64(groups * line_bytes)));
    Value* const out = kb.at(to, kb.mul(step, kb.i64(shape.step_bytes)));
    for_each_step(kb, kb.i64(0), kb.i64(bsr.r), 4, [&](Value* row) {
      Values lines;
      for (std::int64_t g = 0; g < groups; ++g)
        lines.push_back(kb.at(kb.at(first, g * line_bytes), kb.mul(row, kb.i64(4))));
      Value* line = kb.at(out, kb.mul(row, kb.i64(shape.depth_bytes)));
      for (Value* const vector : load_four_columns(kb, lines, 0)) {
        kb.store(line, vector, mask);
        line = kb.at(line, shape.depth_bytes);
      }
    });
  });
}

// [c/2][r] pairs along k to rows along m, [c][r]: the first elements of all pairs, then the second ones.
void separate_pairs(KernelBuilder& kb, const Bsr& bsr, Value* from, Value* to) {
  constexpr std::int64_t kBf16Bytes = 2;
  auto& ir = kb.ir();
  auto* const wide = llvm::FixedVectorType::get(ir.getInt32Ty(), static_cast<unsigned>(kb.lanes()));
  kb.loop(kb.i64(0), kb.i64(bsr.c / 2), 1, {from, to}, Trip::kAtLeastOne,
          [&](Value*, const Values& p) -> Values {
            for (std::int64_t row = 0; row < bsr.r; row += kb.lanes()) {
              Value* const mask =
                  bsr.r - row < kb.lanes() ? kb.mask_below(kb.i64(bsr.r - row)) : nullptr;
              Value* const pairs = ir.CreateBitCast(kb.load(kb.at(p[0], row * 4), mask), wide);
              Value* const line = kb.at(p[1], row * kBf16Bytes);
              kb.store_halves(line, pairs, mask);
              kb.store_halves(kb.at(line, bsr.r * kBf16Bytes), ir.CreateLShr(pairs, 16), mask);
            }
            return {kb.at(p[0], bsr.r * 4LL), kb.at(p[1], 2 * kBf16Bytes * bsr.r)};
          });
}

// The values of a panel that is read the other way than stored, to `to`.
void stage_blocks(KernelBuilder& kb, Value* begin, Value* end, Value* to) {
  const Bsr& bsr = std::get<Bsr>(kb.spec().format);
  const std::int64_t block_bytes = block_shape(kb.spec()).block_bytes;
  const bool by_number = panel_direction(kb.spec()) == PanelDirection::kBlockColumns;
  kb.loop(begin, end, 1, {to}, Trip::kMayBeZero, [&](Value* entry, const Values& p) -> Values {
    Value* const number = by_number ? kb.load_i32(kb.args().block, entry) : entry;
    Value* const from = kb.at(kb.args().values, kb.mul(number, kb.i64(block_bytes)));
    if (by_number)
      separate_pairs(kb, bsr, from, p[0]);
    else
      transpose_block(kb, bsr, from, p[0]);
    return {kb.at(p[0], block_bytes)};
  });
}

PanelValues values_of_entries(KernelBuilder& kb, Value* begin, Value* end) {
  if (!stages_values(kb.spec())) return {kb.args().values, kb.i64(0)};
  Value* const to = staged_values_base(kb);
  if (matrix_shape(kb.spec()).tokens_first) return stage_values(kb, begin, end, to);
  stage_blocks(kb, begin, end, to);
  return {to, begin};
}

}  // namespace

DenseTiles dense_tiles(KernelBuilder& kb, Value* n0) {
  const auto& a = kb.args();
  const MatrixShape shape = matrix_shape(kb.spec());
  if (!kb.spec().schedule.pack)
    return {kb.at(a.b, kb.mul(n0, a.ldb_bytes)), kb.mul(a.ldb_bytes, kb.i64(kMatrixTileRows)),
            shape.step_bytes, a.ldb_bytes};
  Value* const strip = packed_strip_bytes(kb);
  Value* const before = kb.ir().CreateUDiv(kb.sub(n0, a.n_begin), kb.i64(kMatrixTileRows));
  return {kb.at(packed_base(kb), kb.mul(before, strip)), strip, shape.packed_tile_bytes(),
          kb.i64(shape.tokens_first ? shape.step_bytes : kb.vector_bytes())};
}

// The last block may be shifted back: it has a place of its own behind the others.
Value* tiles_of_block(KernelBuilder& kb, const DenseTiles& tiles, Value* origin) {
  if (!kb.spec().schedule.pack) return kb.at(tiles.base, kb.mul(origin, kb.i64(kb.b_bytes())));
  const MatrixShape shape = matrix_shape(kb.spec());
  const std::int64_t depth = dims_of(kb.spec()).depth;
  Value* const number = kb.ir().CreateUDiv(kb.add(origin, kb.i64(depth - 1)), kb.i64(depth));
  return kb.at(tiles.base, kb.mul(number, kb.i64(shape.steps * shape.packed_tile_bytes())));
}

// In the order that B lies in memory: with 32 bytes of each row at a time a call of 512 tokens at density 0.1 took 228
// instead of 158 us.
void pack_dense_tiles(KernelBuilder& kb) {
  const auto& a = kb.args();
  Value* const blocks = blocks_along(kb);
  const auto for_tokens = [&](const std::function<void(Value*)>& body) {
    for_each_step(kb, a.n_begin, a.n_end, kMatrixTileRows, body);
  };
  const auto for_blocks = [&](const std::function<void(Value*)>& body) {
    for_each_step(kb, kb.i64(0), blocks, 1, body);
  };
  if (kb.spec().layout_b == Layout::kColMajor)
    for_tokens([&](Value* n0) { for_blocks([&](Value* number) { pack_block(kb, n0, number); }); });
  else
    for_blocks([&](Value* number) { for_tokens([&](Value* n0) { pack_block(kb, n0, number); }); });
}

WeightTiles weight_tiles(KernelBuilder& kb, Value* begin, Value* end) {
  const MatrixShape shape = matrix_shape(kb.spec());
  const std::int64_t block_bytes = block_shape(kb.spec()).block_bytes;
  const PanelValues values = values_of_entries(kb, begin, end);
  if (shape.tokens_first)
    return {values,
            block_bytes,
            4,
            kMatrixTileRows * 4,
            shape.step_bytes / 4 * shape.height * 4,
            shape.height * 4};
  return {
      values,           block_bytes,      shape.depth_bytes, kMatrixTileRows * shape.depth_bytes,
      shape.step_bytes, shape.depth_bytes};
}

}  // namespace lacuna
