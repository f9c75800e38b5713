// SPDX-License-Identifier: Apache-2.0
//
// spmm on matrix units (Intel AMX: Intel SDM, vol. 1, chapter 18; vol. 2, TDPBF16PS): one instruction multiplies a tile of
// 16 tokens x 64 bytes of k by a tile of 64 bytes of k x 16 output rows, whose groups lie side by side. Column-major B
// and C are such tiles as they lie in memory, and so are the blocks of A, in groups of 32 bits: nothing is packed.
//
// A kernel holds mr x nv tiles of C: 16 mr tokens and 16 nv output rows of a panel. Fewer than 16 tokens at the end of
// a call are tiles with fewer rows, so that nothing outside the operands is read; blocks lower than 16 rows, tiles with
// fewer columns. Sums leave the tiles through scratch: epilogues and conversions are vector code.
//
// Scratch, in floats (scratch_floats() in call_layout.cpp agrees): kTileConfigFloats for the tiles' shapes, and mr * nv
// tiles of 16 x 16 sums.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "targets/base/dtype.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/finish.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/tile_loops.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

constexpr std::int64_t kTileBytes = 4 * kMatrixTileRows * kMatrixTileRows;  // of 32-bit sums

// The matrix unit's instructions. Tiles are named by number, so that nothing allocates them.
class MatrixUnit {
 public:
  explicit MatrixUnit(KernelBuilder& kb) : kb_(kb) {}

  void configure(Value* config) { call(llvm::Intrinsic::x86_ldtilecfg, {config}); }
  void release() { call(llvm::Intrinsic::x86_tilerelease, {}); }
  void clear(int tile) { call(llvm::Intrinsic::x86_tilezero, {number(tile)}); }
  void load(int tile, Value* pointer, Value* row_bytes) {
    call(llvm::Intrinsic::x86_tileloadd64, {number(tile), pointer, row_bytes});
  }
  void store(int tile, Value* pointer, Value* row_bytes) {
    call(llvm::Intrinsic::x86_tilestored64, {number(tile), pointer, row_bytes});
  }
  void multiply_add(int sums, int tokens, int weights) {
    call(product(), {number(sums), number(tokens), number(weights)});
  }

 private:
  [[nodiscard]] llvm::Intrinsic::ID product() const {
    switch (operand_types(kb_.spec().types).dense) {
      case DType::kS8:
        return llvm::Intrinsic::x86_tdpbssd;
      case DType::kU8:
        return llvm::Intrinsic::x86_tdpbusd;
      case DType::kBf16:
      case DType::kF32:
      case DType::kS32:
        break;
    }
    return llvm::Intrinsic::x86_tdpbf16ps;
  }
  Value* number(int tile) { return kb_.ir().getInt8(static_cast<std::uint8_t>(tile)); }
  void call(llvm::Intrinsic::ID id, const Values& arguments) {
    kb_.ir().CreateIntrinsic(id, {}, arguments);
  }
  KernelBuilder& kb_;
};

// Which tile holds what: the sums row by row; of the longer side of the register tile two operands take turns, those of
// the shorter side stay for a step.
struct TileNumbers {
  int mr, nv;
  [[nodiscard]] int sums(int i, int v) const { return i * nv + v; }
  [[nodiscard]] bool tokens_stay() const { return mr < nv; }
  [[nodiscard]] int tokens(int i) const { return mr * nv + (tokens_stay() ? i : nv + i % 2); }
  [[nodiscard]] int weights(int v) const { return mr * nv + (tokens_stay() ? mr + v % 2 : v); }
};

TileNumbers tile_numbers(const KernelBuilder& kb) {
  return {kb.spec().schedule.mr, kb.spec().schedule.nv};
}

// One step of the reduction: at most 64 bytes of k of each token.
struct Step {
  std::int64_t bytes = 0;  // of k
  std::int64_t count = 0;  // steps of a block
};

const Bsr& bsr_of(const KernelBuilder& kb) {
  return std::get<Bsr>(kb.spec().format);
}

Step step_of(const KernelBuilder& kb) {
  const std::int64_t bytes = bsr_of(kb).c * kb.b_bytes();
  constexpr std::int64_t kMost = 4 * kMatrixTileRows;
  return {std::min(bytes, kMost), std::max<std::int64_t>(1, bytes / kMost)};
}

