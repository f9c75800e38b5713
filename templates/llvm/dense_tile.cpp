// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/dense_tile.h"

#include "templates/llvm/transpose.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

std::int64_t tile_row_bytes(const KernelBuilder& kb) {
  return kb.spec().schedule.nv * kb.vector_bytes();
}

Value* round_up_to_lanes(KernelBuilder& kb, Value* rows) {
  return kb.ir().CreateAnd(kb.add(rows, kb.i64(kb.lanes() - 1)),
                           kb.i64(-static_cast<std::int64_t>(kb.lanes())));
}

Value* packed_b_base(KernelBuilder& kb) {
  return kb.at(kb.args().scratch, tile_row_bytes(kb));
}

// for (i = 0; i < end; i += step) body(i)
void for_steps(KernelBuilder& kb, Value* end, std::int64_t step,
               const std::function<void(Value*)>& body) {
  kb.loop(kb.i64(0), end, step, {}, Trip::kMayBeZero, [&](Value* i, const Values&) -> Values {
    body(i);
    return {};
  });
}

// Calls body(row, mask): whole groups of `lanes` rows with a null mask, then the rest with one.
void for_row_groups(KernelBuilder& kb, Value* rows,
                    const std::function<void(Value* row, Value* mask)>& body) {
  Value* const whole = kb.ir().CreateAnd(rows, kb.i64(-static_cast<std::int64_t>(kb.lanes())));
  for_steps(kb, whole, kb.lanes(), [&](Value* row) { body(row, nullptr); });
  kb.if_then(kb.ir().CreateICmpSLT(whole, rows),
             [&] { body(whole, kb.mask_below(kb.sub(rows, whole))); });
}

void pack_col_major_b(KernelBuilder& kb, const ColumnTile& tile) {
  const auto& a = kb.args();
  Value* const last = kb.sub(a.n_end, kb.i64(1));
  for_row_groups(kb, a.rows_in, [&](Value* row, Value* mask) {
    for_steps(kb, kb.i64(tile.vectors), 1, [&](Value* v) {
      Value* const n0 = kb.add(tile.n0, kb.mul(v, kb.i64(kb.lanes())));
      Values columns;
      for (int t = 0; t < kb.lanes(); ++t) {
        Value* n = kb.add(n0, kb.i64(t));
        if (tile.mask != nullptr) n = kb.min(n, last);
        columns.push_back(
            kb.load(kb.at(kb.at(a.b, kb.mul(n, a.ldb_bytes)), kb.mul(row, kb.i64(4))), mask));
      }
      Value* out = kb.at(kb.at(packed_b_base(kb), kb.mul(row, kb.i64(tile_row_bytes(kb)))),
                         kb.mul(v, kb.i64(kb.vector_bytes())));
      const Values rows = transpose(kb, columns);
      for (std::size_t i = 0; i < rows.size(); ++i)
        kb.store(kb.at(out, static_cast<std::int64_t>(i) * tile_row_bytes(kb)), rows[i]);
    });
  });
}

void pack_row_major_b(KernelBuilder& kb, const ColumnTile& tile) {
  const DenseTile source = b_in_place(kb, tile);
  for_each_row(kb, source, kb.args().rows_in, [&](Value* row, Value* from) {
    Value* const to = kb.at(packed_b_base(kb), kb.mul(row, kb.i64(tile_row_bytes(kb))));
    for (int v = 0; v < tile.vectors; ++v)
      kb.store(kb.at(to, v * kb.vector_bytes()),
               kb.load(kb.at(from, v * kb.vector_bytes()), tile.mask_of(v)));
  });
}

