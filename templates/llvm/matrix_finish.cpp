// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/matrix_finish.h"

#include <cstdint>
#include <vector>

#include "templates/element_types.h"
#include "templates/llvm/finish.h"
#include "templates/llvm/matrix_operands.h"
#include "templates/llvm/matrix_unit.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

Value* sums_at(KernelBuilder& kb, int number) {
  return kb.at(kb.args().scratch, kTileConfigFloats * 4 + number * kSumsTileBytes);
}

// One vector of a token's sums: from lane `offset` of the slice on, which lies at `scratch_bytes` from its first.
struct SumVector {
  std::int64_t offset = 0;
  std::int64_t scratch_bytes = 0;
  Value* mask = nullptr;
  Terms terms;
};

std::vector<SumVector> vectors_of(KernelBuilder& kb, const RowSlice& slice) {
  const std::int64_t tile_rows = matrix_shape(kb.spec()).rows_of_tile();
  Value* const row = kb.add(slice.rows.first, slice.sub);
  Value* const skip = kb.sub(slice.rows.skip, slice.sub);
  std::vector<SumVector> vectors;
  for (int v = 0; v < kb.spec().schedule.nv; ++v)
    for (std::int64_t lane = 0; lane < tile_rows; lane += kb.lanes()) {
      SumVector vector{v * kMatrixTileRows + lane, v * kSumsTileBytes + lane * 4, nullptr, {}};
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

// The same of a row-major C, those of an output row in a row.
void finish_rows(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice, Value* c) {
  const auto& a = kb.args();
  const int nv = kb.spec().schedule.nv;
  const std::int64_t rows = matrix_shape(kb.spec()).rows_of_tile();
  Value* const mask = tokens.count != nullptr ? kb.mask_below(tokens.count) : nullptr;
  for (int v = 0; v < nv; ++v) {
    const std::int64_t offset = v * kMatrixTileRows;
    Value* const skip =
        kb.max(kb.sub(kb.sub(slice.rows.skip, slice.sub), kb.i64(offset)), kb.i64(0));
    Value* const first = kb.at(c, kb.mul(a.ldc_bytes, kb.add(skip, kb.i64(offset))));
    Value* const row = kb.add(kb.add(slice.rows.first, slice.sub), kb.i64(offset));
    Value* const sums = kb.at(sums_at(kb, v), kb.mul(skip, kb.i64(4 * kMatrixTileRows)));
    kb.loop(skip, kb.i64(rows), 1, {sums, first}, Trip::kMayBeZero,
            [&](Value* i, const Values& p) -> Values {
              const Terms of_row = terms_of_row(kb, kb.add(row, i));
              for (int t = 0; t < tokens.tiles; ++t) {
                Value* const to = kb.at(p[1], t * kMatrixTileRows * kb.c_bytes());
                Value* sum = kb.finished_sums(kb.load(kb.at(p[0], kSumsTileBytes * t * nv)));
                if (kb.spec().accumulate) sum = kb.add_results(sum, kb.load_result(to, mask));
                Value* const n = kb.add(tokens.n0, kb.i64(t * kMatrixTileRows));
                const Terms terms = in_columns(kb, of_row, n, mask);
                kb.store_result(to, finish_in_registers(kb, sum, terms), mask);
              }
              return {kb.at(p[0], 4 * kMatrixTileRows), kb.at(p[1], a.ldc_bytes)};
            });
  }
}

// The same tile by tile, with any epilogue.
void finish_tiles(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice) {
  const int nv = kb.spec().schedule.nv;
  Value* const count = tokens.count != nullptr ? tokens.count : kb.i64(kMatrixTileRows);
  // From one output row to the next in a tile of sums.
  const std::int64_t row_bytes = matrix_shape(kb.spec()).tokens_first ? 4 : 4 * kMatrixTileRows;
  for (int t = 0; t < tokens.tiles * nv; ++t) {
    const std::int64_t offset = t % nv * kMatrixTileRows;
    Value* const row = kb.add(kb.add(slice.rows.first, slice.sub), kb.i64(offset));
    Value* const skip =
        kb.max(kb.sub(kb.sub(slice.rows.skip, slice.sub), kb.i64(offset)), kb.i64(0));
    Value* const n = kb.add(tokens.n0, kb.i64(t / nv * kMatrixTileRows));
    finish_part(
        kb,
        {kb.add(row, skip), kb.add(row, kb.i64(matrix_shape(kb.spec()).rows_of_tile())), n,
         kb.add(n, count)},
        {kb.at(sums_at(kb, t), kb.mul(skip, kb.i64(row_bytes))), kb.i64(4 * kMatrixTileRows)});
  }
}

// Stores the sums to scratch, and from there to C.
void finish_in_scratch(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice,
                       Value* c) {
  for (int t = 0; t < tokens.tiles * kb.spec().schedule.nv; ++t)
    MatrixUnit(kb).store(t, sums_at(kb, t), kb.i64(4 * kMatrixTileRows));
  if (!finishes_in_registers(kb.spec().epilogue))
    finish_tiles(kb, tokens, slice);
  else if (matrix_shape(kb.spec()).tokens_first)
    finish_tokens(kb, tokens, slice, c);
  else
    finish_rows(kb, tokens, slice, c);
}

// Sums that need no more work go from the tiles to C, but for panels that share rows with the one before.
bool stores_tiles(const KernelBuilder& kb) {
  const OperandTypes types = operand_types(kb.spec().types);
  return !kb.spec().accumulate && kb.spec().epilogue.is_none() && types.result == types.accumulator;
}

// Tiles whose every sum is stored, straight to C.
void store_tiles(KernelBuilder& kb, const TokenGroup& tokens, Value* c) {
  const auto& a = kb.args();
  const int nv = kb.spec().schedule.nv;
  const bool by_token = matrix_shape(kb.spec()).tokens_first;
  for (int i = 0; i < tokens.tiles; ++i)
    for (int v = 0; v < nv; ++v) {
      const std::int64_t line = by_token ? i : v, element = by_token ? v : i;
      Value* const first = kb.at(c, kb.mul(a.ldc_bytes, kb.i64(line * kMatrixTileRows)));
      MatrixUnit(kb).store(i * nv + v, kb.at(first, element * 4 * kMatrixTileRows), a.ldc_bytes);
    }
}

}  // namespace

void finish_slice(KernelBuilder& kb, const TokenGroup& tokens, const RowSlice& slice) {
  const auto& a = kb.args();
  const bool by_token = matrix_shape(kb.spec()).tokens_first;
  Value* const row = kb.add(slice.rows.first, slice.sub);
  Value* const line = by_token ? tokens.n0 : row;
  Value* const element = by_token ? row : tokens.n0;
  Value* const c =
      kb.at(kb.at(a.c, kb.mul(line, a.ldc_bytes)), kb.mul(element, kb.i64(kb.c_bytes())));
  // Tiles of a packed B are whole also where tokens are not.
  const bool ragged = tokens.count != nullptr && kb.spec().schedule.pack;
  if (ragged || !stores_tiles(kb)) {
    finish_in_scratch(kb, tokens, slice, c);
    return;
  }
  Value* const whole = kb.ir().CreateICmpEQ(slice.rows.skip, kb.i64(0));
  kb.if_then(whole, [&] { store_tiles(kb, tokens, c); });
  kb.if_then(kb.ir().CreateNot(whole), [&] { finish_in_scratch(kb, tokens, slice, c); });
}

}  // namespace lacuna