// Rows of A's block that one tile of weights holds.
std::int64_t rows_of_tile(const KernelBuilder& kb) {
  return std::min<std::int64_t>(bsr_of(kb).r, kMatrixTileRows);
}

// The shapes of all tiles for tiles of `tokens` (i64) tokens (Intel SDM, vol. 1, 18.3: palette 1; bytes of a row in 16
// bits from byte 16 on, rows in 8 bits from byte 48 on).
void write_config(KernelBuilder& kb, Value* tokens) {
  auto& ir = kb.ir();
  const TileNumbers tiles = tile_numbers(kb);
  Value* const config = kb.args().scratch;
  constexpr std::int64_t kConfigBytes = 64, kFirstRowBytes = 16, kFirstRows = 48;
  for (std::int64_t at = 0; at < kConfigBytes; at += kb.vector_bytes())
    kb.store(kb.at(config, at), kb.zero());
  ir.CreateStore(ir.getInt8(1), config);
  const auto shape = [&](int tile, std::int64_t row_bytes, Value* rows) {
    ir.CreateAlignedStore(ir.getInt16(static_cast<std::uint16_t>(row_bytes)),
                          kb.at(config, kFirstRowBytes + 2LL * tile), llvm::Align(1));
    ir.CreateStore(ir.CreateTrunc(rows, ir.getInt8Ty()), kb.at(config, kFirstRows + tile));
  };
  const Step step = step_of(kb);
  for (int i = 0; i < tiles.mr; ++i)
    for (int v = 0; v < tiles.nv; ++v)
      shape(tiles.sums(i, v), rows_of_tile(kb) * 4, tokens);
  for (int i = 0; i < tiles.mr; ++i)
    shape(tiles.tokens(i), step.bytes, tokens);
  for (int v = 0; v < tiles.nv; ++v)
    shape(tiles.weights(v), rows_of_tile(kb) * 4, kb.i64(step.bytes / 4));
}

// Tokens [n0, n0 + tiles * 16), of the last tile at the end of a call `count` (i64) in one tile.
struct TokenGroup {
  Value* n0 = nullptr;
  int tiles = 1;
  Value* count = nullptr;  // null = whole tiles
};

// Output rows of a panel from `sub` on, and where they lie in C.
struct RowSlice {
  Value* sub = nullptr;
  PanelRows rows;
};

Value* sums_at(KernelBuilder& kb, int number) {
  return kb.at(kb.args().scratch, kTileConfigFloats * 4 + number * kTileBytes);
}

// One vector of a token's sums: from lane `offset` of the slice on, which lies at `scratch_bytes` from its first.
struct SumVector {
  std::int64_t offset = 0;
  std::int64_t scratch_bytes = 0;
  Value* mask = nullptr;
  Terms terms;
};

std::vector<SumVector> vectors_of(KernelBuilder& kb, const RowSlice& slice) {
  const std::int64_t tile_rows = rows_of_tile(kb);
  Value* const row = kb.add(slice.rows.first, slice.sub);
  Value* const skip = kb.sub(slice.rows.skip, slice.sub);
  std::vector<SumVector> vectors;
  for (int v = 0; v < kb.spec().schedule.nv; ++v)
    for (std::int64_t lane = 0; lane < tile_rows; lane += kb.lanes()) {
      SumVector vector{v * kMatrixTileRows + lane, v * kTileBytes + lane * 4, nullptr, {}};
      vector.mask = kb.mask_from(kb.sub(skip, kb.i64(vector.offset)));
      if (tile_rows - lane < kb.lanes())
        vector.mask = kb.mask_and(vector.mask, kb.mask_below(kb.i64(tile_rows - lane)));
      vector.terms = terms_of_rows(kb, kb.add(row, kb.i64(vector.offset)), vector.mask);
      vectors.push_back(vector);
    }
  return vectors;
}