// One lanes x lanes tile of C from scratch to column-major C, rows from `row`, columns from n0.
void unpack_transposed(KernelBuilder& kb, const ColumnTile& tile, Value* row, Value* row_mask,
                       Value* v) {
  const auto& a = kb.args();
  const DenseTile c = c_in_scratch(kb);
  Value* const from =
      kb.at(kb.at(c.base, kb.mul(row, c.row_bytes)), kb.mul(v, kb.i64(kb.vector_bytes())));
  Values rows;
  for (int i = 0; i < kb.lanes(); ++i)
    rows.push_back(kb.load(kb.at(from, i * tile_row_bytes(kb))));
  const Values columns = transpose(kb, rows);
  Value* const row_bytes = kb.mul(row, kb.i64(4));
  Value* const bias = kb.has_bias() ? kb.load(kb.at(a.bias, row_bytes), row_mask) : nullptr;
  Value* const n0 = kb.add(tile.n0, kb.mul(v, kb.i64(kb.lanes())));
  for (int t = 0; t < kb.lanes(); ++t) {
    Value* const n = kb.add(n0, kb.i64(t));
    const auto store = [&] {
      Value* const to = kb.at(kb.at(a.c, kb.mul(n, a.ldc_bytes)), row_bytes);
      Value* result = columns[static_cast<std::size_t>(t)];
      if (kb.spec().accumulate) result = kb.fadd(result, kb.load(to, row_mask));
      kb.store(to, kb.apply_epilogue(result, bias), row_mask);
    };
    if (tile.mask == nullptr)
      store();
    else
      kb.if_then(kb.ir().CreateICmpSLT(n, a.n_end), store);
  }
}

}  // namespace

DenseTile b_in_place(KernelBuilder& kb, const ColumnTile& tile) {
  return {kb.at(kb.args().b, kb.mul(tile.n0, kb.i64(4))), kb.args().ldb_bytes, true};
}

DenseTile c_in_place(KernelBuilder& kb, const ColumnTile& tile) {
  return {kb.at(kb.args().c, kb.mul(tile.n0, kb.i64(4))), kb.args().ldc_bytes, true};
}

DenseTile c_in_scratch(KernelBuilder& kb) {
  Value* const b_bytes =
      kb.mul(round_up_to_lanes(kb, kb.args().rows_in), kb.i64(tile_row_bytes(kb)));
  return {kb.at(packed_b_base(kb), b_bytes), kb.i64(tile_row_bytes(kb)), false};
}

DenseTile pack_b(KernelBuilder& kb, const ColumnTile& tile) {
  if (kb.spec().layout_b == Layout::kColMajor)
    pack_col_major_b(kb, tile);
  else
    pack_row_major_b(kb, tile);
  return {packed_b_base(kb), kb.i64(tile_row_bytes(kb)), false};
}

void for_each_row(KernelBuilder& kb, const DenseTile& tile, Value* rows,
                  const std::function<void(Value* number, Value* address)>& body) {
  kb.loop(kb.i64(0), rows, 1, {tile.base}, Trip::kMayBeZero,
          [&](Value* number, const Values& p) -> Values {
            body(number, p[0]);
            return {kb.at(p[0], tile.row_bytes)};
          });
}

void store_rows(KernelBuilder& kb, const Values& acc, const ColumnTile& tile, const DenseTile& c,
                const PanelRows& rows, int count) {
  Value* pointer = kb.at(c.base, kb.mul(rows.first, c.row_bytes));
  Value* const bias_base =
      c.in_place && kb.has_bias() ? kb.at(kb.args().bias, kb.mul(rows.first, kb.i64(4))) : nullptr;
  for (int i = 0; i < count; ++i) {
    Value* const owned = kb.ir().CreateICmpSGE(kb.i64(i), rows.skip);
    Value* const to = kb.ir().CreateSelect(owned, pointer, kb.args().scratch);
    Value* const bias = bias_base != nullptr ? kb.broadcast(kb.at(bias_base, i * 4)) : nullptr;
    for (int v = 0; v < tile.vectors; ++v) {
      Value* result = acc[static_cast<std::size_t>(i * tile.vectors + v)];
      Value* const address = kb.at(to, v * kb.vector_bytes());
      Value* const mask = c.in_place ? tile.mask_of(v) : nullptr;
      if (c.in_place && kb.spec().accumulate) result = kb.fadd(result, kb.load(address, mask));
      if (c.in_place) result = kb.apply_epilogue(result, bias);
      kb.store(address, result, mask);
    }
    pointer = kb.at(pointer, c.row_bytes);
  }
}

void unpack_c(KernelBuilder& kb, const ColumnTile& tile) {
  for_row_groups(kb, kb.args().rows_out, [&](Value* row, Value* mask) {
    for_steps(kb, kb.i64(tile.vectors), 1,
              [&](Value* v) { unpack_transposed(kb, tile, row, mask, v); });
  });
}

}  // namespace lacuna