// From scratch to C as vectors, those of a token in a row.
void finish_tokens(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice, Value* c) {
  const int nv = kb.spec().schedule.nv;
  const std::vector<SumVector> vectors = vectors_of(kb, slice);
  Value* const count = tokens.count != nullptr ? tokens.count : kb.i64(kMatrixTileRows);
  for (int i = 0; i < tokens.tiles; ++i) {
    Value* const first = kb.at(c, kb.mul(kb.args().ldc_bytes, kb.i64(i * kMatrixTileRows)));
    kb.loop(kb.i64(0), count, 1, {sums_at(kb, i * nv), first}, Trip::kAtLeastOne,
            [&](Value* number, const Values& p) -> Values {
              Value* const n = kb.add(kb.add(tokens.n0, kb.i64(i * kMatrixTileRows)), number);
              for (const SumVector& vector : vectors) {
                Value* const to = kb.at(p[1], vector.offset * kb.c_bytes());
                Value* sum = kb.finished_sums(kb.load(kb.at(p[0], vector.scratch_bytes)));
                if (kb.spec().accumulate)
                  sum = kb.add_results(sum, kb.load_result(to, vector.mask));
                const Terms terms = in_column(kb, vector.terms, n);
                kb.store_result(to, finish_in_registers(kb, sum, terms), vector.mask);
              }
              return {kb.at(p[0], 4 * kMatrixTileRows), kb.at(p[1], kb.args().ldc_bytes)};
            });
  }
}

// The same tile by tile, with any epilogue.
void finish_tiles(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice) {
  const int nv = kb.spec().schedule.nv;
  Value* const count = tokens.count != nullptr ? tokens.count : kb.i64(kMatrixTileRows);
  for (int t = 0; t < tokens.tiles * nv; ++t) {
    const std::int64_t offset = t % nv * kMatrixTileRows;
    Value* const row = kb.add(kb.add(slice.rows.first, slice.sub), kb.i64(offset));
    Value* const skip =
        kb.max(kb.sub(kb.sub(slice.rows.skip, slice.sub), kb.i64(offset)), kb.i64(0));
    Value* const n = kb.add(tokens.n0, kb.i64(t / nv * kMatrixTileRows));
    finish_part(kb, {kb.add(row, skip), kb.add(row, kb.i64(rows_of_tile(kb))), n, kb.add(n, count)},
                {kb.at(sums_at(kb, t), kb.mul(skip, kb.i64(4))), kb.i64(4 * kMatrixTileRows)});
  }
}

// Stores the sums to scratch, and from there to C.
void finish_in_scratch(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice,
                       Value* c) {
  for (int t = 0; t < tokens.tiles * kb.spec().schedule.nv; ++t)
    MatrixUnit(kb).store(t, sums_at(kb, t), kb.i64(4 * kMatrixTileRows));
  if (finishes_in_registers(kb.spec().epilogue))
    finish_tokens(kb, tokens, slice, c);
  else
    finish_tiles(kb, tokens, slice);
}

// Sums that need no more work go from the tiles to C, but for panels that share rows with the one before.
bool stores_tiles(const KernelBuilder& kb) {
  const OperandTypes types = operand_types(kb.spec().types);
  return !kb.spec().accumulate && kb.spec().epilogue.is_none() && types.result == types.accumulator;
}

void finish(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice) {
  const auto& a = kb.args();
  const int nv = kb.spec().schedule.nv;
  Value* const row_bytes = kb.mul(kb.add(slice.rows.first, slice.sub), kb.i64(kb.c_bytes()));
  Value* const c = kb.at(kb.at(a.c, kb.mul(tokens.n0, a.ldc_bytes)), row_bytes);
  if (!stores_tiles(kb)) {
    finish_in_scratch(kb, tokens, slice, c);
    return;
  }
  Value* const whole = kb.ir().CreateICmpEQ(slice.rows.skip, kb.i64(0));
  kb.if_then(whole, [&] {
    for (int i = 0; i < tokens.tiles; ++i) {
      Value* const first = kb.at(c, kb.mul(a.ldc_bytes, kb.i64(i * kMatrixTileRows)));
      for (int v = 0; v < nv; ++v)
        MatrixUnit(kb).store(i * nv + v, kb.at(first, v * 4 * kMatrixTileRows), a.ldc_bytes);
    }
  });
  kb.if_then(kb.ir().CreateNot(whole), [&] { finish_in_scratch(kb, tokens, slice, c); });
}

// One step: `count` tiles of tokens from `tokens` on times the tiles of weights from `weights` on.
void multiply_step(KernelBuilder& kb, int count, Value* tokens, Value* weights) {
  MatrixUnit unit(kb);
  const TileNumbers tiles = tile_numbers(kb);
  const auto& a = kb.args();
  const std::int64_t weight_row_bytes = bsr_of(kb).r * 4LL;
  const auto load_tokens = [&](int i) {
    Value* const rows = kb.mul(a.ldb_bytes, kb.i64(i * kMatrixTileRows));
    unit.load(tiles.tokens(i), kb.at(tokens, rows), a.ldb_bytes);
  };
  const auto load_weights = [&](int v) {
    unit.load(tiles.weights(v), kb.at(weights, v * 4 * kMatrixTileRows), kb.i64(weight_row_bytes));
  };
  const auto multiply = [&](int i, int v) {
    unit.multiply_add(tiles.sums(i, v), tiles.tokens(i), tiles.weights(v));
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

void compute_slice(KernelBuilder& kb, Value* panel, const TokenGroup& tokens,
                   const RowSlice& slice) {
  MatrixUnit unit(kb);
  const auto& a = kb.args();
  const BlockShape shape = block_shape(kb.spec());
  const int sums = tokens.tiles * kb.spec().schedule.nv;
  for (int t = 0; t < sums; ++t)
    unit.clear(t);
  Value* const begin = kb.load_i64(a.ptr, panel);
  Value* const end = kb.load_i64(a.ptr, kb.add(panel, kb.i64(1)));
  Value* const first_token = kb.at(a.b, kb.mul(tokens.n0, a.ldb_bytes));
  Value* const values = kb.at(kb.at(a.values, kb.mul(slice.sub, kb.i64(4))),
                              kb.mul(begin, kb.i64(shape.block_bytes)));
  const Step step = step_of(kb);
  kb.loop(begin, end, 1, {values}, Trip::kMayBeZero, [&](Value* entry, const Values& p) -> Values {
    Value* const origin = kb.load_i32(a.origin, entry);
    Value* const k = kb.at(first_token, kb.mul(origin, kb.i64(kb.b_bytes())));
    for (std::int64_t s = 0; s < step.count; ++s)
      multiply_step(kb, tokens.tiles, kb.at(k, s * step.bytes),
                    kb.at(p[0], s * (step.bytes / 4) * shape.depth_bytes));
    return {kb.at(p[0], shape.block_bytes)};
  });
  finish(kb, tokens, slice);
}

void compute_panel(KernelBuilder& kb, Value* panel, const TokenGroup& tokens) {
  const int height = bsr_of(kb).r;
  const PanelRows rows = panel_rows(kb, panel, height);
  const std::int64_t step = kb.spec().schedule.nv * kMatrixTileRows;
  for_each_step(kb, kb.i64(0), kb.i64(height), step,
                [&](Value* sub) { compute_slice(kb, panel, tokens, {sub, rows}); });
}

// Groups of mr tiles of tokens, then single tiles, of whole tiles only.
void for_each_token_group(KernelBuilder& kb, Value* whole_end,
                          const std::function<void(const TokenGroup&)>& body) {
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

void compute_whole_tiles(KernelBuilder& kb, Value* whole_end) {
  if (kb.spec().schedule.order == LoopOrder::kPanelOuter) {
    for_each_panel(kb, [&](Value* panel) {
      for_each_token_group(kb, whole_end,
                           [&](const TokenGroup& tokens) { compute_panel(kb, panel, tokens); });
    });
    return;
  }
  for_each_token_group(kb, whole_end, [&](const TokenGroup& tokens) {
    for_each_panel(kb, [&](Value* panel) { compute_panel(kb, panel, tokens); });
  });
}

}  // namespace

void emit_matrix_tile(KernelBuilder& kb) {
  const auto& a = kb.args();
  MatrixUnit unit(kb);
  Value* const tiles = kb.ir().CreateSDiv(kb.sub(a.n_end, a.n_begin), kb.i64(kMatrixTileRows));
  Value* const whole_end = kb.add(a.n_begin, kb.mul(tiles, kb.i64(kMatrixTileRows)));
  kb.if_then(kb.ir().CreateICmpSLT(a.n_begin, whole_end), [&] {
    write_config(kb, kb.i64(kMatrixTileRows));
    unit.configure(a.scratch);
    compute_whole_tiles(kb, whole_end);
  });
  kb.if_then(kb.ir().CreateICmpSLT(whole_end, a.n_end), [&] {
    Value* const count = kb.sub(a.n_end, whole_end);
    write_config(kb, count);
    unit.configure(a.scratch);
    for_each_panel(kb, [&](Value* panel) { compute_panel(kb, panel, {whole_end, 1, count}); });
  });
  unit.release();
}

}  // namespace lacuna
